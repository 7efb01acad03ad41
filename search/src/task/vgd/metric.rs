//! Metric of grounding: the share of phrases whose box is right.
//!
//! A box is right if it has an IoU of at least 0.5 with a right one.

use mmnas_bundle::boxes::{self, BoxXyxy, DELTA_SCALE};

use crate::error::Result;
use crate::model::head::HeadOutput;
use crate::recipe::score_padding::ScorePadding;
use crate::task::example::Example;
use crate::task::vgd::batch::VgdBatch;
use crate::task::vgd::data::VgdData;
use crate::task::vgd::head::with_linear_scores;
use crate::task::vgd::loss::log_probabilities;
use crate::task::{Evaluation, Forward};

/// Smallest intersection over union with the target of a right prediction.
const RIGHT_IOU: f32 = 0.5;

/// The box of the best region of each sample.
///
/// It is moved by the region's deltas and clipped to the image.
pub fn grounded_boxes(output: &HeadOutput, batch: &VgdBatch, padding: ScorePadding) -> Vec<BoxXyxy> {
    let output = with_linear_scores(output);
    let log_probabilities = log_probabilities(&output, &batch.inputs.region_count, padding);
    let ground = |row: usize| {
        // Padding never wins, whichever regions share the softmax.
        let there = log_probabilities.get(row as i64).narrow(0, 0, batch.inputs.region_count[row]);
        let best = there.argmax(-1, false).int64_value(&[]);
        let raw = output.get(row as i64).get(best);
        let delta = std::array::from_fn(|k| raw.double_value(&[k as i64 + 1]) as f32 * DELTA_SCALE[k]);
        let (width, height) = batch.sizes[row];
        boxes::clip(&boxes::decode(&batch.boxes[row][best as usize], &delta), width, height)
    };
    (0..batch.targets.len()).map(ground).collect()
}

impl VgdData {
    /// Share of `samples` that are right.
    pub(super) fn accuracy(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        let (mut right, mut examples) = (0usize, Vec::new());
        for (number, indices) in samples.chunks(batch).enumerate() {
            let first = number * batch;
            let batch = self.batch(indices)?;
            let found = grounded_boxes(&forward(&batch.inputs), &batch, self.padding());
            for (row, (found, targets)) in found.iter().zip(&batch.targets).enumerate() {
                let is_right = targets.iter().any(|target| boxes::iou(found, target) >= RIGHT_IOU);
                right += usize::from(is_right);
                if Evaluation::is_example(first + row, samples.len()) {
                    let sample = indices[row];
                    examples.push(Example {
                        image: self.common().image_name(self.common().image_of(sample)).to_owned(),
                        text: self.common().words_of(self.tokens(sample)),
                        right: is_right,
                        expected_box: targets
                            .iter()
                            .copied()
                            .max_by(|a, b| boxes::iou(found, a).total_cmp(&boxes::iou(found, b))),
                        found_box: Some(*found),
                        ..Example::default()
                    });
                }
            }
        }
        let score = right as f64 / samples.len().max(1) as f64;
        Ok(Evaluation { score, metrics: [("accuracy at IoU 0.5".to_owned(), score)].into(), examples })
    }
}
