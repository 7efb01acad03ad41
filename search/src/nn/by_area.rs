//! Means over an image's regions, weighted by the regions' areas.

use mmnas_bundle::boxes::LEAST_AREA;
use tch::Kind;
use tch::Tensor;

/// Weight of each region by its area, `[batch, regions, 1]`, of sum 1.
///
/// `boxes` is `[batch, regions, 4]`.
pub(crate) fn shares(boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
    let sizes = (boxes.narrow(-1, 2, 2) - boxes.narrow(-1, 0, 2)).clamp_min(0.0);
    let areas = (sizes.narrow(-1, 0, 1) * sizes.narrow(-1, 1, 1)).clamp_min(f64::from(LEAST_AREA));
    let areas = match padding {
        Some(padding) => areas.masked_fill(&padding.view([boxes.size()[0], boxes.size()[1], 1]), 0.0),
        None => areas,
    };
    let sum = areas.sum_dim_intlist(1, true, Kind::Float);
    areas / sum
}

/// `Σ shareᵣ fᵣ`, `[batch, D]`, of features `[batch, regions, D]`.
pub(crate) fn mean_by_area(features: &Tensor, boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
    (features * shares(boxes, padding)).sum_dim_intlist(1, false, Kind::Float)
}
