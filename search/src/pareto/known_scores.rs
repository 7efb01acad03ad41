//! Scores of a front that is being evolved, beside its file, so that a killed run goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::{Format, parse_format};
use mmnas_bundle::{Error as BundleError, read_text_file, write_atomically};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The format name that the scores carry.
const SCORES_FORMAT: &str = "mmnas-front-scores";

/// `NAME.partial`: what a killed run leaves.
#[derive(Serialize, Deserialize)]
struct Partial {
    format: Format,
    /// What decides the scores and which architectures are scored.
    settings: Map<String, Value>,
    scores: Vec<(Vec<usize>, f64)>,
}

/// The scores that are known, which are never computed twice.
#[derive(Debug)]
pub struct KnownScores {
    file: PathBuf,
    settings: Map<String, Value>,
    scores: BTreeMap<Vec<usize>, f64>,
    saved: usize,
}

impl KnownScores {
    /// The scores that a killed run left for `out`; none for a new run.
    ///
    /// `settings` is what decides the scores.
    ///
    /// # Errors
    /// [`Error::OtherRun`] with the first setting that differs; [`Error::Bundle`] for a file that
    /// cannot be read.
    pub fn open(out: &Path, settings: Map<String, Value>) -> Result<KnownScores> {
        let mut name = out.as_os_str().to_owned();
        name.push(".partial");
        let file = PathBuf::from(name);
        let mut scores = BTreeMap::new();
        if file.exists() {
            let partial: Partial = parse_format(&read_text_file(&file)?, &file, SCORES_FORMAT)?;
            for (key, now) in &settings {
                let started = partial.settings.get(key).unwrap_or(&Value::Null);
                if started != now {
                    return Err(Error::OtherRun { file, started: format!("{key} {started}"), now: now.to_string() });
                }
            }
            for (place, (choices, score)) in partial.scores.into_iter().enumerate() {
                if !(0.0..=1.0).contains(&score) {
                    return Err(
                        BundleError::invalid(&file, format!("scores[{place}]"), "a number from 0 to 1", score).into()
                    );
                }
                scores.insert(choices, score);
            }
        }
        Ok(KnownScores { file, settings, saved: scores.len(), scores })
    }

    /// The score of an architecture, by `compute` if it is not known yet.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn score(&mut self, choices: &[usize], compute: &mut dyn FnMut(&[usize]) -> Result<f64>) -> Result<f64> {
        if let Some(score) = self.scores.get(choices) {
            return Ok(*score);
        }
        let score = compute(choices)?;
        self.scores.insert(choices.to_vec(), score);
        Ok(score)
    }

    /// Number of scores.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Writes the scores beside the front's file.
    ///
    /// # Errors
    /// [`Error::Bundle`] if the file cannot be written.
    pub fn save(&mut self) -> Result<()> {
        if self.saved == self.scores.len() {
            return Ok(());
        }
        let scores = self.scores.iter().map(|(choices, score)| (choices.clone(), *score)).collect();
        let partial = Partial { format: Format::current(SCORES_FORMAT), settings: self.settings.clone(), scores };
        let text = serde_json::to_string(&partial).map_err(|e| BundleError::json(&self.file, &e))?;
        write_atomically(&self.file, (text + "\n").as_bytes())?;
        self.saved = self.scores.len();
        Ok(())
    }

    /// Removes what [`KnownScores::save`] wrote, once the front is there.
    pub fn remove(self) {
        // What stays behind is in nobody's way: a front of that name is not made again.
        let _ = std::fs::remove_file(&self.file);
    }
}
