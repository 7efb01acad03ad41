//! Text becomes ids by the rule of a tokenizers file.

use std::path::Path;

use tokenizers::tokenizer::{NormalizedString, Normalizer, PreTokenizedString, PreTokenizer};
use tokenizers::{OffsetReferential, OffsetType, Tokenizer};

use crate::error::{Error, Result};

/// Id of padding.
pub const PAD: i64 = 0;
/// Id of a word that the vocabulary does not hold.
pub const UNK: i64 = 1;
/// Id of the class token of the published vocabulary; no text produces it.
pub const CLS: i64 = 2;

/// Most bytes of a text that are read; no question needs more.
///
/// The rest is cut before any work is done on it.
const MAX_TEXT_BYTES: usize = 1 << 16;

/// What a network sees of a text and what not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextCoverage {
    /// How many words it does see, unknown ones counted.
    pub words: usize,
    /// The words that the vocabulary does not hold, as the text has them, in their order: the network reads each of them as one and
    /// the same unknown word.
    pub unknown: Vec<String>,
    /// How many words were cut off at the end.
    pub truncated: usize,
}

impl TextCoverage {
    /// Whether the network sees the text as it is.
    pub fn is_all(&self) -> bool {
        self.unknown.is_empty() && self.truncated == 0
    }
}

/// Turns text into token ids by a Hugging Face tokenizers file.
#[derive(Debug, Clone)]
pub struct TextEncoder {
    tokenizer: Box<Tokenizer>,
}

impl TextEncoder {
    /// Parses the content of a tokenizers file; `file` names it in errors.
    ///
    /// # Errors
    /// Text that is no tokenizers file that the library can read.
    pub fn from_json(text: &str, file: &Path) -> Result<TextEncoder> {
        let settings = safe_settings(text, file)?;
        let mut tokenizer: Tokenizer =
            settings.parse().map_err(|e| Error::invalid(file, "(tokenizer)", "Hugging Face tokenizers JSON", e))?;
        // Texts are not padded here, and cutting them is this crate's: a file that asks for either could turn a text into
        // ids that stand for no word, or into terabytes of them.
        tokenizer.with_padding(None);
        let cleared = tokenizer.with_truncation(None).map(drop);
        cleared.map_err(|e| Error::invalid(file, "truncation", "settings that can be turned off", e))?;
        Ok(TextEncoder { tokenizer: Box::new(tokenizer) })
    }

    /// Number of ids, so that every id is below it.
    pub fn vocabulary_size(&self) -> usize {
        let highest = self.tokenizer.get_vocab(true).into_values().max();
        highest.map_or(0, |id| id as usize + 1)
    }

