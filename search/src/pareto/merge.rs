//! Fronts of several vision stages or widths in one.

use std::path::PathBuf;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::manifest::Format;

use crate::error::Result;
use crate::space::front::{FRONT_FORMAT, Front, FrontPoint, FrontReference, undominated};

/// A front to merge.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedFront {
    /// Name that its points carry.
    pub name: String,
    /// Its file, for errors.
    pub file: PathBuf,
    /// The front.
    pub front: Front,
    /// What is added to the cost of each of its networks, such as the vision stage's; 0 for nothing.
    pub added: f64,
}

impl NamedFront {
    /// The name of one of its sources in the merged front.
    ///
    /// The sources of a front that was merged before keep their own names behind its name.
    fn name_of(&self, from: Option<&str>) -> String {
        from.map_or_else(|| self.name.clone(), |from| format!("{}/{from}", self.name))
    }

    fn references(&self, list: &[FrontReference]) -> Vec<FrontReference> {
        let moved = |r: &FrontReference| FrontReference {
            cost: r.cost.plus(self.added),
            from: Some(self.name_of(r.from.as_deref())),
            ..r.clone()
        };
        list.iter().map(moved).collect()
    }

    /// Checks that networks of this front and of `first` can be compared.
    fn check(&self, first: &NamedFront) -> Result<()> {
        let fields = |f: &Front| {
            let e = &f.environment;
            let written = |value: serde_json::Result<serde_json::Value>| {
                value.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
            };
            [
                ("task", f.task.to_string()),
                ("form", f.form.to_string()),
                ("of", written(serde_json::to_value(f.of))),
                ("quantity", written(serde_json::to_value(f.quantity))),
                ("environment.device", e.device.clone()),
                ("environment.provider", e.provider.clone()),
                ("environment.threads", e.threads.to_string()),
            ]
        };
        for ((field, expected), (_, found)) in fields(&first.front).into_iter().zip(fields(&self.front)) {
            if expected != found {
                let expected = format!("{expected:?}, as in {}", first.file.display());
                return Err(BundleError::invalid(&self.file, field, expected, format!("{found:?}")).into());
            }
        }
        Ok(())
    }
}

/// Merges fronts into the one that no network of any of them beats.
///
/// # Errors
/// [`Error::Bundle`](crate::error::Error::Bundle) that names the field in which a front differs from
/// the first: task, form, part, quantity or device; no front; one name for two sources.
pub fn merge(fronts: &[NamedFront]) -> Result<Front> {
    let first = fronts.first().ok_or_else(|| BundleError::invalid("(fronts)", "count", "at least one", "none"))?;
    fronts.iter().try_for_each(|front| front.check(first))?;
    let mut merged = Front {
        format: Format::current(FRONT_FORMAT),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sources: Vec::new(),
        points: Vec::new(),
        baselines: Vec::new(),
        random: Vec::new(),
        ..first.front.clone()
    };
    for own in fronts {
        let is_merged = own.front.points.iter().any(|point| point.from.is_some());
        for source in &own.front.sources {
            let name = own.name_of(is_merged.then_some(source.name.as_str()));
            if merged.sources.iter().any(|known| known.name == name) {
                return Err(
                    BundleError::invalid(&own.file, "name", "one name a front", format!("{name:?} twice")).into()
                );
            }
            let mut source = source.clone();
            source.name = name;
            source.added += own.added;
            merged.sources.push(source);
        }
        let moved = |point: &FrontPoint| FrontPoint {
            cost: point.cost.plus(own.added),
            from: Some(own.name_of(point.from.as_deref())),
            ..point.clone()
        };
        merged.points.extend(own.front.points.iter().map(moved));
        merged.baselines.extend(own.references(&own.front.baselines));
        merged.random.extend(own.references(&own.front.random));
    }
    merged.points = undominated(merged.points, |point| (point.cost.amount(), point.accuracy));
    merged.check(&first.file)?;
    Ok(merged)
}
