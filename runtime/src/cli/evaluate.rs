use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle::samples::{VqaSample, read_json_lines};
use mmnas_runtime::{Evaluation, LoadOptions, Model, evaluate};

use super::{Failure, output, progress};

const EXAMPLES: &str = "\
A sample is a line of JSON: {\"image\": \"1.png\", \"question\": \"what is it?\", \"answer\": \"dog\"}.
An answer counts where the best label is the sample's letter for letter.
Milliseconds are medians; \"image new\" is encoding the image file plus an answer.

Examples:
  mmnas evaluate bundle --samples test.jsonl --images data/test
  mmnas evaluate bundle --samples test.jsonl --images data/test --variant ort-int8
  mmnas evaluate bundle --samples test.jsonl --images data/test --limit 1000 --json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// File of samples, one JSON object a line
    #[arg(long, value_name = "FILE")]
    samples: PathBuf,
    /// Folder that the samples' image names are relative to
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Ask only the first N samples
    #[arg(long, value_name = "N")]
    limit: Option<std::num::NonZeroUsize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    let mut samples: Vec<VqaSample> = read_json_lines(&arguments.samples)?;
    samples.truncate(arguments.limit.map_or(usize::MAX, std::num::NonZeroUsize::get));
    let model = Model::load(&arguments.bundle, options)?;
    let bar = progress::bar(samples.len(), "questions");
    let outcome = evaluate(&model, &samples, &arguments.images, &mut |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let evaluation = outcome?;
    if arguments.json {
        return output::print_json(&evaluation);
    }
    let variant = options.form.map_or_else(|| "fp32".to_owned(), |form| form.to_string());
    Ok(output::print(&text(&evaluation, variant))?)
}

fn text(e: &Evaluation, variant: String) -> String {
    let rows = [
        ("task", e.task.to_string()),
        ("variant", variant),
        ("derived architecture", e.architecture.clone()),
        ("parameters", grouped(e.parameters)),
        ("test accuracy", format!("{:.2} % ({} of {})", e.accuracy * 100.0, e.correct, e.questions)),
        (
            "milliseconds an answer, image known / image new",
            format!("{:.2} / {:.2}", e.milliseconds_known, e.milliseconds_new),
        ),
        ("bundle size", format!("{:.2} MB", e.bundle_bytes as f64 / 1e6)),
    ];
    output::table(&rows.map(|(name, value)| vec![name.to_owned(), value]), &[])
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_readable() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }
}
