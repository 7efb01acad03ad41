//! Bundles give the same on processors with and without the newest instructions. Without VNNI products of 8-bit numbers are added
//! in pairs, which are cut off at 16 bits: weights must be such that no pair gets there.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::Bundle;
use mmnas_bundle::manifest::{Dimensions, Form, Precision, TaskName, Variant};
use mmnas_export::ExportSettings;
use mmnas_runtime::{LoadOptions, Timed, verify};
use mmnas_search::bundle::golden::record_stages;
use mmnas_search::space::presets as architectures;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::emulated::{WITHOUT_AVX, WITHOUT_VNNI, run_on};
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::{official, path};
use mmnas_tests::programs::run;
use mmnas_tests::small_run::copy_folder;

const INT8: [Form; 2] = [
    Form { variant: Variant::Ort, precision: Precision::Int8 },
    Form { variant: Variant::Portable, precision: Precision::Int8 },
];

/// Differences by stage and form.
type Differences = BTreeMap<String, f64>;

/// What `mmnas verify` finds on the processor `cpu`; all checks must pass.
fn verified_on(cpu: &str, bundle: &Path) -> Option<Differences> {
    let output = run_on(cpu, "mmnas", &["verify", &bundle.display().to_string(), "--json", "--threads", "1"])?;
    assert_eq!(output.code, Some(0), "{cpu}, {}: {}{}", bundle.display(), output.stdout, output.stderr);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let check = |check: &serde_json::Value| {
        let name = format!("{} {}", check["stage"].as_str().unwrap(), check["variant"].as_str().unwrap());
        (name, check["worst"].as_f64().unwrap())
    };
    Some(report["checks"].as_array().unwrap().iter().map(check).collect())
}

/// What the runtime finds on this machine's processor.
fn verified_here(bundle: &Path) -> Differences {
    let report = verify(bundle, &LoadOptions::default(), Timed::No).unwrap();
    report.check().unwrap();
    report.checks.iter().map(|check| (format!("{} {}", check.stage, check.form), check.worst)).collect()
}

fn formula_bundle(task: TaskName, d: &Dimensions, forms: &[Form], out: &Path) {
    // Small, because an emulated processor takes a hundred times as long.
    let architecture = architectures::preset("mcan:1").unwrap();
    let network = formula_network(task, &architecture, d);
    let recorded = record_stages(&network, task, 5, 6, 1).unwrap();
    let settings = ExportSettings { forms: forms.to_vec(), ..ExportSettings::default() };
    write((task, &network), &architecture, &weights_of(&network), &recorded, settings, out);
}

/// The published formula at other sizes than the published ones.
#[test]
fn eight_bits_give_the_same_with_and_without_vnni() {
    for task in [TaskName::Vqa, TaskName::Itm, TaskName::Vgd] {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("bundle");
        let d = Dimensions { feature: 80, ..official(192, if task == TaskName::Vqa { 17 } else { 1 }) };
        formula_bundle(task, &d, &INT8, &out);
        let here = verified_here(&out);
        println!("{task}, here: {here:.3?}");
        assert!(here.values().all(|difference| *difference < 0.1), "{task}: {here:?}");
        let Some(there) = verified_on(WITHOUT_VNNI, &out) else { continue };
        println!("{task}, {WITHOUT_VNNI}: {there:.3?}");
        for (check, difference) in &here {
            assert!((there[check] - difference).abs() < 0.01, "{task} {check}: {difference} here, {}", there[check]);
        }
    }
}

#[test]
fn every_form_runs_without_avx() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("bundle");
    formula_bundle(TaskName::Vgd, &official(64, 1), &Form::all().collect::<Vec<_>>(), &out);
    verified_here(&out);
    verified_on(WITHOUT_AVX, &out);
}

