//! Contenders of a comparison: a search, a random architecture, a preset, a file.

use std::fmt;
use std::path::Path;

use mmnas_bundle::Architecture;

use crate::compare::record::Comparison;
use crate::error::{Error, Result};
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::recipe::model::Modalities;
use crate::recipe::strategy::{PathSampling, SamplingMode, StrategySettings};
use crate::seed::rng;

/// A contender of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Contender {
    /// A search strategy, then a retraining of what it found.
    Search {
        /// Its name on the command line.
        name: String,
        /// Its constants.
        strategy: StrategySettings,
    },
    /// A baseline: an architecture by name, retrained.
    Architecture {
        /// Name of the preset.
        preset: String,
    },
    /// A baseline: an architecture of the space drawn afresh for each seed, retrained.
    RandomArchitecture,
    /// A baseline: the best by finals of several architectures drawn for each seed, retrained.
    BestOfRandom {
        /// How many.
        count: u64,
    },
    /// A baseline: MCAN, scaled by layers and width to the time limit, retrained.
    ScaledMcan,
    /// An architecture of a file, retrained: for example one found for another task.
    File {
        /// Its name on the command line.
        name: String,
        /// The file; `{seed}` in it stands for the seed.
        path: String,
    },
    /// A unimodal baseline: an architecture by name, shown one side of its input only.
    UnimodalBaseline {
        /// The side that it is shown.
        modalities: Modalities,
        /// Name of the preset.
        preset: String,
    },
    /// One of the others at a width of its own.
    OfWidth {
        /// H of its search and its retraining, whose learning rates change with it.
        hidden: usize,
        /// Which.
        contender: Box<Contender>,
    },
}

impl Contender {
    /// Names of the contenders, besides those of presets.
    pub const NAMES: [&str; 15] = [
        "gradient",
        "gradient-two",
        "darts",
        "gumbel",
        "random",
        "evolution",
        "evolution-fair",
        "evolution-within",
        "random-architecture",
        "best-of-random:N",
        "mcan-in-time",
        "text-only:PRESET",
        "image-only:PRESET",
        "NAME=ARCHITECTURE-FILE",
        "CONTENDER@H",
    ];

