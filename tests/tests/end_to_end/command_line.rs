//! The commands, as a user runs them.

use mmnas_export::Weights;
use mmnas_tests::programs::run;
use mmnas_tests::small_run::copy_folder;

use crate::{SMALL, learnt_sample, load};

#[test]
fn mmnas_answer_prints_the_answer() {
    let sample = learnt_sample(&load());
    let (bundle, image) = (SMALL.1.display().to_string(), SMALL.0.image(&sample.image).display().to_string());
    let output = run("mmnas", &["answer", &bundle, &image, &sample.question, "--top", "2"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.trim_start().starts_with(&sample.answer), "{} {}", sample.answer, output.stdout);
    assert_eq!(output.stdout.lines().count(), 2);
    let output = run("mmnas", &["answer", &bundle, &image, &sample.question, "is there a circle?", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(json["answers"][0]["top"][0]["label"], sample.answer.as_str());
    assert_eq!(json["answers"].as_array().unwrap().len(), 2);
}

#[test]
fn mmnas_answer_draws_what_counts_and_overwrites_nothing() {
    let sample = learnt_sample(&load());
    let folder = tempfile::tempdir().unwrap();
    let (bundle, file) = (SMALL.1.display().to_string(), SMALL.0.image(&sample.image));
    let (image, out) = (file.display().to_string(), folder.path().join("why.png"));
    let arguments = ["answer", &bundle, &image, &sample.question, "--explain", &out.display().to_string()];
    let output = run("mmnas", &arguments);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let (picture, photograph) = (image::open(&out).unwrap().to_rgb8(), image::open(&file).unwrap().to_rgb8());
    // Enlarged, with a band for the words.
    assert!(picture.width() >= photograph.width() && picture.height() > picture.width());
    let again = run("mmnas", &arguments);
    assert!(again.code == Some(1) && again.stderr.contains("already exists"), "{}", again.stderr);
}

#[test]
fn mmnas_verify_passes_and_fails_by_its_exit_code() {
    let output = run("mmnas", &["verify", &SMALL.1.display().to_string()]);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("network"));
    // A bundle whose fusion graph gives something else than was recorded: a weight is changed, its hash too.
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    copy_folder(&SMALL.1, &bundle);
    let mut graph = std::fs::read(bundle.join("fusion.onnx")).unwrap();
    let name = b"proj.bias";
    let data = Weights::read_safetensors(&SMALL.0.path("retrain/network.safetensors")).unwrap();
    let bias = &data.get("proj.bias", &[load().manifest().dimensions.outputs]).unwrap().data;
    let bytes: Vec<u8> = bias.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(graph.windows(name.len()).any(|w| w == name));
    let at = graph.windows(bytes.len()).position(|w| w == bytes).unwrap();
    graph[at..at + 4].copy_from_slice(&(bias[0] + 0.5).to_le_bytes());
    std::fs::write(bundle.join("fusion.onnx"), &graph).unwrap();
    let manifest = bundle.join("manifest.json");
    let mut text: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
    text["files"]["fusion.onnx"]["sha256"] = mmnas_bundle::sha256_hex(&graph).into();
    std::fs::write(&manifest, text.to_string()).unwrap();
    let output = run("mmnas", &["verify", &bundle.display().to_string()]);
    assert_eq!(output.code, Some(3), "{}{}", output.stdout, output.stderr);
    let failed: Vec<&str> = output.stdout.lines().filter(|line| line.contains("FAIL")).collect();
    assert!(
        failed.len() == 2 && failed[0].starts_with("fusion") && failed[1].starts_with("network"),
        "{}",
        output.stdout
    );
}

#[test]
fn mmnas_evaluate_prints_the_table() {
    let (bundle, samples, images) = (
        SMALL.1.display().to_string(),
        SMALL.0.path("small.jsonl").display().to_string(),
        SMALL.0.path("images").display().to_string(),
    );
    let output = run("mmnas", &["evaluate", &bundle, "--samples", &samples, "--images", &images]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for row in
        ["task", "derived architecture", "parameters", "test accuracy", "image known", "image new", "bundle size"]
    {
        assert!(output.stdout.contains(row), "{row}: {}", output.stdout);
    }
}

#[test]
fn mmnas_search_runs_and_refuses_a_second_run_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    let recipe = mmnas_tests::c_consumer::workspace_root()
        .join("search/experiments/easy_vqa/easy_vqa.toml")
        .display()
        .to_string();
    let (samples, features) =
        (SMALL.0.path("small.jsonl").display().to_string(), SMALL.0.path("features").display().to_string());
    let arguments = [
        "search",
        "--recipe",
        &recipe,
        "--samples",
        &samples,
        "--features",
        &features,
        "--out",
        &out,
        "--json",
        "--set",
        "search.weights.epochs=1",
        "--set",
        "vqa.min_answer_count=1",
        "--set",
        "search.alpha_from_epoch=0",
    ];
    let output = run("mmnas-search", &arguments);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(json["architecture"]["dec"].as_array().unwrap().len(), 4);
    let log = std::fs::read_to_string(folder.path().join("run/log.jsonl")).unwrap();
    assert!(log.contains("\"probabilities\""), "{log}");
    let again = run("mmnas-search", &arguments);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("--resume"), "{}", again.stderr);
}

#[test]
fn mmnas_search_exports_every_form_and_a_triton_repository() {
    let folder = tempfile::tempdir().unwrap();
    let text = |path: std::path::PathBuf| path.display().to_string();
    let (retrain, vision) = (text(SMALL.0.path("retrain")), text(SMALL.0.path("vision")));
    let (bundle, triton) = (text(folder.path().join("bundle")), folder.path().join("triton"));
    let all = ["export", &retrain, "--vision", &vision, "--variants", "all", "--merged", "--out", &bundle];
    let output = run("mmnas-search", &all);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for form in ["ort-fp32", "ort-fp16", "ort-int8", "portable-fp32", "portable-fp16", "portable-int8"] {
        assert!(output.stdout.contains(form), "{form}: {}", output.stdout);
    }
    for file in ["model.onnx", "model.fp16.onnx", "model.int8.onnx", "README.md"] {
        assert!(std::path::Path::new(&bundle).join(file).is_file(), "{file}");
    }
    let name = text(triton.clone());
    let served = ["export", &retrain, "--variants", "portable-fp32", "--layout", "triton", "--out", &name];
    let output = run("mmnas-search", &served);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(mmnas_tests::python::run("check_triton.py", &[&triton]), "4");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing else is left: {left:?}");
    let never = text(folder.path().join("never"));
    let output = run("mmnas-search", &["export", &retrain, "--out", &never, "--runtime", "/nonexistent/mmnas"]);
    assert!(output.code == Some(1) && output.stderr.contains("/nonexistent/mmnas"), "{}", output.stderr);
    let output = run("mmnas-search", &["export", &retrain, "--out", &never, "--variants", "ort-fp8"]);
    assert!(output.code == Some(2) && output.stderr.contains("or all"), "{}", output.stderr);
}
