//! Captions and images ranked for each other, which recall is measured on.

use std::collections::{BTreeMap, BTreeSet};

use tch::Kind;

use crate::error::Result;
use crate::task::example::{Example, RankedCandidate};
use crate::task::itm::data::ItmData;
use crate::task::itm::embedding_space::EmbeddingSpace;
use crate::task::itm::recall::Ranking;
use crate::task::{Evaluation, Forward};

/// Scores of all pairs of some images and captions, and which ones they are.
#[derive(Debug)]
pub(crate) struct Ranked {
    images: Vec<usize>,
    captions: Vec<usize>,
    pub(crate) ranking: Ranking,
}

impl ItmData {
    /// The logits of pairs of a caption and an image.
    pub(crate) fn score_pairs(
        &self,
        pairs: &[(usize, usize)],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Vec<f32>> {
        let mut scores = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(batch) {
            let logits = forward(&self.pairs(pairs)?).scores.to_kind(Kind::Float).flatten(0, -1);
            scores.extend(Vec::<f32>::try_from(logits)?);
        }
        Ok(scores)
    }

    /// Ranks images and captions for each other.
    ///
    /// With a shortlist and a dual encoder only the candidates nearest to each are scored; the
    /// others rank behind them. As long as a logit is the cosine alone, it is taken of the
    /// embeddings: one pass per caption in place of one per pair.
    pub(crate) fn rank(&self, captions: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Ranked> {
        let Some(shortlist) = self.settings().shortlist else { return self.score_all_pairs(captions, batch, forward) };
        let chosen = self.ranked(captions, shortlist.images);
        let Some(space) = self.embedding_space(&chosen.1, batch, forward)? else {
            return self.score_all_pairs(captions, batch, forward);
        };
        self.rank_candidates(chosen, &space, shortlist.candidates, |pairs| match space.cosine_logit {
            Some((scale, bias)) => Ok((space.cosines(pairs)? * scale + bias).try_into()?),
            None => self.score_pairs(pairs, batch, forward),
        })
    }

    /// Ranks the captions nearest to each image, and the images nearest to each caption.
    ///
    /// There are `count` of them, ranked by their scores. The others rank behind them.
    fn rank_candidates(
        &self,
        (images, captions): (Vec<usize>, Vec<usize>),
        space: &EmbeddingSpace,
        count: usize,
        mut score: impl FnMut(&[(usize, usize)]) -> Result<Vec<f32>>,
    ) -> Result<Ranked> {
        let place: BTreeMap<usize, usize> = images.iter().enumerate().map(|(k, &image)| (image, k)).collect();
        let mut scores = vec![vec![f32::NEG_INFINITY; captions.len()]; images.len()];
        let mut of_captions = scores.clone();
        let column: BTreeMap<usize, usize> = captions.iter().enumerate().map(|(k, &c)| (c, k)).collect();
        let (mut pairs, mut pairs_of_captions) = (Vec::new(), Vec::new());
        for &image in &images {
            let short = space.nearest_captions(image, &captions, count)?;
            pairs.extend(short.into_iter().map(|caption| (caption, image)));
        }
        for &caption in &captions {
            let short = space.nearest_images(caption, &images, count)?;
            pairs_of_captions.extend(short.into_iter().map(|image| (caption, image)));
        }
        for (pairs, into) in [(pairs, &mut scores), (pairs_of_captions, &mut of_captions)] {
            for (&(caption, image), score) in pairs.iter().zip(score(&pairs)?) {
                into[place[&image]][column[&caption]] = score;
            }
        }
        let image_of_caption = captions.iter().map(|&caption| place[&self.common().image_of(caption)]).collect();
        let ranking = Ranking { scores, of_captions: Some(of_captions), image_of_caption };
        Ok(Ranked { images, captions, ranking })
    }

    /// The recall of a ranking, with some examples.
    pub(crate) fn evaluation(&self, ranked: &Ranked) -> Evaluation {
        Evaluation { examples: self.examples(ranked), ..ranked.ranking.evaluation() }
    }

    /// The first `count` images of `captions`, and their captions.
    fn ranked(&self, captions: &[usize], count: usize) -> (Vec<usize>, Vec<usize>) {
        let images: Vec<usize> = self.images_of(captions).into_iter().take(count).collect();
        let known: BTreeSet<usize> = images.iter().copied().collect();
        let captions = captions.iter().copied().filter(|&caption| known.contains(&self.common().image_of(caption)));
        (images, captions.collect())
    }

    /// Scores every image of `captions` with every one of the captions.
    ///
    /// They are at most `ranked_images` images.
    pub(crate) fn score_all_pairs(
        &self,
        captions: &[usize],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Ranked> {
        let (images, captions) = self.ranked(captions, self.settings().ranked_images);
        let place: BTreeMap<usize, usize> = images.iter().enumerate().map(|(k, &image)| (image, k)).collect();
        let mut scores = Vec::with_capacity(images.len());
        for &image in &images {
            let pairs: Vec<(usize, usize)> = captions.iter().map(|&caption| (caption, image)).collect();
            scores.push(self.score_pairs(&pairs, batch, forward)?);
        }
        let image_of_caption = captions.iter().map(|&caption| place[&self.common().image_of(caption)]).collect();
        Ok(Ranked { images, captions, ranking: Ranking { scores, of_captions: None, image_of_caption } })
    }

    /// Some captions and the images that score highest with them.
    pub(crate) fn examples(&self, ranked: &Ranked) -> Vec<Example> {
        let Ranked { images, captions, ranking } = ranked;
        let name = |row: usize| self.common().image_name(images[row]).to_owned();
        let probability =
            |row: usize, caption: usize| 1.0 / (1.0 + f64::from(-ranking.caption_scores()[row][caption]).exp());
        let wanted = (0..captions.len()).filter(|&k| Evaluation::is_example(k, captions.len()));
        let example = |caption: usize| {
            let (own, order) = (ranking.image_of_caption[caption], ranking.images_by_score(caption));
            let candidate = |&row: &usize| RankedCandidate {
                image: name(row),
                text: String::new(),
                score: probability(row, caption),
                right: row == own,
            };
            Example {
                image: name(own),
                text: self.common().words_of(self.tokens(captions[caption])),
                expected: name(own),
                found: order.first().map_or_else(String::new, |&row| name(row)),
                right: order.first() == Some(&own),
                score: order.first().map(|&row| probability(row, caption)),
                candidates: order.iter().take(5).map(candidate).collect(),
                ..Example::default()
            }
        };
        wanted.map(example).collect()
    }
}
