//! Region geometry: box features, relations, deltas and decoding, grids.
//!
//! Formulas and constants are those of the published code (`fixtures/official/boxes.json`). Boxes are `x1 y1 x2 y2` in
//! pixels of the original image; the width of a box is `x2 − x1 + 1`, except in its relative area.

/// Corners of a box in pixels: `[x1, y1, x2, y2]`.
pub type BoxXyxy = [f32; 4];

/// What an error says that a box must be.
pub const BOX_EXPECTED: &str = "finite x1 y1 x2 y2, x2 ≥ x1, y2 ≥ y1";

/// Whether the box of a sample is one: [`BOX_EXPECTED`].
pub fn is_box(b: &BoxXyxy) -> bool {
    b.iter().all(|v| v.is_finite()) && b[0] <= b[2] && b[1] <= b[3]
}

/// Divisors of the four deltas (Fast R-CNN's).
pub const DELTA_SCALE: [f32; 4] = [0.1, 0.1, 0.2, 0.2];

/// Least area of a region, in square pixels, when regions count by area.
///
/// So one without a size counts too.
pub const LEAST_AREA: f32 = 1.0;

/// The smallest relative distance in a relation, before the logarithm.
const MIN_DISTANCE: f64 = 1e-3;
/// A region counts as the target of grounding from this intersection over union on.
const TARGET_IOU: f32 = 0.5;

/// Centre and size, widths with the published `+ 1`.
struct Centred {
    cx: f64,
    cy: f64,
    w: f64,
    h: f64,
}

impl Centred {
    fn of(b: &BoxXyxy) -> Centred {
        let [x1, y1, x2, y2] = b.map(f64::from);
        Centred { cx: (x1 + x2) * 0.5, cy: (y1 + y2) * 0.5, w: x2 - x1 + 1.0, h: y2 - y1 + 1.0 }
    }
}

/// Five features of a box: relative corners and relative area.
///
/// They are relative to the image's size; the area is without the `+ 1`.
pub fn box_features(b: &BoxXyxy, width: u32, height: u32) -> [f32; 5] {
    let [x1, y1, x2, y2] = b.map(f64::from);
    let (w, h) = (f64::from(width), f64::from(height));
    [x1 / w, y1 / h, x2 / w, y2 / h, (x2 - x1) * (y2 - y1) / (w * h)].map(|v| v as f32)
}

/// The relation of box `i` to box `j`.
///
/// `[log max(|cx_i − cx_j| / w_i, 1e-3), the same with y and h, log(w_i / w_j), log(h_i / h_j)]`.
pub fn relation(i: &BoxXyxy, j: &BoxXyxy) -> [f32; 4] {
    let (i, j) = (Centred::of(i), Centred::of(j));
    let distance = |d: f64, size: f64| (d.abs() / size).max(MIN_DISTANCE).ln();
    [distance(i.cx - j.cx, i.w), distance(i.cy - j.cy, i.h), (i.w / j.w).ln(), (i.h / j.h).ln()].map(|v| v as f32)
}

/// Relations of all pairs, `[n, n, 4]` row-major: entry `(i, j)` is `relation(i, j)`.
pub fn relations(boxes: &[BoxXyxy]) -> Vec<f32> {
    boxes.iter().flat_map(|i| boxes.iter().flat_map(move |j| relation(i, j))).collect()
}

/// Intersection over union, with the published `+ 1`; 0 where the boxes do not touch.
pub fn iou(a: &BoxXyxy, b: &BoxXyxy) -> f32 {
    let side = |lo: usize| f64::from(a[lo + 2].min(b[lo + 2])) - f64::from(a[lo].max(b[lo])) + 1.0;
    let (w, h) = (side(0), side(1));
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let area = |c: Centred| c.w * c.h;
    (w * h / (area(Centred::of(a)) + area(Centred::of(b)) - w * h)) as f32
}

/// Deltas that move `from` onto `to`.
///
/// `[Δcx / w, Δcy / h, log(w'/w), log(h'/h)]`, not yet divided by [`DELTA_SCALE`].
pub fn deltas(from: &BoxXyxy, to: &BoxXyxy) -> [f32; 4] {
    let (f, t) = (Centred::of(from), Centred::of(to));
    [(t.cx - f.cx) / f.w, (t.cy - f.cy) / f.h, (t.w / f.w).ln(), (t.h / f.h).ln()].map(|v| v as f32)
}

/// [`deltas`] divided by [`DELTA_SCALE`]: what the grounding head is trained to give.
pub fn normalised_deltas(from: &BoxXyxy, to: &BoxXyxy) -> [f32; 4] {
    let d = deltas(from, to);
    std::array::from_fn(|k| d[k] / DELTA_SCALE[k])
}

/// Moves a box by deltas that are not divided by [`DELTA_SCALE`].
///
/// It is Fast R-CNN's decoding: centre `x1 + w / 2`, corners `centre ± w' / 2`.
pub fn decode(b: &BoxXyxy, d: &[f32; 4]) -> BoxXyxy {
    let c = Centred::of(b);
    let [x1, y1, ..] = b.map(f64::from);
    let [dx, dy, dw, dh] = d.map(f64::from);
    let (cx, cy) = (dx * c.w + x1 + 0.5 * c.w, dy * c.h + y1 + 0.5 * c.h);
    let (w, h) = (dw.exp() * c.w, dh.exp() * c.h);
    [cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h].map(|v| v as f32)
}

