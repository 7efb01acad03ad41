//! What probes read: random tensors of the measured sizes.

use std::path::Path;

use fastrand::Rng;
use mmnas_bundle::latency::probes::{Probe, Probes, Stack};
use mmnas_bundle::manifest::{Dim, Dtype, TensorSpec};

use crate::engine::spec_check::describe_spec;
use crate::engine::stage::Tensors;
use crate::engine::tensor::{Data, Tensor};
use crate::engine::tensor_names::{BOXES, PIXELS, REGION_COUNT, ROIS, TOKEN_COUNT, TOKENS};
use crate::error::{Error, Result};

/// Of the numbers.
const SEED: u64 = 2;
/// Width and height of the image whose regions have boxes.
const IMAGE: (f64, f64) = (640.0, 480.0);
/// Least of a tensor of logarithms, whose greatest is 0.
const LEAST_LOGARITHM: f64 = -6.0;
/// Most numbers of a tensor, so that a wrong description asks for no impossible memory.
const MOST_NUMBERS: usize = 1 << 28;

/// Inputs of one item for `probe`; `file` names the description in errors.
///
/// # Errors
/// A size that is none of `batch`, `tokens` and `regions`; a tensor that no stage of a network reads.
pub(super) fn inputs(probe: &Probe, probes: &Probes, file: &Path) -> Result<Tensors> {
    let mut random = Rng::with_seed(SEED);
    let sees = Stack::BEFORE.contains(&probe.stack);
    let of = |spec: &TensorSpec| {
        let field = format!("probes.{}.inputs.{}", probe.name(), spec.name);
        Ok((spec.name.clone(), tensor(spec, probes, sees, &mut random, file, &field)?))
    };
    let mut inputs: Tensors = probe.stage.inputs.iter().map(of).collect::<Result<_>>()?;
    // Boxes lie in the pixels that are read with them.
    if let (Some([_, height, width, 3]), Some(rois)) = (inputs.get(PIXELS).map(Tensor::shape), inputs.get(ROIS)) {
        let (x, y) = (*width as f64 / IMAGE.0, *height as f64 / IMAGE.1);
        let count = rois.shape().iter().product::<usize>() / 4;
        let boxes = (0..count).flat_map(|_| {
            let [x1, y1, x2, y2] = corners(&mut random).map(f64::from);
            [x1 * x, y1 * y, x2 * x, y2 * y].map(|side| side as f32)
        });
        let rois = Tensor::new(rois.shape().to_vec(), Data::F32(boxes.collect()));
        let field = format!("probes.{}.inputs.{ROIS}", probe.name());
        let rois = rois.ok_or_else(|| Error::invalid(file, field, "four numbers a region", "another number"))?;
        inputs.insert(ROIS.to_owned(), rois);
    }
    Ok(inputs)
}

/// A tensor as `spec` says; `sees` where the stage reads images.
fn tensor(
    spec: &TensorSpec,
    probes: &Probes,
    sees: bool,
    random: &mut Rng,
    file: &Path,
    field: &str,
) -> Result<Tensor> {
    let shape = spec.shape.iter().map(|dim| size(dim, probes, file, field)).collect::<Result<Vec<_>>>()?;
    let numbers = shape.iter().try_fold(1usize, |numbers, side| numbers.checked_mul(*side));
    let numbers = numbers.filter(|numbers| (1..=MOST_NUMBERS).contains(numbers)).ok_or_else(|| {
        Error::invalid(file, field, format!("1 to {MOST_NUMBERS} numbers"), format!("sizes {shape:?}"))
    })?;
    let data = match (spec.name.as_str(), spec.dtype) {
        (TOKENS, Dtype::I64) => {
            let Some(words @ 1..) = probes.dimensions.vocabulary.checked_sub(1) else {
                return Err(Error::invalid(file, "dimensions.vocabulary", "at least 2", probes.dimensions.vocabulary));
            };
            Data::I64((0..numbers).map(|_| 1 + random.usize(..words) as i64).collect())
        }
        // Both counts are at most 4096.
        (TOKEN_COUNT, Dtype::I64) => Data::I64(vec![probes.tokens as i64; numbers]),
        (REGION_COUNT, Dtype::I64) => Data::I64(vec![probes.regions as i64; numbers]),
        (BOXES, Dtype::F32) if shape.last() == Some(&4) => {
            Data::F32((0..numbers / 4).flat_map(|_| corners(random)).collect())
        }
        (_, Dtype::U8) if sees => Data::U8((0..numbers).map(|_| random.u8(..)).collect()),
        (BOXES, _) | (_, Dtype::I64 | Dtype::U8) => {
            let expected = "what a text, image, fusion or vision stage reads";
            return Err(Error::invalid(file, field, expected, describe_spec(spec)));
        }
        (_, Dtype::F32) if spec.logarithm => {
            Data::F32((0..numbers).map(|_| between(random, LEAST_LOGARITHM, 0.0) as f32).collect())
        }
        (_, Dtype::F32) => Data::F32((0..numbers).map(|_| normal(random) as f32).collect()),
    };
    Tensor::new(shape, data).ok_or_else(|| Error::invalid(file, field, "numbers that fill the sizes", numbers))
}

