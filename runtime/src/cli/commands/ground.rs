//! The command `ground`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle::TextCoverage;
use mmnas_runtime::{Grounding, LoadOptions, Model, draw_boxes};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::signals::Signals;

const EXAMPLES: &str = "\
Boxes are x1 y1 x2 y2 in pixels of the image.

Examples:
  mmnas ground bundle photo.png \"the red square\"
  mmnas ground bundle photo.png \"the man on the left\" \"his dog\" --draw boxes.png
  mmnas ground bundle photo.png \"the red square\" --top 3 --json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The bundle's folder; its task is vgd
    bundle: PathBuf,
    /// The image: PNG, JPEG, WebP, BMP or GIF
    image: PathBuf,
    /// One or more phrases that name something in the image, which is encoded once
    #[arg(required = true)]
    phrase: Vec<String>,
    /// How many boxes to give for a phrase, the best first
    #[arg(long, value_name = "N", default_value = "1")]
    top: NonZeroUsize,
    /// Write the image with the best box of each phrase, as PNG; must not exist
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    output::check_new(arguments.draw.as_deref())?;
    if arguments.draw.is_some() {
        output::check_picture("--draw", &arguments.image)?;
    }
    let model = Model::load(&arguments.bundle, options)?;
    let image = model.encode_file(&arguments.image)?;
    let mut found = Vec::with_capacity(arguments.phrase.len());
    for phrase in &arguments.phrase {
        found.push((phrase.as_str(), model.ground(&image, phrase, arguments.top.get())?));
    }
    if let Some(file) = &arguments.draw {
        let best: Vec<_> = found.iter().filter_map(|(_, boxes)| Some(boxes.first()?.box_xyxy)).collect();
        let _held = signals.hold();
        draw_boxes(&arguments.image, &best, file)?;
    }
    let phrases: Vec<&str> = arguments.phrase.iter().map(String::as_str).collect();
    let coverage = output::tell_coverage(&model, &phrases)?;
    if !arguments.json {
        return Ok(output::print(&text(&found))?);
    }
    let entry = |g: &Grounding| json!({ "box_xyxy": g.box_xyxy, "probability": g.probability, "region": g.region });
    let of_phrase = |((phrase, boxes), coverage): (&(&str, Vec<Grounding>), &TextCoverage)| {
        json!({
            "phrase": phrase,
            "top": boxes.iter().map(entry).collect::<Vec<_>>(),
            "unknown_words": coverage.unknown,
            "words_beyond": coverage.truncated,
        })
    };
    let entries: Vec<_> = found.iter().zip(&coverage).map(of_phrase).collect();
    output::print_json(&json!({ "image": arguments.image.display().to_string(), "groundings": entries }))
}

/// A line a box: phrase, corners, probability.
fn text(found: &[(&str, Vec<Grounding>)]) -> String {
    let row = |phrase: &str, g: &Grounding| {
        let corners = g.box_xyxy.map(|v| format!("{v:.1}"));
        [&[phrase.to_owned()][..], &corners, &[format!("{:.4}", g.probability)]].concat()
    };
    let rows: Vec<Vec<String>> =
        found.iter().flat_map(|(phrase, boxes)| boxes.iter().map(move |g| row(phrase, g))).collect();
    output::table(&rows, &[1, 2, 3, 4, 5])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_a_line() {
        let grounding = Grounding { box_xyxy: [1.0, 2.0, 30.25, 4.0], probability: 0.5, score: 0.0, region: 3 };
        assert_eq!(text(&[("the dog", vec![grounding])]), "the dog  1.0  2.0  30.2  4.0  0.5000\n");
    }
}
