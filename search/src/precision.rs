//! What matrix products are computed in.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// The numbers that the matrix products of a network's blocks are computed in. Parameters, their gradients, the sum that
/// runs through the blocks, normalisation, softmax, the LSTM, the relations' bias (a logarithm of differences near zero),
/// heads and losses are 32-bit either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatmulPrecision {
    /// 32-bit floating point.
    #[default]
    Float32,
    /// bfloat16: 8 bits of exponent as in 32-bit numbers, 8 of significand. Products add up in 32 bits.
    Bfloat16,
}

impl MatmulPrecision {
    /// `x` as a matrix product reads it. The layers compute in the kind of what they are given, so this is the one place
    /// where an operation chooses.
    pub fn operand(self, x: &Tensor) -> Tensor {
        x.to_kind(match self {
            MatmulPrecision::Float32 => Kind::Float,
            MatmulPrecision::Bfloat16 => Kind::BFloat16,
        })
    }
}
