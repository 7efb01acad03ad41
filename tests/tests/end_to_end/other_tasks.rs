//! Grounding and matching from image files, on the command line: networks that nobody trained, so what is looked at is the
//! way and not the answers.

use std::path::PathBuf;

use mmnas_bundle::manifest::{AnswerScores, Dimensions, TaskName};
use mmnas_bundle::samples::{CaptionSample, PhraseSample, to_json_lines};
use mmnas_bundle::{Architecture, VisionBundle, Vocabulary};
use mmnas_export::{BundleParts, ExportSettings, write_bundle};
use mmnas_search::bundle::golden::record_stages;
use mmnas_tests::exported::{formula_network, weights_of};
use mmnas_tests::programs::run;
use serde_json::Value;

use crate::SMALL;

/// A bundle of a task over the small run's vision stage, in a new folder.
fn bundle(task: TaskName) -> (tempfile::TempDir, PathBuf) {
    let json = r#"{"epoch0": {"enc": [["self_att_64"]], "dec": [["rel_self_att_64"], ["guided_att_64"]]}}"#;
    let architecture = Architecture::from_published_json(json, std::path::Path::new("test")).unwrap();
    let vision = VisionBundle::open(&SMALL.0.path("vision")).unwrap();
    let mut vocabulary = Vocabulary::new();
    vocabulary.add_text("the red circle a blue triangle").unwrap();
    let d = Dimensions {
        hidden: 64,
        feature: vision.vision().feature,
        embedding: 16,
        vocabulary: vocabulary.len(),
        outputs: 1,
        attflat: 32,
        head: 64,
        relation: 16,
        embeddings: None,
    };
    let network = formula_network(task, &architecture, &d);
    let recorded = record_stages(&network, task, 6, vision.vision().regions.count(), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bundle");
    let parts = BundleParts {
        task,
        architecture: &architecture,
        dimensions: &d,
        weights: &weights_of(&network),
        max_tokens: 6,
        tokenizer: &vocabulary.to_tokenizer_json(),
        labels: &[],
        answer_scores: AnswerScores::Sigmoid,
        vision: Some(&vision),
        features_sha256: None,
        golden: &recorded,
        metrics: Default::default(),
        provenance: Default::default(),
        licence: None,
        settings: ExportSettings::default(),
    };
    write_bundle(&parts, &out, None).unwrap();
    (folder, out)
}

/// What a command prints as JSON.
fn json(arguments: &[&str]) -> Value {
    let output = run("mmnas", &[arguments, &["--json"]].concat());
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn phrases_are_grounded_drawn_and_evaluated() {
    let (folder, bundle) = bundle(TaskName::Vgd);
    let bundle = bundle.display().to_string();
    let (image, drawn) = (SMALL.0.image("0.png").display().to_string(), folder.path().join("drawn.png"));
    let drawn_name = drawn.display().to_string();
    let found = json(&["ground", &bundle, &image, "the red circle", "a triangle", "--top", "3", "--draw", &drawn_name]);
    let groundings = found["groundings"].as_array().unwrap();
    assert_eq!(groundings.len(), 2);
    for grounding in groundings {
        let top = grounding["top"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        assert!(top.windows(2).all(|w| w[0]["probability"].as_f64() >= w[1]["probability"].as_f64()));
        let corners: Vec<f64> = top[0]["box_xyxy"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(corners.iter().all(|v| (0.0..64.0).contains(v)), "{corners:?}");
    }
    let (original, picture) = (image::open(&image).unwrap().to_rgb8(), image::open(&drawn).unwrap().to_rgb8());
    assert!(original.dimensions() == picture.dimensions() && original != picture);
    let again = run("mmnas", &["ground", &bundle, &image, "the red circle", "--draw", &drawn_name]);
    assert!(again.code == Some(1) && again.stderr.contains("already exists"), "{}", again.stderr);
    let wrong = run("mmnas", &["answer", &bundle, &image, "what is it?"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("expected vqa, found vgd"), "{}", wrong.stderr);
    let sample = |k: usize| PhraseSample {
        image: format!("{k}.png"),
        phrase: "the red circle".to_owned(),
        box_xyxy: [0.0, 0.0, 63.0, 63.0],
    };
    let samples = folder.path().join("phrases.jsonl");
    std::fs::write(&samples, to_json_lines(&[sample(0), sample(1), sample(0)]).unwrap()).unwrap();
    let (samples, images) = (samples.display().to_string(), SMALL.0.path("images").display().to_string());
    let e = json(&["evaluate", &bundle, "--samples", &samples, "--images", &images]);
    assert_eq!((&e["task"], &e["phrases"]), (&"vgd".into(), &3.into()));
    assert!((0.0..=1.0).contains(&e["mean_iou"].as_f64().unwrap()), "{e}");
    let text =
        run("mmnas", &["evaluate", &bundle, "--samples", &samples, "--images", &images, "--variant", "ort-int8"]);
    assert!(text.stdout.contains("accuracy at IoU 0.5") && text.stdout.contains("ort-int8"), "{}", text.stdout);
}

#[test]
fn images_and_texts_are_ranked_and_evaluated() {
    let (folder, bundle) = bundle(TaskName::Itm);
    let bundle = bundle.display().to_string();
    let names: Vec<String> = (0..5).map(|k| SMALL.0.image(&format!("{k}.png")).display().to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of_images = json(&[&["rank", &bundle, "--text", "the red circle", "--top", "4"][..], &names].concat());
    let ranked = of_images["ranked"].as_array().unwrap();
    assert_eq!(ranked.len(), 4);
    assert!(ranked.windows(2).all(|w| w[0]["score"].as_f64() >= w[1]["score"].as_f64()), "{of_images}");
    assert!(ranked.iter().all(|r| names.contains(&r["candidate"].as_str().unwrap())));
    let of_texts = json(&["rank", &bundle, "--image", names[0], "the red circle", "a blue triangle"]);
    assert_eq!(of_texts["ranked"].as_array().map(Vec::len), Some(2));
    let neither = run("mmnas", &["rank", &bundle, names[0]]);
    assert_eq!(neither.code, Some(2), "{}", neither.stderr);
    let sample = |k: usize| CaptionSample {
        image: format!("{k}.png"),
        captions: vec!["the red circle".to_owned(), "a blue triangle".to_owned()],
    };
    let samples = folder.path().join("captions.jsonl");
    std::fs::write(&samples, to_json_lines(&[sample(0), sample(1), sample(2)]).unwrap()).unwrap();
    let (samples, images) = (samples.display().to_string(), SMALL.0.path("images").display().to_string());
    let e = json(&["evaluate", &bundle, "--samples", &samples, "--images", &images]);
    assert_eq!((&e["task"], &e["images"], &e["captions"]), (&"itm".into(), &3.into(), &6.into()));
    // Three images of one set of captions: whatever a network gives, equal scores count against it.
    assert!(e["text_to_image"]["at_5"] == 1.0 && e["mean_recall"].as_f64().unwrap() < 1.0, "{e}");
}
