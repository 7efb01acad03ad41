//! The record of a comparison: one file with everything in its table.
//!
//! It outlives the runs' folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use mmnas_bundle::{Architecture, write_atomically};
use serde::{Deserialize, Serialize};

use crate::compare::equal_time::{EqualTime, TimeLimit};
use crate::compare::outcome::{Outcome, Summary, summaries};
use crate::compare::ranking::{Ranking, one_or_many};
use crate::error::{Error, Result};
use crate::recipe::{Recipe, recipe_of_today};
use crate::task::Task;

/// `compare.json`: the record of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The task.
    pub task: String,
    /// The number of parameters of every retrained network, if it was set.
    ///
    /// The networks come as near to it as their width allows. Without it they have the recipe's H.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// The time that the networks may take, if it was limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeLimit>,
    /// Version of the program that began it.
    pub version: String,
    /// Name and SHA-256 of every file of the data.
    ///
    /// `vision` and `features` are those of the vision stage and of its features' index.
    pub data: BTreeMap<String, String>,
    /// The recipe, its seed the first of the comparison.
    pub recipe: serde_json::Value,
    /// One row a contender.
    pub summaries: Vec<Summary>,
    /// One outcome a contender and seed.
    pub outcomes: Vec<Outcome>,
    /// Ranking quality of supernets, if it was asked for.
    #[serde(default, alias = "ranking", deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub rankings: Vec<Ranking>,
}

impl Comparison {
    /// Name of the file in the folder of a comparison.
    pub const FILE: &'static str = "compare.json";

