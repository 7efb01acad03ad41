//! The layers that operations and heads share.
//!
//! Weights are initialised as PyTorch does by default, which is what the published code does.

use tch::nn;
use tch::{Kind, Tensor};

use crate::nn::dropout::Dropout;
use crate::nn::relation::Projection;

/// Scores of masked positions before a softmax (published).
pub(crate) const MASKED: f64 = -1e9;

/// Linear layer: `y = x Wᵀ + b`, initialised uniformly in ± 1/√(inputs).
///
/// It computes in the kind of `x`. Gradients arrive in the kind of the parameters.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(crate) fn new(vs: nn::Path, inputs: usize, outputs: usize, bias: bool) -> Linear {
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight = vs.uniform("weight", &[outputs as i64, inputs as i64], -bound, bound);
        Linear { weight, bias: bias.then(|| vs.uniform("bias", &[outputs as i64], -bound, bound)) }
    }

    /// Sets the weight to zero and the bias, if it has one, to `value`.
    ///
    /// The layer then gives `value` for any input until it has learnt.
    pub(crate) fn set_constant(&self, value: f64) {
        let _guard = tch::no_grad_guard();
        let _ = self.weight.shallow_clone().zero_();
        if let Some(bias) = &self.bias {
            let _ = bias.shallow_clone().fill_(value);
        }
    }

    /// Weight and bias, shared with this layer; of a layer without a bias a bias of 0.
    pub(crate) fn share(&self) -> (Tensor, Tensor) {
        let bias = self.bias.as_ref().map_or_else(|| self.weight.zeros_like(), Tensor::shallow_clone);
        (self.weight.shallow_clone(), bias)
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        x.linear(&self.weight.to_kind(kind), self.bias.as_ref().map(|bias| bias.to_kind(kind)))
    }

    /// Weight and bias, if it has a bias.
    pub(crate) fn projection(&self) -> Option<Projection<'_>> {
        Some((&self.weight, self.bias.as_ref()?))
    }
}

/// The published LN: `a_2 · (x − mean) / (std + 1e-6) + b_2`.
///
/// std has n − 1 in the denominator, and epsilon stands outside the root.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    gain: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    /// Epsilon outside the root (published).
    const EPSILON: f64 = 1e-6;
    /// Epsilon inside the root of libtorch's layer norm: keeps its denominator above zero.
    const INNER_EPSILON: f64 = 1e-12;

    pub(crate) fn new(vs: nn::Path, width: usize) -> LayerNorm {
        LayerNorm { gain: vs.ones("a_2", &[width as i64]), bias: vs.zeros("b_2", &[width as i64]) }
    }

    /// Normalises in 32 bits, whatever kind `x` has.
    ///
    /// libtorch's own layer norm takes a quarter of the time of the formula. A factor of each row,
    /// std / (std + 1e-6), turns its result into the published one. The gradient of that factor, a
    /// relative 1e-6 / std, is left out.
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let n = self.gain.size()[0];
        let unbiased = ((n - 1) as f64 / n as f64).sqrt();
        let gain = &self.gain * unbiased;
        let x = x.to_kind(Kind::Float);
        let (normed, _, inverse_std) = x.native_layer_norm([n], Some(&gain), None, Self::INNER_EPSILON);
        let factor = (inverse_std.detach() * (Self::EPSILON * unbiased) + 1.0).reciprocal();
        self.bias.addcmul(&normed, &factor)
    }
}

/// The published two-layer perceptron: `fc.linear`, ReLU, dropout, `linear`.
#[derive(Debug)]
pub(crate) struct Mlp {
    inner: Linear,
    outer: Linear,
}

impl Mlp {
    pub(crate) fn new(vs: nn::Path, inputs: usize, inner: usize, outputs: usize) -> Mlp {
        Mlp {
            inner: Linear::new(&vs / "fc" / "linear", inputs, inner, true),
            outer: Linear::new(&vs / "linear", inner, outputs, true),
        }
    }

    pub(crate) fn forward(&self, x: &Tensor, dropout: Dropout) -> Tensor {
        // ReLU after dropout is dropout after ReLU, and in place it leaves one tensor less for the
        // backward pass.
        self.outer.forward(&dropout.apply(&self.inner.forward(x)).relu_())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// The definition, in 64 bits.
    fn published(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Tensor {
        let x = x.to_kind(Kind::Double);
        let centred = &x - x.mean_dim(-1, true, Kind::Double);
        let n = x.size()[x.dim() - 1];
        let std = (centred.square().sum_dim_intlist(-1, true, Kind::Double) / (n - 1) as f64).sqrt();
        (centred / (std + 1e-6)) * gain + bias
    }

    #[test]
    fn the_norm_is_the_published_one_to_the_published_epsilon() {
        tch::manual_seed(4);
        let store = nn::VarStore::new(Device::Cpu);
        let norm = LayerNorm::new(store.root(), 64);
        let float = (Kind::Float, Device::Cpu);
        tch::no_grad(|| {
            norm.gain.shallow_clone().copy_(&Tensor::randn([64], float));
            norm.bias.shallow_clone().copy_(&Tensor::randn([64], float));
        });
        for scale in [0.1, 1.0, 100.0] {
            let x = (Tensor::randn([5, 9, 64], float) * scale + scale).set_requires_grad(true);
            let (ours, theirs) = (norm.forward(&x), published(&x, &norm.gain, &norm.bias));
            let difference = (&ours - &theirs).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "{scale}: {difference}");
            let factor = Tensor::randn([5, 9, 64], float);
            let gradient = |y: &Tensor| {
                let leaves = [&x, &norm.gain, &norm.bias];
                Tensor::run_backward(&[(y * &factor).sum(Kind::Double)], &leaves, false, false)
            };
            for (ours, theirs) in gradient(&ours).iter().zip(gradient(&theirs)) {
                let difference = (ours - &theirs).norm().double_value(&[]) / theirs.norm().double_value(&[]);
                assert!(difference < 2e-5, "{scale}: {difference}");
            }
        }
    }
}
