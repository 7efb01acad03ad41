//! Captions and images in the joint embedding of a network that has one: what two steps of a ranking and cheap hard negatives
//! rest on.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::ItmData;
use crate::Result;
use crate::task::Forward;

/// Embeddings of some captions and of their images, on the processor: tens of thousands of small questions follow, each of which
/// would wait for a GPU.
#[derive(Debug)]
pub(crate) struct JointSpace {
    captions: BTreeMap<usize, i64>,
    images: BTreeMap<usize, i64>,
    /// `[captions, joint]`.
    texts: Tensor,
    /// `[images, joint]`.
    pictures: Tensor,
}

impl ItmData {
    /// Embeds captions and their images, each image once; none where the network has no joint embedding. The embedding of an
    /// image rests on the image alone, so any caption will do beside it.
    pub(crate) fn joint_space(
        &self,
        captions: &[usize],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Option<JointSpace>> {
        let images: Vec<usize> = self.images_of(captions);
        let places: BTreeMap<usize, i64> = images.iter().zip(0..).map(|(&image, k)| (image, k)).collect();
        let mut texts = Vec::new();
        let mut pictures: Vec<Option<Tensor>> = images.iter().map(|_| None).collect();
        for chunk in captions.chunks(batch.max(1)) {
            let pairs: Vec<(usize, usize)> =
                chunk.iter().map(|&caption| (caption, self.common().image_of(caption))).collect();
            let output = forward(&self.pairs(&pairs)?).to_kind(Kind::Float);
            let joint = (output.size()[1] - 1) / 2;
            if joint == 0 {
                return Ok(None);
            }
            let embedded = output.narrow(-1, 1, 2 * joint).chunk(2, -1);
            for (row, (_, image)) in (0..).zip(&pairs) {
                if let Some(place) = places.get(image) {
                    pictures[*place as usize].get_or_insert_with(|| embedded[1].get(row));
                }
            }
            texts.push(embedded[0].shallow_clone());
        }
        let pictures: Vec<Tensor> = pictures.into_iter().flatten().collect();
        if texts.is_empty() || pictures.is_empty() {
            return Ok(None);
        }
        Ok(Some(JointSpace {
            captions: captions.iter().zip(0..).map(|(&caption, k)| (caption, k)).collect(),
            images: places,
            texts: Tensor::cat(&texts, 0).to_device(Device::Cpu),
            pictures: Tensor::stack(&pictures, 0).to_device(Device::Cpu),
        }))
    }
}

impl JointSpace {
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
