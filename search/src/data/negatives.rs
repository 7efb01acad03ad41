//! Negatives of image-text matching: captions that are not an image's, images that are not a caption's, drawn at random
//! or mined for those that the network takes for true.

use std::collections::{BTreeMap, HashSet};

use rand::RngExt as _;
use tch::{Kind, Tensor};

use super::ItmData;
use super::joint_space::JointSpace;
use crate::recipe::{HardBy, NegativeSettings};
use crate::task::{EpochStart, Forward, Memory};
use crate::{Result, TensorMap, rng};

/// The negatives of one epoch. Captions are samples; an image is named by its index.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Negatives {
    /// Captions that are not true of an image, by image.
    pub captions: BTreeMap<usize, Vec<usize>>,
    /// Images that a caption is not true of, by caption.
    pub images: BTreeMap<usize, Vec<usize>>,
}

fn save(name: &str, lists: &BTreeMap<usize, Vec<usize>>, into: &mut TensorMap) {
    let keys: Vec<i64> = lists.keys().map(|&k| k as i64).collect();
    let counts: Vec<i64> = lists.values().map(|v| v.len() as i64).collect();
    let values: Vec<i64> = lists.values().flatten().map(|&v| v as i64).collect();
    for (part, values) in [("of", keys), ("counts", counts), ("values", values)] {
        into.insert(format!("negatives.{name}.{part}"), Tensor::from_slice(&values));
    }
}

fn load(name: &str, from: &TensorMap) -> std::result::Result<BTreeMap<usize, Vec<usize>>, String> {
    let read = |part: &str| -> std::result::Result<Vec<usize>, String> {
        let key = format!("negatives.{name}.{part}");
        let tensor = from.get(&key).filter(|t| t.kind() == Kind::Int64 && t.dim() == 1).ok_or_else(|| key.clone())?;
        let values = Vec::<i64>::try_from(tensor).map_err(|_| key.clone())?;
        values.into_iter().map(|v| usize::try_from(v).map_err(|_| key.clone())).collect()
    };
    let (keys, counts, values) = (read("of")?, read("counts")?, read("values")?);
    let mut values = values.into_iter();
    let lists: BTreeMap<usize, Vec<usize>> =
        keys.iter().zip(&counts).map(|(&key, &count)| (key, values.by_ref().take(count).collect())).collect();
    let whole = keys.len() == counts.len() && lists.values().zip(&counts).all(|(list, &n)| list.len() == n);
    if whole && values.next().is_none() { Ok(lists) } else { Err(format!("negatives.{name}.counts")) }
}

impl Negatives {
    /// Whether the epoch has none: see [`NegativeSettings::from_epoch`].
    pub(crate) fn is_empty(&self) -> bool {
        self.captions.is_empty() && self.images.is_empty()
    }
}

impl Memory for Negatives {
    fn save(&self, into: &mut TensorMap) {
        save("captions", &self.captions, into);
        save("images", &self.images, into);
    }

    fn load(from: &TensorMap) -> std::result::Result<Negatives, String> {
        Ok(Negatives { captions: load("captions", from)?, images: load("images", from)? })
    }
}

/// `count` different members of `from` that `allowed` accepts, fewer where there are not so many.
fn draw(from: &[usize], count: usize, rng: &mut impl rand::Rng, allowed: impl Fn(usize) -> bool) -> Vec<usize> {
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
    /// The negatives of an epoch: of every image of a part `keep` captions of the part, and of every caption `keep` images.
    /// Until `mine_from_epoch` they are random; from then on the ones with the highest scores of `pool` random ones.
    /// Which are hard is told by the network's scores or by its joint embedding. There are none before `from_epoch`, if there is a
    /// joint embedding to train. None of them is a true match, but for random
    /// ones where the published behaviour is asked for.
    pub fn negatives(&self, start: &EpochStart<'_>, forward: &mut Forward<'_>) -> Result<Negatives> {
        let NegativeSettings { mut pool, keep, from_epoch, mine_from_epoch, by } = start.negatives;
        if start.epoch < from_epoch && self.contrastive().is_some() {
            return Ok(Negatives::default());
        }
        let mine = start.epoch >= mine_from_epoch;
        let allowed = |caption: usize, image: usize| (start.false_negatives && !mine) || !self.is_true(caption, image);
        let mut spaces: Vec<Option<JointSpace>> = start.parts.iter().map(|_| None).collect();
        if mine && by == HardBy::Embedding {
            for (captions, space) in start.parts.iter().zip(&mut spaces) {
                *space = self.joint_space(captions, start.batch, forward)?;
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
