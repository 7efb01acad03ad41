//! Networks of an equal predicted time.
//!
//! Searches keep the limit, random architectures are drawn just below it, and MCAN is scaled by
//! layers and width until it comes nearest.

use mmnas_bundle::Architecture;
use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::manifest::Form;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::recipe::limited_part::LimitedPart;
use crate::recipe::limits::LimitSettings;
use crate::space::knapsack::Knapsack;
use crate::space::limits::Latency;
use crate::space::presets::preset;
use crate::space::search_space::Space;
use crate::task::Task;
use crate::train::bounds::check_table;
use crate::train::dimensions::dimensions;

/// The time that networks of a comparison may take, and on what device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// Most milliseconds.
    pub milliseconds: f64,
    /// Which part of a call takes them.
    pub of: LimitedPart,
    /// Form of the graphs.
    pub form: Form,
    /// The measured widths H, each with the SHA-256 of its table.
    pub tables: Vec<(usize, String)>,
}

/// A time limit with its tables, one a width.
#[derive(Debug, Clone)]
pub struct EqualTime {
    limit: TimeLimit,
    tables: Vec<Latency>,
}

/// Smallest share of the limit that a random architecture takes.
const SHARE: f64 = 0.9;
/// Draws of a random architecture.
const DRAWS: usize = 10_000;
/// Most layers of a scaled MCAN: those of the published one.
const MAX_LAYERS: usize = 6;

impl EqualTime {
    /// A limit on `of`, in this form, by these tables.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] for no table, or for two tables of one width.
    pub fn new(milliseconds: f64, of: LimitedPart, form: Form, tables: Vec<Latency>) -> Result<EqualTime> {
        let mut known: Vec<(usize, String)> = Vec::new();
        for Latency { table, file, sha256, .. } in &tables {
            let hidden = table.dimensions.hidden;
            if known.iter().any(|(width, _)| *width == hidden) {
                let expected = "a width that no other table has";
                return Err(mmnas_bundle::Error::invalid(file, "dimensions.hidden", expected, hidden).into());
            }
            known.push((hidden, sha256.clone()));
        }
        known.sort_unstable();
        if known.is_empty() {
            return Err(mmnas_bundle::Error::invalid("compare", "--latency", "a table of the device", "none").into());
        }
        Ok(EqualTime { limit: TimeLimit { milliseconds, of, form, tables: known }, tables })
    }

    /// The limit, for the record.
    pub fn limit(&self) -> &TimeLimit {
        &self.limit
    }

    /// Checks that the tables are of networks of this task at their widths.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] for a table of another task or of other sizes, one without a vision stage for
    /// a limit from pixels on, and a recipe with limits of its own.
    pub fn check<T: Task>(&self, recipe: &Recipe, task: &T) -> Result<()> {
        if recipe.search.limits.is_some() {
            let (expected, found) = ("none beside --at-most, which is the limit of all", "limits");
            return Err(mmnas_bundle::Error::invalid("recipe", "search.limits", expected, found).into());
        }
        let TimeLimit { of, form, .. } = self.limit;
        self.tables.iter().try_for_each(|latency| {
            let Latency { table, file, .. } = latency;
            check_table::<T>(latency, &dimensions(recipe, task, table.dimensions.hidden))?;
            of.before(&NetworkCosts::of(table, file, form, Quantity::Milliseconds)?, file).map(|_| ())
        })
    }

    /// The table of the recipe's width.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if there is none.
    pub(crate) fn table(&self, recipe: &Recipe) -> Result<&Latency> {
        let hidden = recipe.retrain.hidden;
        self.tables.iter().find(|latency| latency.table.dimensions.hidden == hidden).ok_or_else(|| {
            let measured = self.limit.tables.iter().map(|(width, _)| width.to_string()).collect::<Vec<_>>().join(", ");
            let expected = format!("a table of H {hidden}, as retrain.hidden");
            mmnas_bundle::Error::invalid("compare", "--latency", expected, measured).into()
        })
    }

