//! The spaces that a recipe asks for.

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::Dimensions;
use std::path::Path;

use crate::error::{Error, Result};
use crate::operations::pool::Pool;
use crate::recipe::Recipe;
use crate::recipe::strategy::StrategySettings;
use crate::recipe::wrong::WrongOf;
use crate::space::presets::preset;
use crate::space::search_space::Space;

impl Recipe {
    /// Reads a recipe and applies overrides, each `key.of.the.recipe=value`, the value in TOML.
    ///
    /// The recipe's key `base` may name another recipe beside it that it changes.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] if a file cannot be read. [`Error::Recipe`] for TOML that does not parse,
    /// unknown keys and values out of their range. It also covers operations that do not exist or
    /// cannot be built at the recipe's sizes.
    pub fn read(file: &Path, overrides: &[String]) -> Result<Recipe> {
        Recipe::read_published(file, overrides, &[])
    }

    /// Reads as [`Recipe::read`], with the published behaviours of these names.
    ///
    /// The names are [`Published::NAMES`](crate::recipe::published::Published::NAMES), or "all".
    ///
    /// # Errors
    ///
    /// Those of [`Recipe::read`]; [`Error::Recipe`] for a name that does not exist.
    pub fn read_published(file: &Path, overrides: &[String], published: &[String]) -> Result<Recipe> {
        let pool = Pool::standard();
        Recipe::read_checked(file, overrides, published, |recipe| recipe.check_space(&pool))
    }

    /// Reads as [`Recipe::read`], from text; `file` names it in errors.
    ///
    /// # Errors
    ///
    /// Those of [`Recipe::read`].
    pub fn parse(text: &str, file: &Path, overrides: &[String]) -> Result<Recipe> {
        Recipe::parse_with(text, file, overrides, &Pool::standard())
    }

    /// Reads as [`Recipe::parse`]; the recipe may name the operations of `pool`.
    ///
    /// # Errors
    ///
    /// Those of [`Recipe::read`].
    pub fn parse_with(text: &str, file: &Path, overrides: &[String], pool: &Pool) -> Result<Recipe> {
        Recipe::parse_checked(text, file, overrides, |recipe| recipe.check_space(pool))
    }

    /// The space to search.
    ///
    /// With the strategy `fixed` it holds that architecture alone.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`] for an operation that `pool` lacks, or in a place where it is not
    /// allowed. [`Error::UnknownArchitecture`] for a fixed architecture of an unknown name.
    pub fn space(&self, pool: &Pool) -> Result<Space> {
        if let StrategySettings::Fixed { architecture } = &self.search.strategy {
            return Space::single(&preset(architecture)?, pool);
        }
        self.open_space(pool)
    }

    /// The space that `[space]` describes, whatever the strategy.
    pub(crate) fn open_space(&self, pool: &Pool) -> Result<Space> {
        let s = &self.space;
        let published =
            |operations: &[mmnas_bundle::Operation]| operations.iter().map(|o| o.name().to_owned()).collect();
        let encoder = s.encoder_operations.clone().unwrap_or_else(|| published(&mmnas_bundle::Operation::ENCODER));
        let decoder = s.decoder_operations.clone().unwrap_or_else(|| published(&mmnas_bundle::Operation::DECODER));
        Space::new(&encoder, &decoder, (s.encoder, s.decoder), pool)
    }

    /// The space of `architecture` alone, which can be built at the retraining's sizes.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`] for an operation that `pool` lacks, that is not allowed there, or that
    /// cannot be built at these sizes.
    pub fn space_of(&self, architecture: &Architecture, pool: &Pool) -> Result<Space> {
        let space = Space::single(architecture, pool)?;
        space.check(&self.widths(self.retrain.hidden))?;
        Ok(space)
    }

    /// Sizes of a network of width `hidden`, as far as the recipe decides them.
    ///
    /// The data decides feature, vocabulary and outputs, which are 1 here.
    pub(crate) fn widths(&self, hidden: usize) -> Dimensions {
        let m = &self.model;
        Dimensions {
            hidden,
            feature: 1,
            embedding: m.embedding,
            vocabulary: 1,
            outputs: 1,
            attflat: m.attflat,
            head: m.head,
            relation: m.relation,
            embeddings: None,
        }
    }

