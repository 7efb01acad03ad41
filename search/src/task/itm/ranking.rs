//! Captions and images ranked for each other.

use std::collections::BTreeMap;
use tch::Device;
use tch::Kind;
use tch::Tensor;

use crate::error::Result;
use crate::task::Forward;
use crate::task::itm::data::ItmData;
use crate::task::itm::embedding_space::EmbeddingSpace;

impl ItmData {
    /// Embeds captions and their images, each image once; none where the network has no joint embedding. The embedding of an
    /// image rests on the image alone, so any caption will do beside it.
    pub(crate) fn embedding_space(
        &self,
        captions: &[usize],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Option<EmbeddingSpace>> {
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
        Ok(Some(EmbeddingSpace {
            captions: captions.iter().zip(0..).map(|(&caption, k)| (caption, k)).collect(),
            images: places,
            texts: Tensor::cat(&texts, 0).to_device(Device::Cpu),
            pictures: Tensor::stack(&pictures, 0).to_device(Device::Cpu),
        }))
    }
}
