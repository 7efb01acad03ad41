//! The command line: one file a subcommand.

mod convert;
mod export;
mod output;
mod report;
mod retrain;
mod scenes;
mod search;
mod vision;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use mmnas_bundle::Architecture;
use mmnas_search::data::{ItmData, VgdData, VqaData};
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
    Scenes(scenes::Arguments),
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
    /// Samples, JSON lines: image, question, answer (vqa); image, captions (itm);
    /// image, phrase, box_xyxy (vgd)
    #[arg(long)]
    samples: PathBuf,
    /// Features of the samples' images, written by `mmnas extract`
    #[arg(long)]
    features: PathBuf,
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
    /// Image-text matching and retrieval
    Itm,
    /// Visual grounding
    Vgd,
}

/// What is done with a task's data, whichever task it is.
trait WithTask {
    fn run<T: Task>(self, recipe: &Recipe, task: &T, run: &RunFolder) -> Result<()>;
}

impl RunArguments {
    fn open(&self, architecture: Option<&Architecture>, then: impl WithTask) -> Result<()> {
        let recipe = Recipe::read(&self.recipe, &self.set)?;
        // Before anything is loaded or written.
        architecture.map(|architecture| recipe.space_of(architecture)).transpose()?;
        let device = tch::Device::Cpu;
        match self.task {
            TaskArgument::Vqa => {
                let data = VqaData::load(&self.samples, &self.features, &recipe.text, device)?;
                self.run(&recipe, &data, architecture, then)
            }
            TaskArgument::Itm => {
                let data = ItmData::load(
                    &self.samples,
                    &self.features,
                    recipe.text.max_tokens,
                    recipe.text.ranked_images,
                    device,
                )?;
                self.run(&recipe, &data, architecture, then)
            }
            TaskArgument::Vgd => {
                let tokens = recipe.text.max_tokens;
                let data = VgdData::load(&self.samples, &self.features, tokens, ScorePadding::Masked, device)?;
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
        let run = RunFolder::open(&self.out, recipe, &task.data().run_inputs(T::NAME, architecture), self.resume)?;
        then.run(recipe, task, &run)
    }
}

pub(crate) fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Scenes(arguments) => scenes::run(&arguments),
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
