//! A search within limits: every strategy keeps them, and what cannot be kept is told before a run begins.

use std::path::Path;

use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::latency::probes::{Part, Stack};
use mmnas_bundle::latency::table::{Environment, LATENCY_FORMAT, LatencyTable, Measurement};
use mmnas_bundle::manifest::{Form, Format};
use mmnas_bundle::{Architecture, Operation};
use mmnas_search::task::Task as _;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::train::{retrain, search};
use mmnas_search::{Pool, RunFolder};
use mmnas_tests::alone::alone;
use mmnas_tests::small_run::recipe;

use crate::{SMALL, load, search_command};

/// Milliseconds of a block, and as many times 64 kB.
fn each(operation: Operation) -> f64 {
    if operation == Operation::FeedForward { 0.25 } else { 1.0 }
}

/// A table of the networks that the small run retrains.
pub(crate) fn table() -> LatencyTable {
    let model = load();
    let Form { variant, precision } = Form::ORT_FP32;
    let mut measurements = Vec::new();
    let mut add = |stack, part, milliseconds: f64| {
        let bytes = (milliseconds * 64e3) as u64;
        let (spread, runs, memory, millijoules) = (0.01, 9, None, None);
        measurements.push(Measurement {
            stack,
            part,
            variant,
            precision,
            milliseconds,
            spread,
            runs,
            bytes,
            memory,
            millijoules,
        });
    };
    for stack in [Stack::Text, Stack::Image, Stack::Fusion] {
        add(stack, Part::Fixed, 0.5);
        for operation in Operation::DECODER {
            let blocks = |count: usize| Part::Blocks { operation, count, after: None };
            for count in [1, 4] {
                add(stack, blocks(count), 0.5 + count as f64 * each(operation));
                if stack.serves(operation) {
                    add(stack, Part::Shared { operation, count }, 0.5 + 0.125 * count as f64);
                }
            }
        }
    }
    LatencyTable {
        format: Format::current(LATENCY_FORMAT),
        probes_sha256: String::new(),
        task: model.manifest().task,
        dimensions: model.manifest().dimensions.clone(),
        tokens: 7,
        regions: 16,
        environment: Environment {
            device: "a device".to_owned(),
            flags: Vec::new(),
            provider: "cpu".to_owned(),
            threads: 1,
            onnxruntime: "1.0.0".to_owned(),
            system: "linux".to_owned(),
        },
        checks: Vec::new(),
        measurements,
    }
}

pub(crate) fn write(table: &LatencyTable, file: &Path) {
    std::fs::write(file, serde_json::to_string(table).unwrap()).unwrap();
}

#[test]
fn a_search_keeps_its_limits_and_what_cannot_be_kept_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("device.json"), folder.path().join("other.json"));
    let table = table();
    write(&table, &file);
    let search = |name: &str, limits: &[&str], latency: Option<&Path>| {
        let out = folder.path().join(name);
        let mut command = search_command(&out);
        command.args(["--set", "search.weights.epochs=2"]);
        command.args(limits.iter().map(|limit| format!("--set=search.limits.{limit}")));
        command.args(latency.iter().flat_map(|file| [Path::new("--latency"), file]));
        (command.output().unwrap(), out)
    };
    // All blocks FFN take 0.5 + 2 · 0.25 in the text stage; 0.5 ms of them in the image stage do not count.
    let (told, out) = search("run", &["milliseconds=2.7", "megabytes=0.5"], Some(&file));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let found = Architecture::read(&out.join("architecture.json")).unwrap();
    let predicted = |quantity| NetworkCosts::of(&table, &file, Form::ORT_FP32, quantity).unwrap();
    let ms = predicted(Quantity::Milliseconds).predict(&found, &file).unwrap().known_image();
    let mb = predicted(Quantity::Megabytes).predict(&found, &file).unwrap().all();
    assert!(ms <= 2.7 && mb <= 0.5, "{found}: {ms} ms, {mb} MB");
    let line = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(line.contains(&format!("predicted {ms:.3} ms (at most 2.7)")), "{line}");
    assert_eq!(std::fs::read(out.join("latency.json")).unwrap(), std::fs::read(&file).unwrap());
    let log = std::fs::read_to_string(out.join("log.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert!((last["predicted"]["milliseconds"].as_f64().unwrap() - ms).abs() < 1e-6, "{last}");

    let refused = |name: &str, limits: &[&str], latency: Option<&Path>, words: &[&str]| {
        let known = folder.path().join(name).exists();
        let (told, out) = search(name, limits, latency);
        let error = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.code() == Some(1) && words.iter().all(|word| error.contains(word)), "{error}");
        assert_eq!(out.exists(), known, "{error}");
    };
    let mut slower = table.clone();
    slower.measurements[0].milliseconds = 0.75;
    write(&slower, &other);
    let both = ["milliseconds=2.7", "megabytes=0.5"];
    refused("run", &both, Some(&other), &["inputs.json", "latency_sha256"]);
    refused("new", &["milliseconds=0.1"], Some(&file), &["at most 0.1 ms", "nearest in the space comes enc FFN FFN"]);
    refused("new", &["milliseconds=3.0"], None, &["search.limits.milliseconds", "--latency"]);
    refused("new", &[], Some(&file), &["search.limits", "device.json"]);
    refused("new", &["millijoules=3.0"], Some(&file), &["device.json", "millijoules"]);
    refused("new", &["milliseconds=3.0", "form=\"ort-int8\""], Some(&file), &["device.json", "ort-int8"]);
    let mut wider = table.clone();
    wider.dimensions.hidden *= 2;
    write(&wider, &other);
    refused("new", &["milliseconds=3.0"], Some(&other), &["other.json", "dimensions.hidden"]);
    let mut unmeasured = table.clone();
    unmeasured.measurements.retain(|m| !matches!(m.part, Part::Blocks { operation: Operation::GuidedAttention, .. }));
    write(&unmeasured, &other);
    refused("new", &["milliseconds=3.0"], Some(&other), &["other.json", "guided_att_64 in the fusion stage"]);
}

/// Parameters need no table, and are counted exactly.
#[test]
fn a_search_keeps_a_limit_on_parameters() {
    let pool = Pool::standard();
    let _alone = alone();
    for strategy in [
        r#"{ kind = "gradient", mode = "two" }"#,
        r#"{ kind = "evolution", population = 4, generations = 2, mutation = 0.2, samples = 20 }"#,
    ] {
        let set =
            |most: u64| recipe(&[&format!("search.strategy={strategy}"), &format!("search.limits.parameters={most}")]);
        let data = SMALL.0.data(&set(1));
        let count = |architecture: &str| {
            let architecture = mmnas_search::space::presets::preset(architecture).unwrap();
            retrain::parameters(&set(1), &pool, &data, &architecture).unwrap()
        };
        // Two of its five blocks feed forward, which is twice as large as attention: six blocks of the space may have one.
        let most = count("mcan:1");
        let recipe = set(most);
        let folder = tempfile::tempdir().unwrap();
        let inputs = data.data().run_inputs(VqaData::NAME, None);
        let run = RunFolder::open(&folder.path().join("run"), &recipe, &inputs, false).unwrap();
        let found = search::search(&recipe, &pool, &data, &run, None).unwrap();
        let exact = retrain::parameters(&recipe, &pool, &data, &found.architecture).unwrap();
        assert_eq!(found.taken.len(), 1);
        assert!(exact <= most, "{strategy}: {exact} of at most {most}");
        assert!((found.taken[0].amount - exact as f64).abs() < 0.5, "{strategy}: {:?} {exact}", found.taken);
    }
}
