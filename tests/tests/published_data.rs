//! Published files, converted and packed on the command line, are what a run is trained on.

use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::AnswerScores;
use mmnas_search::data::{DataFiles, TextRules, VqaData};
use mmnas_tests::programs::run;
use ndarray::{Array2, arr0};
use ndarray_npy::NpzWriter;
use serde_json::{Value, json};

const IMAGES: u64 = 20;
const RULES: TextRules = TextRules {
    max_tokens: 14,
    min_answer_count: 9,
    answer_scores: AnswerScores::Sigmoid,
    any_box: false,
    ranked_images: 10,
    shortlist: None,
};

/// Questions `1000 · part + k` about the images `first` and following, half of them answered "yes" by seven of ten.
fn write_part(folder: &Path, (questions, annotations): (&str, &str), part: u64, first: u64) {
    let question =
        |k: u64| json!({"question_id": 1000 * part + k, "image_id": first + k, "question": "Is it the dog?"});
    let annotation = |k: u64| {
        let (most, least) = if k.is_multiple_of(2) { ("yes", "no") } else { ("no", "yes") };
        let answers: Vec<Value> = (0..10).map(|n| json!({"answer": if n < 7 { most } else { least }})).collect();
        json!({"question_id": 1000 * part + k, "image_id": first + k, "answer_type": "yes/no",
            "multiple_choice_answer": most, "answers": answers})
    };
    let write = |name: &str, value: Value| std::fs::write(folder.join(name), value.to_string()).unwrap();
    write(questions, json!({"questions": (0..IMAGES).map(question).collect::<Vec<_>>()}));
    write(annotations, json!({"annotations": (0..IMAGES).map(annotation).collect::<Vec<_>>()}));
}

fn write_features(folder: &Path, set: &str, first: u64) {
    std::fs::create_dir(folder).unwrap();
    for id in first..first + IMAGES {
        let n = 2 + (id % 3) as usize;
        let x = Array2::from_shape_fn((8, n), |(k, region)| ((id as usize + 3 * k + region) % 7) as f32);
        let boxes = Array2::from_shape_fn((n, 4), |(region, k)| (10 * region + 20 * (k / 2)) as f32);
        let file = std::fs::File::create(folder.join(format!("COCO_{set}_{id:012}.jpg.npz"))).unwrap();
        let mut npz = NpzWriter::new(file);
        npz.add_array("x", &x).unwrap();
        npz.add_array("bbox", &boxes).unwrap();
        npz.add_array("image_h", &arr0(200i64)).unwrap();
        npz.add_array("image_w", &arr0(300i64)).unwrap();
        npz.finish().unwrap();
    }
}

