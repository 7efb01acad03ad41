//! Ranking what an index holds.

use super::states::StateIndex;
use super::{ImageIndex, TextIndex};
use crate::model::BATCH;
use crate::wiring::{IMAGE_EMBEDDING, TEXT_EMBEDDING};
use crate::{Error, ImageState, Limits, Match, Model, Result, TextState};

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

/// The best hits so far; no more of them than about twice those that are asked for.
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

/// What is ranked for what.
trait Ranking {
    /// What is looked for.
    type Query;
    /// What the index holds.
    type State;

    fn states(&self) -> &StateIndex;
    /// The state of a key; what has to run for it ends at `model`'s limits, as do all calls here.
    fn state(&self, model: &Model, key: &str) -> Result<Option<Self::State>>;
    fn embedding<'a>(&self, query: &'a Self::Query) -> Result<Option<&'a [f32]>>;
    fn scores(&self, model: &Model, query: &Self::Query, states: &[Self::State]) -> Result<Vec<Match>>;

    fn rank_all(
        &self,
        model: &Model,
        queries: &[Self::Query],
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
                    let embedding = self.embedding(query)?;
                    let embedding = embedding.ok_or_else(|| super::without_embedding(self.states().folder()))?;
                    let keys = self.states().nearest(embedding, count, model.limits())?;
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    self.score(model, &keys, [(query, best)])?;
                }
            }
            Candidates::All => {
                let keys: Vec<&str> = self.states().keys().collect();
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
        queries: impl IntoIterator<Item = (&'q Self::Query, &'q mut Best)>,
    ) -> Result<()>
    where
        Self::Query: 'q,
    {
        let mut queries: Vec<(&Self::Query, &mut Best)> = queries.into_iter().collect();
        for keys in keys.chunks(BATCH) {
            // States lie on a disk that may be slow, and what they are scored with looks at the limits only when it runs.
            model.check_limits()?;
            let (mut found, mut states) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
            for &key in keys {
                if let Some(state) = self.state(model, key)? {
                    found.push(key);
                    states.push(state);
                }
            }
            for (query, best) in &mut queries {
                for (key, score) in found.iter().zip(self.scores(model, query, &states)?) {
                    best.push(key, score);
                }
            }
        }
        Ok(())
    }
}

impl Ranking for ImageIndex {
    type Query = TextState;
    type State = ImageState;

    fn states(&self) -> &StateIndex {
        &self.states
    }

    fn state(&self, model: &Model, key: &str) -> Result<Option<ImageState>> {
        self.get_by(model, key)
    }

    fn embedding<'a>(&self, query: &'a TextState) -> Result<Option<&'a [f32]>> {
        self.model.text_tensor(query, TEXT_EMBEDDING)
    }

    fn scores(&self, model: &Model, query: &TextState, states: &[ImageState]) -> Result<Vec<Match>> {
        let pairs: Vec<_> = states.iter().map(|image| (image, query)).collect();
        model.match_pairs(&pairs)
    }
}

impl Ranking for TextIndex {
    type Query = ImageState;
    type State = TextState;

    fn states(&self) -> &StateIndex {
        &self.states
    }

    fn state(&self, model: &Model, key: &str) -> Result<Option<TextState>> {
        self.get_by(model, key)
    }

    fn embedding<'a>(&self, query: &'a ImageState) -> Result<Option<&'a [f32]>> {
        self.model.image_tensor(query, IMAGE_EMBEDDING)
    }

    fn scores(&self, model: &Model, query: &ImageState, states: &[TextState]) -> Result<Vec<Match>> {
        let pairs: Vec<_> = states.iter().map(|text| (query, text)).collect();
        model.match_pairs(&pairs)
    }
}

impl ImageIndex {
    /// For each text the `top_k` images that it belongs to best, the best first. It ends at the limits of the model that the
    /// index was opened with.
    ///
    /// # Errors
    /// `top_k` 0; a shortlist of 0 or of a network without embeddings; a state of another model; a damaged file; a failure of
    /// ONNX Runtime; the limits.
    pub fn rank(&self, texts: &[TextState], top_k: usize, candidates: Candidates) -> Result<Vec<Vec<Hit>>> {
        self.rank_all(&self.model, texts, top_k, candidates)
    }

    /// As [`ImageIndex::rank`], with limits of this search alone in place of the model's.
    ///
    /// # Errors
    /// As [`ImageIndex::rank`].
    pub fn rank_within(
        &self,
        texts: &[TextState],
        top_k: usize,
        candidates: Candidates,
        limits: &Limits,
    ) -> Result<Vec<Vec<Hit>>> {
        self.rank_all(&self.model.limited(limits.clone()), texts, top_k, candidates)
    }
}

impl TextIndex {
    /// For each image the `top_k` texts that belong to it best, the best first. It ends at the limits of the model that the
    /// index was opened with.
    ///
    /// # Errors
    /// As [`ImageIndex::rank`].
    pub fn rank(&self, images: &[ImageState], top_k: usize, candidates: Candidates) -> Result<Vec<Vec<Hit>>> {
        self.rank_all(&self.model, images, top_k, candidates)
    }

    /// As [`TextIndex::rank`], with limits of this search alone in place of the model's.
    ///
    /// # Errors
    /// As [`ImageIndex::rank`].
    pub fn rank_within(
        &self,
        images: &[ImageState],
        top_k: usize,
        candidates: Candidates,
        limits: &Limits,
    ) -> Result<Vec<Vec<Hit>>> {
        self.rank_all(&self.model.limited(limits.clone()), images, top_k, candidates)
    }
}
