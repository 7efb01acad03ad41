//! Ranking what an index holds.

use crate::engine::limits::Limits;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::index::kind::Kind;
use crate::index::states::without_embedding;
use crate::model::{BATCH, Model};
use crate::tasks::matching::Match;

/// Which states are scored by the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates {
    /// All.
    All,
    /// As many as this whose embeddings are nearest, found without looking at all of them.
    Shortlist(usize),
}

/// A state that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: String,
    /// How well it belongs.
    pub score: Match,
}

/// The best hits so far.
///
/// There are no more than about twice those that are asked for.
struct Best {
    hits: Vec<(Match, String)>,
    top_k: usize,
}

impl Best {
    fn push(&mut self, key: &str, score: Match) {
        self.hits.push((score, key.to_owned()));
        if self.hits.len() >= self.top_k.saturating_mul(2).saturating_add(1024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        // Of equals the smaller key comes first.
        self.hits.sort_by(|(a, x), (b, y)| b.logit.total_cmp(&a.logit).then_with(|| x.cmp(y)));
        self.hits.truncate(self.top_k);
    }

    fn finish(mut self) -> Vec<Hit> {
        self.cut();
        self.hits.into_iter().map(|(score, key)| Hit { key, score }).collect()
    }
}

impl<K: Kind> Index<K> {
    /// Finds for each query the `top_k` states that belong to it best, the best first.
    ///
    /// An index of images is searched by texts, one of texts by images. The search ends at the limits of the model that the
    /// index was opened with.
    ///
    /// # Errors
    /// `top_k` 0; a shortlist of 0 or of a network without embeddings; a state of another model; a damaged file; a failure of
    /// ONNX Runtime; the limits.
    pub fn rank(&self, queries: &[K::Query], top_k: usize, candidates: Candidates) -> Result<Vec<Vec<Hit>>> {
        self.rank_by(&self.model, queries, top_k, candidates)
    }

    /// As [`Index::rank`], with limits of this search alone in place of the model's.
    ///
    /// # Errors
    /// As [`Index::rank`].
    pub fn rank_within(
        &self,
        queries: &[K::Query],
        top_k: usize,
        candidates: Candidates,
        limits: &Limits,
    ) -> Result<Vec<Vec<Hit>>> {
        self.rank_by(&self.model.limited(limits.clone()), queries, top_k, candidates)
    }

    fn rank_by(
        &self,
        model: &Model,
        queries: &[K::Query],
        top_k: usize,
        candidates: Candidates,
    ) -> Result<Vec<Vec<Hit>>> {
        // An index without states is looked at too.
        model.check_limits()?;
        if top_k == 0 {
            return Err(Error::argument("top_k", "at least 1", top_k));
        }
        let mut best: Vec<Best> = queries.iter().map(|_| Best { hits: Vec::new(), top_k }).collect();
        match candidates {
            Candidates::Shortlist(0) => return Err(Error::argument("shortlist", "at least 1", 0)),
            Candidates::Shortlist(count) => {
                for (query, best) in queries.iter().zip(&mut best) {
                    let embedding = K::query_embedding(&self.model, query)?;
                    let embedding = embedding.ok_or_else(|| without_embedding(self.states.folder()))?;
                    let keys = self.states.nearest(embedding, count, model.limits())?;
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    self.score(model, &keys, [(query, best)])?;
                }
            }
            Candidates::All => {
                let keys: Vec<&str> = self.states.keys().collect();
                // Every state is read once for all queries.
                self.score(model, &keys, queries.iter().zip(&mut best).collect::<Vec<_>>())?;
            }
        }
        Ok(best.into_iter().map(Best::finish).collect())
    }

    fn score<'q>(
        &self,
        model: &Model,
        keys: &[&str],
        queries: impl IntoIterator<Item = (&'q K::Query, &'q mut Best)>,
    ) -> Result<()>
    where
        K::Query: 'q,
    {
        let mut queries: Vec<(&K::Query, &mut Best)> = queries.into_iter().collect();
        for keys in keys.chunks(BATCH) {
            // States lie on a disk that may be slow, and what they are scored with looks at the limits only when it runs.
            model.check_limits()?;
            let (mut found, mut states) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
            for &key in keys {
                if let Some(state) = self.get_by(model, key)? {
                    found.push(key);
                    states.push(state);
                }
            }
            for (query, best) in &mut queries {
                let pairs: Vec<_> = states.iter().map(|state| K::pair(query, state)).collect();
                for (key, score) in found.iter().zip(model.match_pairs(&pairs)?) {
                    best.push(key, score);
                }
            }
        }
        Ok(())
    }
}
