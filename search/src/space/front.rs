//! `front.json`: networks that no other beats in both accuracy and cost.

use std::path::Path;

use mmnas_bundle::latency::costs::Quantity;
use mmnas_bundle::latency::table::Environment;
use mmnas_bundle::manifest::{Form, Format, TaskName, parse_format};
use mmnas_bundle::{Architecture, Error as BundleError, read_text_file, write_atomically};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::recipe::limited_part::LimitedPart;

/// The format name that a front carries.
pub const FRONT_FORMAT: &str = "mmnas-front";

/// What a network is predicted to take; its key in the file is the quantity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cost {
    /// Median time of one item, in milliseconds.
    Milliseconds(f64),
    /// Graphs and weights on disk, in megabytes (10⁶ bytes).
    Megabytes(f64),
    /// Memory that the sessions hold, in megabytes (10⁶ bytes).
    Memory(f64),
    /// Energy of one item, in millijoules.
    Millijoules(f64),
}

impl Cost {
    /// So much of a quantity.
    pub fn of(quantity: Quantity, amount: f64) -> Cost {
        match quantity {
            Quantity::Milliseconds => Cost::Milliseconds(amount),
            Quantity::Megabytes => Cost::Megabytes(amount),
            Quantity::Memory => Cost::Memory(amount),
            Quantity::Millijoules => Cost::Millijoules(amount),
        }
    }

    /// What is taken.
    pub fn quantity(self) -> Quantity {
        match self {
            Cost::Milliseconds(_) => Quantity::Milliseconds,
            Cost::Megabytes(_) => Quantity::Megabytes,
            Cost::Memory(_) => Quantity::Memory,
            Cost::Millijoules(_) => Quantity::Millijoules,
        }
    }

    /// How much of it.
    pub fn amount(self) -> f64 {
        let (Cost::Milliseconds(amount) | Cost::Megabytes(amount) | Cost::Memory(amount) | Cost::Millijoules(amount)) =
            self;
        amount
    }

    /// `amount` more.
    pub fn plus(self, amount: f64) -> Cost {
        Cost::of(self.quantity(), self.amount() + amount)
    }
}

/// A network of the front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontPoint {
    /// Its operations.
    pub architecture: Architecture,
    /// What it is predicted to take.
    #[serde(flatten)]
    pub cost: Cost,
    /// Its score with shared weights, 0 to 1.
    pub accuracy: f64,
    /// Name of the [`FrontSource`] that it comes from, in a front of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A network beside the front, to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontReference {
    /// Its name, such as `mcan:1` or `random 3`.
    pub name: String,
    /// Its operations.
    pub architecture: Architecture,
    /// What it is predicted to take.
    #[serde(flatten)]
    pub cost: Cost,
    /// Its score with shared weights, 0 to 1; none if the supernet does not contain it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Name of the [`FrontSource`] that it comes from, in a front of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// The constants that a front was evolved with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontSettings {
    /// Architectures of a generation.
    pub population: usize,
    /// Generations after the first.
    pub generations: usize,
    /// Probability that a block of a child is drawn anew.
    pub mutation: f64,
    /// Largest number of samples for a score.
    pub samples_compared: usize,
    /// Random architectures beside the front.
    pub random: usize,
    /// Seeds every random decision.
    pub seed: u64,
}

/// The run, the table and the constants that points were made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontSource {
    /// Name of the run's folder; in a merged front the name that was given.
    pub name: String,
    /// The run's recipe.
    pub recipe: serde_json::Value,
    /// SHA-256 of the run's samples.
    pub samples_sha256: String,
    /// SHA-256 of the vision graph that gave the features.
    pub vision_sha256: String,
    /// SHA-256 of the table of latencies.
    pub latency_sha256: String,
    /// Hidden width H of the table.
    pub hidden: usize,
    /// Tokens of the table.
    pub tokens: usize,
    /// Regions of the table.
    pub regions: usize,
    /// The constants.
    pub settings: FrontSettings,
    /// Samples that every score is on.
    pub samples: usize,
    /// Architectures that were scored.
    pub scored: usize,
    /// What merging added to every cost, such as the vision stage's; 0 for nothing.
    #[serde(default)]
    pub added: f64,
}

/// Networks of a search that no other beats in both accuracy and cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Front {
    /// Name and version of the format.
    pub format: Format,
    /// Version of the program that wrote it.
    pub version: String,
    /// What the networks are for.
    pub task: TaskName,
    /// Form of the graphs.
    pub form: Form,
    /// The part of a call that counts.
    pub of: LimitedPart,
    /// What the networks take.
    pub quantity: Quantity,
    /// Where and with what it was measured.
    pub environment: Environment,
    /// What the points were made with: one, or several that were merged.
    pub sources: Vec<FrontSource>,
    /// The front, the cheapest first: each takes more than the one before and is better.
    pub points: Vec<FrontPoint>,
    /// Named architectures to compare with.
    pub baselines: Vec<FrontReference>,
    /// Architectures drawn uniformly, to compare with.
    pub random: Vec<FrontReference>,
}

/// What is checked of every network: what it takes, its score, its source.
type Entry<'a> = (Cost, Option<f64>, Option<&'a String>);

fn references(list: &[FrontReference]) -> Vec<Entry<'_>> {
    list.iter().map(|r| (r.cost, r.accuracy, r.from.as_ref())).collect()
}

