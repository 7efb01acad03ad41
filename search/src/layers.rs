//! The layers that operations and heads share. Weights are initialised as PyTorch does by default, which is what the
//! published code does.

use tch::nn;
use tch::{Kind, Tensor};

/// Scores of masked positions before a softmax (published).
pub(crate) const MASKED: f64 = -1e9;

/// `y = x Wᵀ + b`, initialised uniformly in ± 1/√(inputs).
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

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }
}

/// The published LN: `a_2 · (x − mean) / (std + 1e-6) + b_2`, std with n − 1 in the denominator and epsilon outside.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    gain: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    pub(crate) const EPSILON: f64 = 1e-6;
    /// Far below the square of epsilon: it changes no result.
    const MIN_VARIANCE: f64 = 1e-24;

    pub(crate) fn new(vs: nn::Path, width: usize) -> LayerNorm {
        LayerNorm { gain: vs.ones("a_2", &[width as i64]), bias: vs.zeros("b_2", &[width as i64]) }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let n = self.gain.size()[0];
        let centred = x - x.mean_dim(-1, true, Kind::Float);
        let variance = centred.square().sum_dim_intlist(-1, true, Kind::Float) / (n - 1) as f64;
        // The root's gradient at 0 is infinite: a row of equal numbers, which the operation `none` makes, would give NaN.
        let std = variance.clamp_min(Self::MIN_VARIANCE).sqrt();
        (centred / (std + Self::EPSILON)) * &self.gain + &self.bias
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
        self.outer.forward(&dropout.apply(&self.inner.forward(x).relu()))
    }
}

/// The rate of dropout of one forward pass: 0 in evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout(pub f64);

impl Dropout {
    pub(crate) fn apply(self, x: &Tensor) -> Tensor {
        if self.0 > 0.0 { x.dropout(self.0, true) } else { x.shallow_clone() }
    }
}
