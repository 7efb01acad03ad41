//! Element types and shapes of the values in a graph.

use mmnas_bundle::manifest::{Dim, Dtype};

use crate::onnx::proto::data_type;

/// Element type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elem {
    F32,
    F16,
    I64,
    I32,
    I8,
    U8,
    Bool,
}

impl Elem {
    /// The number that ONNX gives the type.
    pub(crate) fn onnx(self) -> i32 {
        match self {
            Elem::F32 => data_type::FLOAT,
            Elem::F16 => data_type::FLOAT16,
            Elem::I64 => data_type::INT64,
            Elem::I32 => data_type::INT32,
            Elem::I8 => data_type::INT8,
            Elem::U8 => data_type::UINT8,
            Elem::Bool => data_type::BOOL,
        }
    }

    /// The type of an ONNX number, where graphs of ours have it.
    pub(crate) fn of_onnx(number: i64) -> Option<Elem> {
        let all = [Elem::F32, Elem::F16, Elem::I64, Elem::I32, Elem::I8, Elem::U8, Elem::Bool];
        all.into_iter().find(|elem| i64::from(elem.onnx()) == number)
    }
}

impl From<Dtype> for Elem {
    fn from(dtype: Dtype) -> Elem {
        match dtype {
            Dtype::F32 => Elem::F32,
            Dtype::I64 => Elem::I64,
            Dtype::U8 => Elem::U8,
        }
    }
}

/// Element type and shape of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ValueType {
    pub elem: Elem,
    pub shape: Vec<Dim>,
}

impl ValueType {
    pub(crate) fn new(elem: Elem, shape: Vec<Dim>) -> ValueType {
        ValueType { elem, shape }
    }

    /// Of fixed sizes.
    pub(crate) fn fixed(elem: Elem, shape: &[usize]) -> ValueType {
        ValueType { elem, shape: shape.iter().map(|&n| Dim::Fixed(n)).collect() }
    }
}

/// Dimensions from text: what parses as a number is a fixed size.
pub(crate) fn dims(shape: &[&str]) -> Vec<Dim> {
    shape.iter().map(|d| d.parse().map_or_else(|_| Dim::Named((*d).to_owned()), Dim::Fixed)).collect()
}