/// The key of a quantity in the file.
fn key(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Milliseconds => "milliseconds",
        Quantity::Megabytes => "megabytes",
        Quantity::Memory => "memory",
        Quantity::Millijoules => "millijoules",
    }
}

impl Front {
    /// Reads and checks a front.
    ///
    /// # Errors
    /// [`Error::Bundle`](crate::error::Error::Bundle) for a file that cannot be read, of another
    /// format or a later major version, and what [`Front::check`] finds.
    pub fn read(file: &Path) -> Result<Front> {
        let front: Front = parse_format(&read_text_file(file)?, file, FRONT_FORMAT)?;
        front.check(file)?;
        Ok(front)
    }

    /// Checks and writes a front; a file that is there is kept.
    ///
    /// # Errors
    /// Those of [`Front::check`]; [`Error::Bundle`](crate::error::Error::Bundle) for a file that
    /// exists or cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        self.check(file)?;
        if file.exists() {
            return Err(BundleError::Exists { path: file.to_path_buf() }.into());
        }
        let text = serde_json::to_string_pretty(self).map_err(|e| BundleError::json(file, &e))?;
        Ok(write_atomically(file, (text + "\n").as_bytes())?)
    }

    /// Checks the points; `file` names the front in errors.
    ///
    /// # Errors
    /// [`Error::Bundle`](crate::error::Error::Bundle) that names the field: no points, numbers that
    /// are none, points that do not rise in cost and accuracy, another quantity, an unknown source.
    pub fn check(&self, file: &Path) -> Result<()> {
        let wrong = |field: String, expected: &str, found: String| -> mmnas_bundle::Result<()> {
            Err(BundleError::invalid(file, field, expected, found))
        };
        if self.points.is_empty() || self.sources.is_empty() {
            let field = if self.points.is_empty() { "points" } else { "sources" };
            wrong(field.to_owned(), "at least one", "none".to_owned())?;
        }
        let points = self.points.iter().map(|p| (p.cost, Some(p.accuracy), p.from.as_ref()));
        let lists = [
            ("points", points.collect::<Vec<Entry<'_>>>()),
            ("baselines", references(&self.baselines)),
            ("random", references(&self.random)),
        ];
        let cost_key = key(self.quantity);
        for (list, entries) in lists {
            for (k, (cost, accuracy, from)) in entries.into_iter().enumerate() {
                let amount = cost.amount();
                if cost.quantity() != self.quantity {
                    wrong(format!("{list}[{k}]"), cost_key, key(cost.quantity()).to_owned())?;
                }
                if !(amount.is_finite() && amount > 0.0) {
                    wrong(format!("{list}[{k}].{cost_key}"), "a number above 0", amount.to_string())?;
                }
                if let Some(accuracy) = accuracy.filter(|accuracy| !(0.0..=1.0).contains(accuracy)) {
                    wrong(format!("{list}[{k}].accuracy"), "a number from 0 to 1", accuracy.to_string())?;
                }
                let known = |from: &String| self.sources.iter().any(|source| source.name == *from);
                if !from.map_or(self.sources.len() == 1, known) {
                    let found = from.cloned().unwrap_or_else(|| "none".to_owned());
                    wrong(format!("{list}[{k}].from"), "the name of a source", found)?;
                }
            }
        }
        for (k, pair) in self.points.windows(2).enumerate() {
            let (before, point, k) = (&pair[0], &pair[1], k + 1);
            if point.cost.amount() <= before.cost.amount() {
                let expected = format!("more than {}, the point before", before.cost.amount());
                wrong(format!("points[{k}].{cost_key}"), &expected, point.cost.amount().to_string())?;
            }
            if point.accuracy <= before.accuracy {
                let expected = format!("more than {}, of a cheaper point", before.accuracy);
                wrong(format!("points[{k}].accuracy"), &expected, point.accuracy.to_string())?;
            }
        }
        Ok(())
    }

    /// The architecture of point `number`, counted from 1; `file` names the front in errors.
    ///
    /// # Errors
    /// [`Error::Bundle`](crate::error::Error::Bundle) that says how many points there are.
    pub fn architecture(&self, number: &str, file: impl AsRef<Path>) -> Result<Architecture> {
        let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let wrong = || {
            let expected = format!("the number of a point, 1 to {}", self.points.len());
            BundleError::invalid(file, "points", expected, number)
        };
        Ok(place.and_then(|place| self.points.get(place)).ok_or_else(wrong)?.architecture.clone())
    }

    /// The place among the sources of the one that a point comes from.
    pub fn source(&self, from: Option<&String>) -> usize {
        let place = |from: &String| self.sources.iter().position(|source| source.name == *from);
        from.and_then(place).unwrap_or(0)
    }
}

/// The points that no other beats, the cheapest first.
///
/// Of equal ones the first stays. `of` gives cost and accuracy.
pub fn undominated<P>(mut points: Vec<P>, of: impl Fn(&P) -> (f64, f64)) -> Vec<P> {
    points.sort_by(|a, b| {
        let ((cost_a, accuracy_a), (cost_b, accuracy_b)) = (of(a), of(b));
        cost_a.total_cmp(&cost_b).then_with(|| accuracy_b.total_cmp(&accuracy_a))
    });
    let mut best = f64::NEG_INFINITY;
    points.retain(|point| {
        let (_, accuracy) = of(point);
        let better = accuracy > best;
        best = best.max(accuracy);
        better
    });
    points
}