/// Runs `mmnas-search`, which must end well; returns what it printed on both outputs.
fn search(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> (String, String) {
    let arguments: Vec<String> = arguments.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
    let output = run("mmnas-search", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    (output.stdout, output.stderr)
}

/// `vqa` and `features` in a folder, made by the programs.
fn prepare(folder: &Path) -> (PathBuf, PathBuf) {
    let (data, vqa, features) = (folder.join("data"), folder.join("vqa"), folder.join("features"));
    std::fs::create_dir(&data).unwrap();
    let files =
        |part| (format!("v2_OpenEnded_mscoco_{part}_questions.json"), format!("v2_mscoco_{part}_annotations.json"));
    for (part, (questions, annotations)) in [files("train2014"), files("val2014")].iter().enumerate() {
        write_part(&data, (questions, annotations), part as u64, 100 * part as u64);
    }
    let (train, val) = (folder.join("train2014"), folder.join("val2014"));
    write_features(&train, "train2014", 0);
    write_features(&val, "val2014", 100);
    let (line, _) = search(&[&"convert", &"vqa-v2", &data, &"--out", &vqa]);
    assert!(line.contains("train.jsonl 20, val.jsonl 20; 7 words, 2 labels"), "{line}");
    let (line, _) = search(&[&"pack", &train, &val, &"--out", &features, &"--max-regions", &"3"]);
    assert!(line.contains("40 images") && line.contains("8 features"), "{line}");
    (vqa, features)
}

#[test]
fn converted_and_packed_files_are_one_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let (vqa, features) = prepare(folder.path());
    let files = DataFiles {
        validation: Some(vqa.join("val.jsonl")),
        tokenizer: Some(vqa.join("tokenizer.json")),
        labels: Some(vqa.join("labels.json")),
        ..DataFiles::new(vqa.join("train.jsonl"), features)
    };
    let data = VqaData::load(&files, &RULES, tch::Device::Cpu).unwrap();
    assert_eq!(data.labels(), ["yes", "no"]);
    assert_eq!((data.annotators(1).len(), data.answer_type(1)), (10, Some("yes/no")));
    let batch = data.batch(&[0, 1, 22]).unwrap();
    assert_eq!(Vec::<Vec<f32>>::try_from(&batch.target).unwrap(), [[1.0, 0.9], [0.9, 1.0], [1.0, 0.9]]);
    // Images 0, 1 and 102 have 2, 3 and 2 regions; image 102's second feature row starts with (102 + 1) mod 7.
    assert_eq!(batch.inputs.region_count, [2, 3, 2]);
    assert_eq!(batch.inputs.features.double_value(&[2, 1, 0]), 5.0);
    assert_eq!(Vec::<i64>::try_from(batch.inputs.tokens.get(0)).unwrap(), [3, 4, 5, 6]);
}

#[test]
fn a_run_on_packed_features_becomes_a_bundle_without_a_vision_stage() {
    let folder = tempfile::tempdir().unwrap();
    let (vqa, features) = prepare(folder.path());
    let path = |name: &str| folder.path().join(name);
    let train = std::fs::read_to_string(vqa.join("train.jsonl")).unwrap();
    std::fs::write(path("more.jsonl"), format!("{train}not a sample\n").replace("\"image\":\"3\"", "\"image\":\"x\""))
        .unwrap();
    std::fs::write(path("architecture.json"), r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"]]}}"#)
        .unwrap();
    let recipe = mmnas_tests::c_consumer::workspace_root().join("search/recipes/easy_vqa.toml");
    let set = ["retrain.hidden=64", "retrain.epochs=1", "retrain.decay_epochs=[]"];
    let (more, run_folder, bundle) = (path("more.jsonl"), path("run"), path("bundle"));
    let (architecture, tokenizer, labels) =
        (path("architecture.json"), vqa.join("tokenizer.json"), vqa.join("labels.json"));
    let (train, val) = (vqa.join("train.jsonl"), vqa.join("val.jsonl"));
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"retrain", &"--recipe", &recipe, &"--samples", &more, &"--samples", &train, &"--validation", &val];
    arguments.extend::<[&dyn AsRef<std::ffi::OsStr>; 9]>([
        &"--features",
        &features,
        &"--tokenizer",
        &tokenizer,
        &"--labels",
        &labels,
        &"--skip-broken",
        &"--architecture",
        &architecture,
    ]);
    arguments.extend::<[&dyn AsRef<std::ffi::OsStr>; 2]>([&"--out", &run_folder]);
    for set in &set {
        arguments.extend::<[&dyn AsRef<std::ffi::OsStr>; 2]>([&"--set", set]);
    }
    let (_, notes) = search(&arguments);
    let note = notes.lines().find(|line| line.contains("left out")).unwrap();
    assert!(note.contains("2 broken samples left out") && note.contains("line 4: image"), "{note}");
    assert!(note.contains("line 21"), "{note}");
    search(&[&"export", &run_folder, &"--out", &bundle]);
    let bundle = mmnas_bundle::Bundle::open(&bundle, true).unwrap();
    assert!(bundle.manifest().vision.is_none());
    let data: Vec<&String> = bundle.manifest().provenance.data.keys().collect();
    assert_eq!(data, ["labels.json", "more.jsonl", "tokenizer.json", "train.jsonl", "val.jsonl"]);
    assert_eq!(
        std::fs::read_to_string(run_folder.join("tokenizer.json")).unwrap(),
        std::fs::read_to_string(tokenizer).unwrap()
    );
}