fn size(dim: &Dim, probes: &Probes, file: &Path, field: &str) -> Result<usize> {
    match dim {
        Dim::Fixed(size) => Ok(*size),
        Dim::Named(name) => match name.as_str() {
            "batch" => Ok(1),
            "tokens" => Ok(probes.tokens),
            "regions" => Ok(probes.regions),
            _ => Err(Error::invalid(
                file,
                field,
                "sizes that are numbers, batch, tokens or regions",
                format!("{name:?}"),
            )),
        },
    }
}

/// A number from `low` to `high`, without `high`.
fn between(random: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * random.f64()
}

/// A number of the standard normal distribution (Box and Muller).
fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// A box in the image: x1, y1, x2, y2, at least a pixel wide and high.
fn corners(random: &mut Rng) -> [f32; 4] {
    let mut side = |length: f64| {
        let low = between(random, 0.0, length - 2.0);
        (low as f32, between(random, low + 1.0, length) as f32)
    };
    let ((x1, x2), (y1, y2)) = (side(IMAGE.0), side(IMAGE.1));
    [x1, y1, x2, y2]
}

#[cfg(test)]
pub(super) mod tests {
    use mmnas_bundle::latency::probes::{PROBES_FORMAT, Part};
    use mmnas_bundle::manifest::{Dimensions, Format, Stage, TaskName};

    use super::*;

    /// Probes without graphs, for 7 tokens and 36 regions.
    pub(in crate::profile) fn probes(probes: Vec<Probe>) -> Probes {
        let dimensions = Dimensions {
            hidden: 64,
            feature: 8,
            embedding: 8,
            vocabulary: 9,
            outputs: 3,
            attflat: 8,
            head: 64,
            relation: 8,
            embeddings: None,
        };
        Probes {
            format: Format::current(PROBES_FORMAT),
            task: TaskName::Vqa,
            dimensions,
            tokens: 7,
            regions: 36,
            checks: vec![],
            probes,
            version: "0.1.0".to_owned(),
            files: Default::default(),
        }
    }

    fn inputs_of(specs: Vec<TensorSpec>) -> Result<Tensors> {
        let stage = Stage { graphs: vec![], inputs: specs, outputs: vec![] };
        let probe = Probe { stack: Stack::Fusion, part: Part::Fixed, stage };
        inputs(&probe, &probes(vec![]), Path::new("probes.json"))
    }