    /// The contender called `name`.
    ///
    /// A strategy of the recipe's own kind has the recipe's constants.
    ///
    /// # Errors
    ///
    /// [`Error::Contender`] for a name that is none of the contenders'.
    /// [`Error::UnknownArchitecture`] for an unknown preset of a unimodal baseline.
    pub fn parse(name: &str, recipe: &Recipe) -> Result<Contender> {
        // A file's own name has the width, not its path.
        let (own, rest) = name.find('=').map_or((name, ""), |place| name.split_at(place));
        let width = own.rsplit_once('@').and_then(|(own, hidden)| Some((own, hidden.parse().ok()?)));
        if let Some((own, hidden)) = width {
            let contender = Contender::parse(&format!("{own}{rest}"), recipe)?;
            if matches!(contender, Contender::ScaledMcan | Contender::OfWidth { .. }) {
                let names = format!("{own} without a width");
                return Err(Error::Contender { found: name.to_owned(), names });
            }
            recipe.retrain.at_width(hidden).check(recipe.model.head).map_err(|(_, expected, _)| {
                let names = format!("an H that is {expected}");
                Error::Contender { found: name.to_owned(), names }
            })?;
            return Ok(Contender::OfWidth { hidden, contender: Box::new(contender) });
        }
        for (prefix, modalities) in [("text-only:", Modalities::Text), ("image-only:", Modalities::Image)] {
            if let Some(preset) = name.strip_prefix(prefix) {
                crate::space::presets::preset(preset)?;
                return Ok(Contender::UnimodalBaseline { modalities, preset: preset.to_owned() });
            }
        }
        if let Some(count) = name.strip_prefix("best-of-random:") {
            let count = count.parse().ok().filter(|count| (1..=1000).contains(count));
            let names = "best-of-random:N with N of 1 to 1000".to_owned();
            return count
                .map(|count| Contender::BestOfRandom { count })
                .ok_or_else(|| Error::Contender { found: name.to_owned(), names });
        }
        if let Some((own, path)) = name.split_once('=').filter(|(own, _)| is_name(own)) {
            return Ok(Contender::File { name: own.to_owned(), path: path.to_owned() });
        }
        let strategy = match name {
            "gradient" => StrategySettings::Gradient { mode: SamplingMode::Full },
            "gradient-two" => StrategySettings::Gradient { mode: SamplingMode::Two },
            "darts" => StrategySettings::Darts {},
            "gumbel" => StrategySettings::Gumbel { temperature: (5.0, 0.5) },
            "random" => StrategySettings::Random { candidates: 100, samples: 1000, sampling: PathSampling::Uniform },
            "evolution" => evolution(recipe, None),
            "evolution-fair" => evolution(recipe, Some(PathSampling::Fair)),
            "evolution-within" => evolution(recipe, Some(PathSampling::Within)),
            "random-architecture" => return Ok(Contender::RandomArchitecture),
            "mcan-in-time" => return Ok(Contender::ScaledMcan),
            other => {
                return match crate::space::presets::preset(other) {
                    Ok(_) => Ok(Contender::Architecture { preset: other.to_owned() }),
                    Err(Error::UnknownArchitecture { found, presets }) => {
                        Err(Error::Contender { found, names: format!("{}, {presets}", Self::NAMES.join(", ")) })
                    }
                    Err(error) => Err(error),
                };
            }
        };
        let own = &recipe.search.strategy;
        let same_kind = std::mem::discriminant(own) == std::mem::discriminant(&strategy);
        let same_kind =
            same_kind && !matches!(own, StrategySettings::Gradient { .. } | StrategySettings::Evolution { .. });
        Ok(Contender::Search { name: name.to_owned(), strategy: if same_kind { own.clone() } else { strategy } })
    }

    /// Which contender it is, whatever its width.
    pub fn of_any_width(&self) -> &Contender {
        match self {
            Contender::OfWidth { contender, .. } => contender.of_any_width(),
            other => other,
        }
    }

    /// Checks that its architecture for `seed` is there and can be built.
    ///
    /// A search is known only after its run. A file in one of the places `made_here` may come from
    /// an earlier contender. Neither is checked.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`] if the architecture cannot be built. [`Error::UnknownArchitecture`] or
    /// [`Error::Bundle`] if it cannot be read.
    pub fn check(&self, recipe: &Recipe, pool: &Pool, seed: u64, made_here: &[&Path]) -> Result<()> {
        let comes_later = match self.of_any_width() {
            Contender::Search { .. } => true,
            Contender::File { path, .. } => made_here.iter().any(|place| is_in(Path::new(path), place)),
            _ => false,
        };
        if comes_later {
            return Ok(());
        }
        let recipe = Recipe { seed, ..recipe.clone() };
        recipe.space_of(&self.architecture(&recipe, pool)?, pool).map(|_| ())
    }

    /// Whether its outcome with this seed is in the record.
    ///
    /// The outcome of a file must be of the architecture that the file holds now.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRun`] if the file holds another architecture now.
    /// [`Error::UnknownArchitecture`] or [`Error::Bundle`] if it cannot be read.
    pub fn is_known(&self, record: &Comparison, recipe: &Recipe, pool: &Pool, seed: u64) -> Result<bool> {
        let Some(known) = record.architecture(&self.to_string(), seed) else { return Ok(false) };
        if let Contender::File { path, .. } = self.of_any_width() {
            let now = self.architecture(&Recipe { seed, ..recipe.clone() }, pool)?;
            if now != *known {
                let (started, now) = (known.to_string(), now.to_string());
                return Err(Error::OtherRun { file: path.into(), started, now });
            }
        }
        Ok(true)
    }

