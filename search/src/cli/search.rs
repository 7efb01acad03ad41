//! `mmnas-search search`.

use std::path::PathBuf;

use clap::Args;
use mmnas_search::Pool;
use mmnas_search::Result;
use mmnas_search::recipe::Recipe;
use mmnas_search::space::limits::Latency;
use mmnas_search::task::Task;
use mmnas_search::train::bounds::bounds;
use mmnas_search::train::search;
use serde_json::Value;

use super::{RunArguments, WithTask, output};

/// Searches an architecture
#[derive(Args)]
#[command(after_help = "\
The run's folder gets recipe.toml, log.jsonl (one line an epoch: loss, validation, alpha),
architecture.json (the published form) and checkpoint.safetensors. With search.finals in the recipe
it also gets finals.json: the best networks, trained alone, of which architecture.json is the best;
with candidates finalists.json too: the networks that their shared scores chose.

Example:
  mmnas-search search --recipe recipe.toml --samples train.jsonl --features features --out searched
  mmnas-search search … --set search.limits.milliseconds=3 --latency latency.json --out searched
  mmnas-search search … --out searched --resume")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// The table that `mmnas profile` wrote on the device that the recipe's search.limits are for
    #[arg(long)]
    latency: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let recipe = arguments.run.data.recipe()?;
    arguments.run.data.load(&recipe, arguments)
}

impl WithTask for &Arguments {
    fn run<T: Task>(self, recipe: &Recipe, task: &mut T) -> Result<()> {
        let latency = self.latency.as_deref().map(Latency::read).transpose()?;
        // Before the folder is written.
        let pool = Pool::standard();
        bounds(recipe, &pool, task, &recipe.space(&pool)?, latency.as_ref())?;
        let run = self.run.open(recipe, task, None, latency.as_ref())?;
        let result = search::search(recipe, &pool, task, &run, latency.as_ref())?;
        let last = result.records.last();
        let entropy = last.and_then(|r| r.notes.get("entropy")).and_then(|v| v.as_f64()).unwrap_or(1.0);
        let validation = last.map_or(0.0, |r| r.validation);
        let seconds = result.seconds();
        let predicted: Value = result.taken.iter().map(|taken| (taken.name, taken.amount)).collect();
        if self.run.data.json {
            let value = serde_json::json!({
                "architecture": result.architecture, "entropy": entropy, "validation": validation, "seconds": seconds,
                "predicted": predicted, "finals": result.finals, "rate": result.rate(),
            });
            output::line(value);
        } else {
            let (out, architecture) = (self.run.out.display(), &result.architecture);
            let taken: String = result.taken.iter().map(|taken| format!(", predicted {taken}")).collect();
            let by = match result.finals.as_ref().and_then(|finals| Some((finals, finals.winner()?))) {
                Some((finals, winner)) => format!(
                    "best of {} finals, {:.2} % on the alpha part at {} times the recipe's learning rate",
                    finals.planned,
                    100.0 * winner.score.unwrap_or(0.0),
                    winner.rate
                ),
                None => format!("entropy {entropy:.2}, validation with shared weights {:.2} %", 100.0 * validation),
            };
            output::line(format_args!("{out}: found {architecture} ({by}{taken}), {seconds:.0} s"));
        }
        Ok(())
    }
}