    #[test]
    fn inputs_have_the_measured_sizes_and_sensible_numbers() {
        let mut bias = TensorSpec::new("bias_0", Dtype::F32, &["batch", "8", "regions", "regions"]);
        bias.logarithm = true;
        let specs = vec![
            TensorSpec::new(TOKENS, Dtype::I64, &["batch", "tokens"]),
            TensorSpec::new(TOKEN_COUNT, Dtype::I64, &["batch"]),
            TensorSpec::new(REGION_COUNT, Dtype::I64, &["batch"]),
            TensorSpec::new(BOXES, Dtype::F32, &["batch", "regions", "4"]),
            TensorSpec::new("features", Dtype::F32, &["batch", "regions", "8"]),
            bias,
        ];
        let found = inputs_of(specs.clone()).unwrap();
        let shape = |name: &str| found[name].shape().to_vec();
        assert_eq!((shape(TOKENS), shape(TOKEN_COUNT)), (vec![1, 7], vec![1]));
        assert_eq!((shape("features"), shape("bias_0")), (vec![1, 36, 8], vec![1, 8, 36, 36]));
        let Data::I64(tokens) = found[TOKENS].data() else { panic!("tokens") };
        assert!(tokens.iter().all(|token| (1..9).contains(token)), "{tokens:?}");
        assert_eq!(*found[TOKEN_COUNT].data(), Data::I64(vec![7]));
        assert_eq!(*found[REGION_COUNT].data(), Data::I64(vec![36]));
        for corners in found[BOXES].as_f32().unwrap().chunks(4) {
            let [x1, y1, x2, y2] = corners else { panic!("four") };
            assert!(0.0 <= *x1 && x1 < x2 && *x2 <= 640.0 && 0.0 <= *y1 && y1 < y2 && *y2 <= 480.0, "{corners:?}");
        }
        let bias = found["bias_0"].as_f32().unwrap();
        assert!(bias.iter().all(|b| (-6.0..=0.0).contains(b)));
        let features = found["features"].as_f32().unwrap();
        assert!(features.iter().any(|f| *f < -0.5) && features.iter().any(|f| *f > 0.5));
        assert_eq!(inputs_of(specs).unwrap(), found);
    }

    #[test]
    fn a_vision_stage_sees_pixels_and_boxes_in_them() {
        let inputs = vec![
            TensorSpec::new(PIXELS, Dtype::U8, &["batch", "64", "32", "3"]),
            TensorSpec::new(ROIS, Dtype::F32, &["batch", "regions", "4"]),
            TensorSpec::new("class_scores", Dtype::F32, &["batch", "regions", "9"]),
        ];
        let probe =
            Probe { stack: Stack::Vision, part: Part::Fixed, stage: Stage { graphs: vec![], inputs, outputs: vec![] } };
        let found = super::inputs(&probe, &probes(vec![]), Path::new("probes.json")).unwrap();
        assert_eq!(found[PIXELS].shape(), [1, 64, 32, 3]);
        assert!(matches!(found[PIXELS].data(), Data::U8(pixels) if pixels.iter().any(|p| *p > 200)));
        let rois = found[ROIS].as_f32().unwrap();
        assert_eq!(rois.len(), 36 * 4);
        for corners in rois.chunks(4) {
            let [x1, y1, x2, y2] = corners else { panic!("four") };
            assert!(0.0 <= *x1 && x1 < x2 && *x2 <= 32.0 && 0.0 <= *y1 && y1 < y2 && *y2 <= 64.0, "{corners:?}");
        }
        assert_eq!(found["class_scores"].shape(), [1, 36, 9]);
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        let error =
            |name, dtype, shape: &[&str]| inputs_of(vec![TensorSpec::new(name, dtype, shape)]).unwrap_err().to_string();
        let found = error("states", Dtype::F32, &["batch", "heads"]);
        assert!(
            found.starts_with("probes.json: probes.fusion.inputs.states: ") && found.ends_with("\"heads\""),
            "{found}"
        );
        assert!(error("pixels", Dtype::U8, &["batch", "8"]).contains("u8 [batch, 8]"));
        assert!(error(BOXES, Dtype::F32, &["batch", "regions", "5"]).contains("boxes"));
        assert!(error("empty", Dtype::F32, &["batch", "0"]).contains("numbers"));
        let huge = usize::MAX.to_string();
        assert!(error("huge", Dtype::F32, &[&huge, "9"]).contains("numbers"));
    }
}
