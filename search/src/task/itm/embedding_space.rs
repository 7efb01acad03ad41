//! Captions and images in the embedding of the dual encoder.
//!
//! Shortlists and cheap hard negatives come from it.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::task::Forward;
use crate::task::itm::data::ItmData;

/// Embeddings of some captions and of their images.
///
/// They lie on the processor: tens of thousands of small questions follow, each of which would wait
/// for a GPU.
#[derive(Debug)]
pub(crate) struct EmbeddingSpace {
    pub(super) captions: BTreeMap<usize, i64>,
    pub(super) images: BTreeMap<usize, i64>,
    /// Embeddings of the captions, `[captions, width]`.
    pub(super) texts: Tensor,
    /// Embeddings of the images, `[images, width]`.
    pub(super) pictures: Tensor,
    /// Scale and bias of the network's logit.
    ///
    /// None as soon as the logit is more than these and the cosine.
    pub(super) cosine_logit: Option<(f64, f64)>,
}

impl EmbeddingSpace {
    /// The cosine of every pair of a caption and an image of the space.
    pub(crate) fn cosines(&self, pairs: &[(usize, usize)]) -> Result<Tensor> {
        let rows = |of: &mut dyn Iterator<Item = Option<&i64>>| {
            Tensor::from_slice(&of.flatten().copied().collect::<Vec<i64>>())
        };
        let texts = rows(&mut pairs.iter().map(|(caption, _)| self.captions.get(caption)));
        let pictures = rows(&mut pairs.iter().map(|(_, image)| self.images.get(image)));
        let (texts, pictures) = (self.texts.f_index_select(0, &texts)?, self.pictures.f_index_select(0, &pictures)?);
        Ok(texts.f_mul(&pictures)?.f_sum_dim_intlist(1i64, false, Kind::Float)?)
    }

    /// The `count` of `images` that lie nearest to `caption`, the nearest first.
    pub(crate) fn nearest_images(&self, caption: usize, images: &[usize], count: usize) -> Result<Vec<usize>> {
        nearest((&self.texts, self.captions.get(&caption)), (&self.pictures, &self.images), images, count)
    }

    /// The `count` of `captions` that lie nearest to `image`, the nearest first.
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

impl ItmData {
    /// Embeds captions and their images, each image once.
    ///
    /// None if the network has no dual encoder. The embedding of an image depends on the image
    /// alone, so any caption will do beside it.
    pub(crate) fn embedding_space(
        &self,
        captions: &[usize],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Option<EmbeddingSpace>> {
        let images: Vec<usize> = self.images_of(captions);
        let places: BTreeMap<usize, i64> = images.iter().zip(0..).map(|(&image, k)| (image, k)).collect();
        let (mut texts, mut cosine_logit) = (Vec::new(), None);
        let mut pictures: Vec<Option<Tensor>> = images.iter().map(|_| None).collect();
        for chunk in captions.chunks(batch.max(1)) {
            let pairs: Vec<(usize, usize)> =
                chunk.iter().map(|&caption| (caption, self.common().image_of(caption))).collect();
            let Some(embedded) = forward(&self.pairs(&pairs)?).embeddings else { return Ok(None) };
            let image = embedded.image.to_kind(Kind::Float);
            for (row, (_, of)) in (0..).zip(&pairs) {
                if let Some(place) = places.get(of) {
                    pictures[*place as usize].get_or_insert_with(|| image.get(row));
                }
            }
            if texts.is_empty() {
                cosine_logit = embedded.logit.and_then(|logit| logit.alone());
            }
            texts.push(embedded.text.to_kind(Kind::Float));
        }
        let pictures: Vec<Tensor> = pictures.into_iter().flatten().collect();
        if texts.is_empty() || pictures.is_empty() {
            return Ok(None);
        }
        Ok(Some(EmbeddingSpace {
            captions: captions.iter().zip(0..).map(|(&caption, k)| (caption, k)).collect(),
            images: places,
            texts: Tensor::cat(&texts, 0).to_device(Device::Cpu),
            pictures: Tensor::stack(&pictures, 0).to_device(Device::Cpu),
            cosine_logit,
        }))
    }
}
