//! Captions and images in the joint embedding of a network that has one: what two steps of a ranking and cheap hard negatives
//! rest on.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::error::Result;

/// Embeddings of some captions and of their images, on the processor: tens of thousands of small questions follow, each of which
/// would wait for a GPU.
#[derive(Debug)]
pub(crate) struct EmbeddingSpace {
    pub(super) captions: BTreeMap<usize, i64>,
    pub(super) images: BTreeMap<usize, i64>,
    /// `[captions, joint]`.
    pub(super) texts: Tensor,
    /// `[images, joint]`.
    pub(super) pictures: Tensor,
}

impl EmbeddingSpace {
    /// The cosine of every pair of a caption and an image, which are in the space.
    pub(crate) fn cosines(&self, pairs: &[(usize, usize)]) -> Result<Tensor> {
        let rows = |of: &mut dyn Iterator<Item = Option<&i64>>| {
            Tensor::from_slice(&of.flatten().copied().collect::<Vec<i64>>())
        };
        let texts = rows(&mut pairs.iter().map(|(caption, _)| self.captions.get(caption)));
        let pictures = rows(&mut pairs.iter().map(|(_, image)| self.images.get(image)));
        let (texts, pictures) = (self.texts.f_index_select(0, &texts)?, self.pictures.f_index_select(0, &pictures)?);
        Ok(texts.f_mul(&pictures)?.f_sum_dim_intlist(1i64, false, Kind::Float)?)
    }

    /// Of `images` the `count` that lie nearest to `caption`, the nearest first.
    pub(crate) fn nearest_images(&self, caption: usize, images: &[usize], count: usize) -> Result<Vec<usize>> {
        nearest((&self.texts, self.captions.get(&caption)), (&self.pictures, &self.images), images, count)
    }

    /// Of `captions` the `count` that lie nearest to `image`, the nearest first.
    pub(crate) fn nearest_captions(&self, image: usize, captions: &[usize], count: usize) -> Result<Vec<usize>> {
        nearest((&self.pictures, self.images.get(&image)), (&self.texts, &self.captions), captions, count)
    }
}

fn nearest(
    (queries, query): (&Tensor, Option<&i64>),
    (rows, places): (&Tensor, &BTreeMap<usize, i64>),
    candidates: &[usize],
    count: usize,
) -> Result<Vec<usize>> {
    let known: Vec<usize> = candidates.iter().copied().filter(|candidate| places.contains_key(candidate)).collect();
    let (Some(&query), false) = (query, known.is_empty()) else { return Ok(Vec::new()) };
    let chosen: Vec<i64> = known.iter().map(|candidate| places[candidate]).collect();
    let chosen = rows.index_select(0, &Tensor::from_slice(&chosen));
    let cosines = chosen.mv(&queries.get(query));
    let (_, order) = cosines.topk(count.min(known.len()) as i64, 0, true, true);
    Ok(Vec::<i64>::try_from(order)?.into_iter().map(|k| known[k as usize]).collect())
}
