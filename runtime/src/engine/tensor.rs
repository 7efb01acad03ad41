//! Tensors in memory, and their way into ONNX Runtime and back.

use mmnas_bundle::manifest::Dtype;
use ort::session::SessionInputValue;
use ort::value::{DynValue, TensorElementType, TensorRef};

/// The numbers of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    F32(Vec<f32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

/// A tensor in this process's memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    /// Sizes, outermost first; their product is the length of `data`.
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor, or `None` where the shape does not fit the numbers.
    pub(crate) fn new(shape: Vec<usize>, data: Data) -> Option<Tensor> {
        let len = match &data {
            Data::F32(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::U8(v) => v.len(),
        };
        let product = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side))?;
        (product == len).then_some(Tensor { shape, data })
    }

    /// `[1]`: one count.
    pub(crate) fn count(value: usize) -> Tensor {
        // A count of elements in memory is below 2⁶³.
        Tensor { shape: vec![1], data: Data::I64(vec![value as i64]) }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    pub(crate) fn dtype(&self) -> Dtype {
        match self.data {
            Data::F32(_) => Dtype::F32,
            Data::I64(_) => Dtype::I64,
            Data::U8(_) => Dtype::U8,
        }
    }

    pub(crate) fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            _ => None,
        }
    }

    /// A view for ONNX Runtime.
    pub(crate) fn view(&self) -> ort::Result<SessionInputValue<'_>> {
        let shape = self.shape.clone();
        Ok(match &self.data {
            Data::F32(values) => TensorRef::from_array_view((shape, &values[..]))?.into(),
            Data::I64(values) => TensorRef::from_array_view((shape, &values[..]))?.into(),
            Data::U8(values) => TensorRef::from_array_view((shape, &values[..]))?.into(),
        })
    }

    /// Copies a tensor of ONNX Runtime.
    ///
    /// It is an error where it is none or has another element type than this crate's three.
    pub(crate) fn copy_of(value: &DynValue) -> ort::Result<Tensor> {
        let (shape, data) = match value.dtype().tensor_type() {
            Some(TensorElementType::Float32) => {
                let (shape, values) = value.try_extract_tensor::<f32>()?;
                (shape, Data::F32(values.to_vec()))
            }
            Some(TensorElementType::Int64) => {
                let (shape, values) = value.try_extract_tensor::<i64>()?;
                (shape, Data::I64(values.to_vec()))
            }
            Some(TensorElementType::Uint8) => {
                let (shape, values) = value.try_extract_tensor::<u8>()?;
                (shape, Data::U8(values.to_vec()))
            }
            _ => return Err(ort::Error::new(format!("{:?}", value.dtype()))),
        };
        let shape = shape.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect();
        Tensor::new(shape, data).ok_or_else(|| ort::Error::new("a shape that does not fit its numbers"))
    }
}

/// The manifest's element type for ONNX Runtime's.
pub(crate) fn dtype_of(element: Option<TensorElementType>) -> Option<Dtype> {
    match element? {
        TensorElementType::Float32 => Some(Dtype::F32),
        TensorElementType::Int64 => Some(Dtype::I64),
        TensorElementType::Uint8 => Some(Dtype::U8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_has_to_fit_the_numbers() {
        assert!(Tensor::new(vec![2, 2], Data::F32(vec![0.0; 4])).is_some());
        assert!(Tensor::new(vec![2, 3], Data::F32(vec![0.0; 4])).is_none());
        assert!(Tensor::new(vec![usize::MAX, 2], Data::I64(vec![])).is_none());
        assert_eq!(Tensor::new(vec![], Data::U8(vec![7])).unwrap().dtype(), Dtype::U8);
    }
}
