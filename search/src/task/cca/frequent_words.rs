//! Counts of the words of some texts: which are frequent, and how rare each is.
//!
//! Frequent words can be correlated with what images show.

use std::collections::{BTreeMap, BTreeSet};

/// Most words, the most frequent ones: time grows with their cube.
const MOST_WORDS: usize = 4096;

/// Numbers of texts that have each word.
pub(crate) struct WordCounts {
    texts: usize,
    counts: BTreeMap<i64, usize>,
}

impl WordCounts {
    /// Counts each word of a text once.
    pub(crate) fn of<'a>(texts: impl ExactSizeIterator<Item = &'a [i64]>) -> WordCounts {
        let number = texts.len();
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        for text in texts {
            for &word in &text.iter().copied().collect::<BTreeSet<i64>>() {
                *counts.entry(word).or_default() += 1;
            }
        }
        WordCounts { texts: number, counts }
    }

    /// `ln(texts / texts with it)`, the rarity of a word.
    ///
    /// A word that no text has is as rare as those that one has.
    pub(crate) fn rarity(&self, word: i64) -> f64 {
        let count = self.counts.get(&word).copied().unwrap_or(1);
        (self.texts as f64 / count as f64).ln()
    }

    /// The words that at least `least` texts have, with their rarity.
    ///
    /// The most frequent come first; there are at most [`MOST_WORDS`].
    pub(crate) fn frequent(&self, least: usize) -> Vec<(i64, f64)> {
        let mut frequent: Vec<(i64, usize)> =
            self.counts.iter().map(|(&word, &count)| (word, count)).filter(|(_, count)| *count >= least).collect();
        frequent.sort_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
        frequent.truncate(MOST_WORDS);
        frequent.into_iter().map(|(word, _)| (word, self.rarity(word))).collect()
    }
}
