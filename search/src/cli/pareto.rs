//! `mmnas-search pareto`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use mmnas_bundle::latency::costs::Quantity;
use mmnas_bundle::manifest::Form;
use mmnas_search::Result;
use mmnas_search::pareto::evolve::Baseline;
use mmnas_search::pareto::plan::{FrontPlan, FrontRequest};
use mmnas_search::recipe::Recipe;
use mmnas_search::recipe::limited_part::LimitedPart;
use mmnas_search::report::front::{check_picture, write_picture};
use mmnas_search::run::folder::RunFolder;
use mmnas_search::space::front::{Front, FrontPoint, FrontSettings, FrontSource};
use mmnas_search::space::presets;
use mmnas_search::task::Task;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{FileArguments, WithTask, output};

/// Finds the front of a finished search: accuracy against predicted milliseconds
#[derive(Args)]
#[command(after_help = "\
The front are the networks that no other beats both in accuracy and in time. Nothing is trained. NSGA-II
evolves architectures. Each is scored with the weights that all share in the search's supernet, on the
samples that trained alpha, and timed by the table's prediction. The data are those of the search. A
killed command, given again, goes on from OUT.partial to the same front.

A point is an architecture like any other: --architecture front.json:3 is the third one.

Examples:
  mmnas-search pareto search --samples train.jsonl --features features --latency latency.json \\
      --baselines mcan:1,found=search/architecture.json --out front.json --picture front.svg
  mmnas-search retrain --recipe recipe.toml --architecture front.json:3 --samples train.jsonl \\
      --features features --out retrain-3
  mmnas-search report search --front front.json")]
pub(super) struct Arguments {
    /// Folder of a search run that has ended
    run: PathBuf,
    #[command(flatten)]
    files: FileArguments,
    /// What `mmnas profile` wrote on the device
    #[arg(long)]
    latency: PathBuf,
    /// Which part of a call counts [default: known-image; of megabytes and memory all]
    #[arg(long, value_enum)]
    of: Option<LimitedPart>,
    /// Form of the graphs
    #[arg(long, default_value = "ort-fp32")]
    variant: Form,
    /// What counts against accuracy: milliseconds, megabytes, memory, millijoules (the last two where the table has them)
    #[arg(long, default_value = "milliseconds", value_parser = named::<Quantity>)]
    quantity: Quantity,
    /// Architectures of a generation
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(2..=10_000))]
    population: u16,
    /// Generations after the first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    generations: u16,
    /// Probability that a block of a child is drawn anew
    #[arg(long, default_value_t = 0.1, value_parser = probability)]
    mutation: f64,
    /// Most samples that an architecture is scored on
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    samples_compared: u32,
    /// Seed of the evolution [default: the recipe's]
    #[arg(long)]
    seed: Option<u64>,
    /// Architectures to compare with, separated by commas: names such as mcan:1, files, points of fronts; NAME=FILE names a file
    #[arg(long, value_delimiter = ',')]
    baselines: Vec<String>,
    /// Architectures, drawn uniformly, to compare with
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    random: u16,
    /// The front's file to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Draws the front into this SVG file, too
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A value by its name in files.
fn named<T: DeserializeOwned>(name: &str) -> std::result::Result<T, String> {
    serde_json::from_value(Value::String(name.to_owned())).map_err(|error| error.to_string())
}

fn probability(text: &str) -> std::result::Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|p| (0.0..=1.0).contains(p));
    value.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let baseline = |text: &String| -> Result<Baseline> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) if !Path::new(text).exists() => (name, file),
            _ => (text.as_str(), text.as_str()),
        };
        Ok(Baseline { name: name.to_owned(), architecture: presets::open(Path::new(file))? })
    };
    arguments.picture.iter().try_for_each(|file| check_picture(file))?;
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => RunFolder::at(&arguments.run).recipe()?.seed,
    };
    let plan = FrontPlan::new(FrontRequest {
        run: arguments.run.clone(),
        latency: arguments.latency.clone(),
        form: arguments.variant,
        of: arguments.of.unwrap_or(match arguments.quantity {
            Quantity::Megabytes | Quantity::Memory => LimitedPart::All,
            Quantity::Milliseconds | Quantity::Millijoules => LimitedPart::KnownImage,
        }),
        quantity: arguments.quantity,
        settings: FrontSettings {
            population: arguments.population.into(),
            generations: arguments.generations.into(),
            mutation: arguments.mutation,
            samples_compared: arguments.samples_compared as usize,
            random: arguments.random.into(),
            seed,
        },
        baselines: arguments.baselines.iter().map(baseline).collect::<Result<Vec<_>>>()?,
        out: arguments.out.clone(),
    })?;
    arguments.files.load(plan.table().task, plan.recipe(), Evolving { arguments, plan: &plan })
}

struct Evolving<'a> {
    arguments: &'a Arguments,
    plan: &'a FrontPlan,
}

impl WithTask for Evolving<'_> {
    fn run<T: Task>(self, _: &Recipe, task: &mut T) -> Result<()> {
        let started = Instant::now();
        let front = self.plan.evolve(task)?;
        let arguments = self.arguments;
        told(&front, &arguments.out, arguments.picture.as_deref(), arguments.json, Some(started))
    }
}

/// Draws a front that was written, and says what it is.
pub(super) fn told(
    front: &Front,
    out: &Path,
    picture: Option<&Path>,
    json: bool,
    started: Option<Instant>,
) -> Result<()> {
    if let Some(file) = picture {
        write_picture(front, file)?;
    }
    for baseline in front.baselines.iter().filter(|baseline| baseline.accuracy.is_none()) {
        let (name, amount, unit) = (&baseline.name, baseline.cost.amount(), front.quantity.unit());
        output::note(format_args!("{name} is not in the supernet's space: {amount:.3} {unit}, without a score"));
    }
    let seconds = started.map(|started| started.elapsed().as_secs_f64());
    let scored: usize = front.sources.iter().map(|source| source.scored).sum();
    let (first, last) = (front.points.first(), front.points.last());
    if json {
        let range = |of: &dyn Fn(&FrontPoint) -> f64| [first.map(of), last.map(of)];
        let sizes =
            |s: &FrontSource| json!({ "name": s.name, "hidden": s.hidden, "tokens": s.tokens, "regions": s.regions });
        return output::json(&json!({
            "out": out, "picture": picture, "points": front.points.len(), "scored": scored, "quantity": front.quantity,
            "cost": range(&|point| point.cost.amount()), "accuracy": range(&|point| point.accuracy),
            "sources": front.sources.iter().map(sizes).collect::<Vec<_>>(), "seconds": seconds,
        }));
    }
    let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
    let sizes = |s: &FrontSource| format!("H {}, {} tokens and {} regions", s.hidden, s.tokens, s.regions);
    let sizes: Vec<String> = front.sources.iter().map(sizes).collect();
    let count = front.points.len();
    output::line(format_args!(
        "{}: {count} {} of {scored} scored, {:.3} to {:.3} {}, {:.2} to {:.2} %, at {}{}",
        out.display(),
        if count == 1 { "point" } else { "points" },
        first.cost.amount(),
        last.cost.amount(),
        front.quantity.unit(),
        100.0 * first.accuracy,
        100.0 * last.accuracy,
        sizes.join("; "),
        seconds.map_or_else(String::new, |seconds| format!(", {seconds:.0} s"))
    ));
    Ok(())
}
