//! Visual grounding: which region a phrase means, and how its box is to be moved (MMnas, section 4.1).

use mmnas_bundle::boxes::{self, BoxXyxy, DELTA_SCALE};
use mmnas_bundle::manifest::Dimensions;
use tch::{Kind, Reduction, Tensor, nn};

use crate::data::dataset::ImageTextData;
use crate::data::learnable::{RunParts, SeenImage};
use crate::error::Result;
use crate::model::head::{EmbeddingInputs, Head};
use crate::model::network::Network;
use crate::nn::att_flat::AttFlat;
use crate::nn::dropout::Dropout;
use crate::nn::layers::{LayerNorm, Linear, MASKED};
use crate::recipe::score_padding::ScorePadding;
use crate::task::cca::linear_embedding::LinearEmbedding;
use crate::task::example::Example;
use crate::task::vgd::batch::VgdBatch;
use crate::task::vgd::data::VgdData;
use crate::task::{Evaluation, Forward, Reduction as LossReduction, Task};

/// A prediction counts as right from this intersection over union with the target on.
const RIGHT_IOU: f32 = 0.5;
/// A score and four deltas.
const OUTPUTS: i64 = 5;
/// Weight of the deltas' loss beside the scores'.
const DELTA_WEIGHT: f64 = 0.5;

/// The published head: per region `LN(AttFlat(x) + Linear(H → 2H)(y_i))` → a score and four deltas, as
/// `[batch, regions, 5]`, the score before any softmax. Beside it may stand linear embeddings, of texts and of regions, whose products are
/// scores too.
#[derive(Debug)]
pub struct VgdHead {
    text: AttFlat,
    region: Linear,
    norm: LayerNorm,
    scores: Linear,
    deltas: Linear,
    linear: Option<LinearEmbedding>,
}

impl Head for VgdHead {
    fn pool_text(&self, x: &Tensor, mask: Option<&Tensor>, dropout: Dropout) -> Tensor {
        self.text.forward(x, mask, dropout)
    }

    fn text_attention(&self, x: &Tensor, mask: Option<&Tensor>) -> Option<Tensor> {
        Some(self.text.attention(x, mask))
    }

    fn output(&self, text: &Tensor, y: &Tensor, _mask: Option<&Tensor>, _dropout: Dropout) -> Tensor {
        let fused = self.norm.forward(&(text.unsqueeze(1) + self.region.forward(y)));
        Tensor::cat(&[self.scores.forward(&fused), self.deltas.forward(&fused)], -1)
    }

    fn embed(&self, sides: &EmbeddingInputs<'_>, _dropout: Dropout) -> Option<(Tensor, Tensor)> {
        let linear = self.linear.as_ref()?;
        Some(tch::no_grad(|| (linear.scaled_words(sides.tokens, sides.text_mask), linear.regions(sides.features))))
    }

    fn joint_score(&self, texts: &Tensor, regions: &Tensor) -> Option<Tensor> {
        Some(linear_scores(texts, regions).constant_pad_nd([0, 4]))
    }

    /// The linear scores stay apart, `[batch, regions, 6]`: the loss does not read them.
    fn beside(&self, output: Tensor, texts: &Tensor, regions: &Tensor) -> Tensor {
        Tensor::cat(&[output, linear_scores(texts, regions)], -1)
    }
}

/// What linear embeddings of texts `[batch, k]` and of regions `[batch, regions, k]` give each region, `[batch, regions, 1]`.
fn linear_scores(texts: &Tensor, regions: &Tensor) -> Tensor {
    regions.matmul(&texts.unsqueeze(-1))
}

/// The head's output, `[batch, regions, 5]`, from what [`Network::forward`] gives: the linear scores that may stand beside it added.
pub fn with_linear_scores(output: &Tensor) -> Tensor {
    if output.size()[2] <= OUTPUTS {
        return output.shallow_clone();
    }
    let scores = output.narrow(-1, 0, 1) + output.narrow(-1, OUTPUTS, 1);
    Tensor::cat(&[scores, output.narrow(-1, 1, OUTPUTS - 1)], -1)
}

