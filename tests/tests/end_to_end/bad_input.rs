//! Bad input: a typed error that names what was expected and what was found, exit code not 0, the process alive.

use std::path::{Path, PathBuf};

use mmnas_runtime::{ErrorCode, LoadOptions, Model};
use mmnas_search::task::Task as _;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_tests::programs::{onnxruntime, program, run};
use mmnas_tests::small_run::{copy_folder, recipe};

use crate::{SMALL, load};

/// A copy of the bundle that `damage` has been at.
fn damaged(damage: impl FnOnce(&Path)) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    copy_folder(&SMALL.1, &bundle);
    damage(&bundle);
    (folder, bundle)
}

/// Loading fails with `code`, and so does the command, with one line that holds every one of `words`.
fn assert_refused(bundle: &Path, code: ErrorCode, words: &[&str]) {
    let error = Model::load(bundle, &LoadOptions::default()).err().unwrap();
    assert_eq!(error.code(), code, "{error}");
    let image = SMALL.0.image("0.png").display().to_string();
    let output = run("mmnas", &["answer", &bundle.display().to_string(), &image, "what shape?"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_eq!(output.stderr.trim().lines().count(), 1, "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "{word}: {}", output.stderr);
    }
}

fn edit_manifest(bundle: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let file = bundle.join("manifest.json");
    let mut manifest = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    edit(&mut manifest);
    std::fs::write(file, manifest.to_string()).unwrap();
}

#[test]
fn a_missing_bundle_file_is_named() {
    for name in ["manifest.json", "fusion.onnx", "tokenizer.json", "labels.json", "vision.onnx", "golden.safetensors"] {
        let (_guard, bundle) = damaged(|b| std::fs::remove_file(b.join(name)).unwrap());
        assert_refused(&bundle, ErrorCode::Io, &[name]);
    }
    assert_refused(Path::new("/nonexistent/bundle"), ErrorCode::Io, &["/nonexistent/bundle"]);
}

#[test]
fn a_truncated_bundle_file_is_named_with_its_lengths() {
    for name in ["fusion.onnx", "text.onnx", "labels.json"] {
        let length = std::fs::metadata(SMALL.1.join(name)).unwrap().len();
        let (_guard, bundle) = damaged(|b| {
            let content = std::fs::read(b.join(name)).unwrap();
            std::fs::write(b.join(name), &content[..content.len() / 2]).unwrap();
        });
        assert_refused(
            &bundle,
            ErrorCode::InvalidBundle,
            &[name, &format!("expected {length} bytes"), &format!("found {} bytes", length / 2)],
        );
    }
    let (_guard, bundle) = damaged(|b| {
        let text = std::fs::read_to_string(b.join("manifest.json")).unwrap();
        std::fs::write(b.join("manifest.json"), &text[..text.len() / 2]).unwrap();
    });
    assert_refused(&bundle, ErrorCode::InvalidBundle, &["manifest.json", "expected", "found"]);
}

#[test]
fn a_wrong_hash_is_found_and_can_be_waived() {
    let (_guard, bundle) = damaged(|b| {
        let mut content = std::fs::read(b.join("labels.json")).unwrap();
        let place = content.iter().position(|&c| c == b'c').unwrap();
        content[place] = b'k';
        std::fs::write(b.join("labels.json"), content).unwrap();
    });
    assert_refused(&bundle, ErrorCode::InvalidBundle, &["labels.json", "sha256", "expected", "found"]);
    let options = LoadOptions { check_hashes: false, ..LoadOptions::default() };
    assert!(Model::load(&bundle, &options).is_ok());
}

#[test]
fn a_manifest_of_a_future_version_is_told_from_a_broken_one() {
    let (_guard, bundle) = damaged(|b| {
        edit_manifest(b, |m| *m = serde_json::json!({"format": {"name": "mmnas-bundle", "major": 2, "minor": 3}}))
    });
    assert_refused(&bundle, ErrorCode::FutureVersion, &["manifest.json", "2.3", "1.x"]);
    // A later minor version adds fields that this one ignores.
    let (_guard, bundle) = damaged(|b| {
        edit_manifest(b, |m| {
            m["format"]["minor"] = 9.into();
            m["something_new"] = 1.into();
        });
    });
    assert!(Model::load(&bundle, &LoadOptions::default()).is_ok());
}

#[test]
fn a_manifest_cannot_point_outside_its_bundle() {
    let (_guard, bundle) = damaged(|b| {
        edit_manifest(b, |m| {
            m["labels"] = "../labels.json".into();
            m["files"]["../labels.json"] = m["files"]["labels.json"].clone();
        });
    });
    assert_refused(&bundle, ErrorCode::InvalidBundle, &["manifest.json", "../labels.json"]);
}

#[test]
fn an_image_that_is_none_is_an_error() {
    let model = load();
    let text = SMALL.0.path("small.jsonl");
    assert_eq!(model.encode_image_file(&text).err().unwrap().code(), ErrorCode::Image);
    assert_eq!(model.encode_image_file(Path::new("/nonexistent.png")).err().unwrap().code(), ErrorCode::Io);
    let whole = std::fs::read(SMALL.0.image("0.png")).unwrap();
    for bytes in [&b""[..], b"not an image", &whole[..whole.len() / 2]] {
        assert_eq!(model.encode_image_bytes(bytes).err().unwrap().code(), ErrorCode::Image);
    }
    let output = run("mmnas", &["answer", &SMALL.1.display().to_string(), &text.display().to_string(), "what shape?"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("small.jsonl"), "{}", output.stderr);
}

#[test]
fn a_question_without_a_word_is_an_error() {
    let model = load();
    let image = model.encode_image_file(&SMALL.0.image("0.png")).unwrap();
    for question in ["", "?", " \t\n", "...!"] {
        let error = model.answer(&image, question, 1).err().unwrap();
        assert_eq!(error.code(), ErrorCode::EmptyText);
        assert!(error.to_string().contains("expected at least one word"), "{error}");
    }
    let output =
        run("mmnas", &["answer", &SMALL.1.display().to_string(), &SMALL.0.image("0.png").display().to_string(), "?"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("expected at least one word"), "{}", output.stderr);
}

#[test]
fn a_missing_onnxruntime_is_an_error_and_neither_a_hang_nor_an_abort() {
    let image = SMALL.0.image("0.png");
    let not_a_library = SMALL.0.path("small.jsonl");
    for library in [Path::new("/nonexistent/libonnxruntime.so"), &not_a_library] {
        let mut command = std::process::Command::new(program("mmnas").unwrap());
        let output = command
            .arg("answer")
            .arg(&SMALL.1)
            .arg(&image)
            .arg("what shape?")
            .env("MMNAS_ORT_DYLIB", library)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{stderr}");
        assert!(stderr.contains("ONNX Runtime") && stderr.contains(&library.display().to_string()), "{stderr}");
    }
    assert!(onnxruntime().exists());
}

#[test]
fn a_data_folder_that_is_not_there_is_named() {
    let output = run(
        "mmnas-search",
        &["convert", "easy-vqa", "/nonexistent/data", "--out", &SMALL.0.path("unused").display().to_string()],
    );
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("/nonexistent/data"), "{}", output.stderr);
    let vision = SMALL.0.path("vision").display().to_string();
    let out = SMALL.0.path("no-features");
    let arguments =
        ["extract", "--vision", &vision, "--images", "/nonexistent/images", "--out", &out.display().to_string()];
    let output = run("mmnas", &arguments);
    assert!(!out.exists());
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("/nonexistent/images"), "{}", output.stderr);
    let recipe = recipe(&[]);
    let load = |samples: &Path, features: &Path| {
        let files = mmnas_search::data::data_files::DataFiles::new(samples, features);
        VqaData::load(&files, &recipe, tch::Device::Cpu).err().unwrap().to_string()
    };
    assert!(load(Path::new("/nonexistent.jsonl"), &SMALL.0.path("features")).contains("/nonexistent.jsonl"));
    assert!(load(&SMALL.0.path("small.jsonl"), Path::new("/nonexistent")).contains("/nonexistent/features.json"));
}

#[test]
fn data_without_a_frequent_answer_is_an_error() {
    let recipe = recipe(&["vqa.min_answer_count=100000"]);
    let files = mmnas_search::data::data_files::DataFiles::new(SMALL.0.path("small.jsonl"), SMALL.0.path("features"));
    let data = VqaData::load(&files, &recipe, tch::Device::Cpu);
    let error = data.unwrap_err().to_string();
    assert!(error.contains("small.jsonl") && error.contains("vqa.min_answer_count"), "{error}");
}

#[test]
fn a_pipe_in_a_bundle_is_an_error_and_not_a_wait() {
    let (_guard, bundle) = damaged(|b| {
        std::fs::remove_file(b.join("labels.json")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(b.join("labels.json")).status().unwrap().success());
    });
    assert_refused(&bundle, ErrorCode::InvalidBundle, &["labels.json", "expected"]);
}

#[test]
fn a_vision_stage_of_an_impossible_size_is_an_error() {
    let weights = mmnas_tests::c_consumer::workspace_root().join(".native/efficientnet/efficientnet_lite0.pth");
    let (weights, out) = (weights.display().to_string(), SMALL.0.path("no-vision").display().to_string());
    for (side, grid, word) in
        [("0", "4", "side"), ("1000000", "4", "side"), ("128", "0", "grid"), ("100", "4", "multiple of 32")]
    {
        let arguments = ["vision", "--weights", &weights, "--side", side, "--grid", grid, "--out", &out];
        let output = run("mmnas-search", &arguments);
        assert_eq!(output.code, Some(1));
        assert!(output.stderr.contains(word), "{}", output.stderr);
    }
}

#[test]
fn a_recipe_that_is_wrong_names_the_key() {
    let file = mmnas_tests::c_consumer::workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
    let read = |set: &str| mmnas_search::recipe::Recipe::read(&file, &[set.to_owned()]).unwrap_err().to_string();
    assert!(read("retrain.hidden=100").contains("hidden: expected a multiple of model.head, at most 65536, found 100"));
    assert!(read("retrain.epoch=3").contains("epoch"));
    assert!(read("nowhere.epoch=3").contains("nowhere"));
    assert!(read("search.strategy.mode=\"three\"").contains("three"));
}
