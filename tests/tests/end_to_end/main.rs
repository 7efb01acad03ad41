//! The whole way: search, derive, retrain, export, verify, and answers about PNG files from Rust, the command line and C.

mod bad_input;
mod c_programs;
mod command_line;
mod compare;
mod disk_full;
mod finals;
mod limits;
mod old_run;
mod other_tasks;
mod pareto;
mod resume;

use mmnas_search::Pool;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use mmnas_bundle::VisionBundle;
use mmnas_bundle::manifest::AnswerScores;
use mmnas_bundle::samples::VqaSample;
use mmnas_runtime::{LoadOptions, Model, Timed};
use mmnas_search::RunFolder;
use mmnas_search::bundle::export;
use mmnas_search::bundle::export::ExportOptions;
use mmnas_search::task::Task as _;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_tests::alone::alone;
use mmnas_tests::small_run::{SmallRun, copy_folder};

/// One small trained bundle for all tests of this file.
static SMALL: LazyLock<(SmallRun, PathBuf)> = LazyLock::new(|| {
    let run = SmallRun::prepare();
    let bundle = run.to_bundle();
    (run, bundle)
});

/// A small search by the program, in `out`, which it goes on with where there is one.
fn search_command(out: &Path) -> Command {
    let mut command = mmnas_tests::programs::command("mmnas-search");
    let recipe = mmnas_tests::c_consumer::workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
    command.arg("search").arg("--recipe").arg(recipe).arg("--out").arg(out).arg("--resume");
    command.arg("--samples").arg(SMALL.0.path("small.jsonl")).arg("--features").arg(SMALL.0.path("features"));
    for set in [
        "search.weights.epochs=4",
        "search.weights.batch=8",
        "search.weights.hidden=64",
        "search.weights.checkpoint_steps=2",
        "search.alpha_from_epoch=0",
        "vqa.min_answer_count=1",
    ] {
        command.args(["--set", set]);
    }
    command
}

fn load() -> Model {
    Model::load(&SMALL.1, &LoadOptions::default()).unwrap()
}

/// A question whose answer is neither yes nor no, and that the network learnt.
fn learnt_sample(model: &Model) -> VqaSample {
    let asked = SMALL.0.samples.iter().filter(|s| s.answer != "yes" && s.answer != "no");
    let right = |sample: &&VqaSample| {
        let image = model.encode_image_file(&SMALL.0.image(&sample.image)).unwrap();
        model.answer(&image, &sample.question, 1).unwrap()[0].label == sample.answer
    };
    asked.into_iter().find(right).unwrap().clone()
}

#[test]
fn the_network_learnt_its_images_by_heart() {
    let evaluation =
        mmnas_runtime::evaluate(&load(), &SMALL.0.samples, &SMALL.0.path("images"), None, &mut |_| {}).unwrap();
    assert!(evaluation.accuracy >= 0.9, "{evaluation:?}");
}

/// Answers that are trained and scored together: the bundle says so, and the runtime's probabilities are their softmax.
#[test]
fn answers_may_be_scored_together() {
    let recipe = mmnas_tests::small_run::recipe(&["vqa.answer_scores=\"softmax\""]);
    let data = SMALL.0.data(&recipe);
    // Trainings draw from one generator of the process.
    let _alone = alone();
    let architecture = mmnas_search::space::presets::preset("mcan:1").unwrap();
    let out = SMALL.0.path("together");
    let inputs = data.data().run_inputs(VqaData::NAME, Some(&architecture));
    let run = RunFolder::open(&out, &recipe, &inputs, false).unwrap();
    mmnas_search::train::retrain::retrain(&recipe, &Pool::standard(), &architecture, &data, &run).unwrap();
    let bundle = SMALL.0.path("together-bundle");
    let vision = VisionBundle::open(&SMALL.0.path("vision")).unwrap();
    export::export(&out, Some(&vision), &bundle, &ExportOptions::default()).unwrap();
    let model = Model::load(&bundle, &LoadOptions::default()).unwrap();
    assert_eq!(model.manifest().answer_scores, AnswerScores::Softmax);
    let evaluation =
        mmnas_runtime::evaluate(&model, &SMALL.0.samples, &SMALL.0.path("images"), None, &mut |_| {}).unwrap();
    assert!(evaluation.accuracy >= 0.9, "{evaluation:?}");
    let sample = &SMALL.0.samples[0];
    let image = model.encode_image_file(&SMALL.0.image(&sample.image)).unwrap();
    let answers = model.answer(&image, &sample.question, usize::MAX).unwrap();
    let sum: f32 = answers.iter().map(|answer| answer.probability).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{answers:?}");
    let ratio = f64::from(answers[0].probability / answers[1].probability).ln();
    assert!((ratio - f64::from(answers[0].logit - answers[1].logit)).abs() < 1e-3, "{answers:?}");
}

