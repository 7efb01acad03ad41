//! `mmnas-search compare`.

use mmnas_search::Pool;
use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_bundle::manifest::Form;
use mmnas_search::compare::contender::Contender;
use mmnas_search::compare::equal_time::EqualTime;
use mmnas_search::compare::record::Comparison;
use mmnas_search::compare::runs::{Rules, check_run, claim, run_contender};
use mmnas_search::compare::supernet_ranking::rank_supernet;
use mmnas_search::recipe::Recipe;
use mmnas_search::recipe::limited_part::LimitedPart;
use mmnas_search::space::limits::Latency;
use mmnas_search::task::Task;
use mmnas_search::train::learnable_check as learnable;
use mmnas_search::train::learnable_check::RunKind;
use mmnas_search::{Error, Result, RunFolder};

use super::{DataArguments, WithTask, output, table};

/// Compares strategies and baselines on the same data, seeds and budget
#[derive(Args)]
#[command(after_help = "\
Contenders:
  gradient, gradient-two, darts, gumbel, random, evolution
      a search, then a retraining of what it found
  evolution-fair, evolution-within
      the supernet trained on every operation in turn, or only on architectures within the limits
  random-architecture, best-of-random:N
      drawn afresh for each seed, retrained; the best of N by finals, as search.finals says
  mcan-in-time
      MCAN scaled by layers and width to the time of --at-most
  mmnas-vqa, mmnas-itm, mmnas-vgd, mcan, mcan:LAYERS
      presets, retrained
  NAME=FILE
      an architecture of a file, in whose name {seed} stands for the seed, or what `gradient` found in
      another comparison's record
  text-only:PRESET, image-only:PRESET
      unimodal baselines, which see zeros for features or one unknown word for a text
  CONTENDER@H
      one of them at a width of its own: gradient@64, mcan:1@64, NAME@64=FILE. A learning rate
      is the recipe's, times the recipe's H of that stage over this one; so is that of mcan-in-time

Every run lies in OUT/CONTENDER/seed-N and is gone on with when the command is given again.
OUT/compare.json is the record of those that are done, which are not made again. The same command
in a second terminal, or on another machine that sees OUT on a file system that knows locks, takes
what nobody is at. Runs of one thread side by side (--threads 1) use several cores better than one
run of many threads. The score is the best validation score of the retraining.

Examples:
  mmnas-search compare --recipe search/experiments/easy_vqa/easy_vqa.toml \\
      --samples train.jsonl --features features \\
      --contenders gradient,random,random-architecture,mcan:1 --seeds 3 --ranking 10 --out compare
  mmnas-search compare … --contenders gradient,random-architecture,mcan:2,text-only:mcan:2 \\
      --parameters 1500000 --out compare
  mmnas-search compare … --contenders gradient,random-architecture,mcan:1,mcan-in-time --at-most 1.2 \\
      --latency latency-128.json --latency latency-64.json --out equal-time
  mmnas-search table compare/compare.json")]
pub(super) struct Arguments {
    #[command(flatten)]
    data: DataArguments,
    /// Who takes part, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "gradient,random-architecture,mcan:2")]
    contenders: Vec<String>,
    /// Number of seeds, from the recipe's on
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Also train this many random architectures from scratch, at the recipe's H, and correlate their scores with those that each searching
    /// contender's supernet gives them; with --at-most they take nine tenths of it or more
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=1000))]
    ranking: Option<u16>,
    /// Give every retrained network as nearly this number of parameters as its width allows: the number of heads stays, their
    /// width and H change. Without it H is the recipe's
    #[arg(long, value_name = "N")]
    parameters: Option<u64>,
    /// Give every network at most this many milliseconds, predicted: searches keep it, random architectures take nine tenths of
    /// it or more, mcan-in-time comes nearest. Presets stay as they are, to be set beside it
    #[arg(long, value_name = "MS", requires = "latency", conflicts_with = "parameters", value_parser = super::derive::positive)]
    at_most: Option<f64>,
    /// Tables that `mmnas profile` wrote on the device: one of every width that takes part, which mcan-in-time may choose. As
    /// often as needed
    #[arg(long, requires = "at_most")]
    latency: Vec<PathBuf>,
    /// Which part of a call the limit is for
    #[arg(long, value_enum, default_value = "known-image", requires = "at_most")]
    of: LimitedPart,
    /// Form of the graphs that the limit is for
    #[arg(long, default_value = "ort-fp32", requires = "at_most")]
    variant: Form,
    /// Folder of the runs
    #[arg(long)]
    out: PathBuf,
    /// The record, to be kept elsewhere than in OUT/compare.json
    #[arg(long)]
    record: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let recipe = arguments.data.recipe()?;
    arguments.data.load(&recipe, arguments)
}

