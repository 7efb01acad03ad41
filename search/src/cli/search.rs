use clap::Args;
use mmnas_search::{Result, search};

use super::RunArguments;

/// Searches an architecture
#[derive(Args)]
#[command(after_help = "\
The run's folder gets recipe.toml, log.jsonl (one line an epoch: loss, validation, alpha), architecture.json (the published
form) and checkpoint.safetensors.

Example:
  mmnas-search search --recipe search/recipes/easy_vqa.toml --samples train.jsonl --features features --out search
  mmnas-search search … --out search --resume")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let (recipe, data, run) = arguments.run.open()?;
    let result = search::search(&recipe, &data, &run, true, None)?;
    let last = result.records.last();
    let (entropy, validation) =
        last.map_or((1.0, 0.0), |r| (r.notes.get("entropy").and_then(|v| v.as_f64()).unwrap_or(1.0), r.validation));
    if arguments.run.json {
        println!(
            "{}",
            serde_json::json!({ "architecture": result.architecture, "entropy": entropy, "validation": validation })
        );
    } else {
        println!(
            "{}: found {} (entropy {entropy:.2}, shared weights {:.2} %)",
            arguments.run.out.display(),
            result.architecture,
            100.0 * validation
        );
    }
    Ok(())
}
