//! `mmnas-search probes`.

use std::path::PathBuf;

use clap::Args;
use mmnas_export::Int8Scheme;
use mmnas_search::Result;
use mmnas_search::bundle::probes::{ProbeSizes, probes};
use mmnas_search::recipe::Recipe;
use serde_json::json;

use super::data::TaskArgument;
use super::output;
use super::write::FormChoice;

/// Writes small graphs that `mmnas profile` times on the device where networks are to run
#[derive(Args)]
#[command(after_help = "\
The folder holds, for each operation of the recipe's space and each stage, chains of one and of four
blocks, and each stage without blocks, at the retraining's width. The exporter writes them as it writes
bundles. It needs no libtorch to be measured: copy it to the device.

Example:
  mmnas-search probes --recipe recipe.toml --feature 1285 --vocabulary 2000 --answers 200 --out probes
  mmnas profile probes --out latency.json
  mmnas-search predict mcan:1 search/architecture.json --latency latency.json")]
pub(super) struct Arguments {
    /// The task
    #[arg(long, value_enum, default_value_t = TaskArgument::Vqa)]
    task: TaskArgument,
    /// The recipe, TOML
    #[arg(long)]
    recipe: PathBuf,
    /// Replace a value of the recipe, as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Width of a region's features: features.json says it
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    feature: u32,
    /// Number of words
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(4..=4_000_000))]
    vocabulary: u32,
    /// Number of answers (vqa)
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    answers: u32,
    /// Regions of the measured image
    #[arg(long, default_value_t = 36, value_parser = clap::value_parser!(u32).range(1..=4096))]
    regions: u32,
    /// Tokens of the measured text
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tokens: u32,
    /// Forms of the graphs, separated by commas: ort or portable operators in fp32, fp16 or int8; or `all`
    #[arg(long, value_delimiter = ',', value_parser = FormChoice::parse, default_value = "ort-fp32,ort-int8")]
    variants: Vec<FormChoice>,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let recipe = Recipe::read(&arguments.recipe, &arguments.set)?;
    let number = |value: u32| value as usize;
    let sizes = ProbeSizes {
        feature: number(arguments.feature),
        vocabulary: number(arguments.vocabulary),
        answers: number(arguments.answers),
        tokens: number(arguments.tokens),
        regions: number(arguments.regions),
    };
    let forms = FormChoice::forms(&arguments.variants);
    let written = probes(&recipe, arguments.task.name(), sizes, &forms, Int8Scheme::default(), &arguments.out)?;
    let bytes: u64 = written.files.values().map(|file| file.bytes).sum();
    if arguments.json {
        let forms: Vec<String> = forms.iter().map(ToString::to_string).collect();
        return output::json(&json!({
            "out": arguments.out, "probes": written.probes.len(), "forms": forms, "bytes": bytes,
        }));
    }
    output::line(format_args!(
        "{}: {} probes in {} forms, {:.1} MB; measure them with `mmnas profile {} --out latency.json`",
        arguments.out.display(),
        written.probes.len(),
        forms.len(),
        bytes as f64 / 1e6,
        arguments.out.display()
    ));
    Ok(())
}
