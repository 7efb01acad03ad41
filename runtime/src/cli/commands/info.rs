//! The command `info`.

use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle::Bundle;
use mmnas_runtime::bundle::manifest::{Graph, Measured};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output;

const EXAMPLES: &str = "\
Reads the manifest and compares the files' lengths; no graph is loaded. The model card
with more of it is the bundle's README.md.

Examples:
  mmnas info bundle
  mmnas info bundle --json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bundle = Bundle::open(&arguments.bundle, true)?;
    if arguments.json {
        return output::print_json(&as_json(&bundle, bundle.features_sha256()?));
    }
    Ok(output::print(&text(&bundle))?)
}

fn as_json(bundle: &Bundle, features: Option<String>) -> Value {
    let m = bundle.manifest();
    let graph = |graph: &Graph| json!({ "file": graph.file, "variant": graph.form().to_string(), "bytes": m.graph_bytes(graph) });
    json!({
        "bundle": bundle.folder(),
        "format": format!("{}.{}", m.format.major, m.format.minor),
        "task": m.task,
        "architecture": m.architecture.to_string(),
        "parameters": m.parameters,
        "dimensions": m.dimensions,
        "text": m.text,
        "takes_pixels": m.vision.is_some(),
        "features_sha256": features,
        "variants": m.forms().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "graphs": m.all_graphs().map(graph).collect::<Vec<_>>(),
        "opset": m.opset,
        "bytes": bundle.bytes(),
        "metrics": m.metrics,
        "measured": m.measured,
        "licence": m.licence,
        "provenance": m.provenance,
    })
}

fn text(bundle: &Bundle) -> String {
    let m = bundle.manifest();
    let d = &m.dimensions;
    let megabytes = |bytes: u64| format!("{:.2} MB", bytes as f64 / 1e6);
    let mut rows = vec![
        ("task", m.task.to_string()),
        ("architecture", m.architecture.to_string()),
        ("parameters", m.parameters.to_string()),
        (
            "sizes",
            format!("H {}, {} heads of {}, {} words, {} outputs", d.hidden, d.heads(), d.head, d.vocabulary, d.outputs),
        ),
        ("text", format!("up to {} words", m.text.max_tokens)),
        (
            "image",
            m.vision.as_ref().map_or_else(
                || format!("regions of {} features", d.feature),
                |v| {
                    let boxes = if v.regions.is_grid() { "" } else { ", boxes of a detector" };
                    format!("pixels ({}{boxes}), or regions of {} features", v.backbone, d.feature)
                },
            ),
        ),
        ("variants", m.forms().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("opset", m.opset.map_or("not stated".to_owned(), |opset| opset.to_string())),
        ("size", megabytes(bundle.bytes())),
        ("licence", m.licence.clone().unwrap_or_else(|| "not stated".to_owned())),
        ("written by", format!("mmnas {}, format {}.{}", m.provenance.version, m.format.major, m.format.minor)),
    ];
    rows.extend(m.metrics.iter().map(|(name, value)| (name.as_str(), format!("{value:.4}"))));
    let mut text =
        output::table(&rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect::<Vec<_>>(), &[]);
    if let Some(first) = m.measured.first() {
        text += &format!("\none item of {} words and {} regions, {}:\n", first.tokens, first.regions, first.machine);
        let row = |measured: &Measured| {
            let milliseconds = measured.milliseconds.map_or("not timed".to_owned(), |ms| format!("{ms:.2} ms"));
            vec![
                measured.form().to_string(),
                milliseconds,
                format!("difference {:.1e}", measured.difference),
                megabytes(m.form_bytes(measured.form())),
            ]
        };
        text += &output::table(&m.measured.iter().map(row).collect::<Vec<_>>(), &[1, 3]);
    }
    text
}
