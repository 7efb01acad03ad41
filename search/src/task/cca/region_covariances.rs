//! Covariances of region features and phrase words over the training split.
//!
//! They are the input of grounding's CCA initialisation.

use std::collections::{BTreeMap, BTreeSet};

use mmnas_bundle::{Error, UNK};
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::model::network::Network;
use crate::progress::Progress;
use crate::task::cca::correlation::Covariances;
use crate::task::cca::frequent_words::WordCounts;
use crate::task::vgd::data::VgdData;

/// The recipe's key that asks for the covariances.
const FIELD: &str = "vgd.linear";
/// Fewest phrases of a word that stands for itself.
///
/// Words in fewer phrases, even in none, have their vectors alone.
const LEAST_PHRASES: usize = 2;
/// Images or phrases that are read at once.
const CHUNK: usize = 16;
/// Phrases whose words are multiplied at once.
///
/// A product has the width of all words, however few phrases it is of.
const PHRASES: usize = 512;
/// Smallest variance of features, as a share of their size.
///
/// Features that vary by less are the same everywhere.
const LEAST_VARIANCE: f64 = 1e-12;

/// Numbers that stand for each word.
///
/// They are the word itself, where it is frequent enough, and its vector. Both are weighted by how
/// rare the word is.
pub(crate) struct Words {
    pub width: usize,
    /// Places below `width` and the numbers there, by word.
    pub of_word: BTreeMap<i64, Vec<(usize, f64)>>,
}

/// Covariances of regions and of the phrases that mean some of them.
pub(crate) struct RegionCovariances {
    /// Covariances of regions' features and of phrases' words.
    ///
    /// The features are those that the network reads, of all regions, less their mean. From the
    /// words nothing is subtracted. Regions are compared with all others, so what is meant at all
    /// is a direction too.
    pub covariances: Covariances,
    /// Mean of the features, `[D]`.
    pub mean: Tensor,
    pub words: Words,
}

impl VgdData {
    /// Computes the covariances over the phrases `train`.
    pub(crate) fn region_covariances(&self, train: &[usize], network: &Network) -> Result<RegionCovariances> {
        let words = self.words_of_phrases(train);
        let images: BTreeSet<usize> = train.iter().map(|&phrase| self.common().image_of(phrase)).collect();
        let images: Vec<usize> = images.into_iter().collect();
        let bar = Progress::new("start", (images.len() + train.len()) as u64);
        let (d, w) = (self.common().feature() as i64, words.width as i64);
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, Device::Cpu));
        let (mut regions, mut x, mut xx) = (0f64, zeros(&[d]), zeros(&[d, d]));
        for (done, chunk) in images.chunks(CHUNK).enumerate() {
            bar.at((done * CHUNK) as u64, || "what regions there are".to_owned());
            let (inputs, _) = self.common().inputs_of_images(chunk, &vec![[UNK].as_slice(); chunk.len()])?;
            let features = network.standardised_features(&inputs);
            for (row, &count) in inputs.region_count.iter().enumerate() {
                let of_image =
                    features.get(row as i64).narrow(0, 0, count).to_device(Device::Cpu).to_kind(Kind::Double);
                xx += of_image.tr().matmul(&of_image);
                x += of_image.sum_dim_intlist(0i64, false, Kind::Double);
                regions += count as f64;
            }
        }
        let mean = x / regions;
        let (mut phrases, mut xy, mut yy) = (0f64, zeros(&[d, w]), zeros(&[w, w]));
        for (done, chunk) in train.chunks(PHRASES).enumerate() {
            bar.at((images.len() + done * PHRASES) as u64, || "what regions and words go together".to_owned());
            let meant = chunk.chunks(CHUNK).map(|part| self.meant(part, network)).collect::<Result<Vec<_>>>()?;
            let (meant, found): (Vec<Tensor>, Vec<Tensor>) = meant.into_iter().unzip();
            // A phrase whose box no region comes near says nothing.
            let found = Tensor::cat(&found, 0);
            let meant = (Tensor::cat(&meant, 0) - &mean) * &found;
            let mut y = vec![0f64; chunk.len() * words.width];
            for (row, &phrase) in chunk.iter().enumerate() {
                for (place, value) in self.tokens(phrase).iter().filter_map(|word| words.of_word.get(word)).flatten() {
                    y[row * words.width + place] += value;
                }
            }
            let y = Tensor::from_slice(&y).view([chunk.len() as i64, w]) * &found;
            phrases += found.sum(Kind::Double).double_value(&[]);
            xy += meant.tr().matmul(&y);
            yy += y.tr().matmul(&y);
        }
        bar.finish();
        if phrases == 0.0 || yy.trace().double_value(&[]) == 0.0 {
            let expected = "phrases whose box a region comes near, of words that not all of them have";
            return Err(Error::invalid("phrases", FIELD, expected, "none").into());
        }
        let of_x = xx / regions - mean.outer(&mean);
        let size = mean.square().sum(Kind::Double).double_value(&[]);
        if of_x.trace().double_value(&[]) <= LEAST_VARIANCE * size.max(LEAST_VARIANCE) {
            let expected = "features that differ from region to region";
            return Err(Error::invalid("features", FIELD, expected, "the same for all regions").into());
        }
        let covariances = Covariances { xx: of_x, xy: xy / phrases, yy: yy / phrases };
        Ok(RegionCovariances { covariances, mean, words })
    }

    /// The mean features of the regions that each phrase means, `[phrases, D]`.
    ///
    /// They are weighted by how well the regions fit. The second tensor, `[phrases, 1]`, is 1 where
    /// a phrase has such a region.
    fn meant(&self, phrases: &[usize], network: &Network) -> Result<(Tensor, Tensor)> {
        let batch = self.batch(phrases)?;
        let features = network.standardised_features(&batch.inputs);
        let meant = (features * batch.scores.unsqueeze(-1)).sum_dim_intlist(1, false, Kind::Float);
        let found = batch.scores.sum_dim_intlist(-1, true, Kind::Float).gt(0.0);
        let double = |x: Tensor| x.to_device(Device::Cpu).to_kind(Kind::Double);
        Ok((double(meant), double(found)))
    }

    fn words_of_phrases(&self, train: &[usize]) -> Words {
        let counts = WordCounts::of(train.iter().map(|&phrase| self.tokens(phrase)));
        let frequent = counts.frequent(LEAST_PHRASES);
        let width = frequent.len();
        let places = frequent.into_iter().enumerate().map(|(place, (word, rarity))| (word, vec![(place, rarity)]));
        let mut of_word: BTreeMap<i64, Vec<(usize, f64)>> = places.collect();
        let Some(vectors) = self.common().word_vectors() else { return Words { width, of_word } };
        let mut dimensions = 0;
        for (word, vector) in &vectors.rows {
            let word = *word as i64;
            let rarity = counts.rarity(word);
            let length = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-12);
            let scaled = vector.iter().enumerate().map(|(k, v)| (width + k, rarity * f64::from(*v) / length));
            of_word.entry(word).or_default().extend(scaled);
            dimensions = dimensions.max(vector.len());
        }
        Words { width: width + dimensions, of_word }
    }
}
