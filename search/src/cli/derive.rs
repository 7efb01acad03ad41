//! `mmnas-search derive`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use mmnas_bundle::manifest::Form;
use mmnas_bundle::write_atomically;
use mmnas_search::recipe::limited_part::LimitedPart;
use mmnas_search::recipe::limits::LimitSettings;
use mmnas_search::run::derived::derive_within_limits;
use mmnas_search::space::limits::{Latency, Taken};
use mmnas_search::{Error, Result};
use serde_json::{Value, json};

use super::output;

/// Derives from a finished search the best network within limits on a device
#[derive(Args)]
#[command(override_usage = "mmnas-search derive [OPTIONS] --latency <LATENCY> --out <OUT> <LIMITS> <RUN>")]
#[command(group = ArgGroup::new("limits").required(true).multiple(true)
    .args(["at_most", "at_most_megabytes", "at_most_memory", "at_most_millijoules"]))]
#[command(after_help = "\
Nothing is trained: one search serves many devices. Of all architectures that are predicted to keep the
limits, the most probable by alpha is written. If none does, the error names the nearest.

Examples:
  mmnas-search derive search --latency latency.json --at-most 3 --out small.json
  mmnas-search derive search --latency latency.json --at-most 3 --at-most-megabytes 4 \\
      --variant ort-int8 --out smaller.json
  mmnas-search retrain --recipe recipe.toml --architecture small.json --samples train.jsonl \\
      --features features --out retrain-small")]
pub(super) struct Arguments {
    /// Folder of a search run
    run: PathBuf,
    /// What `mmnas profile` wrote on the device
    #[arg(long)]
    latency: PathBuf,
    /// Most milliseconds
    #[arg(long, value_name = "MS", value_parser = positive)]
    at_most: Option<f64>,
    /// Most megabytes of all graphs and weights on disk
    #[arg(long, value_name = "MB", value_parser = positive)]
    at_most_megabytes: Option<f64>,
    /// Most megabytes of memory that all stages hold, where they were measured
    #[arg(long, value_name = "MB", value_parser = positive)]
    at_most_memory: Option<f64>,
    /// Most millijoules, where they were measured
    #[arg(long, value_name = "MJ", value_parser = positive)]
    at_most_millijoules: Option<f64>,
    /// Which part of a call takes the milliseconds and millijoules
    #[arg(long, value_enum, default_value = "known-image")]
    of: LimitedPart,
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

pub(super) fn positive(text: &str) -> std::result::Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| *value > 0.0 && value.is_finite());
    value.ok_or_else(|| "expected a number above 0".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.out.exists() {
        return Err(mmnas_bundle::Error::Exists { path: arguments.out.clone() }.into());
    }
    let latency = Latency::read(&arguments.latency)?;
    let settings = LimitSettings {
        milliseconds: arguments.at_most,
        megabytes: arguments.at_most_megabytes,
        memory: arguments.at_most_memory,
        millijoules: arguments.at_most_millijoules,
        of: arguments.of,
        form: arguments.variant,
        ..LimitSettings::default()
    };
    let found = derive_within_limits(&arguments.run, &latency, &settings)?;
    let text = found.architecture.to_published_json();
    write_atomically(&arguments.out, (text + "\n").as_bytes()).map_err(Error::from)?;
    let table = &latency.table;
    if arguments.json {
        let of = |value: fn(&Taken) -> f64| -> Value { found.taken.iter().map(|t| (t.name, value(t))).collect() };
        return output::json(&json!({
            "out": arguments.out, "architecture": found.architecture.to_string(),
            "predicted": of(|taken| taken.amount), "at_most": of(|taken| taken.at_most),
            "log_probability": found.log_probability,
            "hidden": table.dimensions.hidden, "tokens": table.tokens, "regions": table.regions,
        }));
    }
    let taken: Vec<String> = found.taken.iter().map(ToString::to_string).collect();
    output::line(format_args!(
        "{}: {}, predicted {}, at H {}, {} tokens and {} regions",
        arguments.out.display(),
        found.architecture,
        taken.join(", "),
        table.dimensions.hidden,
        table.tokens,
        table.regions
    ));
    Ok(())
}
