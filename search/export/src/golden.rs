//! Recorded inputs and outputs of the stages.

use mmnas_bundle::VisionBundle;
use mmnas_bundle::manifest::Dtype;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::error::Result;

/// File of the recorded tensors.
pub(crate) const GOLDEN: &str = "golden.safetensors";

/// A recorded input or output of a stage; its name is made by [`mmnas_bundle::golden`].
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenTensor {
    /// `STAGE.in.NAME` or `STAGE.out.NAME`.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Row-major, little-endian.
    pub bytes: Vec<u8>,
}

fn safetensors_dtype(dtype: Dtype) -> safetensors::Dtype {
    match dtype {
        Dtype::F32 => safetensors::Dtype::F32,
        Dtype::I64 => safetensors::Dtype::I64,
        Dtype::U8 => safetensors::Dtype::U8,
    }
}

/// Recorded tensors as the content of a safetensors file.
pub(crate) fn golden_file(tensors: &[GoldenTensor]) -> Result<Vec<u8>> {
    let wrong = |name: &str, e: safetensors::SafeTensorError| {
        mmnas_bundle::Error::invalid(GOLDEN, name, "a consistent tensor", e)
    };
    let view = |t| {
        let t: &GoldenTensor = t;
        let view = TensorView::new(safetensors_dtype(t.dtype), t.shape.clone(), &t.bytes);
        Ok((&t.name, view.map_err(|e| wrong(&t.name, e))?))
    };
    let views = tensors.iter().map(view).collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None).map_err(|e| wrong("(file)", e))?)
}

/// The recorded tensors of a vision stage.
pub(crate) fn vision_golden(vision: &VisionBundle) -> Result<Vec<GoldenTensor>> {
    let name = &vision.manifest().golden;
    let content = vision.read(name)?;
    let wrong = |found: String| mmnas_bundle::Error::invalid(name, "(file)", "safetensors with f32, i64 or u8", found);
    let tensors = SafeTensors::deserialize(&content).map_err(|e| wrong(e.to_string()))?;
    let golden = |(name, view): (&str, TensorView<'_>)| {
        let known = [Dtype::F32, Dtype::I64, Dtype::U8].into_iter().find(|d| safetensors_dtype(*d) == view.dtype());
        let dtype = known.ok_or_else(|| wrong(format!("{name} of {:?}", view.dtype())))?;
        Ok(GoldenTensor { name: name.to_owned(), dtype, shape: view.shape().to_vec(), bytes: view.data().to_vec() })
    };
    tensors.iter().map(golden).collect()
}
