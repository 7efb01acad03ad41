//! `mmnas-search retrain`.

use mmnas_search::Pool;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use mmnas_bundle::Architecture;
use mmnas_search::Result;
use mmnas_search::recipe::Recipe;
use mmnas_search::space::presets as architectures;
use mmnas_search::task::Task;
use mmnas_search::train::finals::Finals;
use mmnas_search::train::retrain;

use super::{RunArguments, WithTask, output};

/// Trains an architecture from scratch
#[derive(Args)]
#[command(
    override_usage = "mmnas-search retrain [OPTIONS] <--architecture <ARCHITECTURE>|--finals <FINALS>> --out <OUT>"
)]
#[command(group = ArgGroup::new("network").required(true).args(["architecture", "finals"]))]
#[command(after_help = "\
The run's folder gets recipe.toml, log.jsonl, network.safetensors (the weights of the best
validation score under their published names), network.json, labels.json, tokenizer.json and
checkpoint.safetensors.

Example:
  mmnas-search retrain --recipe recipe.toml --architecture searched/architecture.json \\
      --samples train.jsonl --features features --out retrain
  mmnas-search retrain --recipe recipe.toml --finals searched/finals.json …")]
pub(super) struct Arguments {
    /// The architecture: a file in the published JSON form; a published one by its name, mmnas-vqa, mmnas-itm, mmnas-vgd,
    /// mcan, mcan:LAYERS; or a point of a front, front.json:3
    #[arg(long)]
    architecture: Option<PathBuf>,
    /// A search's finals.json: the architecture that won, at the learning rate that it won with
    #[arg(long, value_name = "FINALS")]
    finals: Option<PathBuf>,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut recipe = arguments.run.data.recipe()?;
    let architecture = match (&arguments.finals, &arguments.architecture) {
        (Some(file), _) => {
            let best = Finals::decided(file)?;
            recipe.retrain = recipe.retrain.at_rate(best.rate);
            best.architecture
        }
        // The parser asks for one of the two.
        (None, named) => architectures::open(named.as_deref().unwrap_or(Path::new("")))?,
    };
    // Before anything is loaded or written.
    recipe.space_of(&architecture, &Pool::standard())?;
    arguments.run.data.load(&recipe, Retraining { arguments, architecture: &architecture })
}

struct Retraining<'a> {
    arguments: &'a Arguments,
    architecture: &'a Architecture,
}

impl WithTask for Retraining<'_> {
    fn run<T: Task>(self, recipe: &Recipe, task: &mut T) -> Result<()> {
        let (arguments, architecture) = (self.arguments, self.architecture);
        let run = arguments.run.open(recipe, task, Some(architecture), None)?;
        let result = retrain::retrain(recipe, &Pool::standard(), architecture, task, &run)?;
        let seconds: f64 = result.records.iter().map(|r| r.seconds).sum();
        if arguments.run.data.json {
            let value = serde_json::json!({
                "architecture": architecture, "validation": result.validation, "parameters": result.parameters, "seconds": seconds,
            });
            output::line(value);
        } else {
            output::line(format_args!(
                "{}: {architecture}, {} parameters, validation {:.2} %, {seconds:.0} s",
                arguments.run.out.display(),
                result.parameters,
                100.0 * result.validation
            ));
        }
        Ok(())
    }
}
