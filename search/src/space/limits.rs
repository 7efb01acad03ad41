//! Limits on what a network may take on a device, and the table that predicts it.

use std::path::{Path, PathBuf};

use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::sha256_hex;

use crate::error::{Error, Result};
use crate::recipe::limited_part::LimitedPart;
use crate::recipe::limits::LimitSettings;

/// What `mmnas profile` wrote on a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// The table.
    pub table: LatencyTable,
    /// Its file, for errors.
    pub file: PathBuf,
    /// The file's content.
    pub bytes: Vec<u8>,
    /// SHA-256 of the content.
    pub sha256: String,
}

impl Latency {
    /// Reads and checks a table.
    ///
    /// # Errors
    ///
    /// Those of [`LatencyTable::read`].
    pub fn read(file: &Path) -> Result<Latency> {
        let table = LatencyTable::read(file)?;
        let bytes = std::fs::read(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
        let sha256 = sha256_hex(&bytes);
        Ok(Latency { table, file: file.to_path_buf(), bytes, sha256 })
    }
}

/// A limit on one quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Its key in a recipe's `[search.limits]`.
    pub name: &'static str,
    /// Short name of the unit.
    pub unit: &'static str,
    /// What operations take.
    pub costs: NetworkCosts,
    /// Which part of a call counts.
    pub part: LimitedPart,
    /// The limit, above 0.
    pub at_most: f64,
}

/// What an architecture is predicted to take of a limited quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// The limit's key in a recipe's `[search.limits]`.
    pub name: &'static str,
    /// Short name of the unit.
    pub unit: &'static str,
    /// What is taken.
    pub amount: f64,
    /// The limit.
    pub at_most: f64,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Taken { unit, amount, at_most, .. } = self;
        match self.name {
            PARAMETERS => write!(f, "{amount:.0} {unit} (at most {at_most})"),
            _ => write!(f, "{amount:.3} {unit} (at most {at_most})"),
        }
    }
}

/// The key of the limit on trained parameters.
const PARAMETERS: &str = "parameters";

/// The limits of a recipe, with the costs of what they limit.
///
/// `parameters` computes the costs of the limit on parameters, if there is one.
///
/// # Errors
///
/// [`Error::Bundle`] that names the limit if `latency` is missing; a form or a quantity that the
/// table lacks; those of `parameters`.
pub fn limits(
    settings: &LimitSettings,
    latency: Option<&Latency>,
    parameters: impl FnOnce() -> Result<NetworkCosts>,
) -> Result<Vec<Limit>> {
    let of_table = [
        ("milliseconds", settings.milliseconds, Quantity::Milliseconds, settings.of),
        ("megabytes", settings.megabytes, Quantity::Megabytes, LimitedPart::All),
        ("memory", settings.memory, Quantity::Memory, LimitedPart::All),
        ("millijoules", settings.millijoules, Quantity::Millijoules, settings.of),
    ];
    let mut limits = Vec::new();
    for (name, at_most, quantity, part) in of_table {
        let Some(at_most) = at_most else { continue };
        let expected = "a table that mmnas profile wrote (--latency FILE)";
        let missing = || mmnas_bundle::Error::invalid("recipe", format!("search.limits.{name}"), expected, "none");
        let Latency { table, file, .. } = latency.ok_or_else(missing).map_err(Error::from)?;
        let costs = NetworkCosts::of(table, file, settings.form, quantity)?;
        limits.push(Limit { name, unit: quantity.unit(), costs, part, at_most });
    }
    if let Some(at_most) = settings.parameters {
        let (costs, part, at_most) = (parameters()?, LimitedPart::All, at_most as f64);
        limits.push(Limit { name: PARAMETERS, unit: PARAMETERS, costs, part, at_most });
    }
    Ok(limits)
}
