//! Predicted milliseconds of random architectures beside measured ones.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::manifest::{Dimensions, Form, Precision, TaskName, Variant};
use mmnas_bundle::{Architecture, Operation};
use mmnas_export::{ExportSettings, Int8Scheme, ProbeSettings, plan, write_probes};
use mmnas_runtime::{LoadOptions, ProfileSettings, Timed};
use mmnas_search::bundle::golden::record_stages;
use mmnas_search::compare::statistics::spearman_rho;
use mmnas_search::rng;
use mmnas_tests::bench::machine;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::official;
use rand::RngExt as _;
use serde_json::{Value, json};
use tch::Device;

#[derive(Parser)]
#[command(
    about = "Profiles the probes of the published space, then writes bundles of random architectures, and sets what \
             the sum of the probes predicts beside what their graphs take. `make bench-latency` runs it."
)]
struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Tiny sizes: whether it runs, not how well it predicts
    #[arg(long)]
    quick: bool,
    /// H of the networks
    #[arg(long, default_value_t = 128)]
    hidden: usize,
    /// Random architectures of each task
    #[arg(long, default_value_t = 30)]
    architectures: u64,
    /// Most blocks of encoder and decoder
    #[arg(long, default_value_t = 6)]
    blocks: usize,
    /// Threads of an operator
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

const FORMS: [Form; 2] = [Form::ORT_FP32, Form { variant: Variant::Ort, precision: Precision::Int8 }];
/// Tokens and regions of a call.
const TOKENS: usize = 7;
const REGIONS: usize = 36;

/// An architecture with 1 to `blocks` encoder blocks, and as many to twice as many decoder blocks.
fn random_architecture(number: u64, blocks: usize) -> Architecture {
    let mut rng = rng(5, "latency architectures", number);
    let mut draw = |from: &[Operation], count: usize| {
        (0..count).map(|_| from[rng.random_range(0..from.len())]).collect::<Vec<Operation>>()
    };
    let size = 1 + number as usize % blocks.max(1);
    Architecture { encoder: draw(&Operation::ENCODER, size), decoder: draw(&Operation::DECODER, 2 * size) }
}

struct Row {
    task: TaskName,
    form: Form,
    predicted: Vec<f64>,
    measured: Vec<f64>,
}

impl Row {
    fn errors(&self) -> impl Iterator<Item = f64> {
        self.predicted.iter().zip(&self.measured).map(|(predicted, measured)| (predicted / measured - 1.0).abs())
    }

    fn mean_error(&self) -> f64 {
        self.errors().sum::<f64>() / self.measured.len().max(1) as f64
    }

    fn correlation(&self) -> f64 {
        spearman_rho(&self.predicted, &self.measured)
    }

    fn json(&self) -> Value {
        json!({
            "task": self.task.to_string(), "form": self.form.to_string(), "mean_error": self.mean_error(),
            "worst_error": self.errors().fold(0.0, f64::max), "spearman": self.correlation(),
            "predicted": self.predicted, "measured": self.measured,
        })
    }
}

fn measure(task: TaskName, options: &Options, folder: &Path) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let outputs = if task == TaskName::Vqa { 17 } else { 1 };
    let d = Dimensions { hidden: options.hidden, ..official(options.hidden, outputs) };
    let load = LoadOptions { threads: std::num::NonZeroUsize::new(options.threads), ..LoadOptions::default() };
    let probes = folder.join(format!("probes-{task}"));
    let settings = ProbeSettings {
        task,
        dimensions: &d,
        tokens: TOKENS,
        regions: REGIONS,
        forms: &FORMS,
        int8: Int8Scheme::default(),
        external_over: ExportSettings::default().external_over,
    };
    let weights = |architecture: &Architecture| Ok(weights_of(&formula_network(task, architecture, &d)));
    write_probes(&plan(&Operation::ENCODER, &Operation::DECODER), &settings, &probes, weights)?;
    let rounds = if options.quick { 5 } else { 60 };
    let profiling = ProfileSettings { rounds, max_spread: 10.0 };
    let mut rows: Vec<Row> =
        FORMS.map(|form| Row { task, form, predicted: Vec::new(), measured: Vec::new() }).into_iter().collect();
    for number in 0..options.architectures {
        let architecture = random_architecture(number, options.blocks);
        let network = formula_network(task, &architecture, &d);
        let recorded = record_stages(&network, task, TOKENS, REGIONS, number)?;
        let out = folder.join(format!("{task}-{number}"));
        let exported = ExportSettings { forms: FORMS.to_vec(), ..ExportSettings::default() };
        write((task, &network), &architecture, &weights_of(&network), &recorded, exported, &out);
        // In turns: processors that other work shares change their speed within minutes.
        let file = folder.join(format!("latency-{task}-{number}.json"));
        let table = mmnas_runtime::profile(&probes, &file, &profiling, &load, &mut |_| {})?.table;
        let report = mmnas_runtime::verify(&out, &load, Timed::Yes)?;
        for row in &mut rows {
            let measured = report.measured.iter().find(|m| m.form() == row.form).and_then(|m| m.milliseconds);
            let Some(measured) = measured else { continue };
            row.predicted.push(
                NetworkCosts::of(&table, &file, row.form, Quantity::Milliseconds)?.predict(&architecture, &file)?.all(),
            );
            row.measured.push(measured);
        }
        std::fs::remove_dir_all(&out)?;
    }
    Ok(rows)
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for task in [TaskName::Vqa, TaskName::Itm, TaskName::Vgd] {
        rows.extend(measure(task, options, folder.path())?);
    }
    if options.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        println!(
            "{}",
            serde_json::to_string_pretty(&json!({ "machine": machine::describe(Device::Cpu), "rows": rows }))?
        );
        return Ok(());
    }
    println!("{}; {} of the runtime, H {}", machine::describe(Device::Cpu), options.threads, options.hidden);
    println!("| task | form | networks | ms | mean error | worst | rank correlation |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    for row in &rows {
        let (least, most) =
            row.measured.iter().fold((f64::INFINITY, 0.0f64), |(least, most), ms| (least.min(*ms), most.max(*ms)));
        println!(
            "| {} | {} | {} | {least:.2} to {most:.2} | {:.1} % | {:.1} % | {:.3} |",
            row.task,
            row.form,
            row.measured.len(),
            100.0 * row.mean_error(),
            100.0 * row.errors().fold(0.0, f64::max),
            row.correlation()
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        options = Options { hidden: 64, architectures: 3, blocks: 2, ..options };
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-latency: {error}");
            ExitCode::FAILURE
        }
    }
}
