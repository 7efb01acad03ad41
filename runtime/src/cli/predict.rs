use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle::samples::{QuestionSample, read_json_lines};
use mmnas_runtime::bundle::write_atomically;
use mmnas_runtime::{LoadOptions, Model, predict};
use serde_json::json;

use super::images::OnSamples;
use super::{Failure, output, progress};

const EXAMPLES: &str = "\
The bundle's task is vqa. A sample is a line of JSON: {\"image\": \"1\", \"question\": \"what is it?\", \"question_id\": 7}; more fields do not matter.
The new file holds [{\"question_id\": 7, \"answer\": \"dog\"}, …] in the samples' order, which the server of VQA-v2 takes.

Examples:
  mmnas predict bundle --samples test-dev.jsonl --features features --out answers.json
  mmnas predict bundle --samples questions.jsonl --images photos --out answers.json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    given: OnSamples,
    /// The new file of answers
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    let Arguments { given, out } = arguments;
    output::check_new(Some(out))?;
    let model = Model::load(&given.bundle, options)?;
    let samples: Vec<QuestionSample> = read_json_lines(&given.samples)?;
    let bar = progress::bar(samples.len(), "questions");
    let found = given
        .images
        .open(&model, |images| Ok(predict(&model, &samples, images, &mut |done| bar.set_position(done as u64))?));
    bar.finish_and_clear();
    let found = found?;
    // It may have come while the questions were answered.
    output::check_new(Some(out))?;
    write_atomically(out, &serde_json::to_vec(&found)?)?;
    if given.json {
        return output::print_json(&json!({ "answers": found.len(), "out": out.display().to_string() }));
    }
    Ok(output::print(&format!("{}: {} answers\n", out.display(), found.len()))?)
}
