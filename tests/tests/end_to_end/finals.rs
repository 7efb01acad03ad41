//! Finals: trainings that decide between the best networks of a search.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{SMALL, search_command};

const FINALS: [&str; 2] = [
    "--set",
    "search.finals={ networks = 2, rates = [1.0, 3.0], epochs = 2, \
     candidates = { architectures = 6, samples = 20, temperature = 4.0 } }",
];

fn finals(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("finals.json")).unwrap()).unwrap()
}

/// What was decided, without the seconds that it took.
fn results(out: &Path) -> Vec<Value> {
    let mut results = finals(out)["results"].as_array().unwrap().clone();
    for result in &mut results {
        assert!(result.as_object_mut().unwrap().remove("seconds").unwrap().as_f64().unwrap() > 0.0);
    }
    results
}

/// The folder's samples in two files: the last quarter with its own answers, and with those of others.
fn cut(folder: &Path) -> [PathBuf; 3] {
    let text = std::fs::read_to_string(SMALL.0.path("small.jsonl")).unwrap();
    let mut samples: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = samples.len() * 3 / 4;
    let image = samples[first]["image"].clone();
    let first = samples.iter().position(|sample| sample["image"] == image).unwrap();
    let validation = samples.split_off(first);
    let mut wrong = validation.clone();
    for (sample, other) in wrong.iter_mut().zip(validation.iter().cycle().skip(1)) {
        for field in ["answer", "answers"].iter().filter(|field| other.get(**field).is_some()) {
            sample[*field] = other[*field].clone();
        }
    }
    assert_ne!(validation, wrong);
    [("train", samples), ("right", validation), ("wrong", wrong)].map(|(name, samples)| {
        let file = folder.join(format!("{name}.jsonl"));
        std::fs::write(&file, samples.iter().map(|sample| format!("{sample}\n")).collect::<String>()).unwrap();
        file
    })
}