#[test]
fn the_bundle_verifies_in_both_of_its_forms() {
    let report = mmnas_runtime::verify(&SMALL.1, &LoadOptions::default(), Timed::Yes).unwrap();
    let checks: Vec<String> = report.checks.iter().map(|c| format!("{} {}", c.stage, c.form)).collect();
    let stages = ["text", "image", "fusion", "network"];
    let forms = ["ort-fp32", "ort-int8"];
    let mut expected: Vec<String> =
        forms.iter().flat_map(|form| stages.map(|stage| format!("{stage} {form}"))).collect();
    expected.push("vision portable-fp32".to_owned());
    assert_eq!(checks, expected);
    assert!(report.passed() && report.checks.iter().all(|c| c.milliseconds.is_some_and(|ms| ms > 0.0)), "{report:#?}");
    let fp32 = report.checks.iter().filter(|c| c.form.to_string().ends_with("fp32"));
    assert!(fp32.fold(0.0f64, |worst, c| worst.max(c.worst)) <= 1e-4);
    let only = LoadOptions { form: Some("ort-int8".parse().unwrap()), ..LoadOptions::default() };
    assert_eq!(mmnas_runtime::verify(&SMALL.1, &only, Timed::No).unwrap().measured.len(), 1);
    let missing = LoadOptions { form: Some("portable-fp16".parse().unwrap()), ..LoadOptions::default() };
    let error = mmnas_runtime::verify(&SMALL.1, &missing, Timed::No).unwrap_err().to_string();
    assert!(error.contains("portable-fp16") && error.contains("ort-fp32, ort-int8"), "{error}");
}

#[test]
fn in_8_bits_at_most_half_a_point_of_accuracy_is_lost() {
    let accuracy = |form: &str| {
        let options = LoadOptions { form: Some(form.parse().unwrap()), ..LoadOptions::default() };
        let model = Model::load(&SMALL.1, &options).unwrap();
        assert_eq!(model.form().to_string(), form);
        mmnas_runtime::evaluate(&model, &SMALL.0.samples, &SMALL.0.path("images"), None, &mut |_| {}).unwrap().accuracy
    };
    let (full, int8) = (accuracy("ort-fp32"), accuracy("ort-int8"));
    println!("accuracy in fp32 {full}, in int8 {int8}, {} questions", SMALL.0.samples.len());
    assert!(int8 >= full - 0.005, "{full} {int8}");
}

#[test]
fn hashes_are_checked_unless_they_are_turned_off() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    copy_folder(&SMALL.1, &bundle);
    // A letter of an answer: the file stays as long and as good JSON as it was.
    let labels = std::fs::read_to_string(bundle.join("labels.json")).unwrap();
    std::fs::write(bundle.join("labels.json"), labels.replacen("yes", "yet", 1)).unwrap();
    let error = Model::load(&bundle, &LoadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("labels.json") && error.contains("sha256"), "{error}");
    Model::load(&bundle, &LoadOptions { check_hashes: false, ..LoadOptions::default() }).unwrap();
    let name = bundle.display().to_string();
    assert_eq!(mmnas_tests::programs::run("mmnas", &["verify", &name]).code, Some(3));
    assert_eq!(mmnas_tests::programs::run("mmnas", &["verify", &name, "--no-hashes"]).code, Some(0));
}

