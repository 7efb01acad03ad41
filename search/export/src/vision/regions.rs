//! Features of regions: averages of feature maps over the cells of a grid or over boxes.

use mmnas_bundle::manifest::{Dtype, Form, Precision, Variant};

use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::vision::settings::{BOX_FEATURES, RegionSettings};
use crate::weights::Weight;

/// Graphs of vision stages need none of ONNX Runtime's own operators.
pub(crate) const FORM: Form = Form { variant: Variant::Portable, precision: Precision::Fp32 };

/// A map of features over the image, f32 `[batch, channels, height, width]`.
pub(super) struct FeatureMap {
    pub value: String,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

/// Ends the graph with `features` f32 `[batch, regions, D]`: averages of the maps, and what the settings add.
///
/// Where a detector gives the regions it reads `rois` f32 `[batch, regions, 4]`, corners in pixels of the input, whose
/// (height, width) are `size`, and `class_scores` f32 `[batch, regions, classes]` if they are asked for. The batch is
/// that of `pixels`.
pub(super) fn region_features(g: &mut Graph, maps: &[FeatureMap], size: (usize, usize), settings: &RegionSettings) {
    let batch = g.batch();
    let feature = settings.feature(maps.iter().map(|map| map.channels).sum()).to_string();
    let (features, regions) = match settings.cells() {
        Some(grid) => (grid_features(g, maps, grid, settings), (grid * grid).to_string()),
        None => (roi_features(g, maps, (&batch, size), settings), "regions".to_owned()),
    };
    g.output(&features, "features", &[&batch, &regions, &feature]);
}

/// Averages over the cells of a grid, row-major.
fn grid_features(g: &mut Graph, maps: &[FeatureMap], grid: usize, settings: &RegionSettings) -> String {
    let mut pooled: Vec<String> = maps.iter().map(|map| cell_averages(g, map, grid)).collect();
    let channels: usize = maps.iter().map(|map| map.channels).sum();
    if settings.boxes {
        // The cells are the same in every image: numbers that are stored, added to zeros of a batch's shape.
        let cells: Vec<[f32; BOX_FEATURES]> = (0..grid * grid).map(|cell| cell_features(cell, grid)).collect();
        let rows = (0..BOX_FEATURES).flat_map(|k| cells.iter().map(move |cell| cell[k])).collect();
        let cells = g.weight("cells", &Weight::new(&[1, BOX_FEATURES, grid, grid], rows));
        let first = pooled[0].clone();
        let narrow = match maps[0].channels {
            1 => first,
            channels => g.split(&first, 1, &[1, channels - 1])[0].clone(),
        };
        let nothing = g.scalar(0.0);
        let zeros = g.node("Mul", &[&narrow, &nothing], vec![]);
        pooled.push(g.node("Add", &[&zeros, &cells], vec![]));
    }
    let all = g.concat(&pooled.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let all = g.reshape(&all, &[0, settings.feature(channels) as i64, (grid * grid) as i64]);
    g.transpose(&all, &[0, 2, 1])
}

/// Averages of a map over the cells, `[batch, channels, grid, grid]`.
fn cell_averages(g: &mut Graph, map: &FeatureMap, grid: usize) -> String {
    if (map.height, map.width) == (grid, grid) {
        return map.value.clone();
    }
    if map.height.is_multiple_of(grid) && map.width.is_multiple_of(grid) {
        let cell = vec![(map.height / grid) as i64, (map.width / grid) as i64];
        let attributes = vec![("kernel_shape", Attribute::Ints(cell.clone())), ("strides", Attribute::Ints(cell))];
        return g.node("AveragePool", &[&map.value], attributes);
    }
    // Cells that share places at their borders (adaptive average pooling): a product with the share of each place.
    let shares = shares(map, grid);
    let name = format!("shares.{}x{}", map.height, map.width);
    let shares = g.weight(&name, &Weight::new(&[map.height * map.width, grid * grid], shares));
    let (channels, cells) = (map.channels as i64, grid as i64);
    let flat = g.reshape(&map.value, &[0, channels, (map.height * map.width) as i64]);
    let averages = g.node("MatMul", &[&flat, &shares], vec![]);
    g.reshape(&averages, &[0, channels, cells, cells])
}

/// The share of each place of a map in each cell's average, `[height · width, grid²]`.
fn shares(map: &FeatureMap, grid: usize) -> Vec<f32> {
    let span = |cell: usize, size: usize| cell * size / grid..((cell + 1) * size).div_ceil(grid);
    let mut shares = vec![0.0; map.height * map.width * grid * grid];
    for cell in 0..grid * grid {
        let (rows, columns) = (span(cell / grid, map.height), span(cell % grid, map.width));
        let share = 1.0 / (rows.len() * columns.len()) as f32;
        for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
            shares[(row * map.width + column) * grid * grid + cell] = share;
        }
    }
    shares
}

/// The features of a grid's cell as a box.
fn cell_features(cell: usize, grid: usize) -> [f32; BOX_FEATURES] {
    let part = |k: usize| k as f32 / grid as f32;
    let (row, column) = (cell / grid, cell % grid);
    [part(column), part(row), part(column + 1), part(row + 1), part(1) * part(1)]
}

/// Averages over boxes (RoIAlign: He et al., 2017).
///
/// Coordinates are half-pixel; there are as many samples as the box has cells.
fn roi_features(
    g: &mut Graph,
    maps: &[FeatureMap],
    (batch, (height, width)): (&str, (usize, usize)),
    settings: &RegionSettings,
) -> String {
    let rois = g.input("rois", Dtype::F32, &[batch, "regions", "4"]);
    let flat = g.reshape(&rois, &[-1, 4]);
    // The image of each box: 0, 0, …, 1, 1, ….
    let image = g.positions(&rois, 0);
    let (image, within) = (g.unsqueeze(&image, &[1]), g.positions(&rois, 1));
    let zero = g.integer(0);
    let within = g.node("Mul", &[&within, &zero], vec![]);
    let image = g.node("Add", &[&image, &within], vec![]);
    let image = g.reshape(&image, &[-1]);
    let mut pooled = Vec::new();
    for map in maps {
        let (down, across) = (map.height as f32 / height as f32, map.width as f32 / width as f32);
        // RoiAlign has one scale for both: where they differ the boxes are scaled before it.
        let (boxes, scale) = if down == across {
            (flat.clone(), across)
        } else {
            let scales = Weight::new(&[4], vec![across, down, across, down]);
            let scales = g.weight(&format!("scales.{}x{}", map.height, map.width), &scales);
            (g.node("Mul", &[&flat, &scales], vec![]), 1.0)
        };
        let attributes = vec![
            ("mode", Attribute::Text("avg")),
            ("output_height", Attribute::Int(1)),
            ("output_width", Attribute::Int(1)),
            ("sampling_ratio", Attribute::Int(0)),
            ("spatial_scale", Attribute::Float(scale)),
            ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
        ];
        pooled.push(g.node("RoiAlign", &[&map.value, &boxes, &image], attributes));
    }
    let all = g.concat(&pooled.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let all = g.squeeze(&all, &[2, 3]);
    let mut all = g.unfold_like(&all, &rois);
    if settings.boxes {
        let [corners, area] = box_features(g, &rois, (height, width));
        all = g.concat(&[&all, &corners, &area], 2);
    }
    if settings.classes > 0 {
        let scores = g.input("class_scores", Dtype::F32, &[batch, "regions", &settings.classes.to_string()]);
        let scores = g.node("Relu", &[&scores], vec![]);
        let scores = g.node("Sqrt", &[&scores], vec![]);
        all = g.concat(&[&all, &scores], 2);
    }
    all
}

/// Corners of boxes in parts of the input's (height, width), and their areas in parts of its area.
pub(super) fn box_features(g: &mut Graph, boxes: &str, (height, width): (usize, usize)) -> [String; 2] {
    let whole = match height == width {
        true => g.scalar(width as f32),
        false => {
            let sides = [width, height, width, height].map(|side| side as f32);
            g.weight("sides", &Weight::new(&[4], sides.to_vec()))
        }
    };
    let corners = g.node("Div", &[boxes, &whole], vec![]);
    let parts = g.split(&corners, 2, &[2, 2]);
    let size = g.node("Sub", &[&parts[1], &parts[0]], vec![]);
    let size = g.split(&size, 2, &[1, 1]);
    let area = g.node("Mul", &[&size[0], &size[1]], vec![]);
    [corners, area]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_share_the_places_at_their_borders() {
        // Three places in two cells a side: the middle one belongs to both.
        let map = FeatureMap { value: String::new(), channels: 1, height: 3, width: 3 };
        let shares = shares(&map, 2);
        let of_cell = |cell: usize| (0..9).map(|place| shares[place * 4 + cell]).collect::<Vec<_>>();
        assert_eq!(of_cell(0), [0.25, 0.25, 0.0, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(of_cell(3), [0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.0, 0.25, 0.25]);
        // Fewer places than cells: a cell has the one that it lies in.
        let map = FeatureMap { height: 1, width: 1, ..map };
        assert_eq!(super::shares(&map, 2), [1.0; 4]);
    }
}
