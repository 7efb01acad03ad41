//! Predicted milliseconds of random networks beside measured ones.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use mmnas_bundle::latency::checks::Checks;
use mmnas_bundle::latency::quantity::Quantity;
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::{Dimensions, Form, Precision, TaskName, Variant};
use mmnas_bundle::{Architecture, Operation};
use mmnas_export::{ExportSettings, Int8Scheme, ProbeSettings, plan, write_probes};
use mmnas_runtime::{LoadOptions, ProfileSettings};
use mmnas_search::Space;
use mmnas_search::bundle::check_networks::check_networks;
use mmnas_tests::bench::machine;
use mmnas_tests::exported::{formula_network, weights_of};
use mmnas_tests::fixtures::{official, official_full};
use serde_json::{Value, json};
use tch::Device;

#[derive(Parser)]
#[command(
    about = "Measures probes of the published space and random networks of it in the same rounds, and sets what the sum \
             of the probes predicts beside what the networks take. `make bench-latency` runs it, small (H 128) and at \
             the published sizes (H 512)."
)]
struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Tiny sizes: whether it runs, not how well it predicts
    #[arg(long)]
    quick: bool,
    /// Only the small networks, or only those of the published sizes
    #[arg(long, value_parser = ["128", "512"])]
    hidden: Option<String>,
    /// Random networks of each task
    #[arg(long, default_value_t = 30)]
    networks: usize,
    /// Threads of an operator
    #[arg(long, default_value_t = NonZeroUsize::MIN)]
    threads: NonZeroUsize,
    /// Rounds of the measurement
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// Folder where measured tables are kept, and taken from when it is called again
    #[arg(long)]
    keep: Option<PathBuf>,
}

const FORMS: [Form; 2] = [Form::ORT_FP32, Form { variant: Variant::Ort, precision: Precision::Int8 }];
/// Tokens and regions of a call.
const TOKENS: usize = 7;
const REGIONS: usize = 36;

/// Sizes of networks.
#[derive(Clone, Copy)]
struct Size {
    name: &'static str,
    /// Most blocks of encoder and decoder.
    blocks: (usize, usize),
    dimensions: fn(usize) -> Dimensions,
}

const SMALL: Size = Size { name: "H 128", blocks: (6, 12), dimensions: |outputs| official(128, outputs) };
/// With fewer words, each of which takes the same time: they would only make the files larger.
const PUBLISHED: Size = Size {
    name: "H 512",
    blocks: (6, 12),
    dimensions: |outputs| Dimensions { vocabulary: 2000, ..official_full(outputs) },
};
const TINY: Size = Size { name: "H 64", blocks: (2, 3), dimensions: |outputs| official(64, outputs) };

/// The table of a task at a size, from an earlier call or measured now.
fn table(
    task: TaskName,
    size: Size,
    options: &Options,
    folder: &Path,
) -> Result<LatencyTable, Box<dyn std::error::Error>> {
    let name = format!("{task}-{}", size.name.replace(' ', "").to_lowercase());
    let file = folder.join(format!("{name}.json"));
    let probes = folder.join(format!("{name}-probes"));
    if file.exists() {
        let table = LatencyTable::read(&file)?;
        let (measured, wanted) =
            ((table.environment.threads, table.checks.len()), (options.threads.get(), options.networks));
        if measured != wanted {
            let (file, told) = (file.display(), |(t, n)| format!("{t} threads and {n} networks"));
            return Err(format!("{file}: expected {}, found {}: remove it", told(wanted), told(measured)).into());
        }
        return Ok(table);
    }
    if !probes.exists() {
        let d = (size.dimensions)(if task == TaskName::Vqa { 17 } else { 1 });
        let checks = check_networks(&Space::published(size.blocks.0, size.blocks.1), options.networks, 5);
        let settings = ProbeSettings {
            task,
            dimensions: &d,
            tokens: TOKENS,
            regions: REGIONS,
            forms: &FORMS,
            int8: Int8Scheme::default(),
            external_over: ExportSettings::default().external_over,
            checks: &checks,
            vision: None,
        };
        let weights = |architecture: &Architecture| Ok(weights_of(&formula_network(task, architecture, &d)));
        write_probes(&plan(&Operation::ENCODER, &Operation::DECODER, size.blocks), &settings, &probes, weights)?;
    }
    let profiling = ProfileSettings { rounds: options.rounds, max_spread: 10.0 };
    let load = LoadOptions { threads: Some(options.threads), check_hashes: false, ..LoadOptions::default() };
    let table = mmnas_runtime::profile(&probes, &file, &profiling, &load, &mut |_| {})?.table;
    std::fs::remove_dir_all(&probes)?;
    Ok(table)
}

struct Row {
    task: TaskName,
    size: Size,
    checks: Checks,
}

impl Row {
    fn json(&self) -> Value {
        let of = |network: &mmnas_bundle::latency::checks::CheckedNetwork| {
            let stages = |p: &mmnas_bundle::latency::costs::Predicted| json!([p.text, p.image, p.fusion]);
            let architecture = network.architecture.to_string();
            json!({ "architecture": architecture, "predicted": stages(&network.predicted), "measured": stages(&network.measured) })
        };
        json!({
            "task": self.task.to_string(), "size": self.size.name, "form": self.checks.form.to_string(),
            "mean_error": self.checks.mean_error(), "worst_error": self.checks.worst_error(),
            "rank_correlation": self.checks.rank_correlation(),
            "networks": self.checks.networks.iter().map(of).collect::<Vec<_>>(),
        })
    }

    fn line(&self) -> String {
        let measured = self.checks.networks.iter().map(|network| network.measured.all());
        let (least, most) = measured.fold((f64::INFINITY, 0.0f64), |(least, most), ms| (least.min(ms), most.max(ms)));
        let number = |value: Option<f64>, scale: f64| value.unwrap_or(f64::NAN) * scale;
        format!(
            "| {} | {} | {} | {} | {least:.2} to {most:.2} | {:.1} % | {:.1} % | {:.3} |",
            self.size.name,
            self.task,
            self.checks.form,
            self.checks.networks.len(),
            number(self.checks.mean_error(), 100.0),
            number(self.checks.worst_error(), 100.0),
            number(self.checks.rank_correlation(), 1.0),
        )
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let sizes: Vec<Size> = match (options.quick, options.hidden.as_deref()) {
        (true, _) => vec![TINY],
        (false, Some("128")) => vec![SMALL],
        (false, Some(_)) => vec![PUBLISHED],
        (false, None) => vec![SMALL, PUBLISHED],
    };
    let mut rows = Vec::new();
    for size in sizes {
        for task in [TaskName::Vqa, TaskName::Itm, TaskName::Vgd] {
            let table = table(task, size, options, folder)?;
            for form in FORMS {
                let checks = Checks::of(&table, folder, form, Quantity::Milliseconds)?;
                rows.push(Row { task, size, checks });
            }
        }
    }
    let (machine, threads) = (machine::describe(Device::Cpu), options.threads);
    if options.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "machine": machine, "threads": threads, "rows": rows }))?);
        return Ok(());
    }
    println!("{machine}; {threads} of the runtime; {TOKENS} tokens, {REGIONS} regions");
    println!("| size | task | form | networks | ms | mean error | worst | rank correlation |");
    println!("|---|---|---|---:|---:|---:|---:|---:|");
    rows.iter().for_each(|row| println!("{}", row.line()));
    Ok(())
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        options = Options { networks: 3, rounds: 5, ..options };
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-latency: {error}");
            ExitCode::FAILURE
        }
    }
}
