//! What a network for grounding starts from: the directions in which the regions that phrases mean correlate most with the phrases' words.

use mmnas_bundle::Error;
use tch::Tensor;

use crate::error::Result;
use crate::model::network::Network;
use crate::recipe::model::Modalities;
use crate::recipe::regions::{RegionLinearSettings, Ridges};
use crate::task::Task as _;
use crate::task::cca::correlation::{DirectionWeights, correlated_directions};
use crate::task::cca::region_covariances::RegionCovariances;
use crate::task::vgd::data::VgdData;

/// Products of what regions and phrases give vary by more, where the two have anything in common.
const LEAST_OF_PRODUCTS: f64 = 1e-12;

impl VgdData {
    /// Gives `network` what the recipe wants to come from the phrases `train` and their regions. A network that sees one side only
    /// keeps what it has: there is nothing to correlate.
    pub(crate) fn start_from_regions(&self, train: &[usize], network: &mut Network, progress: bool) -> Result<()> {
        let settings = self.common().region_settings();
        let Some(field) = settings.field_of_correlation().filter(|_| self.common().modalities() == Modalities::Both)
        else {
            return Ok(());
        };
        let (expected, found) = (self.region_joint(), network.dimensions().region_joint);
        if found != expected {
            let told = |width: Option<usize>| width.map_or_else(|| "none".to_owned(), |width| width.to_string());
            return Err(Error::invalid("network", "dimensions.region_joint", told(expected), told(found)).into());
        }
        let _guard = tch::no_grad_guard();
        let known = self.region_covariances(train, field, network, progress)?;
        settings.correlate.map_or(Ok(()), |ridges| start_features(&known, ridges, network))?;
        settings.linear.map_or(Ok(()), |linear| start_scores(&known, linear, network))
    }
}

/// Gives the layer of the features the directions, as large as its random weights are.
fn start_features(known: &RegionCovariances, ridges: Ridges, network: &Network) -> Result<()> {
    let (mut weight, mut bias) =
        (network.parameter("imgfeat_linear.weight")?, network.parameter("imgfeat_linear.bias")?);
    let hidden = weight.size()[0];
    let (directions, _) = correlated_directions(&known.covariances, ridges, hidden, DirectionWeights::Correlation)?;
    // Random weights, uniform in ± 1 / √D, give features of variance 1 a variance of a third.
    let directions = directions * (hidden as f64 / 3.0).sqrt();
    weight.f_copy_(&directions.tr())?;
    Ok(bias.f_copy_(&-known.mean.unsqueeze(0).matmul(&directions).squeeze_dim(0))?)
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
        return Err(Error::invalid("phrases", "regions.linear", expected, "no correlation").into());
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
