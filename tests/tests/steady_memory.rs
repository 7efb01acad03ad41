//! A hundred thousand calls take no more memory than ten thousand. In a program of its own: other tests would take some.

use std::path::Path;

use mmnas_bundle::RegionFeatures;
use mmnas_bundle::manifest::TaskName;
use mmnas_export::ExportSettings;
use mmnas_runtime::{Limits, LoadOptions, Model};
use mmnas_search::bundle::golden::{record, seeded_inputs};
use mmnas_search::space::presets as architectures;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::official;

fn bundle(out: &Path) {
    let architecture = architectures::preset("mmnas-vqa").unwrap();
    let network = formula_network(TaskName::Vqa, &architecture, &official(64, 17));
    let golden = record(&network, TaskName::Vqa, &seeded_inputs(&network, 5, 6, 3)).unwrap();
    let weights = weights_of(&network);
    write((TaskName::Vqa, &network), &architecture, &weights, &golden, ExportSettings::default(), out);
}

/// What this process holds, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_calls() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let regions = |count: usize| RegionFeatures {
        features: (0..count * 64).map(|k| (k % 17) as f32 / 17.0).collect(),
        boxes: (0..count).map(|k| [k as f32, 1.0, k as f32 + 30.0, 40.0]).collect(),
        size: (100, 100),
    };
    let lots: Vec<RegionFeatures> = (1..=8).map(regions).collect();
    let patient = model.limited(Limits::none().within(std::time::Duration::from_secs(3600)));
    // Every kind of call in turn: whole ones, questions about a known image, with limits, in batches.
    let image = model.encode_regions(&lots[3]).unwrap();
    let text = model.encode_text("what is it").unwrap();
    let call = |k: usize| match k % 20 {
        0 => drop(model.encode_regions(&lots[k / 20 % 8]).unwrap()),
        1 => drop(model.encode_text(["a", "a b c", "what is it that we see"][k / 20 % 3]).unwrap()),
        2 => drop(patient.answer_text(&image, &text, 3).unwrap()),
        3 => drop(model.answer_pairs(&[(&image, &text); 3], 2).unwrap()),
        _ => drop(model.answer_text(&image, &text, 3).unwrap()),
    };
    (0..10_000).for_each(call);
    let before = resident();
    (0..90_000).for_each(call);
    let after = resident();
    println!("{before} KiB after 10,000 calls, {after} KiB after 100,000");
    assert!(after <= before + 2048, "{before} KiB after 10,000 calls, {after} KiB after 100,000");
}