#[test]
fn finals_decide_without_the_validation_part_and_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let [train, right, wrong] = cut(folder.path());
    let labels = folder.path().join("labels.json");
    let run = |name: &str, validation: &Path, more: &[&str]| {
        let out = folder.path().join(name);
        let mut command = mmnas_tests::programs::command("mmnas-search");
        let given = search_command(&out);
        let (mut args, mut given) =
            (Vec::new(), given.get_args().map(|arg| arg.to_owned()).collect::<Vec<_>>().into_iter());
        while let Some(arg) = given.next() {
            if arg == "--samples" {
                given.next();
                args.extend([arg, train.clone().into()]);
            } else {
                args.push(arg);
            }
        }
        command.args(args).arg("--validation").arg(validation).arg("--labels").arg(&labels);
        command.args(["--set", "search.weights.epochs=2", "--set", "retrain.hidden=64", "--json"]).args(more);
        let told = command.output().unwrap();
        let error = String::from_utf8_lossy(&told.stderr).into_owned();
        (told.status.success().then(|| serde_json::from_slice::<Value>(&told.stdout).unwrap()).ok_or(error), out)
    };
    let text = std::fs::read_to_string(SMALL.0.path("small.jsonl")).unwrap();
    let answer = |line: &str| serde_json::from_str::<Value>(line).unwrap()["answer"].as_str().unwrap().to_owned();
    let answers: std::collections::BTreeSet<String> = text.lines().map(answer).collect();
    std::fs::write(&labels, serde_json::to_string(&answers).unwrap()).unwrap();

    let (told, out) = run("right", &right, &FINALS);
    let told = told.unwrap();
    let decided = results(&out);
    // Two networks at two rates, of which the best is what the search found.
    let rates: Vec<f64> = decided.iter().map(|result| result["rate"].as_f64().unwrap()).collect();
    assert_eq!(rates, [1.0, 3.0, 1.0, 3.0]);
    assert_eq!(decided[0]["architecture"], decided[1]["architecture"]);
    assert_ne!(decided[0]["architecture"], decided[2]["architecture"]);
    let score = |result: &Value| result["score"].as_f64().unwrap();
    let best = decided.iter().rev().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    assert_eq!((&told["architecture"], &told["rate"]), (&best["architecture"], &best["rate"]), "{told}");
    let architecture = || std::fs::read_to_string(out.join("architecture.json")).unwrap();
    let written: Value = serde_json::from_str(&architecture()).unwrap();
    assert_eq!(written["epoch0"], best["architecture"]);
    assert!(!out.join("final-01").exists());
    // Those that shared scores chose are kept, so that a killed search goes on with the same.
    let chosen: Value = serde_json::from_slice(&std::fs::read(out.join("finalists.json")).unwrap()).unwrap();
    assert_eq!(chosen["networks"], serde_json::json!([decided[0]["architecture"], decided[2]["architecture"]]));
    assert!(chosen["seconds"].as_f64().unwrap() > 0.0);

    // A retraining takes network and rate of the winner.
    let retrained = folder.path().join("retrained");
    let retrain = |finals: &Path| {
        let mut command = mmnas_tests::programs::command("mmnas-search");
        let recipe = mmnas_tests::c_consumer::workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
        command.arg("retrain").arg("--recipe").arg(recipe).arg("--samples").arg(SMALL.0.path("small.jsonl"));
        command.arg("--features").arg(SMALL.0.path("features")).args(["--set", "vqa.min_answer_count=1"]);
        command.args(["--set", "retrain.epochs=1", "--set", "retrain.hidden=64", "--finals"]).arg(finals);
        command.arg("--out").arg(&retrained).output().unwrap()
    };
    let done = retrain(&out.join("finals.json"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let network: Value = serde_json::from_slice(&std::fs::read(retrained.join("network.json")).unwrap()).unwrap();
    assert_eq!(network["architecture"], best["architecture"]);
    let rate = network["provenance"]["recipe"]["retrain"]["adam"]["lr"].as_f64().unwrap();
    assert!((rate - 5e-4 * best["rate"].as_f64().unwrap()).abs() < 1e-12, "{rate}");
    let empty = folder.path().join("empty.json");
    for (text, words) in [
        (r#"{"planned": 0, "results": []}"#.to_owned(), ["empty.json", "one with a score"]),
        (r#"{"planned": 2, "results": []}"#.to_owned(), ["empty.json: results", "all 2 results"]),
        ("{}".to_owned(), ["empty.json", "planned"]),
        (finals(&out).to_string().replace("\"rate\":3.0", "\"rate\":-3.0"), ["empty.json", "results[1].rate"]),
    ] {
        std::fs::write(&empty, text).unwrap();
        let error = String::from_utf8_lossy(&retrain(&empty).stderr).into_owned();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }

    // Other answers of the validation part change what is said of it and nothing that is decided.
    let (other, other_out) = run("wrong", &wrong, &FINALS);
    assert_ne!(other.unwrap()["validation"], told["validation"]);
    assert_eq!(results(&other_out), decided);

    // Ended after the first, with its folder still there, they come to the same.
    let all = finals(&out);
    let write = |value: &Value| std::fs::write(out.join("finals.json"), value.to_string()).unwrap();
    let mut begun = all.clone();
    begun["results"].as_array_mut().unwrap().truncate(1);
    write(&begun);
    let before = architecture();
    run("right", &right, &FINALS).0.unwrap();
    assert_eq!((results(&out), architecture()), (decided, before));

    // Results of other networks are not taken on.
    let mut foreign = all.clone();
    foreign["results"][0]["rate"] = 7.0.into();
    write(&foreign);
    let error = run("right", &right, &FINALS).0.unwrap_err();
    assert!(error.contains("finals.json") && error.contains("results[0]") && error.contains("at rate 7"), "{error}");

    // A folder of the name of a final's that is none stays.
    write(&all);
    std::fs::rename(&retrained, out.join("final-01")).unwrap();
    run("right", &right, &FINALS).0.unwrap();
    assert!(out.join("final-01/network.safetensors").exists());

    // A rate that tears a network apart loses, and the others go on.
    let torn = "search.finals={ networks = 1, rates = [1.0, 1e-38], epochs = 2 }";
    let (told, out) = run("torn", &right, &["--set", "retrain.adam.lr=1e35", "--set", torn]);
    let decided = finals(&out)["results"].clone();
    assert!(decided[0]["score"].is_null() && decided[1]["score"].is_number(), "{decided}");
    assert_eq!(told.unwrap()["rate"], 1e-38);
}
