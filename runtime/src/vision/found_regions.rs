//! Regions that a vision stage finds itself: boxes with their features.

use mmnas_bundle::boxes::{self, BoxXyxy};

use crate::vision::detector::{Choice, Scored, chosen, inside};

/// What the graph gives of an image.
pub(super) struct FoundRows<'a> {
    /// Corners in pixels of the input, four numbers a box.
    pub corners: &'a [f32],
    /// A score a box.
    pub scores: &'a [f32],
    /// Features of the boxes, row-major.
    pub features: &'a [f32],
}

/// Boxes in pixels of the image and their features, row-major: at least one region.
///
/// `input` and `size` are width and height of the graph's input and of the image in pixels.
pub(super) fn found_regions(
    rows: &FoundRows<'_>,
    (input, size): ((u32, u32), (u32, u32)),
    choice: Choice,
    feature: usize,
) -> (Vec<BoxXyxy>, Vec<f32>) {
    let scale = (input.0 as f32 / size.0.max(1) as f32, input.1 as f32 / size.1.max(1) as f32);
    let scored = || {
        let rows = rows.corners.as_chunks::<4>().0.iter().zip(rows.scores).enumerate();
        rows.map(|(row, (corners, &score))| Scored { corners: *corners, score, row })
    };
    let mut kept = chosen(scored(), (scale, size), choice);
    if kept.is_empty() {
        kept = chosen(scored(), (scale, size), Choice { count: 1, min_score: f32::NEG_INFINITY, ..choice });
    }
    if kept.is_empty() {
        return (boxes::grid(1, 1, size.0, size.1), vec![0.0; feature]);
    }
    let features = kept.iter().flat_map(|scored| &rows.features[scored.row * feature..(scored.row + 1) * feature]);
    (kept.iter().map(|scored| inside(scored.corners)).collect(), features.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(corners: &[f32], scores: &[f32], choice: Choice) -> (Vec<BoxXyxy>, Vec<f32>) {
        let features: Vec<f32> = (0..scores.len()).flat_map(|row| [row as f32, 0.5]).collect();
        let rows = FoundRows { corners, scores, features: &features };
        // An image of twice the input's width and half its height.
        found_regions(&rows, ((32, 32), (64, 16)), choice, 2)
    }

    #[test]
    fn the_best_boxes_keep_their_features() {
        let choice = Choice { count: 2, max_iou: 0.5, min_score: 0.2 };
        let corners = [0.0, 0.0, 8.0, 8.0, 16.0, 0.0, 32.0, 16.0, 0.0, 0.0, 8.0, 9.0, 8.0, 8.0, 16.0, 16.0];
        let (boxes, features) = found(&corners, &[0.3, 0.9, 0.4, 0.1], choice);
        // The first overlaps the third, which is better; the last is below the score.
        assert_eq!(boxes, [[32.0, 0.0, 63.0, 7.0], [0.0, 0.0, 15.0, 3.5]]);
        assert_eq!(features, [1.0, 0.5, 2.0, 0.5]);
        // None is good enough: the best of them.
        let (boxes, features) = found(&corners, &[0.1, 0.05, 0.15, 0.1], choice);
        assert_eq!((boxes.len(), features), (1, vec![2.0, 0.5]));
        // None at all, or none that is a box: the whole image.
        for (corners, scores) in
            [(&[][..], &[][..]), (&[f32::NAN, 0.0, 1.0, 1.0], &[0.9]), (&[9.0, 9.0, 3.0, 3.0], &[0.9])]
        {
            let (boxes, features) = found(corners, scores, choice);
            assert_eq!((boxes, features), (vec![[0.0, 0.0, 63.0, 15.0]], vec![0.0, 0.0]));
        }
    }
}
