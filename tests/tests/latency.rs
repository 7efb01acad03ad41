//! From probes to a network under a limit: what is written, measured, predicted and derived fits together.

use std::path::{Path, PathBuf};

use mmnas_bundle::latency::probes::{Part, Probes};
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::Form;
use mmnas_bundle::{Architecture, Operation};
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::programs::run;
use serde_json::{Value, json};

/// A folder with the probes of easy-VQA's space at a small width, measured.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        let recipe = workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml").display().to_string();
        let told = run(
            "mmnas-search",
            &[
                "probes",
                "--recipe",
                &recipe,
                "--set",
                "retrain.hidden=64",
                "--feature",
                "16",
                "--vocabulary",
                "20",
                "--answers",
                "13",
                "--regions",
                "5",
                "--tokens",
                "4",
                "--out",
                &place.text("probes"),
                "--json",
            ],
        );
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(told["forms"], json!(["ort-fp32", "ort-int8"]));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn profile(&self, more: &[&str]) -> mmnas_tests::c_consumer::Output {
        let (probes, out) = (self.text("probes"), self.text("latency.json"));
        let fixed = ["profile", &probes, "--out", &out, "--rounds", "5", "--threads", "1", "--max-spread", "100"];
        run("mmnas", &[&fixed, more].concat())
    }
}

/// The folder of a search that ended with these probabilities.
fn searched(folder: &Path, space: Value, probabilities: Value) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("space.json"), space.to_string()).unwrap();
    let inputs = json!({ "task": "vqa", "samples_sha256": "a", "vision_sha256": "b", "architecture": null });
    std::fs::write(folder.join("inputs.json"), inputs.to_string()).unwrap();
    let record = json!({
        "epoch": 0, "learning_rate": 1e-3, "loss": 1.0, "validation": 0.5, "seconds": 1.0, "probabilities": probabilities,
    });
    std::fs::write(folder.join("log.jsonl"), format!("{record}\n")).unwrap();
}

