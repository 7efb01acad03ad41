//! Number format of matrix products.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Number format of the matrix products of a network's blocks.
///
/// These are 32-bit either way: parameters and their gradients, the sum that runs through the
/// blocks, normalisation, softmax and the LSTM. So are the relations' bias (a logarithm of
/// differences near zero), heads and losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatmulPrecision {
    /// 32-bit floating point.
    #[default]
    Float32,
    /// bfloat16: 8 bits of exponent as in 32-bit numbers, 8 of significand.
    ///
    /// Products add up in 32 bits.
    Bfloat16,
}

impl MatmulPrecision {
    /// `x` as a matrix product reads it.
    ///
    /// The layers compute in the kind of their input, so this is the one place where an operation
    /// chooses.
    pub fn operand(self, x: &Tensor) -> Tensor {
        x.to_kind(match self {
            MatmulPrecision::Float32 => Kind::Float,
            MatmulPrecision::Bfloat16 => Kind::BFloat16,
        })
    }
}
