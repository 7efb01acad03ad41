use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mmnas_bundle::samples::{VqaSample, read_json_lines};
use mmnas_bundle::{FeatureStore, PAD, TextEncoder, Vocabulary, sha256_hex};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::task::vqa::VqaBatch;
use crate::{FeatureNorm, Inputs, Result};

/// How questions and answers become numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRules {
    /// Longer questions are cut to this many tokens.
    pub max_tokens: usize,
    /// Answers that occur less often are no label (9 in the published code: "more than 8 times").
    pub min_answer_count: usize,
}

struct Question {
    image: usize,
    tokens: Vec<i64>,
    answer: Option<i64>,
}

/// A VQA data set: questions as token ids, answers as labels, features of the images on disk.
pub struct VqaData {
    file: PathBuf,
    sha256: String,
    features: FeatureStore,
    images: Vec<String>,
    samples_of_images: Vec<Vec<usize>>,
    questions: Vec<Question>,
    labels: Vec<String>,
    vocabulary: Vocabulary,
    device: Device,
}

impl VqaData {
    /// Reads JSON lines (see [`VqaSample`]) and opens the features of their images. The vocabulary has the questions'
    /// words by first appearance; labels are the answers by first appearance.
    pub fn load(samples: &Path, features: &Path, rules: &TextRules, device: Device) -> Result<VqaData> {
        let lines: Vec<VqaSample> = read_json_lines(samples)?;
        let content = std::fs::read(samples).map_err(mmnas_bundle::Error::io(samples, "read"))?;
        let store = FeatureStore::open(features)?;
        let mut vocabulary = Vocabulary::new();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for line in &lines {
            vocabulary.add_text(&line.question)?;
            *counts.entry(&line.answer).or_default() += 1;
        }
        let mut labels: Vec<String> = Vec::new();
        let mut label_of: HashMap<&str, i64> = HashMap::new();
        for line in &lines {
            let answer = line.answer.as_str();
            if counts[answer] >= rules.min_answer_count && !label_of.contains_key(answer) {
                label_of.insert(answer, labels.len() as i64);
                labels.push(answer.to_owned());
            }
        }
        let encoder = TextEncoder::from_json(&vocabulary.to_tokenizer_json(), Path::new("tokenizer.json"))?;
        let (mut images, mut samples_of_images) = (Vec::new(), Vec::<Vec<usize>>::new());
        let mut image_of: HashMap<String, usize> = HashMap::new();
        let mut questions = Vec::with_capacity(lines.len());
        for (number, line) in lines.iter().enumerate() {
            let broken = |field: &str, expected: &str, found: &dyn std::fmt::Display| {
                mmnas_bundle::Error::invalid(samples, format!("line {}: {field}", number + 1), expected, found)
            };
            if !store.contains(&line.image) {
                return Err(broken("image", "an image whose features are there", &line.image).into());
            }
            let tokens = encoder.encode(&line.question, rules.max_tokens)?;
            if tokens.is_empty() {
                return Err(broken("question", "at least one word", &line.question).into());
            }
            let image = *image_of.entry(line.image.clone()).or_insert_with(|| {
                images.push(line.image.clone());
                samples_of_images.push(Vec::new());
                images.len() - 1
            });
            samples_of_images[image].push(number);
            questions.push(Question { image, tokens, answer: label_of.get(line.answer.as_str()).copied() });
        }
        Ok(VqaData {
            file: samples.to_path_buf(),
            sha256: sha256_hex(&content),
            features: store,
            images,
            samples_of_images,
            questions,
            labels,
            vocabulary,
            device,
        })
    }

    /// Names of the images, in the order of their first question.
    pub fn images(&self) -> &[String] {
        &self.images
    }

    /// Indices of the questions of each image.
    pub fn samples_of_images(&self) -> &[Vec<usize>] {
        &self.samples_of_images
    }

    /// The answers, in the order of the logits.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The words of the questions.
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

    /// Mean and deviation of each feature over the images of the samples `indices`. A feature that never varies gets
    /// deviation 1.
    pub fn feature_norm(&self, indices: &[usize]) -> Result<FeatureNorm> {
        let d = self.features.feature();
        let mut images: Vec<usize> = indices.iter().map(|&k| self.questions[k].image).collect();
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

    /// Loads the questions `indices`; tokens and regions are padded to the longest of the batch only.
    pub fn batch(&self, indices: &[usize]) -> Result<VqaBatch> {
        let questions: Vec<&Question> = indices.iter().map(|&k| &self.questions[k]).collect();
        let regions = questions
            .iter()
            .map(|q| self.features.get(&self.images[q.image]))
            .collect::<mmnas_bundle::Result<Vec<_>>>()?;
        let (b, d) = (indices.len(), self.features.feature());
        let n = regions.iter().map(|r| r.boxes.len()).max().unwrap_or(1).max(1);
        let t = questions.iter().map(|q| q.tokens.len()).max().unwrap_or(1);
        let mut tokens = vec![PAD; b * t];
        let mut features = vec![0f32; b * n * d];
        let mut boxes = vec![0f32; b * n * 4];
        let mut target = vec![0f32; b * self.labels.len()];
        for (row, (question, regions)) in questions.iter().zip(&regions).enumerate() {
            tokens[row * t..][..question.tokens.len()].copy_from_slice(&question.tokens);
            features[row * n * d..][..regions.features.len()].copy_from_slice(&regions.features);
            for (cell, corners) in boxes[row * n * 4..].chunks_exact_mut(4).zip(&regions.boxes) {
                cell.copy_from_slice(corners);
            }
            if let Some(answer) = question.answer {
                target[row * self.labels.len() + answer as usize] = 1.0;
            }
        }
        let shaped = |t: Tensor, shape: &[i64]| t.view(shape).to_device(self.device);
        let (b, n, d) = (b as i64, n as i64, d as i64);
        let inputs = Inputs {
            tokens: shaped(Tensor::from_slice(&tokens), &[b, t as i64]),
            features: shaped(Tensor::from_slice(&features), &[b, n, d]),
            boxes: shaped(Tensor::from_slice(&boxes), &[b, n, 4]),
            token_count: questions.iter().map(|q| q.tokens.len() as i64).collect(),
            region_count: regions.iter().map(|r| r.boxes.len() as i64).collect(),
        };
        let target = shaped(Tensor::from_slice(&target), &[b, self.labels.len() as i64]).to_kind(Kind::Float);
        Ok(VqaBatch { inputs, target })
    }
}
