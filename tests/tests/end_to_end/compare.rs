//! Strategies and baselines are compared on the same data, and the comparison goes on where it was.

use std::path::Path;
use std::process::Command;

use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::programs;

use crate::SMALL;

fn compare(out: &Path, more: &[&str]) -> Command {
    let mut command = programs::command("mmnas-search");
    command.arg("compare").arg("--recipe").arg(workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml"));
    command.arg("--samples").arg(SMALL.0.path("small.jsonl")).arg("--features").arg(SMALL.0.path("features"));
    for set in [
        "vqa.min_answer_count=1",
        "space={ encoder = 1, decoder = 2 }",
        "search.strategy={ kind = \"random\", candidates = 5, samples = 20 }",
        "search.weights.hidden=64",
        "search.weights.epochs=1",
        "search.alpha_batch=16",
        "search.alpha_from_epoch=0",
        "retrain.hidden=64",
        "retrain.epochs=2",
    ] {
        command.args(["--set", set]);
    }
    command.args(more).arg("--out").arg(out);
    command
}

#[test]
fn contenders_are_compared_over_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("compare");
    let contenders = ["--contenders", "gradient,random,random-architecture,mcan:1", "--seeds", "2", "--ranking", "3"];
    let run = |more: &[&str]| {
        let output = compare(&out, &[&contenders[..], more].concat()).output().unwrap();
        let (text, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{error}");
        text
    };
    let table = run(&[]);
    for name in ["gradient ", "random ", "random-architecture ", "mcan:1 ", "Kendall tau"] {
        assert!(table.contains(name), "{table}");
    }
    let read =
        || -> serde_json::Value { serde_json::from_slice(&std::fs::read(out.join("compare.json")).unwrap()).unwrap() };
    let first = read();
    let outcomes = first["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 8);
    for outcome in outcomes {
        let (validation, seed) = (outcome["validation"].as_f64().unwrap(), outcome["seed"].as_u64().unwrap());
        assert!((0.0..=1.0).contains(&validation) && (seed == 1 || seed == 2));
        let searched = ["gradient", "random"].contains(&outcome["contender"].as_str().unwrap());
        assert_eq!(outcome["search_seconds"].as_f64().unwrap() > 0.0, searched);
        if outcome["contender"] == "mcan:1" {
            let published = serde_json::json!({
                "enc": [["self_att_64"], ["feed_forward"]],
                "dec": [["self_att_64"], ["guided_att_64"], ["feed_forward"]],
            });
            assert_eq!(outcome["architecture"], published);
        }
    }
    // One ranking a supernet; architectures are trained alone once for all.
    let rankings = first["rankings"].as_array().unwrap();
    assert_eq!(rankings.iter().map(|ranking| &ranking["contender"]).collect::<Vec<_>>(), ["gradient", "random"]);
    for ranking in rankings {
        assert_eq!(ranking["shared"].as_array().unwrap().len(), 3);
        assert_eq!(ranking["alone"], rankings[0]["alone"]);
    }
    // Means and deviations by hand.
    for row in first["summaries"].as_array().unwrap() {
        let own = outcomes.iter().filter(|o| o["contender"] == row["contender"]);
        let scores: Vec<f64> = own.map(|o| o["validation"].as_f64().unwrap()).collect();
        let mean = (scores[0] + scores[1]) / 2.0;
        assert!((row["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
        let deviation = (scores[0] - scores[1]).abs() / f64::sqrt(2.0);
        assert!((row["deviation"].as_f64().unwrap() - deviation).abs() < 1e-12);
    }
    // Given again it trains nothing and says the same, also as JSON, and needs no more than the record for it.
    for contender in ["gradient", "random", "random-architecture", "mcan-1"] {
        std::fs::remove_dir_all(out.join(contender)).unwrap();
    }
    let again: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(again, first);
    assert_eq!(read(), first);
    assert!(!out.join("gradient").exists());
    let markdown = printed(&out.join("compare.json"), &["--markdown"]);
    assert_eq!(markdown.lines().filter(|line| line.starts_with("| ")).count(), 1 + 4, "{markdown}");
    assert!(markdown.starts_with("| compare (vqa) | "), "the record's name: {markdown}");
    assert!(markdown.contains("| gradient | ") && markdown.contains("Kendall tau"), "{markdown}");
    // Another recipe is another comparison.
    let other = compare(&out, &["--set", "retrain.epochs=3"]).output().unwrap();
    let error = String::from_utf8(other.stderr).unwrap();
    assert!(error.contains("recipe.retrain.epochs 2") && error.contains("found 3"), "{error}");
    assert_eq!(read(), first);
}

/// Networks of an equal predicted time: each keeps the limit, and MCAN is scaled by layers and width.
#[test]
fn networks_of_equal_time_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    // Twice as wide takes 1.9 times as long.
    for (hidden, factor) in [(64, 1.0), (128, 1.9)] {
        let mut table = crate::limits::table();
        table.dimensions.hidden = hidden;
        table.measurements.iter_mut().for_each(|m| m.milliseconds *= factor);
        let file = folder.path().join(format!("latency-{hidden}.json"));
        crate::limits::write(&table, &file);
        files.push(file.display().to_string());
    }
    let latency = ["--seeds", "1", "--latency", &files[0], "--latency", &files[1]];
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let output = compare(&out, &[&latency, more].concat()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        let record = std::fs::read(out.join("compare.json")).unwrap();
        (String::from_utf8(output.stdout).unwrap(), serde_json::from_slice::<serde_json::Value>(&record).unwrap())
    };
    let names = "random,evolution-within,random-architecture,best-of-random:2,mcan-in-time,mcan:2,mcan:1@128";
    let (table, record) = run("time", &["--contenders", names, "--at-most", "3.7"]);
    assert!(table.contains("ms (at most 3.7)") && table.contains("3.625"), "{table}");
    assert_eq!(record["time"]["milliseconds"], 3.7);
    let outcome = |name: &str| {
        let outcomes = record["outcomes"].as_array().unwrap();
        outcomes.iter().find(|outcome| outcome["contender"] == name).unwrap().clone()
    };
    for name in ["random", "evolution-within", "random-architecture", "best-of-random:2"] {
        let ms = outcome(name)["milliseconds"].as_f64().unwrap();
        assert!(ms <= 3.7 && (ms >= 0.9 * 3.7 || !name.ends_with("architecture")), "{name}: {ms}");
    }
    for (name, expected, width) in [("mcan-in-time", 3.625, 64), ("mcan:2", 7.25, 64), ("mcan:1@128", 6.8875, 128)] {
        let (ms, hidden) = (outcome(name)["milliseconds"].as_f64().unwrap(), outcome(name)["hidden"].as_u64());
        assert!((ms - expected).abs() < 1e-9 && hidden == Some(width), "{name}: {ms} ms at H {hidden:?}");
    }
    // Its networks of a width can be measured whole.
    let compared = |hidden: u64| {
        let mut command = programs::command("mmnas-search");
        command.args(["probes", "--feature", "16", "--variants", "ort-fp32", "--checks", "0", "--json"]);
        command.arg("--recipe").arg(workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml"));
        command.args(["--set", &format!("retrain.hidden={hidden}")]);
        command.arg("--compared").arg(folder.path().join("time/compare.json"));
        let output = command.arg("--out").arg(folder.path().join(format!("probes-{hidden}"))).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["checks"].as_u64().unwrap()
    };
    let of_width = |hidden: u64| {
        let outcomes = record["outcomes"].as_array().unwrap().iter().filter(|outcome| outcome["hidden"] == hidden);
        let different: std::collections::BTreeSet<String> = outcomes.map(|o| o["architecture"].to_string()).collect();
        different.len() as u64
    };
    for (hidden, at_least) in [(64, 2), (128, 1)] {
        assert_eq!(compared(hidden), of_width(hidden));
        assert!(of_width(hidden) >= at_least, "{record}");
    }
    // The best of two that are drawn: the retraining of the other is its search.
    assert!(outcome("best-of-random:2")["search_seconds"].as_f64().unwrap() > 0.0);
    // At H 128 one layer takes 6.89 ms; at H 64 two take 7.25.
    for (name, at_most, hidden) in [("wide", "7.0", 128), ("deep", "7.3", 64)] {
        let (_, record) = run(name, &["--contenders", "mcan-in-time", "--at-most", at_most]);
        assert_eq!(record["outcomes"][0]["hidden"], hidden, "{name}");
    }
    for (more, words) in [
        (vec!["--contenders", "mcan-in-time", "--at-most", "0.5"], "mcan:1 with"),
        // Before the first run, although a contender that fits comes first.
        (vec!["--contenders", "mcan:1,random", "--at-most", "0.5"], "nearest in the space comes"),
        (vec!["--contenders", "mcan-in-time"], "--at-most"),
        (vec!["--contenders", "mcan:1", "--at-most", "3", "--latency", &files[0]], "a width that no other table has"),
        (vec!["--contenders", "mcan:1", "--at-most", "3", "--set", "retrain.hidden=192"], "a table of H 192"),
        (vec!["--contenders", "mcan:1,mcan:1@192", "--at-most", "3"], "a table of H 192"),
        (vec!["--contenders", "mcan:1,random@128", "--at-most", "9", "--ranking", "3"], "searches without @H"),
        (
            vec!["--contenders", "mcan:1", "--at-most", "3", "--set", "search.limits.milliseconds=2.0"],
            "none beside --at-most",
        ),
        (vec!["--contenders", "mcan:1,random@96", "--at-most", "3"], "an H that is a multiple of model.head"),
    ] {
        let output = compare(&folder.path().join("wrong"), &[&latency, &more[..]].concat()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(words), "{error}");
        assert!(!folder.path().join("wrong/mcan-1").exists(), "{error}");
    }
}

/// A comparison that two processes are at: each run is one's, and the record has them all, once.
#[test]
fn two_processes_share_a_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("compare");
    let started = |_| {
        let mut command = compare(&out, &["--contenders", "mcan:1,random-architecture", "--seeds", "3"]);
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let outputs = [0, 1].map(started).map(|child| child.wait_with_output().unwrap());
    let said = outputs.each_ref().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(outputs.iter().all(|output| output.status.success()), "{said:?}");
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("compare.json")).unwrap()).unwrap();
    let outcomes = record["outcomes"].as_array().unwrap();
    let mut runs: Vec<String> = outcomes.iter().map(|o| format!("{} {}", o["contender"], o["seed"])).collect();
    runs.sort();
    let expected = [1, 2, 3].map(|seed| format!("\"mcan:1\" {seed}")).into_iter();
    let expected: Vec<String> = expected.chain([1, 2, 3].map(|s| format!("\"random-architecture\" {s}"))).collect();
    assert_eq!(runs, expected, "{said:?}");
    assert_eq!(record["summaries"][0]["seeds"], 3);
    // Both had a part in it, each epoch of which is a line of its own.
    let trained = |text: &String| text.lines().filter(|line| line.starts_with("epoch 1:")).count();
    assert_eq!(trained(&said[0]) + trained(&said[1]), 6, "{said:?}");
    assert!(said.iter().all(|text| trained(text) > 0), "{said:?}");
}

/// A record with one value otherwise, beside the one that it is set against.
#[test]
fn what_an_ablation_does_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let output = compare(&out, &[&["--contenders", "mcan:1", "--seeds", "1"], more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let record = out.join("compare.json");
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        (record, read["outcomes"][0]["validation"].as_f64().unwrap())
    };
    let (base, with_two) = run("base", &[]);
    let (ablation, with_one) = run("ablation", &["--set", "retrain.epochs=1", "--set", "model.dropout=0.5"]);
    let table = printed(&ablation, &["--markdown", "--base", base.to_str().unwrap()]);
    let (score, difference) = (100.0 * with_one, 100.0 * (with_one - with_two));
    let row = format!("| mcan:1 | {score:.2} ± 0.00 | {difference:+.2} ± 0.00 | 1 |");
    assert!(table.contains("| model.dropout = 0.5, retrain.epochs = 1 ") && table.contains(&row), "{table} {row}");
}

fn printed(record: &Path, more: &[&str]) -> String {
    let output = programs::command("mmnas-search").arg("table").args(more).arg(record).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Controls that see one side, what another comparison has found, networks of equal size.
#[test]
fn controls_and_transfers_are_compared_at_equal_size() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let run = |out: &Path, contenders: &str| -> serde_json::Value {
        let more = ["--contenders", contenders, "--seeds", "1", "--parameters", "200000", "--set", "model.head=16"];
        let output = compare(out, &more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&std::fs::read(out.join("compare.json")).unwrap()).unwrap()
    };
    let found = run(&first, "gradient,mcan:1,text-only:mcan:1,image-only:mcan:1");
    let of = |record: &serde_json::Value, name: &str| {
        record["outcomes"].as_array().unwrap().iter().find(|o| o["contender"] == name).unwrap().clone()
    };
    for name in ["gradient", "mcan:1", "text-only:mcan:1", "image-only:mcan:1"] {
        let parameters = of(&found, name)["parameters"].as_f64().unwrap();
        assert!((parameters / 200_000.0 - 1.0).abs() < 0.03, "{name}: {parameters}");
    }
    let recipe = std::fs::read_to_string(first.join("text-only-mcan-1/seed-1/retrain/recipe.toml")).unwrap();
    assert!(recipe.contains("modalities = \"text\""), "{recipe}");
    // A unimodal baseline is no network to pass on.
    let baseline = first.join("text-only-mcan-1/seed-1/retrain");
    let mut export = programs::command("mmnas-search");
    let refused = export.arg("export").arg(&baseline).arg("--out").arg(folder.path().join("bundle")).output().unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && error.contains("model.modalities") && error.contains("text"), "{error}");
    // What one side tells is not what the other tells.
    let by_text = of(&found, "text-only:mcan:1")["validation"].as_f64().unwrap();
    let by_image = of(&found, "image-only:mcan:1")["validation"].as_f64().unwrap();
    assert_ne!(by_text, by_image);
    let record = first.join("compare.json");
    let moved = run(&second, &format!("of-first={}", record.display()));
    assert_eq!(of(&moved, "of-first")["architecture"], of(&found, "gradient")["architecture"]);
}

#[test]
fn an_unknown_contender_is_an_error_that_lists_them() {
    let folder = tempfile::tempdir().unwrap();
    let output = compare(&folder.path().join("compare"), &["--contenders", "gradeint"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("gradeint") && error.contains("random-architecture") && error.contains("mcan"), "{error}");
}
