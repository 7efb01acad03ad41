//! Recipes: every constant of a run, as TOML.
//!
//! Unknown keys are errors. The command line can override any value.

pub mod adam;
pub mod contrastive;
#[cfg(test)]
mod error_tests;
pub mod finals;
pub mod itm;
mod layers;
pub mod limited_part;
pub mod limits;
pub mod model;
pub mod negatives;
mod old_keys;
pub mod published;
pub mod regions;
pub mod ridges;
pub mod score_padding;
pub mod search;
pub mod space;
pub mod split;
pub mod strategy;
pub mod text;
pub mod train;
pub mod vgd;
pub mod vqa;
pub mod wrong;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::recipe::itm::ItmSettings;
use crate::recipe::model::ModelSettings;
use crate::recipe::published::Published;
use crate::recipe::regions::RegionSettings;
use crate::recipe::search::SearchSettings;
use crate::recipe::space::SpaceSettings;
use crate::recipe::split::SplitShares;
use crate::recipe::text::TextSettings;
use crate::recipe::train::TrainSettings;
use crate::recipe::vgd::VgdSettings;
use crate::recipe::vqa::VqaSettings;
use crate::recipe::wrong::{Wrong, WrongOf};

/// A whole recipe: every constant of a run.
///
/// Its file need not say what has a default (`defaults.toml`); tables of other tasks do nothing.
///
/// ```
/// use std::path::Path;
///
/// use mmnas_search::recipe::Recipe;
///
/// # fn main() -> mmnas_search::Result<()> {
/// let text = "
///     text = { max_tokens = 14 }
///     model = { embedding = 64, attflat = 128, head = 64, relation = 64 }
///     space = { encoder = 2, decoder = 4 }
///     search = { alpha_batch = 64, weights = { hidden = 128, epochs = 30, batch = 64 } }
///     retrain = { hidden = 128, epochs = 7, batch = 64 }
/// ";
/// let recipe = Recipe::parse(text, Path::new("recipe.toml"), &["seed=2".to_owned()])?;
/// assert_eq!((recipe.seed, recipe.search.alpha_every), (2, 5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seeds every random decision.
    pub seed: u64,
    /// Shares of the images that go to the three parts.
    pub split: SplitShares,
    /// How text becomes numbers.
    pub text: TextSettings,
    /// Which regions of an image are used.
    pub regions: RegionSettings,
    /// Sizes that searching and retraining share.
    pub model: ModelSettings,
    /// Numbers of blocks and what each may be.
    pub space: SpaceSettings,
    /// The search.
    pub search: SearchSettings,
    /// The training of the derived architecture from scratch.
    pub retrain: TrainSettings,
    /// Settings of visual question answering alone.
    pub vqa: VqaSettings,
    /// Settings of image-text matching alone.
    pub itm: ItmSettings,
    /// Settings of visual grounding alone.
    pub vgd: VgdSettings,
    /// Published behaviours to follow although ours is better; none by default.
    #[serde(default)]
    pub published: Published,
}

impl Recipe {
    /// Reads a recipe from a file and applies overrides.
    ///
    /// Each override is `key.of.the.recipe=value`, the value in TOML. The recipe's key `base` may
    /// name another recipe beside it that it changes. `published` names published behaviours
    /// ([`Published::NAMES`], or "all"). An error that `check` finds names its place in the file.
    pub(crate) fn read_checked(
        file: &Path,
        overrides: &[String],
        published: &[String],
        check: impl Fn(&Recipe) -> std::result::Result<(), WrongOf>,
    ) -> Result<Recipe> {
        let text = mmnas_bundle::read_text_file(file)?;
        let mut layers = layers::parse(&text, file)?;
        layers::publish(&mut layers.table, published, file)?;
        Recipe::from_layers(layers, file, overrides, check)
    }

    /// Reads a recipe as [`Recipe::read_checked`] does, from text; `file` names it in errors.
    pub(crate) fn parse_checked(
        text: &str,
        file: &Path,
        overrides: &[String],
        check: impl Fn(&Recipe) -> std::result::Result<(), WrongOf>,
    ) -> Result<Recipe> {
        Recipe::from_layers(layers::parse(text, file)?, file, overrides, check)
    }

    fn from_layers(
        layers: layers::Layers,
        file: &Path,
        overrides: &[String],
        check: impl Fn(&Recipe) -> std::result::Result<(), WrongOf>,
    ) -> Result<Recipe> {
        let layers::Layers { mut table, texts } = layers;
        layers::set(&mut table, overrides, file)?;
        let recipe: Recipe =
            layers::on_defaults(table)?.try_into().map_err(|e| layers::misfit(&e, &texts, overrides, file))?;
        let checked = recipe.check().and_then(|()| check(&recipe));
        checked.map_err(|wrong| layers::out_of_range(wrong, &texts, overrides, file))?;
        Ok(recipe)
    }

