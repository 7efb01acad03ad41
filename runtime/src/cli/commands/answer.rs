//! The command `answer`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use mmnas_runtime::bundle::TextCoverage;
use mmnas_runtime::{Answer, LoadOptions, Model, draw_explanation};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::signals::Signals;

const EXAMPLES: &str = "\
Examples:
  mmnas answer bundle photo.png \"what color is the circle?\"
  mmnas answer bundle photo.png \"what shape is it?\" \"is it red?\" --top 1 --json
  mmnas answer bundle photo.png \"what color is the circle?\" --explain out.png

A bundle knows the words of the texts that it was trained on. Others, which it reads as one and
the same unknown word, are told on the standard error output, and in JSON.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// The image: PNG, JPEG, WebP, BMP or GIF; or region features, NAME.npz
    image: PathBuf,
    /// One or more questions about the image, which is encoded once
    #[arg(required = true)]
    question: Vec<String>,
    /// How many answers to give, the best first
    #[arg(long, value_name = "N", default_value = "3")]
    top: NonZeroUsize,
    /// Write the image with its regions shaded and the first question's words weighted by how much they count, as PNG; must
    /// not exist
    #[arg(long, value_name = "FILE")]
    explain: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    output::check_new(arguments.explain.as_deref())?;
    if arguments.explain.is_some() {
        output::check_picture("--explain", &arguments.image)?;
    }
    let start = Instant::now();
    let model = Model::load(&arguments.bundle, options)?;
    let loaded = Instant::now();
    let image = model.encode_file(&arguments.image)?;
    let encoded = Instant::now();
    let mut answers = Vec::with_capacity(arguments.question.len());
    for question in &arguments.question {
        answers.push((question.as_str(), model.answer(&image, question, arguments.top.get())?));
    }
    if let (Some(file), Some((question, best))) = (&arguments.explain, answers.first()) {
        let explanation = model.explain(&image, question)?;
        let title = best.first().map_or_else(String::new, |a| format!("{} {:.4}", a.label, a.probability));
        let _held = signals.hold();
        draw_explanation(&arguments.image, &explanation, &title, file)?;
    }
    let questions: Vec<&str> = arguments.question.iter().map(String::as_str).collect();
    let coverage = output::tell_coverage(&model, &questions)?;
    let milliseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
    let answered = Instant::now();
    tracing::info!(
        "load {:.1} ms, image {:.1} ms, answers {:.1} ms",
        milliseconds(start, loaded),
        milliseconds(loaded, encoded),
        milliseconds(encoded, answered)
    );
    if !arguments.json {
        return Ok(output::print(&text(&answers))?);
    }
    let top = |a: &Answer| json!({ "label": a.label, "probability": a.probability });
    let entry = |((question, best), coverage): (&(&str, Vec<Answer>), &TextCoverage)| {
        json!({
            "question": question,
            "top": best.iter().map(top).collect::<Vec<_>>(),
            "unknown_words": coverage.unknown,
            "words_beyond": coverage.truncated,
        })
    };
    output::print_json(&json!({
        "image": arguments.image.display().to_string(),
        "answers": answers.iter().zip(&coverage).map(entry).collect::<Vec<_>>(),
        "milliseconds": {
            "load": milliseconds(start, loaded),
            "image": milliseconds(loaded, encoded),
            "answers": milliseconds(encoded, answered),
        },
    }))
}

/// One question's answers as lines of label and probability; several questions each with its answers below.
fn text(answers: &[(&str, Vec<Answer>)]) -> String {
    let rows = |best: &[Answer], indent: &str| {
        let row = |a: &Answer| vec![format!("{indent}{}", a.label), format!("{:.4}", a.probability)];
        output::table(&best.iter().map(row).collect::<Vec<_>>(), &[])
    };
    match answers {
        [(_, best)] => rows(best, ""),
        _ => answers.iter().map(|(question, best)| format!("{question}\n{}", rows(best, "  "))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_questions_are_told_apart() {
        let answer = |label: &str| Answer { label: label.into(), probability: 0.5, logit: 0.0, index: 0 };
        let one = [("what?", vec![answer("dog"), answer("a cat")])];
        assert_eq!(text(&one), "dog    0.5000\na cat  0.5000\n");
        let two = [("what?", vec![answer("dog")]), ("red?", vec![answer("no")])];
        assert_eq!(text(&two), "what?\n  dog  0.5000\nred?\n  no  0.5000\n");
    }
}
