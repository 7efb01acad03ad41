//! The bundles of the repository: what a new user asks first.

use std::path::{Path, PathBuf};

use mmnas_bundle::samples::{CaptionSample, PhraseSample, VqaSample, read_json_lines};
use mmnas_runtime::{
    ErrorCode, LoadOptions, Model, RetrievalStage, Timed, evaluate, evaluate_grounding, evaluate_retrieval, verify,
};
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::programs;

/// What a bundle may take on disk, in bytes.
const LARGEST: u64 = 8_000_000;

fn folder() -> PathBuf {
    workspace_root().join("runtime/bundles")
}

fn model(task: &str) -> Model {
    Model::load(&folder().join(task), &LoadOptions::default()).unwrap()
}

fn scenes(task: &str) -> (PathBuf, PathBuf) {
    let scenes = folder().join("scenes");
    (scenes.join(format!("{task}.jsonl")), scenes)
}

fn bytes(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn they_are_verified_small_and_free() {
    for task in ["vqa", "itm", "vgd"] {
        let bundle = folder().join(task);
        let report = verify(&bundle, &LoadOptions::default(), Timed::No).unwrap();
        assert!(report.passed(), "{task}: {report:#?}");
        assert!(bytes(&bundle) <= LARGEST, "{task}: {} bytes", bytes(&bundle));
        let model = model(task);
        let manifest = model.manifest();
        assert_eq!((manifest.task.to_string().as_str(), model.form().to_string().as_str()), (task, "ort-fp32"));
        // Blocks that do nothing are in no graph, and the card does not draw them.
        let card = std::fs::read_to_string(bundle.join("README.md")).unwrap();
        assert!(card.contains("fusion  text and image → GA") && !card.contains("skip_connect"), "{task}: {card}");
        assert!(manifest.licence.as_deref().unwrap_or("").starts_with("MIT OR Apache-2.0"), "{task}");
        // Trained on generated scenes alone.
        let data: Vec<&String> = manifest.provenance.data.keys().collect();
        assert_eq!(data, [&format!("train.{task}.jsonl")]);
    }
}

#[test]
fn they_answer_ground_and_retrieve() {
    let (file, images) = scenes("vqa");
    let questions: Vec<VqaSample> = read_json_lines(&file).unwrap();
    let answers = evaluate(&model("vqa"), &questions, &images, None, &mut |_| {}).unwrap();
    assert!(answers.questions == 64 && answers.correct >= 45, "{answers:?}");
    assert_eq!((answers.known, answers.single, answers.single_correct), (64, 64, answers.correct));
    // An answer that the bundle does not know, and one that is a list.
    let mut others = questions.clone();
    others[0].answer = "no such thing".to_owned();
    others[1].answer = "red, blue".to_owned();
    let of_others = evaluate(&model("vqa"), &others, &images, None, &mut |_| {}).unwrap();
    assert_eq!((of_others.known, of_others.single, of_others.single_correct), (62, 63, of_others.correct));
    let (file, images) = scenes("vgd");
    let phrases: Vec<PhraseSample> = read_json_lines(&file).unwrap();
    let grounded = evaluate_grounding(&model("vgd"), &phrases, &images, &mut |_| {}).unwrap();
    assert!(grounded.phrases == 32 && grounded.correct >= 28, "{grounded:?}");
    let (file, images) = scenes("itm");
    let captions: Vec<CaptionSample> = read_json_lines(&file).unwrap();
    let itm = model("itm");
    let ranked = |shortlist| {
        let mut stages = Vec::new();
        let ranks = evaluate_retrieval(&itm, &captions, &images, shortlist, &mut |stage, done, of| {
            if done == 1 {
                stages.push((stage, of));
            }
        })
        .unwrap();
        (ranks, stages)
    };
    let (all, stages) = ranked(None);
    let told = [
        (RetrievalStage::EncodingImages, 8),
        (RetrievalStage::EncodingCaptions, 40),
        (RetrievalStage::ScoringCaptions, 40),
        (RetrievalStage::ScoringImages, 8),
    ];
    assert_eq!(stages, told[..3]);
    assert!(all.images == 8 && all.captions == 40, "{all:?}");
    assert!(all.image_to_text.at_1 >= 0.85 && all.text_to_image.at_1 >= 0.85, "{all:?}");
    // In two steps: with every candidate the same, with one the dual encoder decides alone.
    let (every, stages) = ranked(Some(40));
    assert_eq!(stages, told);
    assert_eq!((every.image_to_text, every.text_to_image), (all.image_to_text, all.text_to_image));
    let (one, _) = ranked(Some(1));
    assert_eq!(one.text_to_image.at_1, one.text_to_image.at_5);
    assert!(one.text_to_image.at_1 >= 0.5, "{one:?}");
    let refused = evaluate_retrieval(&itm, &captions, &images, Some(0), &mut |_, _, _| {}).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
}

#[test]
fn an_index_takes_what_can_be_decoded_of_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let images = place.path().join("images");
    std::fs::create_dir(&images).unwrap();
    let (file, scenes) = scenes("itm");
    let captions: Vec<CaptionSample> = read_json_lines(&file).unwrap();
    for sample in &captions[..3] {
        std::fs::copy(scenes.join(&sample.image), images.join(Path::new(&sample.image).file_name().unwrap())).unwrap();
    }
    std::fs::write(images.join("0-broken.jpg"), b"no photograph").unwrap();
    let add = |more: &[&str]| {
        let mut command = programs::command("mmnas");
        command.args(["index", "add"]);
        let output = command.arg(folder().join("itm")).arg(place.path().join("index")).arg("--images").arg(&images);
        output.args(more).output().unwrap()
    };
    let refused = add(&[]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("0-broken.jpg"), "{told}");
    // What came before it in the order of names was taken; the rest is, by the switch.
    let added = add(&["--skip-broken", "--json"]);
    let (told, found) = (String::from_utf8(added.stderr).unwrap(), String::from_utf8(added.stdout).unwrap());
    assert!(added.status.success() && told.starts_with("mmnas: left out 0-broken.jpg: "), "{told}");
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["added"], &found["states"]), (&3.into(), &3.into()), "{found}");
    assert_eq!(found["left_out"][0]["image"], "0-broken.jpg");
    let again = String::from_utf8(add(&["--skip-broken"]).stdout).unwrap();
    assert!(again.contains("0 added, 3 states"), "{again}");
}
