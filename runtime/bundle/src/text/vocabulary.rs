//! The words of a data set and their ids.

use std::path::Path;

use crate::error::{Error, Result};
use crate::text::encoder::{CLS, PAD, TextEncoder, UNK};

/// The published text rule as the parts of a Hugging Face tokenizers file.
///
/// Lower-case, delete `.,'!?"()*#:;`, turn `-` and `/` into spaces, split on white space
/// (`fixtures/official/text.json`).
fn published_settings(vocabulary: serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Lowercase"},
            {"type": "Replace", "pattern": {"Regex": "[.,'!?\"()*#:;]"}, "content": ""},
            {"type": "Replace", "pattern": {"Regex": "[-/]"}, "content": " "}
        ]},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "UNK"}
    })
}

/// Words and their ids.
///
/// Ids are in the order of first appearance, after PAD 0, UNK 1 and CLS 2, or those of a tokenizers file.
#[derive(Debug)]
pub struct Vocabulary {
    words: serde_json::Map<String, serde_json::Value>,
    // The tokenizers file without its words.
    settings: serde_json::Value,
    pub(super) rule: TextEncoder,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Vocabulary::new()
    }
}

impl Vocabulary {
    /// The three special tokens.
    #[allow(clippy::expect_used)] // the settings are a constant of this file
    pub fn new() -> Vocabulary {
        let words: serde_json::Map<_, _> =
            [("PAD", PAD), ("UNK", UNK), ("CLS", CLS)].map(|(w, id)| (w.to_owned(), id.into())).into_iter().collect();
        let text = published_settings(words.clone()).to_string();
        let rule = TextEncoder::from_json(&text, Path::new("tokenizer.json")).expect("the published rule parses");
        Vocabulary { words, settings: published_settings(serde_json::Map::new()), rule }
    }

    /// The words, ids and text rule of a tokenizers file.
    ///
    /// `text` is its content; `file` names it in errors. Its model must be a `WordLevel` with ids from 0 to the number
    /// of words − 1, its `unk_token` among them.
    ///
    /// # Errors
    /// A file that is no tokenizers file; another model than `WordLevel`; ids with gaps; an unknown word without an id.
    pub fn from_tokenizer_json(text: &str, file: &Path) -> Result<Vocabulary> {
        let rule = TextEncoder::from_json(text, file)?;
        let mut settings: serde_json::Value = serde_json::from_str(text).map_err(|e| Error::json(file, &e))?;
        let kind = settings.pointer("/model/type").and_then(|kind| kind.as_str()).unwrap_or("another model");
        if kind != "WordLevel" {
            return Err(Error::invalid(file, "model.type", "WordLevel", kind));
        }
        let words = settings.pointer_mut("/model/vocab").and_then(|words| words.as_object_mut());
        let words = words.map(std::mem::take).unwrap_or_default();
        let mut ids: Vec<_> = words.values().map(serde_json::Value::as_u64).collect();
        ids.sort_unstable();
        let from_zero = ids.iter().zip(0..).all(|(id, place)| *id == Some(place));
        // A token that is added beside the words must be one of them, or its id would lie outside the embedding.
        if !from_zero || rule.vocabulary_size() != words.len() {
            let expected = format!("{} words and every id from 0 on", words.len());
            return Err(Error::invalid(file, "model.vocab", expected, "other ids"));
        }
        let unknown = settings.pointer("/model/unk_token").and_then(|word| word.as_str()).unwrap_or_default();
        if !words.contains_key(unknown) {
            return Err(Error::invalid(file, "model.unk_token", "one of the words", format!("{unknown:?}")));
        }
        Ok(Vocabulary { words, settings, rule })
    }

    /// The words of `text` by the text rule, known or not.
    ///
    /// # Errors
    /// As [`TextEncoder::words`].
    pub fn split(&self, text: &str) -> Result<Vec<String>> {
        self.rule.words(text)
    }

    /// Adds the words of `text` that are new.
    ///
    /// # Errors
    /// As [`Vocabulary::split`].
    pub fn add_text(&mut self, text: &str) -> Result<()> {
        for word in self.split(text)? {
            self.add_word(word);
        }
        Ok(())
    }

    /// Adds one word as it is, with the next free id, unless it is known.
    pub fn add_word(&mut self, word: String) {
        let next = self.words.len();
        self.words.entry(word).or_insert_with(|| next.into());
    }

    /// Number of ids, the special tokens included.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Never true: the special tokens are always there.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words in the order of their ids, the special tokens included.
    pub fn words(&self) -> Vec<&str> {
        let mut words: Vec<(Option<u64>, &str)> = self.words.iter().map(|(word, id)| (id.as_u64(), &**word)).collect();
        words.sort_unstable();
        words.into_iter().map(|(_, word)| word).collect()
    }

    /// The content of `tokenizer.json`: the text rule with these words.
    pub fn to_tokenizer_json(&self) -> String {
        let mut settings = self.settings.clone();
        if let Some(words) = settings.pointer_mut("/model/vocab") {
            *words = self.words.clone().into();
        }
        settings.to_string()
    }
}
