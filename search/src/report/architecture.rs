//! The derived architecture as the paper draws it: two stacks, the encoder over text and the decoder over regions, from
//! bottom to top, and the encoded text that goes into every GA.

use std::fmt::Write;

use mmnas_bundle::{Architecture, Operation};

use crate::Pool;

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 26.0;
const GAP: f64 = 12.0;
const STEP: f64 = HEIGHT + GAP;
const ENCODER: f64 = 24.0;
const DECODER: f64 = 228.0;
const CAPTION: f64 = 34.0;

/// Class of the style sheet that gives an operation its colour.
pub(super) fn class(operation: Operation) -> &'static str {
    match operation {
        Operation::SelfAttention => "sa",
        Operation::RelationSelfAttention => "rsa",
        Operation::GuidedAttention => "ga",
        Operation::FeedForward => "ffn",
        Operation::Other(_) => "plain",
    }
}

/// The picture as SVG.
pub(super) fn draw(architecture: &Architecture) -> String {
    let pool = Pool::standard();
    let rows = architecture.encoder.len().max(architecture.decoder.len());
    let (width, height) = (DECODER + WIDTH + 24.0, rows as f64 * STEP + 2.0 * CAPTION);
    let mut svg = format!(
        "<svg class=\"architecture\" style=\"max-width:{width}px\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{architecture}\">"
    );
    let top = |row: usize| height - CAPTION - (row + 1) as f64 * STEP + GAP / 2.0;
    let text = |svg: &mut String, x: f64, y: f64, words: &str| {
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{words}</text>");
    };
    for (x, blocks, name) in [(ENCODER, &architecture.encoder, "text"), (DECODER, &architecture.decoder, "regions")] {
        let middle = x + WIDTH / 2.0;
        text(&mut svg, middle, height - 8.0, name);
        for (row, operation) in blocks.iter().enumerate() {
            let y = top(row);
            let _ = write!(svg, "<path class=\"arrow\" d=\"M{middle} {:.1}V{:.1}\"/>", y + HEIGHT + GAP, y + HEIGHT);
            let _ = write!(
                svg,
                "<rect class=\"block {}\" x=\"{x}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>",
                class(*operation)
            );
            let _ = write!(
                svg,
                "<text class=\"name\" x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                y + HEIGHT / 2.0 + 4.5,
                pool.find(operation.name()).map_or(operation.abbreviation(), |kind| kind.abbreviation())
            );
        }
        let end = top(blocks.len().saturating_sub(1));
        let _ = write!(svg, "<path class=\"arrow\" d=\"M{middle} {end:.1}V{:.1}\"/>", end - GAP);
    }
    // From the encoder's end along a rail between the stacks into each GA and whatever else reads the text.
    let reads_text = |operation: &Operation| pool.find(operation.name()).is_some_and(|kind| kind.reads_text());
    let decoder = architecture.decoder.iter().enumerate();
    let guided: Vec<usize> = decoder.filter(|(_, operation)| reads_text(operation)).map(|(row, _)| row).collect();
    if !guided.is_empty() {
        let (rail, start) =
            ((ENCODER + WIDTH + DECODER) / 2.0, top(architecture.encoder.len().saturating_sub(1)) - GAP);
        let _ = write!(svg, "<path class=\"guide\" d=\"M{:.1} {start:.1}H{rail}\"/>", ENCODER + WIDTH / 2.0);
        for row in guided {
            let y = top(row) + HEIGHT / 2.0;
            let _ = write!(svg, "<path class=\"guide\" d=\"M{rail} {start:.1}V{y:.1}H{:.1}\"/>", DECODER - 3.0);
            let _ = write!(svg, "<path class=\"head\" d=\"M{DECODER} {y:.1}l-7 -4v8z\"/>");
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_the_wider_pool_have_short_names_and_a_line_from_the_text_they_read() {
        let text =
            r#"{"enc": [["none"]], "dec": [["guided_att_64_2"], ["uniimg_att_64"], ["std_conv_3"], ["of_a_user"]]}"#;
        let svg = draw(&serde_json::from_str(text).unwrap());
        for name in [">none<", ">GA 64x2<", ">UA 64<", ">Conv 3<", ">of_a_user<"] {
            assert!(svg.contains(name), "{name}: {svg}");
        }
        assert_eq!(svg.matches("class=\"head\"").count(), 2);
    }
}