    /// A record without any outcome.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if the recipe cannot be written as JSON.
    pub fn new<T: Task>(
        recipe: &Recipe,
        task: &T,
        parameters: Option<u64>,
        time: Option<&EqualTime>,
    ) -> Result<Comparison> {
        let inputs = task.data().run_inputs(T::NAME, None);
        let mut data = task.data().provenance();
        data.insert("vision".to_owned(), inputs.vision_sha256);
        data.insert("features".to_owned(), inputs.features_sha256);
        Ok(Comparison {
            task: T::NAME.to_owned(),
            parameters,
            time: time.map(|time| time.limit().clone()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data,
            recipe: serde_json::to_value(recipe).map_err(|e| mmnas_bundle::Error::json("recipe", &e))?,
            summaries: Vec::new(),
            outcomes: Vec::new(),
            rankings: Vec::new(),
        })
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if the file cannot be read or is no record.
    pub fn read(file: &Path) -> Result<Comparison> {
        let mut comparison: Comparison = mmnas_bundle::read_json_file(file)?;
        comparison.recipe = recipe_of_today(comparison.recipe);
        Ok(comparison)
    }

    /// The record of `file`, if it exists, else this one.
    ///
    /// The record of `file` must compare the same things as this one.
    ///
    /// # Errors
    ///
    /// Those of [`Comparison::read`] and [`Comparison::go_on`].
    pub fn with_known(self, file: &Path) -> Result<Comparison> {
        if file.exists() { self.go_on(Comparison::read(file)?, file) } else { Ok(self) }
    }

    /// The different architectures that were retrained with this H.
    pub fn architectures(&self, hidden: usize) -> Vec<Architecture> {
        let mut found: Vec<Architecture> = Vec::new();
        for outcome in self.outcomes.iter().filter(|outcome| outcome.hidden == hidden) {
            if !found.contains(&outcome.architecture) {
                found.push(outcome.architecture.clone());
            }
        }
        found
    }

    /// Changes the record of `file`, with what other processes have added meanwhile.
    ///
    /// One process at a time holds `lock_file` locked.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if a file cannot be read or written. [`Error::OtherRun`] if the record of
    /// `file` compares other things.
    pub fn update(&mut self, (file, lock_file): (&Path, &Path), change: impl FnOnce(&mut Comparison)) -> Result<()> {
        let lock = File::create(lock_file).map_err(mmnas_bundle::Error::io(lock_file, "create"))?;
        // Where the file system knows no locks, there is one process at most, as without them.
        let _ = lock.lock();
        *self = self.clone().with_known(file)?;
        change(self);
        self.write(file)
    }

    /// Writes the record atomically.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| mmnas_bundle::Error::json(file, &e))?;
        Ok(write_atomically(file, (text + "\n").as_bytes())?)
    }

    /// Takes over the results of `known`, read from `file`.
    ///
    /// It must have compared the same things.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRun`] with the first difference in the task, the data, the recipe or the
    /// number of parameters.
    pub fn go_on(self, known: Comparison, file: &Path) -> Result<Comparison> {
        let differs = |started: String, now: String| {
            let file = file.to_path_buf();
            Err(Error::OtherRun { file, started, now })
        };
        if known.task != self.task {
            return differs(format!("task {}", known.task), format!("task {}", self.task));
        }
        match known.what_differs(&self).into_iter().next() {
            // The recipe's places are long: named once is enough.
            Some(Difference { place, one, other }) if place.starts_with("recipe.") => {
                differs(format!("{place} {one}"), other)
            }
            Some(Difference { place, one, other }) => differs(format!("{place} {one}"), format!("{place} {other}")),
            None => Ok(known),
        }
    }

    /// Differences to another comparison of the task, besides contenders and seeds.
    pub fn what_differs(&self, other: &Comparison) -> Vec<Difference> {
        let none_or = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        let mut found = Vec::new();
        let mut note = |place: &str, one: Option<String>, other: Option<String>| {
            if one != other {
                found.push(Difference { place: place.to_owned(), one: none_or(one), other: none_or(other) });
            }
        };
        note("parameters", self.parameters.map(|n| n.to_string()), other.parameters.map(|n| n.to_string()));
        let time = |record: &Comparison| record.time.as_ref().map(|limit| format!("{limit:?}"));
        note("time", time(self), time(other));
        let names: BTreeSet<&String> = self.data.keys().chain(other.data.keys()).collect();
        for name in names {
            note(name, self.data.get(name).cloned(), other.data.get(name).cloned());
        }
        found.extend(recipe_differences("recipe", &self.recipe, &other.recipe));
        found
    }

    /// Adds an outcome unless that of its contender and seed is known.
    pub fn add(&mut self, outcome: Outcome) {
        if self.architecture(&outcome.contender, outcome.seed).is_none() {
            self.outcomes.push(outcome);
        }
        self.summaries = summaries(&self.outcomes);
    }

    /// Differences of the validation scores of `contender` and `other`, paired by seed.
    ///
    /// The same seed cuts the data alike. There is one number, −1 to 1, for each seed that both
    /// have; above 0 `contender` is better.
    pub fn differences(&self, contender: &str, other: &str) -> Vec<f64> {
        self.differences_to(self, contender, other)
    }

    /// Differences as by [`Comparison::differences`], to a contender in another record.
    pub fn differences_to(&self, record: &Comparison, contender: &str, other: &str) -> Vec<f64> {
        let own = self.outcomes.iter().filter(|outcome| outcome.contender == contender);
        let mut pairs: Vec<(u64, f64)> = own
            .filter_map(|outcome| {
                let other = record.outcome(other, outcome.seed)?;
                Some((outcome.seed, outcome.validation - other.validation))
            })
            .collect();
        pairs.sort_by_key(|(seed, _)| *seed);
        pairs.into_iter().map(|(_, difference)| difference).collect()
    }

    fn outcome(&self, contender: &str, seed: u64) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.contender == contender && outcome.seed == seed)
    }

    /// The architecture that the contender of that name has trained with `seed`.
    ///
    /// A search has trained the one that it has found.
    pub fn architecture(&self, contender: &str, seed: u64) -> Option<&Architecture> {
        self.outcome(contender, seed).map(|outcome| &outcome.architecture)
    }
}

