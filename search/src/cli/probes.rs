//! `mmnas-search probes`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::{Architecture, VisionBundle};
use mmnas_search::Result;
use mmnas_search::bundle::probes::{ProbeSizes, ProbesWanted, probes};
use mmnas_search::compare::record::Comparison;
use mmnas_search::recipe::Recipe;
use serde_json::json;

use super::data::TaskArgument;
use super::output;
use super::write::{FormChoice, Int8Choice};

/// Regions of the measured image where nothing says how many, as in the published ITM models.
const REGIONS: usize = 36;

/// Writes small graphs that `mmnas profile` times on the device where networks are to run
#[derive(Args)]
#[command(after_help = "\
The folder holds, for each operation of the recipe's space and each stage, chains of one block, of two
to four and, where the space has more, of up to twelve, and each stage without blocks, at the
retraining's width. The exporter writes them as it writes bundles. They need no libtorch to be
measured: copy the folder to the device.

--checks random networks of the space are among the probes. `mmnas profile` measures them too, and
`mmnas-search predict` sets what it predicts of them beside what they took: so you see whether
predictions hold on your device. --compared does so for what a comparison trained.

With --vision the vision stage is measured too, and predictions have a column from pixels on.

Examples:
  mmnas-search probes --recipe recipe.toml --feature 1285 --vocabulary 2000 --answers 200 --out probes
  mmnas-search probes --recipe recipe.toml --vision vision --answers 200 --checks 30 --out probes
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
    /// Width of a region's features: features.json says it [default with --vision: the stage's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536), required_unless_present = "vision")]
    feature: Option<u32>,
    /// Number of words
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(4..=4_000_000))]
    vocabulary: u32,
    /// Number of answers (vqa)
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    answers: u32,
    /// Regions of the measured image [default: 36; with --vision as many as the stage gives]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    regions: Option<u32>,
    /// Tokens of the measured text
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tokens: u32,
    /// Forms of the graphs, separated by commas: ort or portable operators in fp32, fp16 or int8; or `all`
    #[arg(long, value_delimiter = ',', value_parser = FormChoice::parse, default_value = "ort-fp32,ort-int8")]
    variants: Vec<FormChoice>,
    /// How weights in 8 bits are computed with by the ort operators, as in export
    #[arg(long, value_enum, default_value = "per-tensor")]
    int8: Int8Choice,
    /// Random networks of the space to measure whole, 0 to 256
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=256))]
    checks: u32,
    /// Record of a comparison whose networks of this width are to be measured whole too
    #[arg(long, value_name = "FILE")]
    compared: Option<PathBuf>,
    /// Vision stage to measure too, as `mmnas-search vision` writes it
    #[arg(long, value_name = "FOLDER")]
    vision: Option<PathBuf>,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The networks of width `hidden` in the record of a comparison of `task`.
fn compared(file: &Path, task: TaskName, hidden: usize) -> Result<Vec<Architecture>> {
    let record = Comparison::read(file)?;
    let invalid = |field, expected: String, found: String| mmnas_bundle::Error::invalid(file, field, expected, found);
    if record.task != task.to_string() {
        return Err(invalid("task", format!("{task}, as --task"), record.task).into());
    }
    let networks = record.architectures(hidden);
    if networks.is_empty() {
        let widths: BTreeSet<usize> = record.outcomes.iter().map(|outcome| outcome.hidden).collect();
        let found = widths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        return Err(invalid("outcomes[].hidden", format!("{hidden}, as retrain.hidden"), found).into());
    }
    Ok(networks)
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let recipe = Recipe::read(&arguments.recipe, &arguments.set)?;
    let vision = arguments.vision.as_deref().map(VisionBundle::open).transpose()?;
    let number = |value: u32| value as usize;
    let of_vision = vision.as_ref().map(VisionBundle::vision);
    let sizes = ProbeSizes {
        // Without a vision stage the width must be there, with one the number of regions is its own.
        feature: arguments.feature.map_or_else(|| of_vision.map_or(0, |vision| vision.feature), number),
        vocabulary: number(arguments.vocabulary),
        answers: number(arguments.answers),
        tokens: number(arguments.tokens),
        regions: arguments.regions.map_or_else(|| of_vision.map_or(REGIONS, |vision| vision.regions.count()), number),
    };
    let forms = FormChoice::forms(&arguments.variants);
    let task = arguments.task.name();
    let compared = arguments.compared.as_deref().map(|file| compared(file, task, recipe.retrain.hidden));
    let networks = compared.transpose()?.unwrap_or_default();
    let wanted = ProbesWanted {
        networks: &networks,
        forms: &forms,
        int8: arguments.int8.scheme(),
        checks: number(arguments.checks),
        vision: vision.as_ref(),
    };
    let written = probes(&recipe, task, sizes, &wanted, &arguments.out)?;
    let bytes: u64 = written.files.values().map(|file| file.bytes).sum();
    if arguments.json {
        let forms: Vec<String> = forms.iter().map(ToString::to_string).collect();
        return output::json(&json!({
            "out": arguments.out, "probes": written.probes.len(), "checks": written.checks.len(), "forms": forms,
            "bytes": bytes,
        }));
    }
    output::line(format_args!(
        "{}: {} probes, {} networks as checks among them, in {} forms, {:.1} MB; measure them with `mmnas profile {} --out latency.json`",
        arguments.out.display(),
        written.probes.len(),
        written.checks.len(),
        forms.len(),
        bytes as f64 / 1e6,
        arguments.out.display()
    ));
    Ok(())
}
