//! CCA initialisation of retrieval: the linear part of the dual encoder.
//!
//! It reads captions and images of the training split.

use std::collections::BTreeMap;

use mmnas_bundle::Error;
use mmnas_bundle::manifest::EmbeddingDimensions;
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::model::network::Network;
use crate::progress::Progress;
use crate::recipe::contrastive::LinearSettings;
use crate::recipe::model::Modalities;
use crate::recipe::ridges::Ridges;
use crate::task::cca::correlation::{Covariances, DirectionWeights, correlated_directions};
use crate::task::cca::frequent_words::WordCounts;
use crate::task::itm::data::ItmData;

/// Fewest captions of a word.
///
/// Words in fewer are left out: too few to tell what they go with.
const LEAST_CAPTIONS: usize = 4;
/// Images that are read at once.
const CHUNK: usize = 256;

/// Frequent words, the most frequent first, weighted by `ln(captions / captions with it)`.
struct Weighted {
    places: BTreeMap<i64, usize>,
    weights: Tensor,
}

/// Sums over true pairs of an image `x` and the words `c` of a caption.
struct Sums {
    pairs: f64,
    /// Offset that is subtracted from every `x` first.
    origin: Tensor,
    x: Tensor,
    xx: Tensor,
    c: Tensor,
    xc: Tensor,
    cc: Vec<f64>,
}

fn zeros(shape: &[usize]) -> Tensor {
    let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
    Tensor::zeros(shape.as_slice(), (Kind::Double, Device::Cpu))
}

