use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mmnas_bundle::{Architecture, FeatureStore, PAD, RegionFeatures, TextEncoder, Vocabulary, sha256_hex};
use tch::{Device, Tensor};

use crate::{FeatureNorm, Inputs, Result, RunInputs};

/// What the data sets of all tasks have in common: samples that belong to images, features of the images on disk, words.
#[derive(Debug)]
pub struct ImageTextData {
    file: PathBuf,
    sha256: String,
    features: FeatureStore,
    images: Vec<String>,
    image_of_sample: Vec<usize>,
    samples_of_images: Vec<Vec<usize>>,
    vocabulary: Vocabulary,
    device: Device,
}

/// A vocabulary of `texts` and their token ids, at most `max_tokens` each. A text without any word is an error that names
/// its sample.
pub(super) fn encode_texts<'a>(
    file: &Path,
    texts: impl Iterator<Item = &'a str> + Clone,
    max_tokens: usize,
) -> Result<(Vocabulary, Vec<Vec<i64>>)> {
    let mut vocabulary = Vocabulary::new();
    for text in texts.clone() {
        vocabulary.add_text(text)?;
    }
    let encoder = TextEncoder::from_json(&vocabulary.to_tokenizer_json(), Path::new("tokenizer.json"))?;
    let encode = |(number, text): (usize, &str)| {
        let ids = encoder.encode(text, max_tokens)?;
        if ids.is_empty() {
            let field = format!("sample {}: text", number + 1);
            return Err(mmnas_bundle::Error::invalid(file, field, "at least one word", format!("{text:?}")).into());
        }
        Ok(ids)
    };
    let ids = texts.enumerate().map(encode).collect::<Result<_>>()?;
    Ok((vocabulary, ids))
}

impl ImageTextData {
    /// The data of the samples in `file`, given the image of each and the features' folder. An image without features is
    /// an error that names the sample's line.
    pub fn new<'a>(
        file: &Path,
        images: impl Iterator<Item = &'a str>,
        features: &Path,
        vocabulary: Vocabulary,
        device: Device,
    ) -> Result<ImageTextData> {
        let features = FeatureStore::open(features)?;
        let content = std::fs::read(file).map_err(mmnas_bundle::Error::io(file, "read"))?;
        let mut data = ImageTextData {
            file: file.to_path_buf(),
            sha256: sha256_hex(&content),
            features,
            images: Vec::new(),
            image_of_sample: Vec::new(),
            samples_of_images: Vec::new(),
            vocabulary,
            device,
        };
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (sample, name) in images.enumerate() {
            if !data.features.contains(name) {
                let (field, expected) = (format!("sample {}: image", sample + 1), "an image whose features are there");
                return Err(mmnas_bundle::Error::invalid(file, field, expected, name).into());
            }
            let image = *known.entry(name).or_insert_with(|| {
                data.images.push(name.to_owned());
                data.samples_of_images.push(Vec::new());
                data.images.len() - 1
            });
            data.samples_of_images[image].push(sample);
            data.image_of_sample.push(image);
        }
        Ok(data)
    }

    /// Indices of the samples of each image: parts are cut between images.
    pub fn samples_of_images(&self) -> &[Vec<usize>] {
        &self.samples_of_images
    }

    /// The words of the samples.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// D, width of a region's features.
    pub fn feature(&self) -> usize {
        self.features.feature()
    }

    /// SHA-256 of the vision graph that gave the features.
    pub fn vision_sha256(&self) -> &str {
        self.features.vision_sha256()
    }

    /// Name and SHA-256 of the file of samples.
    pub fn provenance(&self) -> (String, String) {
        let name = self.file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        (name, self.sha256.clone())
    }

    /// What a run on this data works on, to tell it from others; `architecture` is the one that is trained.
    pub fn run_inputs(&self, task: &str, architecture: Option<&Architecture>) -> RunInputs {
        RunInputs {
            task: task.to_owned(),
            samples_sha256: self.sha256.clone(),
            vision_sha256: self.features.vision_sha256().to_owned(),
            architecture: architecture.cloned(),
        }
    }

    /// Where batches are put.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The image of `sample`.
    pub fn image_of(&self, sample: usize) -> usize {
        self.image_of_sample[sample]
    }

    /// The regions of the image of `sample`.
    fn regions(&self, sample: usize) -> Result<RegionFeatures> {
        Ok(self.features.get(&self.images[self.image_of_sample[sample]])?)
    }

    /// The network's inputs for the samples `indices` with the given token ids, and their regions. Tokens and regions are
    /// padded to the longest of the batch only.
    pub fn inputs(&self, indices: &[usize], tokens: &[&[i64]]) -> Result<(Inputs, Vec<RegionFeatures>)> {
        let regions = indices.iter().map(|&k| self.regions(k)).collect::<Result<Vec<_>>>()?;
        let (b, d) = (indices.len(), self.feature());
        let n = regions.iter().map(|r| r.boxes.len()).max().unwrap_or(1);
        let t = tokens.iter().map(|ids| ids.len()).max().unwrap_or(1);
        let mut ids = vec![PAD; b * t];
        let mut features = vec![0f32; b * n * d];
        let mut boxes = vec![0f32; b * n * 4];
        for (row, (tokens, regions)) in tokens.iter().zip(&regions).enumerate() {
            ids[row * t..][..tokens.len()].copy_from_slice(tokens);
            features[row * n * d..][..regions.features.len()].copy_from_slice(&regions.features);
            boxes[row * n * 4..][..4 * regions.boxes.len()].copy_from_slice(regions.boxes.as_flattened());
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

    /// A tensor of a batch in its shape, on the data's device.
    pub(super) fn shaped(&self, tensor: Tensor, shape: &[usize]) -> Tensor {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        tensor.view(shape.as_slice()).to_device(self.device)
    }

    /// Mean and deviation of each feature over the images of `samples`. A feature that never varies gets deviation 1.
    pub fn feature_norm(&self, samples: &[usize]) -> Result<FeatureNorm> {
        let d = self.features.feature();
        let mut images: Vec<usize> = samples.iter().map(|&k| self.image_of_sample[k]).collect();
        images.sort_unstable();
        images.dedup();
        let (mut sum, mut squares, mut rows) = (vec![0f64; d], vec![0f64; d], 0f64);
        for image in images {
            let regions = self.features.get(&self.images[image])?;
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