#[test]
fn probes_are_measured_and_a_network_is_derived_under_a_limit() {
    let place = Place::new();
    let probes = Probes::read(&place.path("probes")).unwrap();
    let told = place.profile(&["--json"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let file = place.path("latency.json");
    let table = LatencyTable::read(&file).unwrap();
    assert_eq!(table.measurements.len(), 2 * probes.probes.len());
    for probe in &probes.probes {
        for form in probes.forms() {
            let m = table.find(form, probe.stack, probe.part).unwrap_or_else(|| panic!("{} {form}", probe.name()));
            assert!(m.milliseconds > 0.0 && m.runs >= 5 && m.bytes > 0, "{m:?}");
        }
    }
    assert_eq!((table.tokens, table.regions, table.environment.threads), (4, 5, 1));
    // It is there: nothing is overwritten.
    let again = place.profile(&[]);
    assert!(again.code == Some(1) && again.stderr.contains("latency.json"), "{}", again.stderr);

    // Times that this machine's noise does not touch.
    let mut known = table.clone();
    for m in &mut known.measurements {
        let blocks = match m.part {
            Part::Fixed => 0.0,
            Part::Blocks { operation, count, after } => {
                let of = |operation| if operation == Operation::FeedForward { 0.25 } else { 1.0 };
                count as f64 * of(operation) + after.map_or(0.0, of)
            }
            Part::Shared { count, .. } => 0.125 * count as f64,
        };
        m.milliseconds = 0.5 + blocks;
    }
    let known_file = place.path("known.json");
    std::fs::write(&known_file, serde_json::to_string(&known).unwrap()).unwrap();
    let latency = known_file.display().to_string();
    let predicted =
        run("mmnas-search", &["predict", "mcan:1", "--latency", &latency, "--variant", "ort-fp32", "--json"]);
    assert_eq!(predicted.code, Some(0), "{}", predicted.stderr);
    let predicted: Value = serde_json::from_str(&predicted.stdout).unwrap();
    // enc SA FFN and keys for one GA; dec SA in the image stage; GA FFN in the fusion stage.
    for (key, expected) in
        [("text", 0.5 + 1.25 + 0.125), ("image", 1.5), ("fusion", 0.5 + 1.25), ("known_image", 3.625)]
    {
        assert!((predicted[0][key].as_f64().unwrap() - expected).abs() < 1e-9, "{key}: {predicted}");
    }

    let space = json!({
        "encoder": [["self_att_64", "feed_forward"]],
        "decoder": vec![["self_att_64", "rel_self_att_64", "guided_att_64", "feed_forward"]; 2],
    });
    searched(&place.path("search"), space, json!([[0.9, 0.1], [0.1, 0.1, 0.7, 0.1], [0.5, 0.1, 0.1, 0.3]]));
    let derive = |at_most: &str, out: &str| {
        let (search, out) = (place.text("search"), place.text(out));
        run("mmnas-search", &["derive", &search, "--latency", &latency, "--at-most", at_most, "--out", &out])
    };
    let read = |name: &str| Architecture::read(&place.path(name)).unwrap().to_string();
    let free = derive("100", "free.json");
    assert_eq!(free.code, Some(0), "{}", free.stderr);
    assert!(free.stdout.ends_with("at H 64, 4 tokens and 5 regions\n"), "{}", free.stdout);
    assert_eq!(read("free.json"), "enc SA, dec GA SA");
    // text 0.5 + 1 + 0.125 and fusion 0.5 + 1 + 1 are 4.125 ms; FFN for the last SA saves 0.75.
    assert_eq!(derive("4", "less.json").code, Some(0));
    assert_eq!(read("less.json"), "enc SA, dec GA FFN");
    let none = derive("0.5", "none.json");
    assert!(none.code == Some(1) && !place.path("none.json").exists(), "{}", none.stdout);
    assert!(
        none.stderr.contains("at most 0.5 ms") && none.stderr.contains("nearest in the space comes enc FFN"),
        "{}",
        none.stderr
    );
    // A file that is there is kept.
    let kept = derive("100", "free.json");
    assert!(kept.code == Some(1) && kept.stderr.contains("free.json"), "{}", kept.stderr);
    assert_eq!(derive("0", "zero.json").code, Some(2));
    // Times of another task say nothing of this one.
    let inputs = json!({ "task": "vgd", "samples_sha256": "a", "vision_sha256": "b", "architecture": null });
    std::fs::write(place.path("search/inputs.json"), inputs.to_string()).unwrap();
    let other = derive("100", "other.json");
    assert!(other.code == Some(1) && !place.path("other.json").exists(), "{}", other.stdout);
    assert!(other.stderr.contains("known.json: task: expected vgd, as searched, found vqa"), "{}", other.stderr);
}

#[test]
fn a_bad_table_is_an_error_that_says_what_is_wrong() {
    let place = Place::new();
    let told = place.profile(&[]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let table: Value = serde_json::from_str(&std::fs::read_to_string(place.path("latency.json")).unwrap()).unwrap();
    let broken = place.path("broken.json");
    let predict = |table: &Value, more: &[&str]| {
        std::fs::write(&broken, table.to_string()).unwrap();
        let fixed = ["predict", "mcan:1", "--latency", &broken.display().to_string()].map(str::to_owned);
        let all: Vec<&str> = fixed.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let output = run("mmnas-search", &all);
        assert_eq!(output.code, Some(1), "{}", output.stdout);
        output.stderr
    };
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut table = table.clone();
        change(&mut table);
        table
    };
    for (change, words) in [
        (
            &(|t: &mut Value| t["measurements"][3]["milliseconds"] = json!(-1.0)) as &dyn Fn(&mut Value),
            "measurements[3].milliseconds",
        ),
        (&|t: &mut Value| t["measurements"][3]["milliseconds"] = Value::Null, "broken.json"),
        (&|t: &mut Value| t["measurements"][0]["spread"] = json!(-0.5), "measurements[0].spread"),
        (&|t: &mut Value| t["measurements"][1] = t["measurements"][0].clone(), "one twice"),
        (&|t: &mut Value| t["format"]["major"] = json!(99), "99"),
        (&|t: &mut Value| t["format"]["name"] = json!("mmnas-bundle"), "mmnas-latency"),
        (&|t: &mut Value| t["measurements"] = json!([]), "measurements"),
        (&|t: &mut Value| t["dimensions"]["hidden"] = json!(0), "dimensions.hidden"),
    ] {
        let error = predict(&changed(change), &["--variant", "ort-fp32"]);
        assert!(error.contains("broken.json") && error.contains(words), "{words}: {error}");
    }
    // A form that was not measured, and an operation that was not.
    assert!(predict(&table, &["--variant", "portable-fp16"]).contains("portable-fp16"));
    let without = changed(&|t| {
        let list = t["measurements"].as_array_mut().unwrap();
        list.retain(|m| m["part"]["operation"] != "feed_forward");
    });
    let error = predict(&without, &["--variant", &Form::ORT_FP32.to_string()]);
    assert!(error.contains("a measurement of feed_forward in the text stage"), "{error}");

    // Probes whose graph was changed are not measured.
    let probes = Probes::read(&place.path("probes")).unwrap();
    let graph = &probes.probes[0].stage.graphs[0].file;
    let path = place.path("probes").join(graph);
    let mut content = std::fs::read(&path).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    std::fs::write(&path, content).unwrap();
    std::fs::remove_file(place.path("latency.json")).unwrap();
    let refused = place.profile(&[]);
    assert!(refused.code != Some(0) && refused.stderr.contains(graph.as_str()), "{}", refused.stderr);
    assert!(!place.path("latency.json").exists());
}