    fn check(&self) -> std::result::Result<(), WrongOf> {
        self.check_values().map_err(|(field, expected, found)| (field.to_owned(), expected.to_owned(), found))?;
        for (stage, settings) in [("search.weights.", &self.search.weights), ("retrain.", &self.retrain)] {
            let of_stage = |(field, expected, found): Wrong| (stage.to_owned() + field, expected.to_owned(), found);
            settings.check(self.model.head).map_err(of_stage)?;
        }
        Ok(())
    }

    fn check_values(&self) -> std::result::Result<(), Wrong> {
        let m = &self.model;
        let widths = [
            ("model.embedding", m.embedding),
            ("model.attflat", m.attflat),
            ("model.head", m.head),
            ("model.relation", m.relation),
            ("space.encoder", self.space.encoder),
            ("space.decoder", self.space.decoder),
            ("text.max_tokens", self.text.max_tokens),
            ("itm.ranked_images", self.itm.ranked_images),
            ("itm.shortlist.images", self.itm.shortlist.map_or(1, |shortlist| shortlist.images)),
            ("itm.shortlist.candidates", self.itm.shortlist.map_or(1, |shortlist| shortlist.candidates)),
            ("search.weights.batch", self.search.weights.batch),
            ("search.alpha_batch", self.search.alpha_batch),
            ("search.alpha_every", self.search.alpha_every as usize),
            ("retrain.batch", self.retrain.batch),
            ("search.weights.epochs", self.search.weights.epochs),
            ("retrain.epochs", self.retrain.epochs),
        ];
        if let Some((field, value)) = widths.iter().find(|(_, v)| *v == 0 || *v > 1 << 20) {
            return Err((field, "1 to 1048576", value.to_string()));
        }
        for (field, blocks) in [("space.encoder", self.space.encoder), ("space.decoder", self.space.decoder)] {
            if blocks > mmnas_bundle::Architecture::MAX_BLOCKS {
                return Err((field, "1 to 1024", blocks.to_string()));
            }
        }
        self.regions.check()?;
        self.search.check()?;
        self.itm.check()?;
        self.vgd.check()?;
        let from_epochs = [&self.search.weights, &self.retrain].map(|stage| stage.negatives.from_epoch);
        if self.itm.contrastive.is_some_and(|settings| !settings.cosine_init) && from_epochs != [0, 0] {
            // Those epochs train no head, which then would rank nothing.
            let expected = "true, or no negatives.from_epoch";
            return Err(("itm.contrastive.cosine_init", expected, format!("false, and from_epoch = {from_epochs:?}")));
        }
        if !(0.0..1.0).contains(&m.dropout) {
            return Err(("model.dropout", "0 to below 1", m.dropout.to_string()));
        }
        let s = &self.split;
        let shares = [s.weights, s.alpha, s.validation];
        let in_range = shares.iter().all(|v| *v > 0.0) && shares.iter().sum::<f64>() <= 1.0 + 1e-9;
        if !in_range {
            return Err(("split", "positive shares with a sum of at most 1", format!("{s:?}")));
        }
        Ok(())
    }

    /// The recipe that `file` recorded as JSON, in this version or an older one.
    ///
    /// Removed keys are left out: what they did is done.
    ///
    /// # Errors
    /// [`Error::Recipe`]: JSON that is no recipe.
    pub fn recorded(json: &serde_json::Value, file: &Path) -> Result<Recipe> {
        let wrong = |e: String| layers::wrong(file, "provenance.recipe", "a recipe", e);
        let mut table = ::toml::Table::try_from(json).map_err(|e| wrong(e.to_string()))?;
        old_keys::modernise(&mut table);
        old_keys::leave_out_removed(&mut table);
        let recipe: Recipe =
            layers::on_defaults(table)?.try_into().map_err(|e: ::toml::de::Error| wrong(e.to_string()))?;
        Ok(recipe)
    }

    /// The recipe with search and retraining at another width H ([`TrainSettings::at_width`]).
    pub fn at_width(&self, hidden: usize) -> Recipe {
        let mut recipe = self.clone();
        for settings in [&mut recipe.search.weights, &mut recipe.retrain] {
            *settings = settings.at_width(hidden);
        }
        recipe
    }

    /// The recipe with everything resolved, as TOML.
    ///
    /// # Errors
    /// [`Error::Recipe`]: a number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        ::toml::to_string_pretty(self).map_err(|e| Error::Recipe {
            file: "recipe".into(),
            field: "(recipe)".into(),
            expected: "a recipe that can be written".into(),
            found: e.to_string(),
        })
    }
}

