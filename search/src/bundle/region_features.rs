//! Features of regions in libtorch, from the maps of a backbone.
//!
//! It is an independent computation that exported graphs are recorded against.

use mmnas_export::RegionSettings;
use tch::{Device, Kind, Tensor};

use crate::nn::tensors::TensorMap;

/// Features of regions, f32 `[batch, regions, D]`, from maps `[batch, channels, rows, columns]`.
///
/// `(height, width)` is the size of the images in pixels. Boxes and scores of classes are drawn
/// where a detector gives the regions, and added to `inputs`.
pub(super) fn drawn_regions(
    maps: &[Tensor],
    (height, width): (i64, i64),
    settings: &RegionSettings,
    inputs: &mut TensorMap,
) -> Tensor {
    if let Some(grid) = settings.cells() {
        let features = grid_features(maps, grid as i64);
        return if settings.boxes { with_boxes(&features, &cells(grid as i64)) } else { features };
    }
    let (float, batch) = ((Kind::Float, Device::Cpu), maps.first().map_or(1, |map| map.size()[0]));
    let sides = Tensor::from_slice(&[width as f32, height as f32]);
    let corner = Tensor::rand([batch, 5, 2], float) * (&sides * 0.7);
    let size = Tensor::rand([batch, 5, 2], float) * (&sides * 0.3) + 1.0;
    let rois = Tensor::cat(&[&corner, &(&corner + size)], -1);
    let features = roi_features(maps, &rois, (height, width));
    let corners = &rois / Tensor::cat(&[&sides, &sides], 0);
    inputs.insert("rois".to_owned(), rois);
    let features = if settings.boxes { with_boxes(&features, &corners) } else { features };
    if settings.classes == 0 {
        return features;
    }
    let scores = Tensor::rand([batch, 5, settings.classes as i64], float);
    let features = Tensor::cat(&[features, scores.sqrt()], -1);
    inputs.insert("class_scores".to_owned(), scores);
    features
}

/// Averages over the cells of a grid: f32 `[batch, grid², D]`.
fn grid_features(maps: &[Tensor], grid: i64) -> Tensor {
    let pooled: Vec<Tensor> = maps.iter().map(|map| map.adaptive_avg_pool2d([grid, grid])).collect();
    Tensor::cat(&pooled, 1).flatten(2, 3).transpose(1, 2).contiguous()
}

/// Corners of a grid's cells in parts of the image, `[1, grid², 4]`.
fn cells(grid: i64) -> Tensor {
    let float = (Kind::Float, Device::Cpu);
    let rows = Tensor::arange(grid, float).repeat_interleave_self_int(grid, 0, None);
    let columns = Tensor::arange(grid, float).repeat([grid]);
    let corners = Tensor::stack(&[&columns, &rows, &(&columns + 1.0), &(&rows + 1.0)], -1);
    (corners / grid as f64).unsqueeze(0)
}

/// Appends corners and areas of the boxes to `features` `[batch, regions, D]`.
///
/// `corners` are `[batch or 1, regions, 4]` in parts of the image.
pub(super) fn with_boxes(features: &Tensor, corners: &Tensor) -> Tensor {
    let size = corners.narrow(-1, 2, 2) - corners.narrow(-1, 0, 2);
    let area = size.prod_dim_int(-1, true, Kind::Float);
    let boxes = Tensor::cat(&[corners, &area], -1);
    let boxes = boxes.expand([features.size()[0], features.size()[1], 5], false);
    Tensor::cat(&[features, &boxes], -1)
}

/// RoIAlign by its definition, box by box.
///
/// `rois` `[batch, regions, 4]` → f32 `[batch, regions, D]`. It is the mean of the map at as many
/// evenly spaced points as the box has cells. The value of each point comes from its four
/// neighbours.
fn roi_features(maps: &[Tensor], rois: &Tensor, (height, width): (i64, i64)) -> Tensor {
    let (batch, regions) = (rois.size()[0], rois.size()[1]);
    let mut rows = Vec::new();
    for (image, region) in (0..batch).flat_map(|image| (0..regions).map(move |region| (image, region))) {
        let corners: Vec<f64> = (0..4).map(|k| rois.double_value(&[image, region, k])).collect();
        let parts: Vec<Tensor> = maps
            .iter()
            .map(|map| {
                let points = |low: f64, high: f64, cells: i64, side: i64| {
                    let scale = cells as f64 / side as f64;
                    let (low, size) = (low * scale - 0.5, (high - low) * scale);
                    let count = size.ceil().max(1.0);
                    let at = |k: i64| low + (k as f64 + 0.5) * size / count;
                    // Between the outermost centres, and for grid_sample from −1 to 1.
                    let place = |v: f64| 2.0 * v.clamp(0.0, (cells - 1) as f64) / (cells - 1).max(1) as f64 - 1.0;
                    let places: Vec<f32> = (0..count as i64).map(|k| place(at(k)) as f32).collect();
                    Tensor::from_slice(&places)
                };
                let (rows, columns) = (map.size()[2], map.size()[3]);
                let xs = points(corners[0], corners[2], columns, width);
                let ys = points(corners[1], corners[3], rows, height);
                let (rows, columns) = (ys.size()[0], xs.size()[0]);
                let grid = Tensor::stack(
                    &[xs.unsqueeze(0).expand([rows, columns], false), ys.unsqueeze(1).expand([rows, columns], false)],
                    -1,
                );
                // Bilinear, clamped at the border, corners at the outermost centres.
                let sampled = map.narrow(0, image, 1).grid_sampler(&grid.unsqueeze(0), 0, 1, true);
                sampled.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
            })
            .collect();
        rows.push(Tensor::cat(&parts, 1));
    }
    Tensor::cat(&rows, 0).view([batch, regions, -1])
}
