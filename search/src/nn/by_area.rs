//! Means over an image's regions, each counting as much as it covers.

use mmnas_bundle::boxes::LEAST_AREA;
use tch::Kind;
use tch::Tensor;

/// What each region counts by the area that it covers, `[batch, regions, 1]`, from boxes `[batch, regions, 4]`: they add to 1.
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
