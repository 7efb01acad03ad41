//! The command line: one file a subcommand.

mod convert;
mod export;
mod output;
mod pack;
mod report;
mod retrain;
mod search;
mod slow_bar;
mod vision;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use mmnas_bundle::Architecture;
use mmnas_search::data::{DataFiles, VgdData, VqaData};
use mmnas_search::recipe::Recipe;
use mmnas_search::task::Task;
use mmnas_search::task::vgd::ScorePadding;
use mmnas_search::{Result, RunFolder};

/// Searches a multimodal network, trains what it found, exports it as an ONNX bundle.
#[derive(Parser)]
#[command(
    name = "mmnas-search",
    version,
    after_help = "\
Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage.

The whole way, on a data set of JSON lines:
  mmnas-search vision --weights efficientnet_lite0.pth --out vision
  mmnas extract --vision vision --images photos --out features
  mmnas-search search --recipe recipe.toml --samples train.jsonl --features features --out search
  mmnas-search retrain --recipe recipe.toml --architecture search/architecture.json \\
      --samples train.jsonl --features features --out retrain
  mmnas-search export retrain --vision vision --out bundle"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Convert(convert::Arguments),
    Pack(pack::Arguments),
    Vision(vision::Arguments),
    Search(search::Arguments),
    Retrain(retrain::Arguments),
    Export(export::Arguments),
    Report(report::Arguments),
}

/// What searching and retraining are given alike.
#[derive(Args)]
struct RunArguments {
    /// The task
    #[arg(long, value_enum, default_value_t = TaskArgument::Vqa)]
    task: TaskArgument,
    /// The recipe, TOML
    #[arg(long)]
    recipe: PathBuf,
    /// Samples, JSON lines: image, question, answer, answers (vqa); image, phrase, box_xyxy (vgd). As often as needed
    #[arg(long, required = true)]
    samples: Vec<PathBuf>,
    /// Samples to validate on, of other images; without it they are cut from the samples
    #[arg(long)]
    validation: Option<PathBuf>,
    /// Features of the samples' images, written by `mmnas extract` or `mmnas-search pack`. As often as needed
    #[arg(long, required = true)]
    features: Vec<PathBuf>,
    /// Take words and text rule from this tokenizer.json; without it words get ids by first appearance
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Take the answers from this labels.json (vqa); without it the frequent ones by first appearance
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Leave out samples that are broken, and say so, where the first would be an error
    #[arg(long)]
    skip_broken: bool,
    /// Folder of the run
    #[arg(long)]
    out: PathBuf,
    /// Go on with the run that lies there, to the result that it would have had
    #[arg(long)]
    resume: bool,
    /// Replace a value of the recipe, as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum TaskArgument {
    /// Visual question answering
    Vqa,
    /// Visual grounding
    Vgd,
}

/// What is done with a task's data, whichever task it is.
trait WithTask {
    fn run<T: Task>(self, recipe: &Recipe, task: &T, run: &RunFolder) -> Result<()>;
}

impl RunArguments {
    fn files(&self) -> DataFiles {
        DataFiles {
            samples: self.samples.clone(),
            validation: self.validation.clone(),
            features: self.features.clone(),
            tokenizer: self.tokenizer.clone(),
            labels: self.labels.clone(),
            skip_broken: self.skip_broken,
        }
    }

    fn open(&self, architecture: Option<&Architecture>, then: impl WithTask) -> Result<()> {
        let recipe = Recipe::read(&self.recipe, &self.set)?;
        let device = tch::Device::Cpu;
        match self.task {
            TaskArgument::Vqa => {
                let data = VqaData::load(&self.files(), &recipe.text, device)?;
                self.run(&recipe, &data, architecture, then)
            }
            TaskArgument::Vgd => {
                let tokens = recipe.text.max_tokens;
                let data = VgdData::load(&self.files(), tokens, ScorePadding::Masked, device)?;
                self.run(&recipe, &data, architecture, then)
            }
        }
    }

    fn run<T: Task>(
        &self,
        recipe: &Recipe,
        task: &T,
        architecture: Option<&Architecture>,
        then: impl WithTask,
    ) -> Result<()> {
        let broken = task.data().broken();
        if broken.count > 0 {
            output::note(broken);
        }
        let run = RunFolder::open(&self.out, recipe, &task.data().run_inputs(T::NAME, architecture), self.resume)?;
        then.run(recipe, task, &run)
    }
}

pub(crate) fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Vision(arguments) => vision::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Retrain(arguments) => retrain::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