/// Clips a box to the image.
///
/// x to `0 … width − 1`, y to `0 … height − 1`.
pub fn clip(b: &BoxXyxy, width: u32, height: u32) -> BoxXyxy {
    let (x, y) = (width.saturating_sub(1) as f32, height.saturating_sub(1) as f32);
    [b[0].clamp(0.0, x), b[1].clamp(0.0, y), b[2].clamp(0.0, x), b[3].clamp(0.0, y)]
}

/// What the grounding losses compare with.
///
/// It is for the regions of one image and the boxes of one phrase.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundingTarget {
    /// Intersection over union of each region with the nearest target.
    pub iou: Vec<f32>,
    /// IoU of the regions with IoU ≥ 0.5, scaled to sum 1.
    ///
    /// All 0 if there is none.
    pub scores: Vec<f32>,
    /// 1 for the regions whose deltas count (IoU ≥ 0.5), else 0.
    pub mask: Vec<f32>,
    /// [`normalised_deltas`] from each region to that target.
    pub deltas: Vec<[f32; 4]>,
}

/// The grounding target of `regions` for any of `targets`.
///
/// A phrase means any of the targets; as published there is one.
pub fn grounding_target(regions: &[BoxXyxy], targets: &[BoxXyxy]) -> GroundingTarget {
    let nearest = |region: &BoxXyxy| {
        let all = targets.iter().map(|target| (iou(region, target), *target));
        // The first of those that are as near.
        all.reduce(|best, other| if other.0 > best.0 { other } else { best }).unwrap_or((0.0, *region))
    };
    let (iou, nearest): (Vec<f32>, Vec<BoxXyxy>) = regions.iter().map(nearest).unzip();
    let kept = |v: f32| if v >= TARGET_IOU { v } else { 0.0 };
    let sum: f32 = iou.iter().map(|&v| kept(v)).sum();
    let scores = iou.iter().map(|&v| if sum > 0.0 { kept(v) / sum } else { 0.0 }).collect();
    let mask = iou.iter().map(|&v| if v >= TARGET_IOU { 1.0 } else { 0.0 }).collect();
    let deltas = regions.iter().zip(&nearest).map(|(region, target)| normalised_deltas(region, target)).collect();
    GroundingTarget { iou, scores, mask, deltas }
}

/// Boxes of a `rows × columns` grid over an image, row-major, in pixels.
///
/// Cell `(r, c)` spans `c · width / columns … (c + 1) · width / columns − 1`, likewise in y.
pub fn grid(rows: usize, columns: usize, width: u32, height: u32) -> Vec<BoxXyxy> {
    let span = |k: usize, n: usize, size: u32| {
        let at = |k: usize| k as f32 * size as f32 / n as f32;
        (at(k), (at(k + 1) - 1.0).max(at(k)))
    };
    let cell = |r: usize, c: usize| {
        let ((x1, x2), (y1, y2)) = (span(c, columns, width), span(r, rows, height));
        [x1, y1, x2, y2]
    };
    (0..rows).flat_map(|r| (0..columns).map(move |c| cell(r, c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_the_deltas_of_a_box_gives_its_size_and_place() {
        let (from, to) = ([10.0, 20.0, 49.0, 59.0], [12.0, 18.0, 70.0, 90.0]);
        let back = decode(&from, &deltas(&from, &to));
        // Fast R-CNN's decoding has no "− 1" at the far corners and half a pixel at the centre.
        for k in 0..4 {
            assert!((back[k] - to[k]).abs() <= 1.0 + 1e-4, "{back:?} {to:?}");
        }
    }

    #[test]
    fn a_grid_covers_the_image_once() {
        let boxes = grid(2, 4, 64, 32);
        assert_eq!(boxes[0], [0.0, 0.0, 15.0, 15.0]);
        assert_eq!(boxes[7], [48.0, 16.0, 63.0, 31.0]);
        assert!(grid(4, 4, 1, 1).iter().all(|b| b[2] >= b[0] && b[3] >= b[1]));
    }

    #[test]
    fn no_region_near_the_target_gives_zeros_not_nan() {
        let target = grounding_target(&[[0.0, 0.0, 5.0, 5.0]], &[[50.0, 50.0, 60.0, 60.0]]);
        assert_eq!(target.scores, [0.0]);
        assert_eq!(target.mask, [0.0]);
    }

    #[test]
    fn of_several_boxes_each_region_is_compared_with_its_nearest() {
        let (left, right) = ([0.0, 0.0, 9.0, 9.0], [40.0, 0.0, 49.0, 9.0]);
        let regions = [[0.0, 0.0, 9.0, 7.0], [41.0, 0.0, 49.0, 9.0], [20.0, 0.0, 29.0, 9.0]];
        let both = grounding_target(&regions, &[left, right]);
        let (of_left, of_right) = (grounding_target(&regions, &[left]), grounding_target(&regions, &[right]));
        assert_eq!(both.iou, [of_left.iou[0], of_right.iou[1], 0.0]);
        assert_eq!(both.mask, [1.0, 1.0, 0.0]);
        assert_eq!((both.deltas[0], both.deltas[1]), (of_left.deltas[0], of_right.deltas[1]));
        assert!((both.scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
