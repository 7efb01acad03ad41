//! Exported graphs through `ort` alone: the published code's outputs, batches beside single items, one graph beside three,
//! weights in a file of their own.

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::TaskName;
use mmnas_export::{ExportSettings, Int8Scheme};
use mmnas_search::bundle::golden::{fusion_outputs, record, seeded_inputs};
use mmnas_search::{Inputs, rng};
use mmnas_tests::exported::{all_forms, formula_network, random_architecture, weights_of, write};
use mmnas_tests::fixtures::{self, official, official_full, relative_norm, tensors, worst_difference};
use mmnas_tests::onnx::{OnnxGraph, OnnxNetwork, Values, values};
use tch::{Kind, Tensor};

const TASKS: [TaskName; 3] = [TaskName::Vqa, TaskName::Itm, TaskName::Vgd];
const FP32: &str = ".onnx";

/// The graphs of the published network's weights give what the published code gave.
fn published_difference(task: TaskName, folder: &str, end: &str) -> f64 {
    let outputs = match (task, folder) {
        (TaskName::Vqa, "official_full") => 3129,
        (TaskName::Vqa, _) => 17,
        _ => 1,
    };
    let d = if folder == "official_full" { official_full(outputs) } else { official(128, outputs) };
    let architecture = Architecture::read(&fixtures::path(&format!("{folder}/net_{task}.arch.json"))).unwrap();
    let network = formula_network(task, &architecture, &d);
    let io = tensors(&format!("{folder}/net_{task}.io.safetensors"));
    let inputs = fixtures::inputs(&io);
    let recorded = record(&network, task, &inputs).unwrap();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("bundle");
    let settings = ExportSettings { merged: false, ..all_forms() };
    write((task, &network), &architecture, &weights_of(&network), &recorded, settings, &out);
    let size = |end: &str| -> u64 {
        let bytes = |name: String| out.join(name).metadata().map_or(0, |meta| meta.len());
        let with_weights = |s: &&str| bytes(format!("{s}{end}")) + bytes(format!("{s}{end}.data"));
        ["text", "image", "fusion"].iter().map(with_weights).sum()
    };
    if folder == "official_full" {
        for int8 in [".ort-int8.onnx", ".portable-int8.onnx"] {
            assert!(size(int8) as f64 <= 0.35 * size(FP32) as f64, "{task} {int8}: {} of {}", size(int8), size(FP32));
            let in_8_bits = OnnxNetwork::load(&out, int8, 2).run(&values(&inputs));
            for (name, expected) in fusion_outputs(task, &network.stage_outputs(&inputs)) {
                let difference = relative_norm(&in_8_bits[name], &expected);
                assert!(difference <= 0.1, "{task} {int8} {name}: {difference}");
            }
        }
    }
    let found = OnnxNetwork::load(&out, end, 2).run(&values(&inputs));
    match task {
        TaskName::Vqa => worst_difference(&found["logits"], &io["logits"]),
        TaskName::Itm => worst_difference(&found["logits"].sigmoid().view_as(&io["scores"]), &io["scores"]),
        // The published log-softmax runs over padding too, whose scores are nobody's: on the regions that are there the two
        // differ by one constant an expression, which the softmax over these alone takes out of both.
        TaskName::Vgd => inputs.region_count.iter().enumerate().fold(0.0, |worst, (item, &count)| {
            let there = |tensor: &Tensor| tensor.get(item as i64).narrow(0, 0, count);
            let softmax = |tensor: &Tensor| there(tensor).log_softmax(-1, Kind::Float);
            let of_scores = worst_difference(&softmax(&found["scores"]), &softmax(&io["log_probs"]));
            worst.max(of_scores).max(worst_difference(&there(&found["deltas"]), &there(&io["deltas"])))
        }),
    }
}

#[test]
fn official_networks_agree_with_the_published_outputs() {
    for task in TASKS {
        for end in [FP32, ".portable-fp32.onnx"] {
            let worst = published_difference(task, "official", end);
            assert!(worst <= 1e-4, "{task}{end}: {worst}");
        }
    }
}

#[test]
fn official_full_networks_agree_with_the_published_outputs() {
    for task in TASKS {
        let worst = published_difference(task, "official_full", FP32);
        assert!(worst <= 1e-4, "{task}: {worst}");
    }
}

/// Item `k` of a batch alone, without its padding.
fn single(batch: &Inputs, k: usize) -> Inputs {
    let (at, tokens, regions) = (k as i64, batch.token_count[k], batch.region_count[k]);
    Inputs {
        tokens: batch.tokens.narrow(0, at, 1).narrow(1, 0, tokens),
        features: batch.features.narrow(0, at, 1).narrow(1, 0, regions),
        boxes: batch.boxes.narrow(0, at, 1).narrow(1, 0, regions),
        token_count: vec![tokens],
        region_count: vec![regions],
    }
}

/// Item `k` of the output `name` of a batch; where it has a number a region, those of the regions that are there.
fn row_of(output: &Tensor, name: &str, k: usize, batch: &Inputs) -> Tensor {
    let row = output.narrow(0, k as i64, 1);
    if name == "logits" { row } else { row.narrow(1, 0, batch.region_count[k]) }
}