    /// The architecture of a baseline.
    pub(crate) fn architecture(&self, recipe: &Recipe, pool: &Pool) -> Result<Architecture> {
        match self {
            Contender::OfWidth { contender, .. } => contender.architecture(recipe, pool),
            Contender::Architecture { preset } | Contender::UnimodalBaseline { preset, .. } => {
                Ok(crate::space::presets::preset(preset)?)
            }
            Contender::File { path, .. } => {
                let path = path.replace("{seed}", &recipe.seed.to_string());
                if !is_record(path.as_ref()) {
                    return crate::space::presets::open(path.as_ref());
                }
                // The record of another comparison has the architecture found with every seed.
                Comparison::read(path.as_ref())?.architecture("gradient", recipe.seed).cloned().ok_or_else(|| {
                    let expected = format!("an outcome of gradient with seed {}", recipe.seed);
                    mmnas_bundle::Error::invalid(path, "outcomes", expected, "none").into()
                })
            }
            Contender::ScaledMcan => Err(Error::Contender {
                found: self.to_string(),
                names: "a time that it is scaled to (--latency and --at-most)".to_owned(),
            }),
            Contender::Search { .. } | Contender::RandomArchitecture | Contender::BestOfRandom { .. } => {
                let space = recipe.open_space(pool)?;
                Ok(space.architecture(&space.draw(&mut rng(recipe.seed, RANDOM_ARCHITECTURE, 0))))
            }
        }
    }

