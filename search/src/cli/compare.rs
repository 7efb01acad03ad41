use std::path::PathBuf;

use clap::Args;
use mmnas_search::compare::{Contender, Outcome, Ranking, Rules, Summary, rank_supernet, run_contender, summaries};
use mmnas_search::recipe::Recipe;
use mmnas_search::task::Task;
use mmnas_search::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{DataArguments, WithTask, output};

/// Compares strategies and baselines on the same data, seeds and budget
#[derive(Args)]
#[command(after_help = "\
Contenders: gradient, gradient-two, darts, gumbel, random, evolution (a search, then a retraining of what it found);
random-architecture (drawn afresh for each seed) and the presets mmnas-vqa, mmnas-itm, mmnas-vgd, mcan, mcan:LAYERS (retrained);
NAME=FILE, an architecture of a file, in whose name {seed} stands for the seed; and as controls text-only:PRESET, image-only:PRESET,
which see zeros for features or one unknown word for a text.
Every run lies in OUT/CONTENDER/seed-N and is gone on with when the command is given again; OUT/compare.json has the result.
The score is the best validation score of the retraining.

Example:
  mmnas-search compare --task vqa --recipe search/recipes/easy_vqa.toml --samples train.jsonl --features features \\
      --contenders gradient,random,random-architecture,mcan:1 --seeds 3 --ranking 10 --out compare")]
pub(super) struct Arguments {
    #[command(flatten)]
    data: DataArguments,
    /// Who takes part, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "gradient,random-architecture,mcan:2")]
    contenders: Vec<String>,
    /// Number of seeds, from the recipe's on
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Also train this many random architectures from scratch and correlate their scores with those that the first searching
    /// contender's supernet gives them
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=1000))]
    ranking: Option<u16>,
    /// Give every retrained network as nearly this number of parameters as its width allows: the number of heads stays, their
    /// width and H change. Without it H is the recipe's
    #[arg(long, value_name = "N")]
    parameters: Option<u64>,
    /// Folder of the runs
    #[arg(long)]
    out: PathBuf,
}

/// Name of the result in the folder of a comparison.
const FILE: &str = "compare.json";

/// Its content.
#[derive(Serialize, Deserialize)]
struct Comparison {
    task: String,
    summaries: Vec<Summary>,
    outcomes: Vec<Outcome>,
    ranking: Option<Ranking>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let recipe = arguments.data.recipe()?;
    arguments.data.load(&recipe, arguments)
}

impl WithTask for &Arguments {
    fn run<T: Task>(self, recipe: &Recipe, task: &mut T) -> Result<()> {
        let contenders =
            self.contenders.iter().map(|name| Contender::parse(name, recipe)).collect::<Result<Vec<_>>>()?;
        let searching = contenders.iter().find(|c| matches!(c, Contender::Search { .. }));
        let ranking =
            self.ranking.map(|count| searching.map(|c| (usize::from(count), c)).ok_or_else(|| self.no_search()));
        let ranking = ranking.transpose()?;
        std::fs::create_dir_all(&self.out).map_err(mmnas_bundle::Error::io(&self.out, "create"))?;
        let mut comparison = self.known(T::NAME)?;
        let rules = Rules { out: &self.out, parameters: self.parameters, progress: true };
        for seed in recipe.seed..recipe.seed.saturating_add(self.seeds) {
            for contender in &contenders {
                output::note(format_args!("{contender}, seed {seed}"));
                let outcome = run_contender(recipe, task, contender, seed, rules)?;
                comparison.outcomes.retain(|o| (&o.contender, o.seed) != (&outcome.contender, seed));
                comparison.outcomes.push(outcome);
                comparison.summaries = summaries(&comparison.outcomes);
                self.write(&comparison)?;
            }
        }
        if let Some((count, searching)) = ranking {
            output::note(format_args!("ranking {count} architectures by the supernet of {searching}"));
            let place = (count, recipe.seed);
            comparison.ranking = Some(rank_supernet(recipe, task, searching, place, &self.out, true)?);
            self.write(&comparison)?;
        }
        if self.data.json {
            let json = serde_json::to_string(&comparison).map_err(|e| mmnas_bundle::Error::json("compare.json", &e))?;
            output::line(json);
        } else {
            print(&comparison);
        }
        Ok(())
    }
}

impl Arguments {
    fn no_search(&self) -> Error {
        let names = "at least one that searches, whose supernet is to rank".to_owned();
        Error::Contender { found: self.contenders.join(", "), names }
    }

    /// What earlier calls have found in this folder.
    fn known(&self, task: &str) -> Result<Comparison> {
        let file = self.out.join(FILE);
        if !file.exists() {
            let task = task.to_owned();
            return Ok(Comparison { task, summaries: Vec::new(), outcomes: Vec::new(), ranking: None });
        }
        let text = std::fs::read_to_string(&file).map_err(mmnas_bundle::Error::io(&file, "read"))?;
        let known: Comparison = serde_json::from_str(&text).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        if known.task != task {
            return Err(mmnas_bundle::Error::invalid(file, "task", task, &known.task).into());
        }
        Ok(known)
    }

    fn write(&self, comparison: &Comparison) -> Result<()> {
        let file = self.out.join(FILE);
        let text = serde_json::to_string_pretty(comparison).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
        Ok(mmnas_bundle::write_atomically(&file, (text + "\n").as_bytes())?)
    }
}

fn print(comparison: &Comparison) {
    let Comparison { summaries, ranking, .. } = comparison;
    output::line(format_args!(
        "{:<22} {:>18} {:>6} {:>12} {:>10} {:>10}",
        "contender", "validation %", "seeds", "parameters", "search s", "retrain s"
    ));
    for row in summaries {
        let score = format!("{:.2} ± {:.2}", 100.0 * row.mean, 100.0 * row.deviation);
        output::line(format_args!(
            "{:<22} {score:>18} {:>6} {:>12.0} {:>10.0} {:>10.0}",
            row.contender, row.seeds, row.parameters, row.search_seconds, row.retrain_seconds
        ));
    }
    if let Some(ranking) = ranking {
        output::line(format_args!(
            "supernet's ranking of {} architectures: Kendall tau {:.2}, Spearman rho {:.2}",
            ranking.shared.len(),
            ranking.kendall_tau,
            ranking.spearman_rho
        ));
    }
}
