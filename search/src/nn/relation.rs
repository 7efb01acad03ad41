//! Relations between the regions of an image, and what they add to attention scores.
//!
//! One product computes the bias of all operations that read relations: their projections are
//! stacked. Each of them alone would read the projected relations, by far the largest tensor of a
//! step, for a handful of heads.

use tch::{Device, Tensor};

/// The smallest relation before its logarithm (published).
const MIN_RELATION: f64 = 1e-6;

/// Pairs of regions whose states stay in a cache.
const CACHED_PAIRS: i64 = 10_000;

/// Weight `[outputs, inputs]` and bias `[outputs]` of a linear layer.
pub type Projection<'a> = (&'a Tensor, &'a Tensor);

/// `projection` over the first dimension of `x` `[inputs, …]`: `[outputs, positions]`.
fn project((weight, bias): Projection<'_>, x: &Tensor) -> Tensor {
    bias.unsqueeze(1).addmm(weight, &x.flatten(1, -1))
}

/// Relations of all pairs of `boxes` `[batch, n, 4]` → `[4, batch, n, n]`.
///
/// The formula is [`mmnas_bundle::boxes::relation`]. Pairs with padding (true in `padding`
/// `[batch, 1, 1, n]`) are zero, as in the published code. Only its scores of padded regions depend
/// on them.
pub fn relations(boxes: &Tensor, padding: Option<&Tensor>) -> Tensor {
    let corner = |k: i64| boxes.select(-1, k);
    let axis = |k: i64| {
        let (low, high) = (corner(k), corner(k + 2));
        let (centre, size): (Tensor, Tensor) = ((&low + &high) * 0.5, high - low + 1.0);
        let (ci, cj) = (centre.unsqueeze(-1), centre.unsqueeze(-2));
        let (si, sj) = (size.unsqueeze(-1), size.unsqueeze(-2));
        let distance = ((ci - cj).abs() / &si).clamp_min(1e-3).log();
        (distance, (si / sj).log())
    };
    let ((dx, dw), (dy, dh)) = (axis(0), axis(1));
    let relations = Tensor::stack(&[dx, dy, dw, dh], 0);
    match padding {
        Some(padding) => {
            let padding = padding.squeeze_dim(1);
            relations.masked_fill(&padding.logical_or(&padding.transpose(1, 2)), 0.0)
        }
        None => relations,
    }
}

/// Projects relations by the layer that all operations share, rectified.
///
/// `relations` `[4, batch, n, n]` → `[relation, batch, n, n]`.
pub fn states(shared: Projection<'_>, relations: &Tensor) -> Tensor {
    let size = relations.size();
    project(shared, relations).relu_().view([-1, size[1], size[2], size[3]])
}

