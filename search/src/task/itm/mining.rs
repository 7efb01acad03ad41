//! Mining of negatives: drawn at random, then the hardest by the network's scores.

use rand::RngExt as _;
use std::collections::HashSet;

use crate::error::Result;
use crate::recipe::negatives::{HardBy, NegativeSettings};
use crate::seed::rng;
use crate::task::itm::data::ItmData;
use crate::task::itm::embedding_space::EmbeddingSpace;
use crate::task::itm::negatives::Negatives;
use crate::task::{EpochStart, Forward};

/// Draws `count` different members of `from` that `allowed` accepts; fewer if fewer exist.
pub(crate) fn draw(
    from: &[usize],
    count: usize,
    rng: &mut impl rand::Rng,
    allowed: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let (mut drawn, mut known) = (Vec::with_capacity(count), HashSet::new());
    // Large pools give what is asked for at once; small ones may not hold so much, so drawing ends.
    for _ in 0..20 * count {
        if drawn.len() == count || from.is_empty() {
            break;
        }
        let candidate = from[rng.random_range(0..from.len())];
        if allowed(candidate) && known.insert(candidate) {
            drawn.push(candidate);
        }
    }
    if drawn.is_empty() {
        drawn.extend(from.iter().copied().filter(|&candidate| allowed(candidate)).take(count));
    }
    drawn
}

impl ItmData {
    /// The negatives of an epoch: `keep` captions per image, `keep` images per caption.
    ///
    /// They are of the same part. Until `mine_from_epoch` they are random; from then on they are
    /// the hardest of `pool` random ones. The network's scores or its dual encoder say which are
    /// hard. There are none before `from_epoch`, if there is a dual encoder to train. None of them
    /// is a true match, except random ones if the recipe asks for the published behaviour.
    ///
    /// # Errors
    /// Features that cannot be read.
    pub fn negatives(&self, start: &EpochStart<'_>, forward: &mut Forward<'_>) -> Result<Negatives> {
        let NegativeSettings { mut pool, keep, from_epoch, mine_from_epoch, by } = start.negatives;
        if start.epoch < from_epoch && self.settings().contrastive.is_some() {
            return Ok(Negatives::default());
        }
        let mine = start.epoch >= mine_from_epoch;
        let allowed = |caption: usize, image: usize| (start.false_negatives && !mine) || !self.is_true(caption, image);
        let mut spaces: Vec<Option<EmbeddingSpace>> = start.parts.iter().map(|_| None).collect();
        if mine && by == HardBy::Embedding {
            for (captions, space) in start.parts.iter().zip(&mut spaces) {
                *space = self.embedding_space(captions, start.batch, forward)?;
            }
            if spaces.iter().all(Option::is_none) {
                pool = pool.min(HardBy::POOL_OF_SCORES);
            }
        }
        let by_scores = mine && spaces.iter().all(Option::is_none);
        let count = if mine { pool.max(keep) } else { keep };
        let mut negatives = Negatives::default();
        for (captions, space) in start.parts.iter().zip(&spaces) {
            let images = self.images_of(captions);
            for &image in &images {
                let mut rng = rng(start.seed, "negative captions", (start.epoch as u64) << 32 | image as u64);
                let drawn = draw(captions, count, &mut rng, |caption| allowed(caption, image));
                let kept = match space {
                    Some(space) => space.nearest_captions(image, &drawn, keep)?,
                    None => drawn,
                };
                negatives.captions.insert(image, kept);
            }
            for &caption in *captions {
                let mut rng = rng(start.seed, "negative images", (start.epoch as u64) << 32 | caption as u64);
                let drawn = draw(&images, count, &mut rng, |image| allowed(caption, image));
                let kept = match space {
                    Some(space) => space.nearest_images(caption, &drawn, keep)?,
                    None => drawn,
                };
                negatives.images.insert(caption, kept);
            }
        }
        if by_scores {
            for (&image, captions) in &mut negatives.captions {
                let pairs: Vec<(usize, usize)> = captions.iter().map(|&caption| (caption, image)).collect();
                *captions = self.hardest(captions, &pairs, keep, start.batch, forward)?;
            }
            for (&caption, images) in &mut negatives.images {
                let pairs: Vec<(usize, usize)> = images.iter().map(|&image| (caption, image)).collect();
                *images = self.hardest(images, &pairs, keep, start.batch, forward)?;
            }
        }
        Ok(negatives)
    }

    /// The `keep` of `candidates` whose pairs score highest.
    fn hardest(
        &self,
        candidates: &[usize],
        pairs: &[(usize, usize)],
        keep: usize,
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Vec<usize>> {
        let scores = self.score_pairs(pairs, batch, forward)?;
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        Ok(order.into_iter().take(keep).map(|k| candidates[k]).collect())
    }
}