/// Brings a recorded recipe to the keys of today.
///
/// JSON that is no recipe stays unchanged.
pub(crate) fn recipe_of_today(json: serde_json::Value) -> serde_json::Value {
    let Ok(mut table) = ::toml::Table::try_from(&json) else { return json };
    old_keys::modernise(&mut table);
    let whole = layers::on_defaults(table).ok().and_then(|table| serde_json::to_value(table).ok());
    whole.unwrap_or(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../../experiments/easy_vqa/easy_vqa.toml");

    #[test]
    fn the_learning_rate_warms_up_holds_and_decays() {
        let set = ["retrain.warmup=[0.25, 0.5, 0.75]", "retrain.decay_epochs=[10, 12]", "retrain.adam.lr=1e-4"]
            .map(str::to_owned);
        let settings = Recipe::parse(TEXT, Path::new("easy_vqa.toml"), &set).unwrap().retrain;
        let rates: Vec<f64> = [0, 1, 2, 3, 9, 10, 11, 12, 13].map(|e| settings.learning_rate(e, 0) / 1e-4).into();
        // A run that was resumed at epoch 11 in the published way has forgotten the decay of epoch
        // 10.
        assert!((settings.learning_rate(12, 11) / 1e-4 - 0.2).abs() < 1e-12);
        for (rate, expected) in rates.iter().zip([0.25, 0.5, 0.75, 1.0, 1.0, 0.2, 0.2, 0.04, 0.04]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn every_recipe_of_the_repository_is_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["recipes", "experiments/easy_vqa", "experiments/scenes", "experiments/photos"];
        let files = folders.iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
        let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        let files: Vec<_> = files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "toml")).collect();
        assert_eq!(files.len(), 26);
        for file in files {
            let recipe = Recipe::read(&file, &[]).unwrap_or_else(|e| panic!("{e}"));
            // What a run stores is the resolved recipe, which stands alone.
            let text = recipe.to_toml().unwrap();
            assert_eq!(Recipe::parse(&text, Path::new("stored.toml"), &[]).unwrap(), recipe, "{}", file.display());
        }
    }

    /// The constants of the published table, read from the recipes' files.
    #[test]
    fn the_published_constants_are_in_the_recipes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let read = |name: &str| Recipe::read(&folder.join(name), &[]).unwrap();
        for (name, search_lr, epochs, train_lr, train_epochs, decays, tokens, regions) in [
            ("vqa.toml", 4e-4, 100, 1.2e-4, 13, vec![10, 12], 14, 100),
            ("vqa_train_val_vg.toml", 4e-4, 100, 1e-4, 13, vec![10, 12], 14, 100),
            ("itm.toml", 1e-4, 200, 1.5e-4, 100, vec![36], 50, 36),
            ("vgd.toml", 4e-4, 100, 1.4e-4, 13, vec![10, 12], 14, 100),
        ] {
            let recipe = read(name);
            let (search, train) = (&recipe.search.weights, &recipe.retrain);
            assert_eq!((search.hidden, train.hidden, search.batch), (256, 512, 256), "{name}");
            assert_eq!((search.adam.lr, search.epochs), (search_lr, epochs), "{name}");
            assert_eq!((train.adam.lr, train.epochs), (train_lr, train_epochs), "{name}");
            assert_eq!((&train.decay_epochs, train.decay), (&decays, 0.2), "{name}");
            assert_eq!((recipe.text.max_tokens, recipe.regions.max), (tokens, regions), "{name}");
            assert_eq!((recipe.search.alpha_from_epoch, recipe.search.alpha_every), (20, 5), "{name}");
            assert_eq!((recipe.search.alpha.lr, recipe.search.alpha.betas), (0.1, (0.0, 0.999)), "{name}");
            for settings in [search, train] {
                assert_eq!((settings.adam.betas, settings.adam.epsilon), ((0.9, 0.98), 1e-9), "{name}");
                let rates: Vec<f64> = (0..5).map(|e| settings.learning_rate(e, 0) / settings.adam.lr).collect();
                assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0], "{name}");
            }
            assert_eq!((recipe.space.encoder, recipe.space.decoder, recipe.model.head), (12, 18, 64), "{name}");
            let share = recipe.split.weights / (recipe.split.weights + recipe.split.alpha);
            assert!((share - 0.8).abs() < 1e-12, "{name}: {share}");
            assert_eq!((recipe.model.embedding, recipe.model.attflat, recipe.model.dropout), (300, 512, 0.1), "{name}");
        }
        let negatives = [read("itm.toml").search.weights.negatives, read("itm.toml").retrain.negatives];
        assert_eq!(negatives.map(|n| (n.pool, n.keep, n.mine_from_epoch)), [(32, 5, 10), (64, 5, 0)]);
        assert_eq!(read("itm.toml").retrain.batch, 256);
        assert_eq!(read("vqa.toml").retrain.batch, 64);
    }
}
