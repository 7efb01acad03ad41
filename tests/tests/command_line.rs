//! What `mmnas` says and leaves behind where something is not as it should be, with the bundles of the repository.

#[path = "command_line/samples.rs"]
mod samples;

use std::path::PathBuf;

use mmnas_bundle::{Bundle, FeatureWriter, RegionFeatures, npz};
use mmnas_runtime::{LoadOptions, Model};
use mmnas_tests::c_consumer::{Output, workspace_root};
use mmnas_tests::programs::run;
use serde_json::Value;

fn bundle(task: &str) -> String {
    workspace_root().join("runtime/bundles").join(task).display().to_string()
}

fn scene(name: &str) -> String {
    workspace_root().join("runtime/bundles/scenes").join(name).display().to_string()
}

/// A folder for one test, whose files have names in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.name(name)
    }
}

fn mmnas(arguments: &[&str]) -> Output {
    run("mmnas", arguments)
}

/// The command fails with `code`, and says `told` on the standard error output and nothing on the other.
fn fails(arguments: &[&str], code: i32, told: &str) {
    let output = mmnas(arguments);
    let text = output.stderr.clone();
    assert_eq!(output.code, Some(code), "{arguments:?}: {text}");
    assert!(text.contains(told) && output.stdout.is_empty(), "{arguments:?}: {text}");
}

fn json(arguments: &[&str]) -> (Value, String) {
    let output = mmnas(&[arguments, &["--json"]].concat());
    assert!(output.code == Some(0), "{arguments:?}: {}", output.stderr);
    (serde_json::from_str(&output.stdout).unwrap(), output.stderr)
}

/// A program that reads the report takes a graph's variant to `--variant` as it is.
#[test]
fn a_verification_names_its_variants() {
    let (report, _) = json(&["verify", &bundle("itm")]);
    let variants: Vec<&str> =
        report["checks"].as_array().unwrap().iter().filter_map(|c| c["variant"].as_str()).collect();
    assert_eq!(variants, ["ort-fp32", "ort-fp32", "ort-fp32", "ort-fp32", "portable-fp32"]);
    let (again, _) = json(&["verify", &bundle("itm"), "--variant", variants[0]]);
    assert_eq!(again["passed"], true);
}

#[test]
fn words_that_a_bundle_does_not_know_are_told() {
    let (vqa, itm, vgd, image) = (bundle("vqa"), bundle("itm"), bundle("vgd"), scene("08018.png"));
    let (answers, told) = json(&["answer", &vqa, &image, "what Colour is the large object?", "is there a circle?"]);
    assert_eq!(told, "mmnas: \"what Colour is the large object?\": the bundle does not know: Colour\n");
    assert_eq!(answers["answers"][0]["unknown_words"], serde_json::json!(["Colour"]));
    assert_eq!(answers["answers"][1]["unknown_words"], serde_json::json!([]));
    let long = "is there a circle ".repeat(9);
    let (found, told) = json(&["ground", &vgd, &image, &long]);
    let beyond = found["groundings"][0]["words_beyond"].as_u64().unwrap();
    assert!(beyond > 0 && told.contains(&format!("the last {beyond} words are beyond")), "{told}");
    let (ranked, _) = json(&["rank", &itm, "--image", &image, "a wug", "a red square"]);
    assert_eq!(ranked["unknown_words"], serde_json::json!(["wug"]));
}

#[test]
fn a_picture_that_cannot_be_written_is_an_error_before_the_work() {
    let place = Place::new();
    let (itm, vqa, image) = (bundle("itm"), bundle("vqa"), scene("08018.png"));
    let there = place.file("there.png", "mine");
    for out in [&there, &place.name("no/folder.png"), &place.name("there.png/in.png")] {
        let told = if *out == there { "already exists" } else { "cannot write into" };
        // The image is not there either, but that is not looked at any more.
        fails(&["answer", &vqa, "none.png", "what?", "--explain", out], 1, told);
        fails(&["ground", &bundle("vgd"), "none.png", "a circle", "--draw", out], 1, told);
        fails(&["rank", &itm, "--text", "a circle", "none.png", "--draw", out], 1, told);
    }
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "mine");
    let new = place.name("new.png");
    fails(&["answer", &vqa, "regions.npz", "what?", "--explain", &new], 1, "--explain: expected a picture");
    fails(&["rank", &itm, "--image", &image, "a circle", "--draw", &new], 2, "--draw");
    assert!(!place.path("new.png").exists());
}

