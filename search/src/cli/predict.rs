//! `mmnas-search predict`.

use std::path::PathBuf;

use clap::Args;
use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::Form;
use mmnas_search::Result;
use mmnas_search::space::presets;
use serde_json::{Value, json};

use super::output;

/// Predicts how long networks take on a device, from what `mmnas profile` measured there
#[derive(Args)]
#[command(after_help = "\
Milliseconds of one item: text, image and fusion stage, and for a question about an image that is known
already (text and fusion). The image stage begins with region features, not pixels. The sum holds at
the sizes, numbers of tokens and regions that were measured.

Examples:
  mmnas-search predict mcan:1 search/architecture.json --latency latency.json
  mmnas-search predict mmnas-vqa --latency latency.json --variant ort-int8 --json")]
pub(super) struct Arguments {
    /// Architectures: files in the published JSON form, or names such as mmnas-vqa or mcan:2
    #[arg(required = true)]
    architectures: Vec<PathBuf>,
    /// What `mmnas profile` wrote
    #[arg(long)]
    latency: PathBuf,
    /// Form of the graphs [default: all that were measured]
    #[arg(long)]
    variant: Option<Form>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = &arguments.latency;
    let table = LatencyTable::read(file)?;
    let forms = arguments.variant.map_or_else(|| table.forms(), |form| vec![form]);
    let mut rows: Vec<Value> = Vec::new();
    for form in forms {
        let costs = NetworkCosts::of(&table, file, form, Quantity::Milliseconds)?;
        for name in &arguments.architectures {
            let predicted = costs.predict(&presets::open(name)?, file)?;
            rows.push(json!({
                "architecture": name, "form": form.to_string(),
                "text": predicted.text, "image": predicted.image, "fusion": predicted.fusion,
                "known_image": predicted.known_image(), "all": predicted.all(),
            }));
        }
    }
    if arguments.json {
        return output::json(&json!(rows));
    }
    let e = &table.environment;
    let threads = if e.threads == 1 { "thread" } else { "threads" };
    output::line(format_args!("milliseconds on {}, {} {threads}, {}", e.device, e.threads, e.provider));
    let heads = ["text", "image", "fusion", "known image", "all"];
    output::line(format_args!("{:14}{}  architecture", "form", heads.map(|head| format!("{head:>12}")).concat()));
    for row in &rows {
        let numbers = ["text", "image", "fusion", "known_image", "all"];
        let numbers = numbers.map(|key| format!("{:>12.3}", row[key].as_f64().unwrap_or(f64::NAN))).concat();
        let name = row["architecture"].as_str().unwrap_or_default();
        output::line(format_args!("{:14}{numbers}  {name}", row["form"].as_str().unwrap_or_default()));
    }
    Ok(())
}