/// The scores' log-probabilities, `[batch, regions]`, from the head's output; linear scores that stand beside it are not read.
pub fn log_probabilities(output: &Tensor, region_count: &[i64], padding: ScorePadding) -> Tensor {
    let scores = output.select(-1, 0);
    let n = scores.size()[1];
    if padding == ScorePadding::Published || region_count.iter().all(|&count| count >= n) {
        return scores.log_softmax(-1, Kind::Float);
    }
    let counts = Tensor::from_slice(region_count).to_device(scores.device()).view([-1, 1]);
    let absent = Tensor::arange(n, (Kind::Int64, scores.device())).unsqueeze(0).ge_tensor(&counts);
    scores.masked_fill(&absent, MASKED).log_softmax(-1, Kind::Float)
}

/// The loss of `log_probabilities` `[batch, regions]` and `deltas` `[batch, regions, 4]`: KL divergence to the target
/// scores over the number of samples that have a target, plus half the smooth L1 of the deltas over the number of regions
/// that count (published). Without any such sample or region the part is 0.
pub fn loss(
    log_probabilities: &Tensor,
    deltas: &Tensor,
    (scores, mask, target): (&Tensor, &Tensor, &Tensor),
) -> Tensor {
    let has_target = scores.sum_dim_intlist(-1, true, Kind::Float).gt(0.0).to_kind(Kind::Float);
    let divergence = scores.xlogy(scores) - scores * log_probabilities;
    let divergence = (divergence * &has_target).sum(Kind::Float) / has_target.sum(Kind::Float).clamp_min(1.0);
    let moved = deltas.smooth_l1_loss(target, Reduction::None, 1.0) * mask.unsqueeze(-1);
    divergence + moved.sum(Kind::Float) / mask.sum(Kind::Float).clamp_min(1.0) * DELTA_WEIGHT
}

/// The box of the best region of each sample, moved by its deltas and clipped to the image, from what [`Network::forward`] gives.
pub fn grounded_boxes(output: &Tensor, batch: &VgdBatch, padding: ScorePadding) -> Vec<BoxXyxy> {
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

impl Task for VgdData {
    const NAME: &'static str = "vgd";
    const REDUCTION: LossReduction = LossReduction::Mean;

    type Batch = VgdBatch;
    type EpochState = ();

    fn head(vs: &nn::Path<'_>, d: &Dimensions) -> Box<dyn Head> {
        Box::new(VgdHead {
            text: AttFlat::new(vs / "attflat_x", d),
            region: Linear::new(vs / "attfc_y", d.hidden, 2 * d.hidden, true),
            norm: LayerNorm::new(vs / "proj_norm", 2 * d.hidden),
            scores: Linear::new(vs / "proj_scores", 2 * d.hidden, 1, true),
            deltas: Linear::new(vs / "proj_reg", 2 * d.hidden, 4, true),
            linear: d.region_joint.map(|width| LinearEmbedding::new(vs, d, width)),
        })
    }

    fn data(&self) -> &ImageTextData {
        self.common()
    }

    fn data_mut(&mut self) -> &mut ImageTextData {
        self.common_mut()
    }

    fn outputs(&self) -> usize {
        1
    }

    fn region_joint(&self) -> Option<usize> {
        self.common().region_settings().linear.map(|settings| settings.width)
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn start(&self, train: &[usize], network: &mut Network, progress: bool) -> Result<()> {
        // First, as the weights of another run bring how features are standardised; and last, as they have learnt from theirs.
        self.common().start(network)?;
        self.start_from_regions(train, network, progress)?;
        self.common().start(network)
    }

    fn learnable(&self, parts: &RunParts<'_>, seen: &[SeenImage]) -> Result<Vec<String>> {
        self.learnable_boxes(parts, seen)
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn batch(&self, indices: &[usize], _epoch_state: &(), seed: u64) -> Result<VgdBatch> {
        let batch = VgdData::batch(self, indices)?;
        Ok(VgdBatch { inputs: self.common().hide(batch.inputs, seed), ..batch })
    }

    fn loss(&self, batch: &VgdBatch, forward: &mut Forward<'_>) -> Tensor {
        let output = forward(&batch.inputs);
        let log_probabilities = log_probabilities(&output, &batch.inputs.region_count, self.padding());
        loss(&log_probabilities, &output.narrow(-1, 1, 4), (&batch.scores, &batch.mask, &batch.deltas))
    }

    fn evaluate(&self, samples: &[usize], batch: usize, forward: &mut Forward<'_>) -> Result<Evaluation> {
        let (mut right, mut examples) = (0usize, Vec::new());
        for (number, indices) in samples.chunks(batch).enumerate() {
            let first = number * batch;
            let batch = VgdData::batch(self, indices)?;
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