/// The places where two recipes differ, with both values; null stands for none.
fn recipe_differences(place: &str, a: &serde_json::Value, b: &serde_json::Value) -> Vec<Difference> {
    match (a.as_object(), b.as_object()) {
        (Some(one), Some(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let null = serde_json::Value::Null;
            let of = |name: &String| {
                let place = format!("{place}.{name}");
                recipe_differences(&place, one.get(name).unwrap_or(&null), other.get(name).unwrap_or(&null))
            };
            names.into_iter().flat_map(of).collect()
        }
        _ if a == b => Vec::new(),
        _ => vec![Difference { place: place.to_owned(), one: a.to_string(), other: b.to_string() }],
    }
}

/// A difference between two comparisons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its place: `parameters`, the name of a data file, or the recipe's field.
    pub place: String,
    /// The first one's value.
    pub one: String,
    /// The other one's value.
    pub other: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_between_runs_of_the_same_seed() {
        let outcome = |contender: &str, seed: u64, validation: f64| Outcome {
            contender: contender.to_owned(),
            seed,
            validation,
            architecture: serde_json::from_str(r#"{"enc": [["feed_forward"]], "dec": [["none"]]}"#).unwrap(),
            metrics: BTreeMap::new(),
            parameters: 1,
            hidden: 1,
            search_seconds: 0.0,
            retrain_seconds: 0.0,
            learning_rate: None,
            finals: None,
            milliseconds: None,
        };
        let outcomes = vec![outcome("a", 1, 0.5), outcome("b", 2, 0.75), outcome("b", 1, 0.25), outcome("b", 3, 0.0)];
        let outcomes = [outcomes, vec![outcome("a", 2, 0.25)]].concat();
        let comparison = Comparison {
            task: "vqa".to_owned(),
            parameters: None,
            time: None,
            version: String::new(),
            data: BTreeMap::new(),
            recipe: serde_json::Value::Null,
            summaries: Vec::new(),
            outcomes,
            rankings: Vec::new(),
        };
        assert_eq!(comparison.differences("b", "a"), [-0.25, 0.5]);
        assert!(comparison.differences("c", "a").is_empty());
    }

    #[test]
    fn a_comparison_goes_on_with_its_own_record_only() {
        let record = |epochs: u64| Comparison {
            task: "vqa".to_owned(),
            parameters: Some(1000),
            time: None,
            version: String::new(),
            data: [("train.jsonl".to_owned(), "a".to_owned())].into(),
            recipe: serde_json::json!({"retrain": {"epochs": epochs}, "seed": 1}),
            summaries: Vec::new(),
            outcomes: Vec::new(),
            rankings: Vec::new(),
        };
        let file = Path::new("compare.json");
        assert_eq!(record(3).go_on(record(3), file).unwrap(), record(3));
        let error = record(3).go_on(record(4), file).unwrap_err().to_string();
        assert!(error.contains("recipe.retrain.epochs 4") && error.contains("found 3"), "{error}");
        let other = Comparison { parameters: None, ..record(3) };
        assert!(record(3).go_on(other, file).is_err());
        let other = Comparison { data: [("train.jsonl".to_owned(), "b".to_owned())].into(), ..record(3) };
        let error = record(3).go_on(other, file).unwrap_err().to_string();
        assert!(error.contains("train.jsonl b"), "{error}");
        let mut more = record(3);
        more.data.insert("words".to_owned(), "c".to_owned());
        let error = record(3).go_on(more, file).unwrap_err().to_string();
        assert!(error.contains("words c") && error.contains("words none"), "{error}");
    }

    #[test]
    fn everything_that_differs_is_listed() {
        let record = |parameters: Option<u64>, recipe: serde_json::Value| Comparison {
            task: "itm".to_owned(),
            parameters,
            time: None,
            version: String::new(),
            data: BTreeMap::new(),
            recipe,
            summaries: Vec::new(),
            outcomes: Vec::new(),
            rankings: Vec::new(),
        };
        let one = record(Some(7), serde_json::json!({"retrain": {"epochs": 3, "average": 0.5}, "seed": 1}));
        let other = record(None, serde_json::json!({"retrain": {"epochs": 4}, "seed": 1}));
        let of = |place: &str, one: &str, other: &str| Difference {
            place: place.to_owned(),
            one: one.to_owned(),
            other: other.to_owned(),
        };
        let expected = [
            of("parameters", "7", "none"),
            of("recipe.retrain.average", "0.5", "null"),
            of("recipe.retrain.epochs", "3", "4"),
        ];
        assert_eq!(one.what_differs(&other), expected);
        assert!(one.what_differs(&one).is_empty());
    }
}
