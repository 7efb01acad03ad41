//! CCA initialisation of grounding: the linear part of the scores.
//!
//! It reads phrases and the regions that they mean.

use mmnas_bundle::Error;
use mmnas_bundle::manifest::EmbeddingDimensions;
use tch::Tensor;

use crate::error::Result;
use crate::model::network::Network;
use crate::recipe::model::Modalities;
use crate::recipe::vgd::RegionLinearSettings;
use crate::task::cca::correlation::{DirectionWeights, correlated_directions};
use crate::task::cca::region_covariances::RegionCovariances;
use crate::task::vgd::data::VgdData;

/// Smallest variance of the products of regions and phrases.
///
/// Where the two have anything in common, it is larger.
const LEAST_OF_PRODUCTS: f64 = 1e-12;

impl VgdData {
    /// Gives the linear part of `network`'s scores its matrices, if the recipe has one.
    ///
    /// They are computed from the phrases `train`. A unimodal baseline keeps zeros: there is
    /// nothing to correlate.
    pub(crate) fn cca_init(&self, train: &[usize], network: &mut Network) -> Result<()> {
        let Some(settings) = self.settings().linear.filter(|_| self.common().modalities() == Modalities::Both) else {
            return Ok(());
        };
        let (expected, found) = (settings.width, network.dimensions().embeddings.map(EmbeddingDimensions::width));
        if found != Some(expected) {
            let found = found.map_or_else(|| "none".to_owned(), |width| width.to_string());
            return Err(Error::invalid("network", "dimensions.region_joint", expected, found).into());
        }
        let _guard = tch::no_grad_guard();
        start_scores(&self.region_covariances(train, network)?, settings, network)
    }
}

/// Gives the linear part of the scores its matrices.
fn start_scores(known: &RegionCovariances, settings: RegionLinearSettings, network: &Network) -> Result<()> {
    let mut table = network.parameter("embed_w.weight")?;
    let width = settings.width as i64;
    let covariances = &known.covariances;
    let (of_x, of_y) = correlated_directions(covariances, settings.ridges, width, DirectionWeights::Root)?;
    // Variance of the products over all regions and phrases: regions have a mean of 0.
    let of_both = |directions: &Tensor, moment: &Tensor| directions.tr().matmul(&moment.matmul(directions));
    let variance = (of_both(&of_x, &covariances.xx) * of_both(&of_y, &covariances.yy)).sum(tch::Kind::Double);
    let variance = variance.double_value(&[]);
    // Each side's own is 1 where anything correlates.
    if variance.is_nan() || variance < LEAST_OF_PRODUCTS {
        let expected = "phrases that go with what their regions are";
        return Err(Error::invalid("phrases", "vgd.linear", expected, "no correlation").into());
    }
    let factor = settings.deviation / variance.sqrt();
    let numbers = Vec::<f64>::try_from(of_y.contiguous().view([-1]))?;
    let (rows, words) = (table.size()[0], settings.width);
    let mut values = vec![0f32; rows as usize * words];
    for (&word, places) in known.words.of_word.iter().filter(|(word, _)| (0..rows).contains(*word)) {
        let row = &mut values[word as usize * words..][..words];
        for (k, to) in row.iter_mut().enumerate() {
            *to = places.iter().map(|&(place, value)| value * numbers[place * words + k]).sum::<f64>() as f32;
        }
    }
    table.f_copy_(&Tensor::from_slice(&values).view([rows, width]))?;
    network.parameter("embed_a.weight")?.f_copy_(&of_x.tr())?;
    network.parameter("embed_a.bias")?.f_copy_(&-known.mean.unsqueeze(0).matmul(&of_x).squeeze_dim(0))?;
    let _ = network.parameter("embed_factor")?.f_fill_(factor)?;
    Ok(())
}