    /// The token ids of `text`, at most `max_tokens`, without padding.
    ///
    /// Unknown words become [`UNK`]; a text without any word gives an empty list.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn encode(&self, text: &str, max_tokens: usize) -> Result<Vec<i64>> {
        let encoding = self
            .tokenizer
            .encode_fast(cut(text), false)
            .map_err(|e| Error::invalid("tokenizer.json", "(encode)", "ids", e))?;
        Ok(encoding.get_ids().iter().take(max_tokens).map(|&id| i64::from(id)).collect())
    }

    /// As [`TextEncoder::encode`], where a text without any word is an error.
    ///
    /// # Errors
    /// As [`TextEncoder::encode`]; [`Error::EmptyText`] for a text without any word.
    pub fn encode_question(&self, text: &str, max_tokens: usize) -> Result<Vec<i64>> {
        let ids = self.encode(text, max_tokens)?;
        if ids.is_empty() {
            return Err(Error::EmptyText { text: text.chars().take(80).collect() });
        }
        Ok(ids)
    }

    /// What the ids of [`TextEncoder::encode`] leave out of `text`.
    pub fn coverage(&self, text: &str, max_tokens: usize) -> Result<TextCoverage> {
        let text = cut(text);
        let encoding = self.tokenizer.encode(text, false);
        let encoding = encoding.map_err(|e| Error::invalid("tokenizer.json", "(encode)", "ids", e))?;
        let (ids, places) = (encoding.get_ids(), encoding.get_offsets());
        let read = ids.iter().zip(places).take(max_tokens);
        let unknown = read.filter(|(id, _)| i64::from(**id) == UNK);
        let word = |(_, &(from, to)): (&u32, &(usize, usize))| text.get(from..to).unwrap_or_default().to_owned();
        let unknown = unknown.map(word).collect();
        let words = ids.len().min(max_tokens);
        Ok(TextCoverage { words, unknown, truncated: ids.len() - words })
    }

    /// The parts of `text` that the ids of [`TextEncoder::encode`] stand for.
    ///
    /// They are as they are written there.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn pieces(&self, text: &str, max_tokens: usize) -> Result<Vec<String>> {
        let text = cut(text);
        let encoding = self.tokenizer.encode(text, false);
        let encoding = encoding.map_err(|e| Error::invalid("tokenizer.json", "(encode)", "ids", e))?;
        let piece = |&(from, to): &(usize, usize)| text.get(from..to).unwrap_or_default().to_owned();
        Ok(encoding.get_offsets().iter().take(max_tokens).map(piece).collect())
    }

    /// The words of `text` by the file's normaliser and splitter, before any look-up.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn words(&self, text: &str) -> Result<Vec<String>> {
        let failed = |e: tokenizers::Error| Error::invalid("tokenizer.json", "(split)", "words", e);
        let mut normalized = NormalizedString::from(cut(text));
        if let Some(normalizer) = self.tokenizer.get_normalizer() {
            normalizer.normalize(&mut normalized).map_err(failed)?;
        }
        let mut split = PreTokenizedString::from(normalized);
        if let Some(splitter) = self.tokenizer.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut split).map_err(failed)?;
        }
        Ok(split
            .get_splits(OffsetReferential::Normalized, OffsetType::Byte)
            .into_iter()
            .map(|(word, _, _)| word.to_owned())
            .collect())
    }
}

/// A tokenizers file as the library may read it.
///
/// The library panics at text that is no JSON and at normalisers that are compiled tables. Parts that turn ids back
/// into text or put special tokens around it are not needed.
fn safe_settings(text: &str, file: &Path) -> Result<String> {
    let mut settings: serde_json::Value = serde_json::from_str(text).map_err(|e| Error::json(file, &e))?;
    let Some(parts) = settings.as_object_mut() else {
        return Err(Error::invalid(file, "(tokenizer)", "a JSON object", "another value"));
    };
    parts.insert("decoder".to_owned(), serde_json::Value::Null);
    parts.insert("post_processor".to_owned(), serde_json::Value::Null);
    if parts.get("normalizer").is_some_and(holds_table) {
        return Err(Error::invalid(
            file,
            "normalizer",
            "a normaliser that is a rule",
            "a compiled table (Precompiled)",
        ));
    }
    Ok(settings.to_string())
}

