//! `mmnas-search derive`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::Form;
use mmnas_bundle::write_atomically;
use mmnas_search::run::derived::derive_under_limit;
use mmnas_search::space::limited_part::LimitedPart;
use mmnas_search::{Error, Result};
use serde_json::json;

use super::output;

/// Derives from a finished search the best network of at most so many milliseconds on a device
#[derive(Args)]
#[command(after_help = "\
Nothing is trained: one search serves many devices. Of all architectures whose predicted time keeps the
limit, the most probable by alpha is written. If none does, the error names the fastest.

Example:
  mmnas-search derive search --latency latency.json --at-most 3 --out small.json
  mmnas-search retrain --recipe recipe.toml --architecture small.json --samples train.jsonl \\
      --features features --out retrain-small")]
pub(super) struct Arguments {
    /// Folder of a search run
    run: PathBuf,
    /// What `mmnas profile` wrote on the device
    #[arg(long)]
    latency: PathBuf,
    /// The limit, in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    at_most: f64,
    /// Which part of a call the limit is for
    #[arg(long, value_enum, default_value = "known-image")]
    of: PartArgument,
    /// Form of the graphs
    #[arg(long, default_value = "ort-fp32")]
    variant: Form,
    /// The architecture's file to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum PartArgument {
    /// A question about an image that is known: text and fusion stage
    KnownImage,
    /// All three stages, from region features on
    All,
    /// From pixels on: the vision stage too (`mmnas-search probes --vision`)
    Pixels,
    /// The text stage
    Text,
    /// The image stage
    Image,
    /// The fusion stage
    Fusion,
}

fn milliseconds(text: &str) -> std::result::Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|ms| *ms > 0.0 && ms.is_finite());
    value.ok_or_else(|| "expected a number above 0".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.out.exists() {
        return Err(mmnas_bundle::Error::Exists { path: arguments.out.clone() }.into());
    }
    let file = &arguments.latency;
    let table = LatencyTable::read(file)?;
    let part = match arguments.of {
        PartArgument::KnownImage => LimitedPart::KnownImage,
        PartArgument::All => LimitedPart::All,
        PartArgument::Pixels => LimitedPart::Pixels,
        PartArgument::Text => LimitedPart::Text,
        PartArgument::Image => LimitedPart::Image,
        PartArgument::Fusion => LimitedPart::Fusion,
    };
    let found = derive_under_limit(&arguments.run, &table, file, arguments.variant, part, arguments.at_most)?;
    let text = found.architecture.to_published_json();
    write_atomically(&arguments.out, (text + "\n").as_bytes()).map_err(Error::from)?;
    if arguments.json {
        return output::json(&json!({
            "out": arguments.out, "architecture": found.architecture.to_string(),
            "milliseconds": found.milliseconds, "at_most": arguments.at_most,
            "hidden": table.dimensions.hidden, "tokens": table.tokens, "regions": table.regions,
        }));
    }
    output::line(format_args!(
        "{}: {}, {:.3} ms predicted of at most {}, at H {}, {} tokens and {} regions",
        arguments.out.display(),
        found.architecture,
        found.milliseconds,
        arguments.at_most,
        table.dimensions.hidden,
        table.tokens,
        table.regions
    ));
    Ok(())
}
