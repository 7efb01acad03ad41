//! Size, speed and difference of every form of the exported graphs, at the sizes of the published networks, in turns.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use mmnas_bundle::manifest::{Dimensions, Form, Precision, TaskName, Variant};
use mmnas_export::{ExportSettings, Int8Scheme};
use mmnas_search::Inputs;
use mmnas_search::bundle::golden::{fusion_outputs, record, seeded_inputs};
use mmnas_search::space::presets as architectures;
use mmnas_tests::bench::comparison::Spread;
use mmnas_tests::bench::machine;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::{official, official_full, relative_norm};
use mmnas_tests::onnx::{OnnxGraph, OnnxNetwork, values};
use serde_json::{Value, json};
use tch::{Device, Tensor};

#[derive(Parser, Clone)]
#[command(
    about = "Exports the published architectures at H 512 with synthetic weights, in every form, and runs whole calls \
                   (text, image and fusion stage, batch 1) in turns. `make bench` runs it."
)]
struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Tiny sizes: whether it runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Only this task: vqa, itm or vgd
    #[arg(long)]
    task: Option<String>,
    /// Only these forms; the first is what the others are compared with
    #[arg(long, value_delimiter = ',')]
    forms: Vec<Form>,
    /// Compares the ways to compute with weights in 8 bits instead of all forms: DynamicQuantizeMatMul (ort-int8),
    /// MatMulInteger (portable-int8) and MatMulNBits (ort-int8 per block)
    #[arg(long)]
    int8: bool,
    /// Runs of each form that count
    #[arg(long, default_value_t = 30)]
    repetitions: usize,
    /// Threads of an operator
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// A whole call as people make it: task, regions, words.
const CALLS: [(TaskName, i64, i64); 3] = [(TaskName::Vqa, 36, 7), (TaskName::Itm, 36, 12), (TaskName::Vgd, 100, 5)];

/// A way to write the graphs.
#[derive(Clone)]
struct Contender {
    name: String,
    form: Form,
    int8: Int8Scheme,
}

impl Options {
    fn contenders(&self) -> Vec<Contender> {
        let of = |form: Form| Contender { name: form.to_string(), form, int8: Int8Scheme::PerTensor };
        let int8 = |variant| Form { variant, precision: Precision::Int8 };
        if self.int8 {
            let named = |name: &str, form, int8| Contender { name: name.to_owned(), form, int8 };
            return vec![
                of(Form::ORT_FP32),
                named("DynamicQuantizeMatMul", int8(Variant::Ort), Int8Scheme::PerTensor),
                named("MatMulInteger", int8(Variant::Portable), Int8Scheme::PerTensor),
                named("MatMulNBits", int8(Variant::Ort), Int8Scheme::PerBlock),
            ];
        }
        if self.forms.is_empty() { Form::all().map(of).collect() } else { self.forms.iter().copied().map(of).collect() }
    }
}

struct Row {
    name: String,
    bytes: u64,
    milliseconds: Spread,
    /// Time of the first form over this one's, repetition by repetition.
    speedup: Spread,
    difference: f64,
    /// Milliseconds that loading the stages takes with ONNX Runtime's optimiser at its full level and with it off.
    load: [Spread; 2],
}

fn main() -> ExitCode {
    let options = Options::parse();
    let machine = machine::describe(Device::Cpu);
    let calls =
        CALLS.iter().filter(|(task, ..)| options.task.as_ref().is_none_or(|wanted| *wanted == task.to_string()));
    let mut reports = Vec::new();
    if !options.json {
        println!("machine: {machine}; operators use {} threads", options.threads);
    }
    for &(task, regions, tokens) in calls {
        let rows = bench(&options, task, regions, tokens);
        if options.json {
            reports.push(report(task, regions, tokens, &rows));
        } else {
            print(task, (regions, tokens), &rows);
        }
    }
    if options.json {
        println!("{:#}", json!({ "machine": machine, "threads": options.threads, "calls": reports }));
    }
    ExitCode::SUCCESS
}

fn dimensions(options: &Options, task: TaskName) -> Dimensions {
    let outputs = if task == TaskName::Vqa { 3129 } else { 1 };
    if options.quick { official(64, outputs) } else { official_full(outputs) }
}

/// One item of random numbers.
fn item(network: &mmnas_search::Network, regions: i64, tokens: i64) -> Inputs {
    let batch = seeded_inputs(network, tokens as usize, regions as usize, 3);
    Inputs {
        tokens: batch.tokens.narrow(0, 0, 1),
        features: batch.features.narrow(0, 0, 1),
        boxes: batch.boxes.narrow(0, 0, 1),
        token_count: vec![tokens],
        region_count: vec![regions],
    }
}

fn file_end(form: Form) -> String {
    if form == Form::ORT_FP32 { ".onnx".to_owned() } else { format!(".{form}.onnx") }
}