#[test]
fn the_bundles_of_the_repository_give_the_same_without_vnni() {
    for task in ["vqa", "itm", "vgd"] {
        // Without the vision stage, which is in floats and takes minutes where AVX2 is emulated.
        let place = tempfile::tempdir().unwrap();
        let bundle = place.path().join(task);
        copy_folder(&workspace_root().join("runtime/bundles").join(task), &bundle);
        let manifest = bundle.join("manifest.json");
        let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
        assert!(text.as_object_mut().unwrap().remove("vision").is_some());
        std::fs::write(&manifest, text.to_string()).unwrap();
        let here = verified_here(&bundle);
        let Some(there) = verified_on(WITHOUT_VNNI, &bundle) else { continue };
        println!("{task}: {here:.4?} here, {there:.4?} on a {WITHOUT_VNNI}");
        for (check, difference) in &here {
            assert!((there[check] - difference).abs() < 0.005, "{task} {check}: {difference} here, {}", there[check]);
        }
    }
}

/// A bundle as an earlier version wrote it (`tests/fixtures/old_int8`).
#[test]
fn weights_of_an_earlier_export_are_rounded_anew() {
    let place = tempfile::tempdir().unwrap();
    let (old, out) = (path("old_int8"), place.path().join("bundle"));
    let name = |path: &Path| path.display().to_string();
    let before = verified_here(&old);
    let output = run_on(WITHOUT_VNNI, "mmnas", &["verify", &name(&old), "--threads", "1"]);
    if let Some(output) = &output {
        assert_eq!(output.code, Some(3), "{}{}", output.stdout, output.stderr);
    }
    let output = run("mmnas-search", &["requantise", &name(&old), "--out", &name(&out)]);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("columns of") && output.stdout.contains("and verified"), "{}", output.stdout);
    let after = verified_here(&out);
    let there = verified_on(WITHOUT_VNNI, &out);
    println!("before {before:.4?}, after {after:.4?}, {WITHOUT_VNNI} {there:.4?}");
    for (check, difference) in &after {
        assert!(*difference < before[check] + 0.02, "{check}: {difference}");
        assert!(there.as_ref().is_none_or(|there| (there[check] - difference).abs() < 0.01), "{check}: {there:?}");
    }
    // All else stays: the graphs' other weights, files, what was recorded.
    let [old, new] = [&old, &out].map(|folder| Bundle::open(folder, true).unwrap());
    let changed: Vec<&String> = (new.manifest().files.iter())
        .filter(|(name, record)| old.manifest().files[*name] != **record)
        .map(|(name, _)| name)
        .collect();
    assert!(changed.iter().all(|name| name.as_str() == "README.md" || name.contains("int8")), "{changed:?}");
    assert_eq!(new.manifest().stages, old.manifest().stages);
    // A second time there is nothing to do.
    let again = place.path().join("again");
    let output = run("mmnas-search", &["requantise", &name(&out), "--out", &name(&again), "--json"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let told: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(told["out"].is_null() && !again.exists(), "{told}");
}

/// What the messages of this project do not know would be lost: graphs of another writer are refused.
#[test]
fn a_graph_of_another_writer_is_not_rounded_anew() {
    let place = tempfile::tempdir().unwrap();
    let (other, out) = (place.path().join("other"), place.path().join("bundle"));
    copy_folder(&path("old_int8"), &other);
    let file = other.join("text.ort-int8.onnx");
    let mut graph = std::fs::read(&file).unwrap();
    // A text about the model (doc_string, field 6), which our graphs do not have.
    graph.extend_from_slice(b"\x32\x05other");
    std::fs::write(&file, &graph).unwrap();
    let manifest = other.join("manifest.json");
    let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    text["files"]["text.ort-int8.onnx"] =
        serde_json::json!({ "bytes": graph.len(), "sha256": mmnas_bundle::sha256_hex(&graph) });
    std::fs::write(&manifest, text.to_string()).unwrap();
    let [other, target] = [&other, &out].map(|path| path.display().to_string());
    let output = run("mmnas-search", &["requantise", &other, "--out", &target]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(output.stderr.contains("text.ort-int8.onnx") && !out.exists(), "{}", output.stderr);
}