#[test]
fn a_batch_gives_what_single_items_give_and_one_graph_what_three_give() {
    let mut largest = [0.0f64; 2];
    for number in 0..24u64 {
        let task = TASKS[number as usize % 3];
        let d = official(128, if task == TaskName::Vqa { 17 } else { 1 });
        let architecture = random_architecture(&mut rng(12, "batches", number), number % 4 == 3, &d);
        let network = formula_network(task, &architecture, &d);
        let inputs = seeded_inputs(&network, 14, 12, number);
        let recorded = record(&network, task, &inputs).unwrap();
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("bundle");
        write((task, &network), &architecture, &weights_of(&network), &recorded, all_forms(), &out);
        for (end, merged, bound) in [
            (FP32, Some("model.onnx"), 1e-5),
            (".portable-fp32.onnx", Some("model.onnx"), 1e-5),
            // An activation's scale is that of its whole tensor, so what else is in the batch moves it: the bound of BUNDLE.md.
            (".ort-int8.onnx", None, 0.1),
            (".portable-int8.onnx", Some("model.int8.onnx"), 0.1),
        ] {
            let mut graphs = OnnxNetwork::load(&out, end, 2);
            let batch = graphs.run(&values(&inputs));
            let whole = merged.map(|file| OnnxGraph::load(&out.join(file), 2).run(&values(&inputs)));
            for (name, batch) in &batch {
                let scale = batch.abs().max().double_value(&[]).max(1.0);
                if let Some(whole) = &whole {
                    let difference = worst_difference(batch, &whole[name]);
                    assert!(difference <= 1e-5 * scale, "{task} {architecture} {name} {end}: {difference}");
                }
                for item in 0..3 {
                    let alone = &graphs.run(&values(&single(&inputs, item)))[name];
                    let row = row_of(batch, name, item, &inputs);
                    let difference = worst_difference(alone, &row) / scale;
                    assert!(difference <= bound, "{task} {architecture} {name} {end}: {difference}");
                    let place = usize::from(bound > 1e-3);
                    largest[place] = largest[place].max(difference);
                }
            }
        }
    }
    println!("batch beside single items: fp32 {:.1e}, int8 {:.1e} of the largest output", largest[0], largest[1]);
}

#[test]
fn in_8_bits_with_a_scale_for_each_block_a_batch_gives_what_single_items_give() {
    let (mut batches, mut differences) = (0.0f64, 0.0f64);
    for number in 0..9u64 {
        let task = TASKS[number as usize % 3];
        let d = official(128, if task == TaskName::Vqa { 17 } else { 1 });
        let architecture = random_architecture(&mut rng(14, "blocks", number), false, &d);
        let network = formula_network(task, &architecture, &d);
        let inputs = seeded_inputs(&network, 14, 12, number);
        let recorded = record(&network, task, &inputs).unwrap();
        let expected: Values = fusion_outputs(task, &network.stage_outputs(&inputs))
            .into_iter()
            .map(|(name, tensor)| (name.to_owned(), tensor))
            .collect();
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("bundle");
        let settings = ExportSettings { int8: Int8Scheme::PerBlock, ..ExportSettings::default() };
        write((task, &network), &architecture, &weights_of(&network), &recorded, settings, &out);
        let mut graphs = OnnxNetwork::load(&out, ".ort-int8.onnx", 2);
        let batch = graphs.run(&values(&inputs));
        for (name, batch) in &batch {
            differences = differences.max(relative_norm(batch, &expected[name]));
            let alone = &graphs.run(&values(&single(&inputs, 1)))[name];
            let row = row_of(batch, name, 1, &inputs);
            batches = batches.max(worst_difference(alone, &row) / batch.abs().max().double_value(&[]).max(1.0));
        }
    }
    println!("blocks: batch beside single items {batches:.1e}, beside libtorch {differences:.1e}");
    assert!(batches <= 1e-5 && differences <= 0.1, "{batches} {differences}");
}

#[test]
fn weights_in_a_file_of_their_own_give_the_same() {
    let d = official(64, 17);
    let architecture = random_architecture(&mut rng(13, "external", 0), false, &d);
    let network = formula_network(TaskName::Vqa, &architecture, &d);
    let inputs = seeded_inputs(&network, 14, 12, 1);
    let recorded = record(&network, TaskName::Vqa, &inputs).unwrap();
    let place = tempfile::tempdir().unwrap();
    let outputs = [u64::MAX, 1000].map(|external_over| {
        let out = place.path().join(external_over.to_string());
        let settings = ExportSettings { external_over, merged: true, ..ExportSettings::default() };
        write((TaskName::Vqa, &network), &architecture, &weights_of(&network), &recorded, settings, &out);
        for name in ["fusion.onnx", "text.ort-int8.onnx", "model.onnx"] {
            let data = out.join(format!("{name}.data"));
            assert_eq!(data.is_file(), external_over == 1000, "{name}");
        }
        ([FP32, ".ort-int8.onnx"].map(|end| OnnxNetwork::load(&out, end, 2).run(&values(&inputs))), out)
    });
    for (inside, outside) in outputs[0].0.iter().zip(&outputs[1].0) {
        assert_eq!(inside["logits"], outside["logits"]);
    }
}
