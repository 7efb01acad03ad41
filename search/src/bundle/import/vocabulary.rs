//! Files of words to import.

use std::path::Path;

use mmnas_bundle::{Error as BundleError, Vocabulary, read_text_file};
use serde::Deserialize;

use crate::bundle::import::labels::in_order;
use crate::error::Result;

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    List(Vec<String>),
    Map(serde_json::Map<String, serde_json::Value>),
}

/// Reads words and ids.
///
/// A tokenizers file keeps its text rule, other files get the published one.
pub(crate) fn read(file: &Path) -> Result<Vocabulary> {
    let text = read_text_file(file)?;
    let words = match serde_json::from_str(&text) {
        Ok(Words::Map(map)) if map.contains_key("model") && map.contains_key("normalizer") => {
            return Ok(Vocabulary::from_tokenizer_json(&text, file)?);
        }
        Ok(Words::Map(map)) => in_order(&map, file, "words")?,
        Ok(Words::List(words)) => words,
        Err(_) => text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect(),
    };
    let mut vocabulary = Vocabulary::new();
    let special: Vec<String> = vocabulary.words().into_iter().map(str::to_owned).collect();
    // The published files begin with the special tokens.
    let beginning: Vec<&String> = words.iter().take(special.len()).collect();
    if beginning.iter().map(|word| word.as_str()).ne(special.iter().map(String::as_str)) {
        let found =
            format!("{:?}", beginning.iter().map(|w| w.chars().take(40).collect::<String>()).collect::<Vec<_>>());
        return Err(BundleError::invalid(file, "(first words)", special.join(", "), found).into());
    }
    for (id, word) in words.into_iter().enumerate().skip(special.len()) {
        vocabulary.add_word(word.clone());
        if vocabulary.len() != id + 1 {
            return Err(
                BundleError::invalid(file, format!("word {id}"), "a word once", format!("{word:?} again")).into()
            );
        }
    }
    Ok(vocabulary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_from_every_form() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        let json = r#"{"CLS": 2, "PAD": 0, "UNK": 1, "what": 3}"#;
        let forms = [json, r#"["PAD", "UNK", "CLS", "what"]"#, "PAD\nUNK\r\nCLS\nwhat\n"];
        for text in forms.map(str::to_owned).into_iter().chain([{
            let mut vocabulary = Vocabulary::new();
            vocabulary.add_word("what".to_owned());
            vocabulary.to_tokenizer_json()
        }]) {
            std::fs::write(&file, &text).unwrap();
            assert_eq!(read(&file).unwrap().words(), ["PAD", "UNK", "CLS", "what"], "{text}");
        }
        for text in [r#"["what"]"#, "PAD\nUNK\nCLS\nwhat\nwhat\n", r#"{"PAD": 0, "UNK": 1, "CLS": 5}"#, ""] {
            std::fs::write(&file, text).unwrap();
            assert!(read(&file).is_err(), "{text}");
        }
    }
}