    /// What an architecture takes at the recipe's width, in milliseconds.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] for a width, form or operation that was not measured.
    pub(crate) fn predict(&self, recipe: &Recipe, architecture: &Architecture) -> Result<f64> {
        let Latency { table, file, .. } = self.table(recipe)?;
        let costs = NetworkCosts::of(table, file, self.limit.form, Quantity::Milliseconds)?;
        Ok(self.limit.of.of(costs.predict(architecture, file)?))
    }

    /// The recipe whose searches keep the limit.
    pub(crate) fn limited(&self, recipe: &Recipe) -> Recipe {
        let mut recipe = recipe.clone();
        let TimeLimit { milliseconds, of, form, .. } = self.limit;
        let limits = LimitSettings { milliseconds: Some(milliseconds), of, form, ..LimitSettings::default() };
        recipe.search.limits = Some(limits);
        recipe
    }

    /// A random architecture of the space, of nine tenths of the limit or more.
    ///
    /// # Errors
    ///
    /// [`Error::NothingFits`] if no architecture of the space keeps the limit.
    pub(crate) fn random(&self, recipe: &Recipe, space: &Space, rng: &mut impl rand::Rng) -> Result<Vec<usize>> {
        let latency = self.table(recipe)?;
        let limits = crate::space::limits::limits(&self.milliseconds(), Some(latency), || {
            Err(mmnas_bundle::Error::invalid("compare", "parameters", "no limit", "one").into())
        })?;
        let operations = space.operations();
        let (encoder, decoder) = operations.split_at(space.encoder.len());
        let knapsack = Knapsack::new(encoder, decoder, limits, &latency.file)?;
        let (mut most, mut drawn) = (f64::NEG_INFINITY, None);
        for _ in 0..DRAWS {
            let choices = space.draw(rng);
            let taken = knapsack.taken(&choices).and_then(|taken| Some(taken.first()?.amount)).unwrap_or(0.0);
            if taken <= self.limit.milliseconds && taken > most {
                (most, drawn) = (taken, Some(choices));
            }
            if most >= SHARE * self.limit.milliseconds {
                break;
            }
        }
        Ok(drawn.unwrap_or_else(|| {
            let scores = space.blocks().map(|block| block.iter().map(|_| rng.random::<f64>()).collect());
            knapsack.best(&scores.collect::<Vec<_>>()).choices
        }))
    }

    /// MCAN and the recipe of its width: of all layers and measured widths the slowest within the limit.
    ///
    /// # Errors
    ///
    /// [`Error::NothingFits`] if none is fast enough.
    pub(crate) fn scaled_mcan(&self, recipe: &Recipe) -> Result<(Recipe, Architecture)> {
        let mut found: Vec<(f64, Recipe, Architecture)> = Vec::new();
        for (hidden, _) in &self.limit.tables {
            // A stored recipe must be one: its search is as wide.
            let recipe = recipe.at_width(*hidden);
            for layers in 1..=MAX_LAYERS {
                let architecture = preset(&format!("mcan:{layers}"))?;
                found.push((self.predict(&recipe, &architecture)?, recipe.clone(), architecture));
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let least = found.first().map_or(0.0, |(ms, ..)| *ms);
        let fits = found.into_iter().rev().find(|(ms, ..)| *ms <= self.limit.milliseconds);
        fits.map(|(_, recipe, architecture)| (recipe, architecture)).ok_or_else(|| Error::NothingFits {
            limits: format!("{} ms", self.limit.milliseconds),
            nearest: format!("mcan:1 with {least:.3} ms"),
        })
    }

    fn milliseconds(&self) -> LimitSettings {
        let TimeLimit { milliseconds, of, form, .. } = self.limit;
        LimitSettings { milliseconds: Some(milliseconds), of, form, ..LimitSettings::default() }
    }
}