    /// Its name as a folder's.
    pub(crate) fn folder_name(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

/// Evolution with the recipe's constants, if it has some; `paths` replaces their sampling of paths.
fn evolution(recipe: &Recipe, paths: Option<PathSampling>) -> StrategySettings {
    let (mut population, mut generations, mut mutation, mut samples) = (20, 9, 0.1, 1000);
    let mut sampling = PathSampling::default();
    if let StrategySettings::Evolution { population: p, generations: g, mutation: m, samples: s, sampling: of } =
        recipe.search.strategy
    {
        (population, generations, mutation, samples, sampling) = (p, g, m, s, of);
    }
    let sampling = paths.unwrap_or(sampling);
    StrategySettings::Evolution { population, generations, mutation, samples, sampling }
}

/// What random architectures of baselines are drawn for.
pub(crate) const RANDOM_ARCHITECTURE: &str = "random architecture";

/// Whether `path` is `place` or lies in it.
///
/// Only the beginning of `path` need exist.
fn is_in(path: &Path, place: &Path) -> bool {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let known = whole.ancestors().find_map(|part| part.canonicalize().ok());
    place.canonicalize().is_ok_and(|place| known.is_some_and(|known| known.starts_with(place)))
}

/// Whether a file is a comparison's record rather than an architecture.
fn is_record(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| value.get("outcomes").is_some())
}

/// Whether a contender of a file may have this name.
///
/// Its runs lie in a folder of that name, which must be no other's.
fn is_name(name: &str) -> bool {
    let preset = |name: &str| crate::space::presets::preset(&name.replacen('-', ":", 1)).is_ok();
    let baseline = ["text-only", "image-only"].iter().any(|control| name.starts_with(control));
    let taken =
        Contender::NAMES.contains(&name) || crate::space::presets::preset(name).is_ok() || preset(name) || baseline;
    !taken && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contender::Search { name, .. } | Contender::Architecture { preset: name } => f.write_str(name),
            Contender::RandomArchitecture => f.write_str("random-architecture"),
            Contender::BestOfRandom { count } => write!(f, "best-of-random:{count}"),
            Contender::ScaledMcan => f.write_str("mcan-in-time"),
            Contender::File { name, .. } => f.write_str(name),
            Contender::UnimodalBaseline { modalities: Modalities::Image, preset } => write!(f, "image-only:{preset}"),
            Contender::UnimodalBaseline { preset, .. } => write!(f, "text-only:{preset}"),
            Contender::OfWidth { hidden, contender } => write!(f, "{contender}@{hidden}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_may_have_a_width_of_its_own() {
        let recipe =
            Recipe::parse(include_str!("../../experiments/easy_vqa/easy_vqa.toml"), Path::new("r.toml"), &[]).unwrap();
        for name in ["gradient@64", "best-of-random:3@192", "text-only:mcan:2@128"] {
            let contender = Contender::parse(name, &recipe).unwrap();
            assert!(matches!(contender, Contender::OfWidth { .. }), "{contender:?}");
            assert_eq!(contender.to_string(), name);
        }
        let own = crate::compare::runs::recipe_of(&recipe, &Contender::parse("gradient@64", &recipe).unwrap(), 3);
        assert_eq!((own.seed, own.retrain.hidden, own.search.weights.hidden), (3, 64, 64));
        // Half as wide, twice the rate.
        let rates =
            [own.retrain.adam.lr / recipe.retrain.adam.lr, own.search.weights.adam.lr / recipe.search.weights.adam.lr];
        assert_eq!((recipe.retrain.hidden, rates), (128, [2.0; 2]));
        let file = Contender::parse("found@64=runs@2/a.json", &recipe).unwrap();
        let path = "runs@2/a.json".to_owned();
        assert_eq!(*file.of_any_width(), Contender::File { name: "found".to_owned(), path });
        for name in ["mcan-in-time@64", "gradient@64@128", "gradient@wide", "@64", "gradient@96", "mcan:1@0"] {
            Contender::parse(name, &recipe).unwrap_err();
        }
    }

    #[test]
    fn only_a_search_with_alpha_has_candidates_for_its_finals() {
        let set = "search.finals={ networks = 2, candidates = { architectures = 9, samples = 9, temperature = 4.0 } }";
        let text = include_str!("../../experiments/easy_vqa/easy_vqa.toml");
        let recipe = Recipe::parse(text, Path::new("r.toml"), &[set.to_owned()]).unwrap();
        for (name, candidates) in [("gradient", true), ("gumbel@64", true), ("evolution", false), ("random@64", false)]
        {
            let own = crate::compare::runs::recipe_of(&recipe, &Contender::parse(name, &recipe).unwrap(), 1);
            let finals = own.search.finals.clone().unwrap();
            assert_eq!((finals.networks, finals.candidates.is_some()), (2, candidates), "{name}");
            // What the run's folder holds can be read again.
            Recipe::parse(&own.to_toml().unwrap(), Path::new("recipe.toml"), &[]).unwrap();
        }
    }

    #[test]
    fn a_contender_that_cannot_be_trained_is_found_before_anything_runs() {
        let recipe =
            Recipe::parse(include_str!("../../experiments/easy_vqa/easy_vqa.toml"), Path::new("r.toml"), &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let check = |name: &str| {
            let contender = Contender::parse(name, &recipe).unwrap();
            contender
                .check(&recipe, &Pool::standard(), 2, &[&out, &folder.path().join("record.json")])
                .map_err(|e| e.to_string())
        };
        for name in ["gradient", "random-architecture", "mcan:1", "text-only:mcan:1", "gradient@128", "mcan:1@192"] {
            check(name).unwrap();
        }
        let file = |name: &str| format!("found={}", folder.path().join(name).display());
        assert!(check(&file("a-{seed}.json")).unwrap_err().contains("a-2.json"));
        std::fs::write(folder.path().join("a-2.json"), "{").unwrap();
        assert!(check(&file("a-{seed}.json")).unwrap_err().contains("a-2.json"));
        let architecture =
            |operation: &str| format!(r#"{{"epoch0": {{"enc": [["feed_forward"]], "dec": [["{operation}"]]}}}}"#);
        std::fs::write(folder.path().join("a-2.json"), architecture("guided_att_64")).unwrap();
        check(&file("a-{seed}.json")).unwrap();
        check(&format!("found@192={}", folder.path().join("a-{seed}.json").display())).unwrap();
        std::fs::write(folder.path().join("a-2.json"), architecture("unheard_of")).unwrap();
        assert!(check(&file("a-{seed}.json")).is_err());
        // A file that another contender of the comparison will write.
        check(&file("out/gradient/seed-{seed}/search/architecture.json")).unwrap();
    }
}