    /// Checks that the operations exist and can be built.
    ///
    /// The error is the key, the expected and the found value.
    pub(crate) fn check_space(&self, pool: &Pool) -> std::result::Result<(), WrongOf> {
        let parts = |error: Error| match error {
            Error::Operation { place, expected, found } => (place, expected, found),
            other => (String::new(), "a space".to_owned(), other.to_string()),
        };
        let space = self.space(pool).map_err(parts).map_err(|(place, e, f)| (format!("space.{place}"), e, f))?;
        // What the finals train is as wide as a retraining.
        let finals = self.search.finals.is_some().then_some(("retrain.hidden", self.retrain.hidden));
        let mut widths = [("search.weights.hidden", self.search.weights.hidden)].into_iter().chain(finals);
        widths.try_for_each(|(field, hidden)| {
            let wrong = |(name, expected, found)| (field.to_owned(), format!("{expected} (for {name})"), found);
            space.check(&self.widths(hidden)).map_err(parts).map_err(wrong)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn recipe(set: &[&str]) -> Result<Recipe> {
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        Recipe::parse(include_str!("../../experiments/easy_vqa/easy_vqa.toml"), Path::new("r.toml"), &set)
    }

    #[test]
    fn the_space_is_the_published_one_unless_operations_are_listed() {
        assert_eq!(recipe(&[]).unwrap().space(&Pool::standard()).unwrap(), Space::published(2, 4));
        let lists =
            ["space.encoder_operations=[\"none\", \"sep_conv_3\"]", "space.decoder_operations=[\"guided_att_32\"]"];
        let wide = recipe(&lists).unwrap();
        let names: Vec<Vec<String>> = wide
            .space(&Pool::standard())
            .unwrap()
            .blocks()
            .map(|block| block.iter().map(|c| c.name().to_owned()).collect())
            .collect();
        let (encoder, decoder) = (vec!["none", "sep_conv_3"], vec!["guided_att_32"]);
        assert_eq!(names, [&encoder, &encoder, &decoder, &decoder, &decoder, &decoder].map(Clone::clone));
        // What is written is read again, with the lists and without.
        for recipe in [wide, recipe(&[]).unwrap()] {
            let text = recipe.to_toml().unwrap();
            assert_eq!(Recipe::parse(&text, Path::new("r.toml"), &[]).unwrap(), recipe);
        }
    }

    #[test]
    fn typos_name_key_value_and_what_may_have_been_meant() {
        for (set, words) in [
            (
                "space.encoder_operations=[\"self_attn_64\"]",
                ["space.encoder_operations", "\"self_attn_64\"", "self_att_64"],
            ),
            (
                "space.decoder_operations=[\"guided_att_46\"]",
                ["space.decoder_operations", "\"guided_att_46\"", "guided_att_64"],
            ),
            (
                "space.decoder_operations=[\"feedforward\"]",
                ["space.decoder_operations", "\"feedforward\"", "feed_forward"],
            ),
            (
                "space.encoder_operations=[\"guided_att_64\"]",
                ["space.encoder_operations", "guided_att_64", "not allowed"],
            ),
            ("space.encoder_operations=[]", ["space.encoder_operations", "at least one", "none"]),
            ("space.encoder_operations=[\"none\", \"none\"]", ["space.encoder_operations", "once", "none twice"]),
            (
                "space.encoder_operation=[\"none\"]",
                ["--set space.encoder_operation:", "unknown field", "encoder_operations"],
            ),
            ("space.encoder_operations=[\"self_att_256\"]", ["search.weights.hidden", "256 (for self_att_256)", "128"]),
        ] {
            let error = recipe(&[set]).unwrap_err();
            assert!(matches!(error, Error::Recipe { .. }), "{error}");
            let error = error.to_string();
            assert!(error.contains("r.toml") && words.iter().all(|word| error.contains(word)), "{set}: {error}");
        }
    }

    #[test]
    fn an_architecture_must_fit_the_retraining() {
        let architecture = |name: &str| serde_json::from_str(&format!(r#"{{"enc": [["{name}"]], "dec": [["none"]]}}"#));
        let recipe = recipe(&["retrain.hidden=192"]).unwrap();
        assert_eq!(recipe.space_of(&architecture("self_att_32").unwrap(), &Pool::standard()).unwrap().len(), 2);
        for (name, word) in [("self_att_128", "multiple of the head width 128"), ("self_at_32", "self_att_32")] {
            let error = recipe.space_of(&architecture(name).unwrap(), &Pool::standard()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