fn size(bundle: &Path, form: Form) -> u64 {
    let file = |stage: &str| bundle.join(format!("{stage}{}", file_end(form)));
    let bytes = |file: &Path| file.metadata().map_or(0, |meta| meta.len());
    let with_weights = |stage: &&str| bytes(&file(stage)) + bytes(&file(stage).with_added_extension("data"));
    ["text", "image", "fusion"].iter().map(with_weights).sum()
}

fn bench(options: &Options, task: TaskName, regions: i64, tokens: i64) -> Vec<Row> {
    let architecture = architectures::preset(&format!("mmnas-{task}")).unwrap_or_else(|e| panic!("{e}"));
    let network = formula_network(task, &architecture, &dimensions(options, task));
    let inputs = item(&network, regions, tokens);
    let recorded = record(&network, task, &inputs).unwrap_or_else(|e| panic!("{e}"));
    let contenders = options.contenders();
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let weights = weights_of(&network);
    let bundle = |contender: &Contender| folder.path().join(&contender.name);
    for contender in &contenders {
        let settings =
            ExportSettings { forms: vec![contender.form], int8: contender.int8, ..ExportSettings::default() };
        write((task, &network), &architecture, &weights, &recorded, settings, &bundle(contender));
    }
    let expected: BTreeMap<&str, Tensor> = fusion_outputs(task, &network.stage_outputs(&inputs)).into_iter().collect();
    let values = values(&inputs);
    let mut networks: Vec<OnnxNetwork> =
        contenders.iter().map(|c| OnnxNetwork::load(&bundle(c), &file_end(c.form), options.threads)).collect();
    let differences: Vec<f64> = networks
        .iter_mut()
        .map(|network| {
            let found = network.run(&values);
            expected.iter().map(|(name, tensor)| relative_norm(&found[*name], tensor)).fold(0.0, f64::max)
        })
        .collect();
    let loads: Vec<[Spread; 2]> = contenders.iter().map(|c| load_times(&bundle(c), c.form, options)).collect();
    // libtorch's threads would wait in a loop beside ONNX Runtime's.
    tch::set_num_threads(1);
    let mut times = vec![Vec::new(); contenders.len()];
    for repetition in 0..options.repetitions {
        for turn in 0..contenders.len() {
            let which = (turn + repetition) % contenders.len();
            // Twice, the second counts: whoever comes after a larger network finds caches full of that.
            networks[which].run(&values);
            let start = Instant::now();
            networks[which].run(&values);
            times[which].push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let first = times[0].clone();
    let row = |(k, contender): (usize, &Contender)| Row {
        name: contender.name.clone(),
        bytes: size(&bundle(contender), contender.form),
        milliseconds: Spread::of(times[k].clone()),
        speedup: Spread::of(first.iter().zip(&times[k]).map(|(a, b)| a / b).collect()),
        difference: differences[k],
        load: loads[k],
    };
    contenders.iter().enumerate().map(row).collect()
}

/// Loads of the three stages with the optimiser and without, in turns.
fn load_times(bundle: &Path, form: Form, options: &Options) -> [Spread; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..options.repetitions.min(5) {
        for (times, load) in times.iter_mut().zip([OnnxGraph::load, OnnxGraph::load_unoptimised]) {
            let start = Instant::now();
            for stage in ["text", "image", "fusion"] {
                load(&bundle.join(format!("{stage}{}", file_end(form))), options.threads);
            }
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.map(Spread::of)
}

fn print(task: TaskName, (regions, tokens): (i64, i64), rows: &[Row]) {
    println!("\n{task}, one call: {regions} regions, {tokens} words");
    println!(
        "{:<22} {:>9} {:>6} {:>9} {:>20} {:>16} {:>11} {:>9} {:>12}",
        "form", "MB", "of", "ms", "(least to most)", "times as fast", "difference", "load ms", "unoptimised"
    );
    for row in rows {
        let spread = format!("({:.2} to {:.2})", row.milliseconds.least, row.milliseconds.most);
        println!(
            "{:<22} {:>9.2} {:>6.2} {:>9.2} {:>20} {:>16.2} {:>11.1e} {:>9.0} {:>12.0}",
            row.name,
            row.bytes as f64 / 1e6,
            row.bytes as f64 / rows[0].bytes as f64,
            row.milliseconds.median,
            spread,
            row.speedup.median,
            row.difference,
            row.load[0].median,
            row.load[1].median
        );
    }
}

fn report(task: TaskName, regions: i64, tokens: i64, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "form": row.name,
            "bytes": row.bytes,
            "milliseconds": row.milliseconds.json(),
            "times_as_fast": row.speedup.json(),
            "difference": row.difference,
            "load_milliseconds": row.load[0].json(),
            "load_unoptimised_milliseconds": row.load[1].json(),
        })
    };
    json!({ "task": task, "regions": regions, "tokens": tokens, "forms": rows.iter().map(row).collect::<Vec<_>>() })
}