#[test]
fn an_index_that_nothing_was_added_to_is_not_made() {
    let place = Place::new();
    let (itm, index) = (bundle("itm"), place.name("index"));
    let empty = place.file("empty.txt", "a circle\n\n?!\n");
    fails(&["index", "add", &itm, &index, "--images", &place.name("none")], 1, "none: cannot read");
    fails(
        &["index", "add", &itm, &index, "--texts", &empty],
        1,
        "empty.txt: line 3: expected a text of at least one word",
    );
    fails(&["index", "add", &itm, &index, "--texts", &empty, "--skip-broken"], 2, "--skip-broken");
    std::fs::create_dir(place.path("images")).unwrap();
    std::fs::write(place.path("images/a.png"), "no picture").unwrap();
    let images = place.name("images");
    fails(&["index", "add", &itm, &index, "--images", &images], 1, "a.png: cannot decode");
    assert!(!place.path("index").exists());
    // The mark that some editors put before a text is no part of it.
    let texts = place.file("texts.txt", "\u{feff}a circle\na red square\n");
    let (told, _) = json(&["index", "add", &itm, &index, "--texts", &texts]);
    assert_eq!(told["added"], 2);
    let output = mmnas(&["index", "delete", &itm, &index, "a circle", "a wug"]);
    assert!(output.stdout.contains("1 deleted, 1 states"), "{}", output.stdout);
    assert_eq!(output.stderr, "mmnas: not in the index: a wug\n");
    // An index that was there before is left as it is.
    fails(&["index", "add", &itm, &index, "--images", &images], 1, "kind");
    assert!(place.path("index").exists());
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_a_broken_image() {
    let place = Place::new();
    std::fs::create_dir(place.path("images")).unwrap();
    std::fs::copy(scene("08018.png"), place.path("images/a.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("images/b.png")).unwrap();
    let (itm, images) = (bundle("itm"), place.name("images"));
    fails(&["index", "add", &itm, &place.name("one"), "--images", &images], 1, "found a link to nothing");
    let (told, _) = json(&["index", "add", &itm, &place.name("two"), "--images", &images, "--skip-broken"]);
    assert_eq!((&told["added"], &told["left_out"][0]["image"]), (&1.into(), &"b.png".into()));
}

#[test]
fn evaluation_names_the_sample_at_fault_and_what_ran() {
    let place = Place::new();
    let (images, good) =
        (bundle("scenes"), "{\"image\": \"08018.png\", \"question\": \"is it red?\", \"answer\": \"no\"}\n");
    let evaluate = |task: &str, samples: &str| {
        ["evaluate", &bundle(task), "--samples", samples, "--images", &images].map(str::to_owned)
    };
    let told = |task: &str, content: &str, told: &str| {
        let arguments = evaluate(task, &place.file("samples.jsonl", content));
        fails(&arguments.each_ref().map(String::as_str), 1, told);
    };
    told(
        "vqa",
        &format!("{good}{}", good.replace("is it red", "")),
        "samples.jsonl: line 2: text: expected at least one word",
    );
    told("vqa", &good.replace("08018", "none"), "samples.jsonl: line 1: image: expected an image file");
    told("vqa", "\n{\"image\": 3}\n", "samples.jsonl: line 2, column 11: expected a JSON object of the right form");
    let phrase = "{\"image\": \"08018.png\", \"phrase\": \"a circle\", \"box_xyxy\": [5, 5, 1, 9]}\n";
    told("vgd", phrase, "samples.jsonl: line 1: box_xyxy: expected finite x1 y1 x2 y2, x2 ≥ x1");
    told("itm", "{\"image\": \"08018.png\", \"captions\": [\"a circle\", \"?\"]}\n", "samples.jsonl: line 1: text: ");
    let arguments = evaluate("vqa", &place.file("samples.jsonl", &format!("\u{feff}{good}")));
    let arguments = arguments.each_ref().map(String::as_str);
    let (report, _) = json(&arguments);
    assert_eq!((&report["variant"], &report["provider"]), (&"ort-fp32".into(), &"cpu".into()));
    let output = mmnas(&[&arguments[..], &["--provider", "cuda,cpu"]].concat());
    // Where there is no GPU the second is taken, and that is said.
    assert!(output.code == Some(0), "{}", output.stderr);
    let on_cuda = output.stdout.lines().any(|line| line.starts_with("provider") && line.ends_with(" cuda"));
    assert!(on_cuda || output.stderr.contains("cpu runs the graphs, because cuda: "), "{}", output.stderr);
}

/// Networks on region features alone, as published, are measured and asked by those; kept-back questions get a file of answers.
#[test]
fn features_stand_in_for_images_and_answers_go_to_a_file() {
    let place = Place::new();
    let (vqa, features, out) = (bundle("vqa"), place.name("features"), place.name("answers.json"));
    let model = Model::load(vqa.as_ref(), &LoadOptions::default()).unwrap();
    let regions = |shift: f32| {
        let width = model.manifest().dimensions.feature;
        let features = (0..3 * width).map(|k| (k as f32 * 0.37 + shift).sin()).collect();
        let boxes = vec![[0.0, 0.0, 9.0, 9.0], [3.0, 2.0, 30.0, 20.0], [5.0, 5.0, 60.0, 40.0]];
        RegionFeatures { features, boxes, size: (64, 48) }
    };
    let own = model.bundle().features_sha256().unwrap().unwrap();
    let write = |name: &str, width: usize, images: Vec<(String, RegionFeatures)>| {
        std::fs::create_dir(place.path(name)).unwrap();
        let mut writer = FeatureWriter::new(&place.path(name), width, own.clone());
        writer.write_shard(images).unwrap();
        writer.finish().unwrap();
    };
    let width = model.manifest().dimensions.feature;
    write("features", width, vec![("1".into(), regions(0.0)), ("2".into(), regions(9.0))]);
    let question = "what color is the large object?";
    let of = |image: &str, id: u64| {
        let yes = format!("\"answers\": [{}]", ["\"yes\""; 10].join(", "));
        format!(
            "{{\"image\": \"{image}\", \"question\": \"{question}\", \"question_id\": {id}, \"answer\": \"yes\", \"answer_type\": \"yes/no\", {yes}}}\n"
        )
    };
    let samples = place.file("samples.jsonl", &[of("2", 7), of("1", 4), of("2", 9)].concat());
    let predict = ["predict", &vqa, "--samples", &samples, "--features", &features, "--out", &out];
    let (told, _) = json(&predict);
    assert_eq!(told["answers"], 3);
    let answer = |image: &str| {
        let state = model.encode_regions(&regions(if image == "1" { 0.0 } else { 9.0 })).unwrap();
        model.answer(&state, question, 1).unwrap()[0].label.clone()
    };
    let expected = serde_json::json!([
        { "question_id": 7, "answer": answer("2") },
        { "question_id": 4, "answer": answer("1") },
        { "question_id": 9, "answer": answer("2") },
    ]);
    let found: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(found, expected);
    fails(&predict, 1, "already exists");
    // The same features measure; what annotators gave is counted as the official evaluation does.
    let evaluate = ["evaluate", &vqa, "--samples", &samples, "--features", &features];
    let (report, _) = json(&evaluate);
    let right = [answer("2"), answer("1"), answer("2")].iter().filter(|label| *label == "yes").count() as f64 / 3.0;
    let official = &report["official"];
    assert!((official["accuracy"].as_f64().unwrap() - right).abs() < 1e-9, "{report}");
    assert_eq!((&official["questions"], &official["by_type"]["yes/no"]), (&3.into(), &official["accuracy"]));
    assert!(mmnas(&evaluate).stdout.contains("official VQA accuracy"));
    fails(&[&evaluate[..], &["--images", &features]].concat(), 2, "cannot be used with");
    fails(&evaluate[..4], 2, "--features");
    let missing = place.file("missing.jsonl", &of("3", 1));
    fails(&["evaluate", &vqa, "--samples", &missing, "--features", &features], 1, "missing.jsonl: line 1: image: ");
    write("narrow", 3, vec![("1".into(), RegionFeatures { features: vec![0.0; 9], ..regions(0.0) })]);
    let narrow = place.name("narrow");
    let told = format!("feature: expected {width} numbers a region, as the bundle reads, found 3");
    fails(&["evaluate", &vqa, "--samples", &samples, "--features", &narrow], 1, &told);
    fails(&["index", "add", &bundle("itm"), &place.name("index"), "--features", &narrow], 1, "feature: expected ");
}

/// Of the same width they are taken for the bundle's own, and mean something else: answers and indices are wrong.
#[test]
fn features_of_another_vision_stage_are_refused_unless_they_are_meant() {
    let place = Place::new();
    let model = Model::load(bundle("vqa").as_ref(), &LoadOptions::default()).unwrap();
    let (width, own) = (model.manifest().dimensions.feature, model.bundle().features_sha256().unwrap().unwrap());
    let boxes = vec![[0.0, 0.0, 9.0, 9.0], [3.0, 2.0, 30.0, 20.0]];
    let regions = RegionFeatures { features: vec![0.5; 2 * width], boxes, size: (64, 48) };
    for (name, sha256) in [("own", own.as_str()), ("other", "0a1b")] {
        std::fs::create_dir(place.path(name)).unwrap();
        let mut writer = FeatureWriter::new(&place.path(name), width, sha256.to_owned());
        writer.write_shard(vec![("1.png".into(), regions.clone())]).unwrap();
        writer.finish().unwrap();
        npz::write(&place.path(&format!("{name}.npz")), &regions, width, Some(sha256)).unwrap();
        std::fs::create_dir(place.path(&format!("{name}-images"))).unwrap();
        let image = place.path(&format!("{name}-images/1.png.npz"));
        std::fs::copy(place.path(&format!("{name}.npz")), image).unwrap();
    }
    let question = "what color is the large object?";
    let samples = place.file(
        "samples.jsonl",
        &format!("{{\"image\": \"1\", \"question\": \"{question}\", \"question_id\": 7, \"answer\": \"red\"}}\n"),
    );
    let captions = place.file("captions.jsonl", "{\"image\": \"1\", \"captions\": [\"a red circle\"]}\n");
    let [vqa, itm, vgd] = ["vqa", "itm", "vgd"].map(bundle);
    let hash = |task: &str| Bundle::open(bundle(task).as_ref(), true).unwrap().features_sha256().unwrap().unwrap();
    let taken = |arguments: &[&str]| {
        let output = mmnas(arguments);
        assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    };
    for name in ["own", "other"] {
        let (features, images) = (place.name(name), place.name(&format!("{name}-images")));
        let (file, out, index) = (place.name(&format!("{name}.npz")), place.name("answers.json"), place.name("index"));
        let commands: [(&str, &[&str]); 8] = [
            ("vqa", &["evaluate", &vqa, "--samples", &samples, "--features", &features]),
            ("vqa", &["evaluate", &vqa, "--samples", &samples, "--images", &images]),
            ("vqa", &["predict", &vqa, "--samples", &samples, "--features", &features, "--out", &out]),
            ("itm", &["evaluate", &itm, "--samples", &captions, "--features", &features]),
            ("itm", &["index", "add", &itm, &index, "--features", &features]),
            ("vqa", &["answer", &vqa, &file, question]),
            ("vgd", &["ground", &vgd, &file, "the red circle"]),
            ("itm", &["rank", &itm, "--text", "a red circle", &file]),
        ];
        for (task, command) in commands {
            // The three bundles have one vision stage or several: what counts is their own.
            let expected = hash(task);
            if name == "other" || expected != own {
                let found = if name == "other" { "0a1b" } else { own.as_str() };
                let output = mmnas(command);
                assert_eq!(output.code, Some(1), "{command:?}: {}", output.stderr);
                let expected = format!("vision_sha256: expected {expected}, the features that the bundle ");
                let found = format!("found {found}, those of another vision stage (--any-features");
                assert!(output.stderr.contains(&expected) && output.stderr.contains(&found), "{}", output.stderr);
                taken(&[command, &["--any-features"]].concat());
            } else {
                taken(command);
            }
            let _ = std::fs::remove_file(&out);
        }
        std::fs::remove_dir_all(&index).unwrap();
    }
}
