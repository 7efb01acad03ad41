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

#[cfg(test)]
mod tests {
    use mmnas_bundle::latency::costs::Quantity;
    use mmnas_bundle::manifest::{Form, Precision, TaskName};

    use super::*;
    use crate::recipe::limited_part::LimitedPart;
    use crate::space::front::Cost;
    use crate::space::front_tests::front;

    fn named(name: &str, points: &[(f64, f64)], added: f64) -> NamedFront {
        NamedFront { name: name.to_owned(), file: format!("{name}.json").into(), front: front("run", points), added }
    }

    fn told(front: &Front) -> Vec<(f64, f64, &str)> {
        front.points.iter().map(|p| (p.cost.amount(), p.accuracy, p.from.as_deref().unwrap_or("none"))).collect()
    }

    #[test]
    fn what_no_network_of_any_front_beats_is_kept() {
        let mut small = named("small", &[(1.0, 0.3), (2.0, 0.5), (8.0, 0.6)], 0.0);
        let large = named("large", &[(1.0, 0.4), (2.0, 0.7)], 4.0);
        let reference = FrontReference {
            name: "mcan:1".to_owned(),
            architecture: small.front.points[0].architecture.clone(),
            cost: Cost::Milliseconds(1.5),
            accuracy: None,
            from: None,
        };
        small.front.baselines.push(reference.clone());
        let merged = merge(&[large.clone(), small.clone()]).unwrap();
        assert_eq!(told(&merged), [(1.0, 0.3, "small"), (2.0, 0.5, "small"), (6.0, 0.7, "large")]);
        assert_eq!(merged.points[2].architecture, large.front.points[1].architecture);
        let sources: Vec<(&str, f64)> = merged.sources.iter().map(|s| (s.name.as_str(), s.added)).collect();
        assert_eq!(sources, [("large", 4.0), ("small", 0.0)]);
        assert_eq!(merged.baselines, [FrontReference { from: Some("small".to_owned()), ..reference }]);

        // What was merged is a front like any other, and merges again.
        let once = NamedFront { name: "once".to_owned(), file: "once.json".into(), front: merged, added: 1.0 };
        let again = merge(&[once, named("tiny", &[(0.5, 0.1)], 0.0)]).unwrap();
        let expected =
            [(0.5, 0.1, "tiny"), (2.0, 0.3, "once/small"), (3.0, 0.5, "once/small"), (7.0, 0.7, "once/large")];
        assert_eq!(told(&again), expected);
        assert_eq!(again.sources.iter().map(|s| s.added).collect::<Vec<_>>(), [5.0, 1.0, 0.0]);
        again.check("again.json".as_ref()).unwrap();
        // One front alone gets its addition.
        assert_eq!(told(&merge(&[named("a", &[(1.0, 0.5)], 2.0)]).unwrap()), [(3.0, 0.5, "a")]);
    }

    #[test]
    fn networks_that_cannot_be_compared_are_refused() {
        let a = named("a", &[(1.0, 0.5)], 0.0);
        type Change<'a> = &'a dyn Fn(&mut Front);
        let changes: [(Change<'_>, &str); 7] = [
            (&|f| f.task = TaskName::Itm, "task: expected \"vqa\", as in a.json, found \"itm\""),
            (&|f| f.form = Form { precision: Precision::Int8, ..f.form }, "form"),
            (&|f| f.of = LimitedPart::All, "of: expected \"known-image\", as in a.json, found \"all\""),
            (&|f| f.quantity = Quantity::Megabytes, "quantity"),
            (&|f| f.environment.device = "another board".to_owned(), "environment.device"),
            (&|f| f.environment.provider = "cuda".to_owned(), "environment.provider"),
            (&|f| f.environment.threads = 2, "environment.threads"),
        ];
        for (change, words) in changes {
            let mut b = named("b", &[(2.0, 0.6)], 0.0);
            change(&mut b.front);
            let error = merge(&[a.clone(), b]).unwrap_err().to_string();
            assert!(error.starts_with("b.json: ") && error.contains(words), "{error}");
        }
        let twice = merge(&[a.clone(), a]).unwrap_err().to_string();
        assert!(twice.contains("a.json: name") && twice.contains("\"a\" twice"), "{twice}");
        assert!(merge(&[]).is_err());
    }
}
