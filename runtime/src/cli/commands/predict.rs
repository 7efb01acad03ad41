//! The command `predict`.

use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle::samples::{QuestionSample, Reading, SampleFile, repeated_question};
use mmnas_runtime::bundle::{Error, write_atomically};
use mmnas_runtime::{LoadOptions, Model, predict};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::images::OnSamples;
use crate::cli::samples::with_samples;
use crate::cli::signals::Signals;
use crate::cli::{output, progress};

const EXAMPLES: &str = "\
The bundle's task is vqa. A sample is a line of JSON: {\"image\": \"1\", \"question\": \"what is it?\", \"question_id\": 7}; more fields do not matter.
Every question_id stands once. The new file holds [{\"question_id\": 7, \"answer\": \"dog\"}, …] in the samples' order, which the server of VQA-v2 takes.

Examples:
  mmnas predict bundle --samples test-dev.jsonl --features features --out answers.json
  mmnas predict bundle --samples questions.jsonl --images photos --out answers.json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    given: OnSamples,
    /// The new file of answers
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    let Arguments { given, out } = arguments;
    output::check_new(Some(out))?;
    let model = Model::load(&given.bundle, options)?;
    // Nothing is left out: the server refuses a file that lacks a question.
    let (found, _) = with_samples(given, &model, Reading::default(), |read: &SampleFile<QuestionSample>, images| {
        check_numbers(read)?;
        let bar = progress::bar(read.samples.len(), "questions");
        let found = predict(&model, &read.samples, images, &mut |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        Ok(found?)
    })?;
    // It may have come while the questions were answered.
    output::check_new(Some(out))?;
    let _held = signals.hold();
    write_atomically(out, &serde_json::to_vec(&found)?)?;
    if given.json {
        return output::print_json(&json!({ "answers": found.len(), "out": out.display().to_string() }));
    }
    Ok(output::print(&format!("{}: {} answers\n", out.display(), found.len()))?)
}

/// An error that names both lines where two questions have the same number.
fn check_numbers(read: &SampleFile<QuestionSample>) -> Result<(), Error> {
    let Some((first, second)) = repeated_question(&read.samples) else { return Ok(()) };
    let found = format!("{}, as in line {}", read.samples[second].question_id, read.lines[first]);
    let field = format!("line {}: question_id", read.lines[second]);
    Err(Error::invalid(&read.file, field, "a number that no other question has", found))
}