/// `log(max(ReLU(W_r · state + b_r), 1e-6))` of every projection.
///
/// One `[batch, heads, n, n]` each, all by one product.
pub fn biases(states: &Tensor, projections: &[Projection<'_>]) -> Vec<Tensor> {
    if projections.is_empty() {
        return Vec::new();
    }
    let size = states.size();
    let (weights, offsets): (Vec<&Tensor>, Vec<&Tensor>) = projections.iter().copied().unzip();
    let heads: Vec<i64> = weights.iter().map(|weight| weight.size()[0]).collect();
    let stacked = project((&Tensor::cat(&weights, 0), &Tensor::cat(&offsets, 0)), states);
    // ReLU and the clamp in one: what is not above the least relation becomes the least relation.
    let bias = stacked.threshold(MIN_RELATION, MIN_RELATION).log().view([-1, size[1], size[2], size[3]]);
    bias.split_with_sizes(heads, 0).iter().map(|bias| bias.transpose(0, 1)).collect()
}

/// Biases of the projections `trained`, with a graph, and `fixed`, without, from boxes.
pub(crate) fn biases_of(
    boxes: &Tensor,
    padding: Option<&Tensor>,
    shared: Projection<'_>,
    (trained, fixed): (&[Projection<'_>], &[Projection<'_>]),
) -> (Vec<Tensor>, Vec<Tensor>) {
    let piece = |boxes: &Tensor, padding: Option<&Tensor>| {
        let states = states(shared, &relations(boxes, padding));
        (biases(&states, trained), tch::no_grad(|| biases(&states, fixed)))
    };
    if boxes.device() != Device::Cpu {
        return piece(boxes, padding);
    }
    // On the CPU a few samples at a time: their states stay in the cache and in memory that the
    // process keeps. Those of a whole batch are fetched from the system and given back at every
    // step, which takes longer than the product.
    let (batch, n) = (boxes.size()[0], boxes.size()[1]);
    let at_once = (CACHED_PAIRS / (n * n).max(1)).clamp(1, batch.max(1));
    let pieces = (0..batch).step_by(at_once as usize).map(|first| {
        let rows = |t: &Tensor| t.narrow(0, first, at_once.min(batch - first));
        piece(&rows(boxes), padding.map(rows).as_ref())
    });
    let (of_trained, of_fixed): (Vec<_>, Vec<_>) = pieces.unzip();
    (join(&of_trained), tch::no_grad(|| join(&of_fixed)))
}

/// Concatenates the pieces of the batch for each projection.
///
/// From one list a piece, of one tensor a projection, to one tensor a projection.
fn join(pieces: &[Vec<Tensor>]) -> Vec<Tensor> {
    let projections = pieces.first().map_or(0, Vec::len);
    (0..projections).map(|k| Tensor::cat(&pieces.iter().map(|piece| &piece[k]).collect::<Vec<_>>(), 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use tch::Kind;

    /// Random numbers in 64 bits.
    ///
    /// Near the least relation a logarithm turns the rounding of 32 bits, which differs between
    /// processors, into differences that hide the formula's.
    fn drawn(rng: &mut ChaCha8Rng, shape: &[i64]) -> Tensor {
        crate::toy::drawn(rng, shape).to_kind(Kind::Double)
    }

    fn leaf(rng: &mut ChaCha8Rng, shape: &[i64]) -> Tensor {
        drawn(rng, shape).set_requires_grad(true)
    }

    fn largest(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a - b).abs().max().double_value(&[])
    }

    /// The definition, for one projection at a time.
    fn separate(boxes: &Tensor, padding: &Tensor, shared: Projection<'_>, own: Projection<'_>) -> Tensor {
        let relations = relations(boxes, Some(padding)).permute([1, 2, 3, 0]);
        let states = relations.linear(shared.0, Some(shared.1)).relu();
        states.linear(own.0, Some(own.1)).relu().clamp_min(1e-6).log().permute([0, 3, 1, 2])
    }

    #[test]
    fn the_stacked_product_is_the_separate_ones_and_so_are_its_gradients() {
        let mut rng = crate::seed::rng(9, "relations", 0);
        let corner = (drawn(&mut rng, &[3, 6, 2]) + 2.0) * 22.0;
        let boxes = Tensor::cat(&[&corner, &(&corner + (drawn(&mut rng, &[3, 6, 2]) + 2.0) * 12.0)], -1);
        let padding = Tensor::arange(6, (Kind::Int64, Device::Cpu))
            .ge_tensor(&Tensor::from_slice(&[6i64, 2, 5]).view([3, 1, 1, 1]));
        let shared = (leaf(&mut rng, &[8, 4]), leaf(&mut rng, &[8]));
        let shared = (&shared.0, &shared.1);
        // Different numbers of heads, as operations of different head widths have.
        let own: Vec<(Tensor, Tensor)> =
            [4, 1, 8, 2].iter().map(|&h| (leaf(&mut rng, &[h, 8]), leaf(&mut rng, &[h]))).collect();
        let own: Vec<Projection<'_>> = own.iter().map(|(w, b)| (w, b)).collect();
        let (trained, fixed) = own.split_at(3);
        let leaves: Vec<&Tensor> = trained.iter().chain([&shared]).flat_map(|(w, b)| [*w, *b]).collect();
        let factors: Vec<Tensor> = own.iter().map(|(w, _)| drawn(&mut rng, &[3, w.size()[0], 6, 6])).collect();
        let gradients = |biases: &[Tensor]| {
            let terms: Vec<Tensor> = biases.iter().zip(&factors).map(|(b, f)| (b * f).sum(Kind::Double)).collect();
            Tensor::run_backward(&[Tensor::stack(&terms, 0).sum(Kind::Double)], &leaves, false, false)
        };
        let expected: Vec<Tensor> = own.iter().map(|own| separate(&boxes, &padding, shared, *own)).collect();
        let of_expected = gradients(&expected[..3]);
        let (ours, without) = biases_of(&boxes, Some(&padding), shared, (trained, fixed));
        assert!(!without[0].requires_grad() && ours.iter().all(Tensor::requires_grad));
        // The piece that other devices compute at once.
        let whole = biases(&states(shared, &relations(&boxes, Some(&padding))), &own);
        for (ours, whole) in [(&ours[..], &whole[..3]), (&without[..], &whole[3..])] {
            assert!(ours.iter().zip(whole).all(|(a, b)| largest(a, b) <= 1e-6));
        }
        for (expected, whole) in expected.iter().zip(&whole) {
            assert!(expected.min().double_value(&[]) < -13.8 && expected.max().double_value(&[]) > 0.0);
            assert!(largest(expected, whole) <= 1e-6 * 13.8, "{}", largest(expected, whole));
        }
        for (ours, expected) in gradients(&ours).iter().zip(&of_expected) {
            let scale = expected.abs().max().double_value(&[]);
            assert!(
                scale > 0.0 && largest(ours, expected) <= 1e-6 * scale.max(1.0),
                "{} {scale}",
                largest(ours, expected)
            );
        }
    }
}
