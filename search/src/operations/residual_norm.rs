//! Dropout, residual sum and layer norm behind an operation.

use tch::{Tensor, nn};

use crate::nn::dropout::Dropout;
use crate::nn::layers::LayerNorm;

/// `LN(x + Dropout(y))`: the end of every operation with parameters.
#[derive(Debug)]
pub struct ResidualNorm(LayerNorm);

impl ResidualNorm {
    /// Creates the parameters `ln.a_2` and `ln.b_2`, `[width]` each, under the operation's `vs`.
    pub fn new(vs: &nn::Path<'_>, width: usize) -> ResidualNorm {
        ResidualNorm(LayerNorm::new(vs / "ln", width))
    }

    /// Normalises `x + Dropout(y)`.
    ///
    /// `x` is the operation's input, `y` its output, both `[batch, n, width]`.
    pub fn forward(&self, x: &Tensor, y: &Tensor, dropout: Dropout) -> Tensor {
        self.0.forward(&(x + dropout.apply(y)))
    }
}
