//! `mmnas-search costs`.

use mmnas_search::Pool;
use std::path::PathBuf;

use clap::Args;
use mmnas_search::Result;
use mmnas_search::recipe::Recipe;
use mmnas_search::space::cost::{Sizes, measure};

use super::output;

/// Measures what each operation of a recipe's space costs here, for `search.cost`
#[derive(Args)]
#[command(after_help = "\
Prints the table [search.cost] of a recipe: milliseconds of one sample at the retraining's width,
and a weight to begin with. With it a search pays weight for every block of mean cost, and prefers
what is cheaper where it answers as well.

Example:
  mmnas-search costs --recipe search/recipes/vqa.toml --regions 36 --tokens 7")]
pub(super) struct Arguments {
    /// The recipe, TOML
    #[arg(long)]
    recipe: PathBuf,
    /// Regions of the image
    #[arg(long, default_value_t = 36, value_parser = clap::value_parser!(i64).range(1..=4096))]
    regions: i64,
    /// Tokens of the text
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=4096))]
    tokens: i64,
    /// How often each operation runs; the median counts
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..))]
    repetitions: u16,
    /// Where to run: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Folder of libtorch_cuda.so
    #[arg(long)]
    cuda_libraries: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let device = mmnas_search::device::select(&arguments.device, arguments.cuda_libraries.as_deref())?;
    let recipe = Recipe::read(&arguments.recipe, &[])?;
    let (regions, tokens, repetitions) = (arguments.regions, arguments.tokens, usize::from(arguments.repetitions));
    let costs = measure(&recipe, &Pool::standard(), Sizes { regions, tokens, repetitions }, device)?;
    let list: Vec<String> = costs.iter().map(|(name, ms)| format!("{name} = {ms:.4}")).collect();
    output::line("[search.cost]");
    output::line("weight = 1.0");
    output::line(format_args!("milliseconds = {{ {} }}", list.join(", ")));
    Ok(())
}