/// Whether a part of a tokenizers file is, or holds, a compiled table.
fn holds_table(part: &serde_json::Value) -> bool {
    match part {
        serde_json::Value::Object(fields) => {
            fields.contains_key("precompiled_charsmap")
                || fields.get("type").is_some_and(|kind| kind == "Precompiled")
                || fields.values().any(holds_table)
        }
        serde_json::Value::Array(items) => items.iter().any(holds_table),
        _ => false,
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocabulary::Vocabulary;

    #[test]
    fn words_get_ids_by_first_appearance() {
        let mut vocabulary = Vocabulary::new();
        vocabulary.add_text("Is the T-shirt red?").unwrap();
        vocabulary.add_text("the red one").unwrap();
        let encoder = TextEncoder::from_json(&vocabulary.to_tokenizer_json(), Path::new("t")).unwrap();
        assert_eq!(encoder.encode("is the t shirt red one two", 14).unwrap(), [3, 4, 5, 6, 7, 8, UNK]);
        assert_eq!(encoder.vocabulary_size(), vocabulary.len());
    }

    #[test]
    fn a_vocabulary_comes_back_from_its_file() {
        let mut vocabulary = Vocabulary::new();
        vocabulary.add_text("zebra apple").unwrap();
        let text = vocabulary.to_tokenizer_json();
        let mut back = Vocabulary::from_tokenizer_json(&text, Path::new("t")).unwrap();
        assert_eq!(back.to_tokenizer_json(), text);
        assert_eq!(back.words(), ["PAD", "UNK", "CLS", "zebra", "apple"]);
        back.add_word("new".into());
        let encoder = TextEncoder::from_json(&back.to_tokenizer_json(), Path::new("t")).unwrap();
        assert_eq!(encoder.encode("New apple", 14).unwrap(), [5, 4]);
    }

    #[test]
    fn a_tokenizers_file_that_is_no_vocabulary_is_an_error() {
        let text = Vocabulary::new().to_tokenizer_json();
        let with = |pointer: &str, value: serde_json::Value| {
            let mut settings: serde_json::Value = serde_json::from_str(&text).unwrap();
            *settings.pointer_mut(pointer).unwrap() = value;
            Vocabulary::from_tokenizer_json(&settings.to_string(), Path::new("t")).map_err(|e| e.to_string())
        };
        let words = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert!(with("/model/vocab", words(r#"{"UNK": 1, "PAD": 0}"#)).is_ok());
        for (pointer, value) in [
            ("/model/vocab", words(r#"{"PAD": 0, "UNK": 2}"#)),
            ("/model/vocab", words(r#"{"PAD": 0, "UNK": 0}"#)),
            ("/model/vocab", words(r#"{"PAD": 0}"#)),
            ("/model", words(r#"{"type": "BPE", "vocab": {"a": 0}, "merges": []}"#)),
            (
                "/added_tokens",
                words(
                    r#"[{"id": 9, "content": "[X]", "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true}]"#,
                ),
            ),
        ] {
            assert!(with(pointer, value.clone()).is_err(), "{pointer} {value}");
        }
    }

    #[test]
    fn pieces_are_parts_of_the_text() {
        let mut vocabulary = Vocabulary::new();
        vocabulary.add_text("what colour is it").unwrap();
        let encoder = TextEncoder::from_json(&vocabulary.to_tokenizer_json(), Path::new("t")).unwrap();
        assert_eq!(encoder.pieces("WHAT Colour, is  the dög?", 9).unwrap(), ["WHAT", "Colour", "is", "the", "dög"]);
        assert_eq!(encoder.pieces("What colour is", 2).unwrap(), ["What", "colour"]);
    }

    #[test]
    fn words_that_are_not_read_are_told() {
        let mut vocabulary = Vocabulary::new();
        vocabulary.add_text("what color is it").unwrap();
        let encoder = TextEncoder::from_json(&vocabulary.to_tokenizer_json(), Path::new("t")).unwrap();
        let coverage = |text: &str| encoder.coverage(text, 3).unwrap();
        assert_eq!(coverage("what color is"), TextCoverage { words: 3, unknown: vec![], truncated: 0 });
        let unknown = vec!["Colour".to_owned(), "wörter".to_owned()];
        assert_eq!(coverage("What Colour, wörter?"), TextCoverage { words: 3, unknown, truncated: 0 });
        assert_eq!(coverage("what color is it really"), TextCoverage { words: 3, unknown: vec![], truncated: 2 });
        assert_eq!(coverage("?").words, 0);
    }

    #[test]
    fn a_question_needs_a_word() {
        for text in ["", "?", "  \n", "...!"] {
            assert!(
                matches!(Vocabulary::new().rule.encode_question(text, 14), Err(Error::EmptyText { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn padding_and_truncation_of_the_file_are_turned_off() {
        let mut settings: serde_json::Value = serde_json::from_str(&Vocabulary::new().to_tokenizer_json()).unwrap();
        settings["padding"] = serde_json::json!({
            "strategy": {"Fixed": 1_099_511_627_776_u64}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "PAD"
        });
        settings["truncation"] =
            serde_json::json!({"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 5});
        let encoder = TextEncoder::from_json(&settings.to_string(), Path::new("t")).unwrap();
        assert_eq!(encoder.encode("one two three", 14).unwrap(), [UNK; 3]);
        assert!(encoder.encode_question("?", 14).is_err());
    }

    #[test]
    fn a_huge_text_is_cut_not_processed() {
        let text = "wörter ".repeat(2 << 20);
        assert_eq!(Vocabulary::new().rule.encode(&text, 14).unwrap(), [UNK; 14]);
    }
}
