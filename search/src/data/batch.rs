//! Samples as a batch of tensors.

use mmnas_bundle::{PAD, RegionFeatures, UNK};
use rayon::prelude::*;
use tch::Tensor;

use crate::data::dataset::ImageTextData;
use crate::error::Result;
use crate::model::inputs::Inputs;
use crate::model::network::FeatureNorm;
use crate::recipe::model::Modalities;

impl ImageTextData {
    /// Network inputs for some samples with the given token ids, and their regions.
    ///
    /// Tokens and regions are padded to the longest of the batch only. All threads read the images
    /// in parallel.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`](crate::error::Error::Bundle) if the features of an image cannot be read.
    pub fn inputs(&self, samples: &[usize], tokens: &[&[i64]]) -> Result<(Inputs, Vec<RegionFeatures>)> {
        let images: Vec<usize> = samples.iter().map(|&sample| self.image_of(sample)).collect();
        self.inputs_of_images(&images, tokens)
    }

    /// As [`ImageTextData::inputs`], for images instead of samples.
    ///
    /// Modalities that the recipe keeps from the network are not in the inputs.
    ///
    /// # Errors
    ///
    /// Those of [`ImageTextData::inputs`].
    pub fn inputs_of_images(&self, images: &[usize], tokens: &[&[i64]]) -> Result<(Inputs, Vec<RegionFeatures>)> {
        let unread = vec![[UNK].as_slice(); if self.modalities == Modalities::Image { tokens.len() } else { 0 }];
        let tokens = if self.modalities == Modalities::Image { unread.as_slice() } else { tokens };
        let regions = images.par_iter().map(|&image| self.regions_of_image(image)).collect::<Result<Vec<_>>>()?;
        let (b, d) = (images.len(), self.feature());
        let mut n = regions.iter().map(|r| r.boxes.len()).max().unwrap_or(1);
        let mut t = tokens.iter().map(|ids| ids.len()).max().unwrap_or(1);
        if let Some(padded) = self.padded_tokens {
            (n, t) = (n.max(self.max_regions), t.max(padded));
        }
        let mut ids = vec![PAD; b * t];
        let mut features = vec![0f32; b * n * d];
        let mut boxes = vec![0f32; b * n * 4];
        for (row, (tokens, regions)) in tokens.iter().zip(&regions).enumerate() {
            ids[row * t..][..tokens.len()].copy_from_slice(tokens);
            boxes[row * n * 4..][..4 * regions.boxes.len()].copy_from_slice(regions.boxes.as_flattened());
        }
        if self.modalities != Modalities::Text {
            features.par_chunks_mut((n * d).max(1)).zip(&regions).for_each(|(row, regions)| {
                row[..regions.features.len()].copy_from_slice(&regions.features);
            });
        }
        let inputs = Inputs {
            tokens: self.shaped(Tensor::from_slice(&ids), &[b, t]),
            features: self.shaped(Tensor::from_slice(&features), &[b, n, d]),
            boxes: self.shaped(Tensor::from_slice(&boxes), &[b, n, 4]),
            token_count: tokens.iter().map(|ids| ids.len() as i64).collect(),
            region_count: regions.iter().map(|r| r.boxes.len() as i64).collect(),
        };
        Ok((inputs, regions))
    }

    /// Puts a tensor of a batch into its shape, on the data's device.
    pub(crate) fn shaped(&self, tensor: Tensor, shape: &[usize]) -> Tensor {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        tensor.view(shape.as_slice()).to_device(self.device)
    }

    /// Mean and deviation of each feature over the images of `samples`.
    ///
    /// A feature that never varies gets deviation 1.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`](crate::error::Error::Bundle) if the features of an image cannot be read.
    pub fn feature_norm(&self, samples: &[usize]) -> Result<FeatureNorm> {
        let d = self.feature();
        let mut images: Vec<usize> = samples.iter().map(|&k| self.image_of(k)).collect();
        images.sort_unstable();
        images.dedup();
        let (mut sum, mut squares, mut rows) = (vec![0f64; d], vec![0f64; d], 0f64);
        for image in images {
            let regions = self.regions_of_image(image)?;
            for row in regions.features.chunks_exact(d) {
                rows += 1.0;
                for (k, &v) in row.iter().enumerate() {
                    sum[k] += f64::from(v);
                    squares[k] += f64::from(v) * f64::from(v);
                }
            }
        }
        let mean: Vec<f32> = sum.iter().map(|s| (s / rows) as f32).collect();
        let deviation = |k: usize| (squares[k] / rows - (sum[k] / rows).powi(2)).max(0.0).sqrt() as f32;
        let std: Vec<f32> = (0..d).map(deviation).map(|s| if s < 1e-6 { 1.0 } else { s }).collect();
        let tensor = |v: &[f32]| Tensor::from_slice(v).to_device(self.device);
        Ok(FeatureNorm { mean: tensor(&mean), std: tensor(&std) })
    }
}
