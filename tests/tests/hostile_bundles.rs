//! Ten thousand damaged bundles and checkpoints: an error or a bundle that runs, never a crash, a hang or runaway memory.

use std::path::Path;
use std::time::{Duration, Instant};

use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::sha256_hex;
use mmnas_export::{ExportSettings, Weights};
use mmnas_runtime::{LoadOptions, Timed};
use mmnas_search::bundle::golden::record_stages;
use mmnas_search::rng;
use mmnas_tests::bench::machine;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::{self, official};
use mmnas_tests::mutation::{damaged, damaged_json};
use mmnas_tests::small_run::copy_folder;
use rand::RngExt as _;
use tch::Device;

const BUNDLES: u64 = 10_000;
/// Far more than any of them takes.
const HANG: Duration = Duration::from_secs(30);
/// MB that reading a damaged file of some kilobytes may take at most, over what the process held before.
const RUNAWAY: f64 = 700.0;

/// A small bundle with 32-bit and 8-bit graphs.
fn small_bundle(out: &Path) {
    let d = official(64, 17);
    let architecture = mmnas_tests::exported::random_architecture(&mut rng(16, "hostile", 0), false, &d);
    let network = formula_network(TaskName::Vqa, &architecture, &d);
    let recorded = record_stages(&network, TaskName::Vqa, 3, 3, 1).unwrap();
    let settings = ExportSettings { merged: true, external_over: 20_000, ..ExportSettings::default() };
    write((TaskName::Vqa, &network), &architecture, &weights_of(&network), &recorded, settings, out);
}

/// Writes `content` in the place of the bundle's file `name`; with `rehash` the manifest knows it.
fn replace(bundle: &Path, whole: &Path, name: &str, content: &[u8], rehash: bool) {
    std::fs::write(bundle.join(name), content).unwrap();
    if rehash {
        let mut manifest: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(whole.join("manifest.json")).unwrap()).unwrap();
        manifest["files"][name] = serde_json::json!({ "bytes": content.len(), "sha256": sha256_hex(content) });
        std::fs::write(bundle.join("manifest.json"), manifest.to_string()).unwrap();
    }
}

#[test]
fn ten_thousand_damaged_bundles_are_errors_or_run() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, bundle) = (folder.path().join("whole"), folder.path().join("bundle"));
    small_bundle(&whole);
    copy_folder(&whole, &bundle);
    let options = LoadOptions::default();
    assert!(mmnas_runtime::verify(&bundle, &options, Timed::No).unwrap().passed());
    machine::forget_peak();
    let (before, _) = machine::memory(Device::Cpu);
    let (mut refused, mut ran) = (0, 0);
    for number in 0..BUNDLES {
        let rng = &mut rng(17, "damage", number);
        // Graphs are only damaged where the hash tells: what ONNX Runtime makes of a graph whose author is trusted is its own.
        let (name, rehash) = match rng.random_range(0..10) {
            0..5 => ("manifest.json", false),
            5..7 => ("tokenizer.json", rng.random()),
            7 => ("labels.json", rng.random()),
            8 => ("golden.safetensors", rng.random()),
            _ => (["text.onnx.data", "image.onnx", "fusion.ort-int8.onnx"][rng.random_range(0..3)], false),
        };
        let content = std::fs::read(whole.join(name)).unwrap();
        let content = match std::str::from_utf8(&content) {
            Ok(text) if name.ends_with(".json") && rng.random_range(0..3) > 0 => damaged_json(text, rng).into_bytes(),
            _ => damaged(&content, rng),
        };
        replace(&bundle, &whole, name, &content, rehash);
        let start = Instant::now();
        let timed = if number % 16 == 0 { Timed::Yes } else { Timed::No };
        match mmnas_runtime::verify(&bundle, &options, timed) {
            Ok(_) => ran += 1,
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(!text.is_empty() && text.len() < 20_000, "{number}: an error of {} characters", text.len());
            }
        }
        assert!(start.elapsed() < HANG, "{number}: {name} took {:?}", start.elapsed());
        std::fs::copy(whole.join(name), bundle.join(name)).unwrap();
        std::fs::copy(whole.join("manifest.json"), bundle.join("manifest.json")).unwrap();
    }
    let (_, peak) = machine::memory(Device::Cpu);
    println!("{refused} refused, {ran} ran; memory {before:.0} MB before, {peak:.0} MB at most");
    assert!(refused > BUNDLES / 2 && ran > 0, "{refused} refused, {ran} ran");
    assert!(peak - before < RUNAWAY, "{before} MB before, {peak} MB at most");
}

#[test]
fn damaged_checkpoints_are_errors_or_weights() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/checkpoint");
    let seeds: Vec<Vec<u8>> =
        std::fs::read_dir(corpus).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() >= 3);
    machine::forget_peak();
    let (before, _) = machine::memory(Device::Cpu);
    let mut read = 0;
    for number in 0..BUNDLES {
        let rng = &mut rng(18, "damage", number);
        let seed = &seeds[rng.random_range(0..seeds.len())];
        std::fs::write(&file, damaged(seed, rng)).unwrap();
        let start = Instant::now();
        read += usize::from(Weights::read(&file).is_ok());
        assert!(start.elapsed() < HANG, "{number} took {:?}", start.elapsed());
    }
    let (_, peak) = machine::memory(Device::Cpu);
    println!("{read} of {BUNDLES} were read; memory {before:.0} MB before, {peak:.0} MB at most");
    assert!(read > 0 && peak - before < RUNAWAY, "{read} read, {before} MB before, {peak} MB at most");
}

#[test]
fn manifests_of_the_corpus_of_bad_ones_are_refused() {
    let bad = fixtures::path("../fuzz/bad_manifests");
    let mut seen = 0;
    for entry in std::fs::read_dir(bad).unwrap() {
        let file = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let error = mmnas_bundle::Manifest::from_json(&text, &file).unwrap_err().to_string();
        // A file says in its name what its error must tell.
        let word = file.file_stem().unwrap().to_string_lossy().replace('_', " ");
        assert!(error.contains(word.as_str()), "{word}: {error}");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}
