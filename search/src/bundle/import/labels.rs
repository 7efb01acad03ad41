//! Files of answers to import.

use std::path::Path;

use mmnas_bundle::{Error as BundleError, read_json_file};
use serde::Deserialize;

use crate::data::labels;
use crate::error::Result;

/// Known forms of a file of answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    List(Vec<String>),
    Places(serde_json::Map<String, serde_json::Value>),
    /// openvqa: answers and places, then places and answers.
    Both(Vec<serde_json::Map<String, serde_json::Value>>),
}

/// The names of `places` in the order of their numbers.
///
/// The numbers are those from 0 on.
pub(crate) fn in_order(
    places: &serde_json::Map<String, serde_json::Value>,
    file: &Path,
    what: &str,
) -> Result<Vec<String>> {
    let mut ordered: Vec<(Option<u64>, &String)> = places.iter().map(|(name, place)| (place.as_u64(), name)).collect();
    ordered.sort_unstable();
    if let Some((wanted, (found, name))) = ordered.iter().enumerate().find(|(k, (place, _))| *place != Some(*k as u64))
    {
        let found = found.map_or("no number".to_owned(), |place| place.to_string());
        let expected = format!("{what} with every number from 0 on once; {wanted} next");
        return Err(BundleError::invalid(file, name.as_str(), expected, found).into());
    }
    Ok(ordered.into_iter().map(|(_, name)| name.clone()).collect())
}

/// Reads the answers in the order of the logits.
pub(crate) fn read(file: &Path) -> Result<Vec<String>> {
    let labels = match read_json_file(file)? {
        Labels::List(labels) => labels,
        Labels::Places(places) => in_order(&places, file, "answers")?,
        Labels::Both(both) => match both.first() {
            Some(places) => in_order(places, file, "answers")?,
            None => Vec::new(),
        },
    };
    labels::check(&labels, file)?;
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_from_lists_and_from_places() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers.json");
        for text in [r#"["yes", "no"]"#, r#"{"no": 1, "yes": 0}"#, r#"[{"yes": 0, "no": 1}, {"0": "yes", "1": "no"}]"#]
        {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read(&file).unwrap(), ["yes", "no"], "{text}");
        }
        for text in [r#"{"no": 2, "yes": 0}"#, r#"{"no": 0, "yes": 0}"#, r#"{"no": "x"}"#, "3", "[1]", "[]", "[\" \"]"]
        {
            std::fs::write(&file, text).unwrap();
            assert!(read(&file).unwrap_err().to_string().contains("answers.json"), "{text}");
        }
    }
}