/// The parameters of a retraining are not those of a graph: what standardises features lies beside them.
#[test]
fn a_retrainings_weights_are_imported_as_they_are_exported() {
    let place = tempfile::tempdir().unwrap();
    let retrain = SMALL.0.path("retrain");
    let record = std::fs::read_to_string(retrain.join("network.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let architecture = place.path().join("architecture.json");
    let published: mmnas_bundle::Architecture = serde_json::from_value(record["architecture"].clone()).unwrap();
    std::fs::write(&architecture, published.to_published_json()).unwrap();
    let (out, tokens) = (place.path().join("imported"), record["max_tokens"].to_string());
    let mut command = mmnas_tests::programs::command("mmnas-search");
    command.arg("import").arg("--checkpoint").arg(retrain.join("network.safetensors")).arg("--arch").arg(&architecture);
    command.args(["--task", "vqa", "--max-tokens", &tokens, "--head", &record["dimensions"]["head"].to_string()]);
    command.arg("--vocab").arg(retrain.join("tokenizer.json")).arg("--labels").arg(retrain.join("labels.json"));
    command.arg("--vision").arg(SMALL.0.path("vision")).arg("--out").arg(&out);
    if let Some(scores) = record.pointer("/provenance/recipe/text/answer_scores").and_then(|scores| scores.as_str()) {
        command.args(["--answer-scores", scores]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let weights = mmnas_export::Weights::read_safetensors(&retrain.join("network.safetensors")).unwrap();
    assert!(weights.iter().any(|(name, _)| name == "feature_norm.mean"), "the recipe standardises");
    // The same graphs to the last byte, and the same answers.
    let [exported, imported] = [&SMALL.1, &out].map(|folder| mmnas_bundle::Bundle::open(folder, true).unwrap());
    for graph in exported.manifest().all_graphs() {
        assert_eq!(exported.manifest().files[&graph.file], imported.manifest().files[&graph.file], "{}", graph.file);
    }
    assert_eq!(exported.manifest().answer_scores, imported.manifest().answer_scores);
    assert_eq!(exported.labels().unwrap(), imported.labels().unwrap());
}

#[test]
fn a_damaged_bundle_is_told_from_one_that_cannot_be_checked() {
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle");
    copy_folder(&SMALL.1, &bundle);
    let verify = |what: &str| {
        let output = mmnas_tests::programs::run("mmnas", &["verify", &bundle.display().to_string()]);
        (output.code, output.stderr.contains(what), output.stderr)
    };
    for name in ["text.onnx", "fusion.onnx", "golden.safetensors", "tokenizer.json", "labels.json", "README.md"] {
        let whole = std::fs::read(bundle.join(name)).unwrap();
        let mut other = whole.clone();
        other[whole.len() / 2] ^= 1;
        for content in [Some(&other[..]), Some(&whole[..whole.len() / 2]), Some(&[]), None] {
            match content {
                Some(content) => std::fs::write(bundle.join(name), content).unwrap(),
                None => std::fs::remove_file(bundle.join(name)).unwrap(),
            }
            let (code, named, told) = verify(name);
            assert!(code == Some(3) && named, "{name}: {code:?} {told}");
        }
        std::fs::write(bundle.join(name), whole).unwrap();
    }
    assert_eq!(verify("").0, Some(0));
    let manifest = std::fs::read(bundle.join("manifest.json")).unwrap();
    for content in [&manifest[..manifest.len() / 2], b"{}"] {
        std::fs::write(bundle.join("manifest.json"), content).unwrap();
        let (code, named, told) = verify("manifest.json");
        assert!(code == Some(1) && named, "{code:?} {told}");
    }
    std::fs::remove_file(bundle.join("manifest.json")).unwrap();
    assert_eq!(verify("").0, Some(1));
    let none = mmnas_tests::programs::run("mmnas", &["verify", &place.path().join("none").display().to_string()]);
    assert_eq!(none.code, Some(1));
}

#[test]
fn one_image_answers_many_questions_with_ordered_probabilities() {
    let model = load();
    let sample = learnt_sample(&model);
    let image = model.encode_image_file(&SMALL.0.image(&sample.image)).unwrap();
    let bytes = std::fs::read(SMALL.0.image(&sample.image)).unwrap();
    let from_bytes = model.encode_image_bytes(&bytes).unwrap();
    for question in [sample.question.as_str(), "is there a circle?", "what color is the shape?"] {
        let answers = model.answer(&image, question, 3).unwrap();
        assert_eq!(answers.len(), 3);
        assert!(answers.windows(2).all(|w| w[0].probability >= w[1].probability));
        assert!(answers.iter().all(|a| (0.0..=1.0).contains(&a.probability)));
        assert_eq!(answers, model.answer(&from_bytes, question, 3).unwrap());
    }
}

#[test]
fn many_threads_get_the_answers_of_one() {
    let model = load();
    let sample = learnt_sample(&model);
    let image = model.encode_image_file(&SMALL.0.image(&sample.image)).unwrap();
    let alone = model.answer(&image, &sample.question, 3).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| assert_eq!(model.answer(&image, &sample.question, 3).unwrap(), alone)));
        }
    });
}