impl WithTask for &Arguments {
    fn run<T: Task>(self, recipe: &Recipe, task: &mut T) -> Result<()> {
        let contenders =
            self.contenders.iter().map(|name| Contender::parse(name, recipe)).collect::<Result<Vec<_>>>()?;
        let searching = contenders.iter().find(|c| matches!(c.of_any_width(), Contender::Search { .. }));
        self.check_widths(&contenders)?;
        self.check_finals(recipe)?;
        let ranking =
            self.ranking.map(|count| searching.map(|c| (usize::from(count), c)).ok_or_else(|| self.no_search()));
        let ranking = ranking.transpose()?;
        let kind = if searching.is_some() { RunKind::Search } else { RunKind::Retraining };
        learnable::check(recipe, &Pool::standard(), task, kind)?.iter().for_each(output::note);
        std::fs::create_dir_all(&self.out).map_err(mmnas_bundle::Error::io(&self.out, "create"))?;
        let file = self.record.clone().unwrap_or_else(|| self.out.join(Comparison::FILE));
        let lock = self.out.join("compare.lock");
        let pool = Pool::standard();
        let time = self.equal_time()?;
        time.as_ref().map_or(Ok(()), |time| time.check(recipe, task))?;
        let rules = Rules { out: &self.out, pool: &pool, parameters: self.parameters, time: time.as_ref() };
        let mut comparison = Comparison::new(recipe, task, self.parameters, time.as_ref())?.with_known(&file)?;
        let seeds = recipe.seed..recipe.seed.saturating_add(self.seeds);
        let runs: Vec<(u64, &Contender)> =
            seeds.flat_map(|seed| contenders.iter().map(move |contender| (seed, contender))).collect();
        // Before the first run, which may take hours.
        for &(seed, contender) in &runs {
            check_run(recipe, task, (contender, seed), rules, &[&self.out, &file])?;
        }
        let mut busy = Vec::new();
        // What another process was at is looked at again after each pass with work in it: that
        // process may have been ended.
        let mut passes = true;
        while std::mem::take(&mut passes) {
            busy.clear();
            for &(seed, contender) in &runs {
                comparison = comparison.with_known(&file)?;
                if contender.is_known(&comparison, recipe, &pool, seed)? {
                    continue;
                }
                let Some(_own) = claim_unless_busy(&self.out, contender, seed)? else {
                    busy.push(format!("{contender}, seed {seed}"));
                    continue;
                };
                // It may have been another's, and done, since the record was read.
                comparison = comparison.with_known(&file)?;
                if contender.is_known(&comparison, recipe, &pool, seed)? {
                    continue;
                }
                output::note(format_args!("{contender}, seed {seed}"));
                let outcome = run_contender(recipe, task, contender, seed, rules)?;
                comparison.update((&file, &lock), |known| known.add(outcome))?;
                passes = true;
            }
            passes &= !busy.is_empty();
        }
        for searching in contenders.iter().filter(|c| matches!(c, Contender::Search { .. })) {
            let Some((count, _)) = ranking else { break };
            let name = searching.to_string();
            let known = comparison.rankings.iter().find(|known| known.contender == name && known.seed == recipe.seed);
            if let Some(known) = known {
                if known.shared.len() != count {
                    let known = known.shared.len();
                    output::note(format_args!("the ranking of {name} in the record is of {known} architectures"));
                }
                continue;
            }
            match claim_unless_busy(&self.out, searching, recipe.seed)? {
                Some(_own) => {
                    output::note(format_args!("ranking {count} architectures by the supernet of {searching}"));
                    let place = (count, recipe.seed);
                    // What is ranked is every contender's: another process may be at it.
                    match rank_supernet(recipe, task, searching, place, rules) {
                        Ok(ranking) => comparison.update((&file, &lock), |known| known.rankings.push(ranking))?,
                        Err(Error::RunBusy { .. }) => busy.push(format!("the ranking of {searching}")),
                        Err(error) => return Err(error),
                    }
                }
                None => busy.push(format!("the ranking of {searching}")),
            }
        }
        if !busy.is_empty() {
            output::note(format_args!("left to another process, which is at them: {}", busy.join("; ")));
        }
        comparison = comparison.with_known(&file)?;
        if self.data.json {
            let json = serde_json::to_string(&comparison).map_err(|e| mmnas_bundle::Error::json(&file, &e))?;
            output::line(json);
        } else {
            table::print(&[("contender".to_owned(), &comparison)], self.contenders.first().map(String::as_str), false);
        }
        Ok(())
    }
}

/// None where another process is at that contender's runs.
fn claim_unless_busy(out: &Path, contender: &Contender, seed: u64) -> Result<Option<RunFolder>> {
    match claim(out, contender, seed) {
        Ok(own) => Ok(Some(own)),
        Err(Error::RunBusy { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Arguments {
    /// The time limit with its tables, if there is one.
    fn equal_time(&self) -> Result<Option<EqualTime>> {
        let Some(milliseconds) = self.at_most else { return Ok(None) };
        let tables = self.latency.iter().map(|file| Latency::read(file)).collect::<Result<Vec<_>>>()?;
        EqualTime::new(milliseconds, self.of, self.variant, tables).map(Some)
    }

    /// Checks that the finals of searches are of the networks that are retrained.
    fn check_finals(&self, recipe: &Recipe) -> Result<()> {
        if self.parameters.is_some() && recipe.search.finals.is_some() {
            // A search's finals have the recipe's H, a retraining the H of that number of parameters.
            let (expected, found) = ("none beside --parameters, which sets H", "finals");
            return Err(mmnas_bundle::Error::invalid("recipe", "search.finals", expected, found).into());
        }
        Ok(())
    }

    /// Checks that what is given goes with contenders of a width of their own.
    fn check_widths(&self, contenders: &[Contender]) -> Result<()> {
        let Some(wide) = contenders.iter().find(|c| matches!(c, Contender::OfWidth { .. })) else { return Ok(()) };
        let refused = |names: &str| Err(Error::Contender { found: wide.to_string(), names: names.to_owned() });
        if self.parameters.is_some() {
            return refused("contenders without @H beside --parameters, which sets H");
        }
        // The ranked architectures are trained once for all, at the recipe's width.
        if self.ranking.is_some() && matches!(wide.of_any_width(), Contender::Search { .. }) {
            return refused("searches without @H beside --ranking: set retrain.hidden and search.weights.hidden");
        }
        Ok(())
    }

    fn no_search(&self) -> Error {
        let names = "at least one that searches, whose supernet is to rank".to_owned();
        Error::Contender { found: self.contenders.join(", "), names }
    }
}