impl ItmData {
    /// Gives the linear part of `network`'s dual encoder its matrices.
    ///
    /// They are computed from the captions `train`. A unimodal baseline keeps zeros: there is
    /// nothing to correlate.
    pub(crate) fn cca_init(&self, train: &[usize], settings: LinearSettings, network: &mut Network) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let found = network.dimensions().embeddings.and_then(EmbeddingDimensions::linear);
        if found != Some(settings.width) {
            let found = format!("{found:?}");
            return Err(Error::invalid("network", "dimensions.joint_linear", settings.width, found).into());
        }
        let share = settings.share;
        let _ = network.parameter("embed_factor")?.f_fill_((share / (1.0 - share)).sqrt())?;
        if self.common().modalities() != Modalities::Both {
            return Ok(());
        }
        let words = self.weighted_words(train);
        // A word that every caption has says nothing.
        if words.weights.abs().sum(Kind::Double).double_value(&[]) == 0.0 {
            let expected = format!("words that {LEAST_CAPTIONS} captions have and others have not");
            return Err(Error::invalid("captions", "itm.contrastive.linear", expected, "none").into());
        }
        let sums = self.sums(train, &words, network)?;
        let n = sums.pairs;
        // From the first images' mean on: squares of large means would take the digits of what
        // varies little.
        let (moved_x, mean_c) = (&sums.x / n, &sums.c / n);
        let mean_x = &moved_x + &sums.origin;
        let count = words.places.len() as i64;
        let cc = Tensor::from_slice(&sums.cc).view([count, count]) / n - mean_c.outer(&mean_c);
        // Features that vary little count as much as those that vary much; words by how rare they
        // are.
        let covariance = &sums.xx / n - moved_x.outer(&moved_x);
        let variance = covariance.diagonal(0, 0, 1);
        let constant = variance.le_tensor(&((mean_x.square() + 1e-12) * 1e-12));
        let deviation = variance.clamp_min(0.0).sqrt().masked_fill(&constant, f64::INFINITY);
        if bool::try_from(constant.all())? {
            let expected = "features that differ from image to image";
            return Err(
                Error::invalid("features", "itm.contrastive.linear", expected, "the same for all images").into()
            );
        }
        let covariances = Covariances {
            xx: covariance / deviation.outer(&deviation),
            xy: (&sums.xc / n - moved_x.outer(&mean_c)) / deviation.unsqueeze(1) * &words.weights,
            yy: cc * words.weights.outer(&words.weights),
        };
        let ridges = Ridges { image_ridge: settings.image_ridge, text_ridge: settings.text_ridge };
        let weights = DirectionWeights::Correlation;
        let (of_x, of_c) = correlated_directions(&covariances, ridges, settings.width as i64, weights)?;
        let (of_x, of_c) = (of_x / deviation.unsqueeze(1), of_c * words.weights.unsqueeze(1));
        let copy = |name: &str, value: &Tensor| -> Result<()> { Ok(network.parameter(name)?.f_copy_(value)?) };
        copy("embed_a.weight", &of_x.tr())?;
        copy("embed_a.bias", &-mean_x.unsqueeze(0).matmul(&of_x).squeeze_dim(0))?;
        let rows: Vec<i64> = words.places.keys().copied().collect();
        let order: Vec<i64> = words.places.values().map(|&place| place as i64).collect();
        let table = network.parameter("embed_w.weight")?;
        let _ = table.shallow_clone().f_zero_()?;
        let chosen = of_c.index_select(0, &Tensor::from_slice(&order)).to_kind(Kind::Float).to_device(table.device());
        let _ =
            table.shallow_clone().f_index_copy_(0, &Tensor::from_slice(&rows).to_device(table.device()), &chosen)?;
        copy("embed_w.bias", &-mean_c.unsqueeze(0).matmul(&of_c).squeeze_dim(0))
    }

    fn weighted_words(&self, train: &[usize]) -> Weighted {
        let frequent = WordCounts::of(train.iter().map(|&caption| self.tokens(caption))).frequent(LEAST_CAPTIONS);
        let weights: Vec<f64> = frequent.iter().map(|(_, rarity)| *rarity).collect();
        let places = frequent.iter().enumerate().map(|(place, &(word, _))| (word, place)).collect();
        Weighted { places, weights: Tensor::from_slice(&weights) }
    }

    /// Sums over the captions `train`.
    ///
    /// Each image is read once, whatever the number of its captions.
    fn sums(&self, train: &[usize], words: &Weighted, network: &Network) -> Result<Sums> {
        let (d, v) = (self.common().feature(), words.places.len());
        let mut of_image: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &caption in train {
            of_image.entry(self.common().image_of(caption)).or_default().push(caption);
        }
        let images: Vec<(usize, Vec<usize>)> = of_image.into_iter().collect();
        let mut sums = Sums {
            pairs: train.len() as f64,
            origin: zeros(&[d]),
            x: zeros(&[d]),
            xx: zeros(&[d, d]),
            c: zeros(&[v]),
            xc: zeros(&[d, v]),
            cc: vec![0.0; v * v],
        };
        let bar = Progress::new("start", images.len() as u64);
        for (done, chunk) in images.chunks(CHUNK).enumerate() {
            bar.at((done * CHUNK) as u64, || "what images and words go together".to_owned());
            let mut counts = vec![0f64; chunk.len() * v];
            for (row, (_, captions)) in chunk.iter().enumerate() {
                for &caption in captions {
                    let places: Vec<usize> =
                        self.tokens(caption).iter().filter_map(|word| words.places.get(word).copied()).collect();
                    for &a in &places {
                        counts[row * v + a] += 1.0;
                        places.iter().for_each(|&b| sums.cc[a * v + b] += 1.0);
                    }
                }
            }
            let pairs: Vec<(usize, usize)> = chunk.iter().map(|(image, captions)| (captions[0], *image)).collect();
            let x = network.pooled_by_area(&self.pairs(&pairs)?).to_device(Device::Cpu).to_kind(Kind::Double);
            if done == 0 {
                sums.origin = x.mean_dim(0i64, false, Kind::Double);
            }
            let x = x - &sums.origin;
            let counts = Tensor::from_slice(&counts).view([chunk.len() as i64, v as i64]);
            let weights: Vec<f64> = chunk.iter().map(|(_, captions)| captions.len() as f64).collect();
            let weighted = &x * Tensor::from_slice(&weights).unsqueeze(1);
            sums.x += weighted.sum_dim_intlist(0i64, false, Kind::Double);
            sums.xx += weighted.tr().matmul(&x);
            sums.c += counts.sum_dim_intlist(0i64, false, Kind::Double);
            sums.xc += x.tr().matmul(&counts);
        }
        bar.finish();
        Ok(sums)
    }
}
