use std::path::{Path, PathBuf};

use mmnas_bundle::Bundle;
use mmnas_bundle::manifest::{Stage, TensorSpec};
use serde::Serialize;

use crate::golden::Golden;
use crate::stage::{StageRunner, Tensors, fp32_graphs};
use crate::tensor::{Data, Tensor};
use crate::wiring::{REGION_COUNT, TOKEN_COUNT};
use crate::{Error, LoadOptions, Model, Result, onnxruntime};

/// The largest difference that passes, for fp32 graphs.
const TOLERANCE: f64 = 1e-4;

/// What a bundle gives, compared with what was recorded when it was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    /// The bundle's folder.
    pub bundle: PathBuf,
    /// One check for every fp32 graph of a stage, and `network` for the stages one after the other.
    pub checks: Vec<StageCheck>,
}

/// The outcome for one graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageCheck {
    /// The stage: `text`, `image`, `fusion`, `vision`, or `network`.
    pub stage: String,
    /// The graph's file name in the bundle; for `network`, the files in order.
    pub file: String,
    /// The largest `|found − recorded| / max(1, |recorded|)` of all outputs: absolute for small numbers, relative for
    /// large ones; of the exponentials where the manifest calls an output a logarithm. Infinite where the outputs cannot be compared.
    pub worst: f64,
    /// The largest difference that passes.
    pub tolerance: f64,
    /// Whether `worst` is at most `tolerance`.
    pub passed: bool,
    /// Why the outputs cannot be compared, where they cannot.
    pub problem: Option<String>,
}

impl VerifyReport {
    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// The largest difference of all checks.
    pub fn worst(&self) -> f64 {
        self.checks.iter().fold(0.0, |worst, check| worst.max(check.worst))
    }

    /// An error where a check failed.
    ///
    /// # Errors
    /// [`Error::Verification`], which names the stages that failed.
    pub fn check(&self) -> Result<()> {
        let failed = self.checks.iter().filter(|check| !check.passed);
        let failed: Vec<String> =
            failed.map(|check| format!("{} differs by {:.3e}", check.stage, check.worst)).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Error::Verification { bundle: self.bundle.clone(), reason: failed.join(", ") })
    }
}

/// Checks the hash of every file of the bundle in `folder`, runs every fp32 graph on its recorded inputs, then the whole
/// network from the recorded inputs of text and image, and compares with the recorded outputs.
///
/// Outputs that differ are no error but a check that did not pass: see [`VerifyReport::passed`].
///
/// # Errors
/// Those of [`Model::load`]; a recording that is missing or lacks a tensor; a graph that cannot run on its recording.
pub fn verify(folder: &Path, options: &LoadOptions) -> Result<VerifyReport> {
    let model = Model::load(folder, options)?;
    let bundle = model.bundle();
    for name in bundle.manifest().files.keys() {
        bundle.read(name)?;
    }
    let golden = Golden::read(bundle)?;
    let mut checks = Vec::new();
    let vision = bundle.manifest().vision.as_ref().map(|v| ("vision", &v.stage));
    let loaded_vision = model.vision_runner().map(|v| ("vision", v.runner()));
    let loaded: Vec<(&str, &StageRunner)> = model.stages().into_iter().chain(loaded_vision).collect();
    for (name, stage) in bundle.manifest().stages.named().into_iter().chain(vision) {
        let runner = loaded.iter().find(|(of, _)| *of == name).map(|(_, runner)| *runner);
        check_stage(&mut checks, bundle, &golden, name, stage, runner, options)?;
    }
    checks.push(check_network(&model, &golden)?);
    Ok(VerifyReport { bundle: folder.to_path_buf(), checks })
}

/// Checks every fp32 graph of a stage; `loaded` is the one that the model holds already.
fn check_stage(
    checks: &mut Vec<StageCheck>,
    bundle: &Bundle,
    golden: &Golden,
    name: &str,
    stage: &Stage,
    loaded: Option<&StageRunner>,
    options: &LoadOptions,
) -> Result<()> {
    let inputs = golden.inputs(name, &stage.inputs)?;
    let recorded = golden.outputs(name, &stage.outputs)?;
    for graph in fp32_graphs(stage) {
        let path = bundle.path(&graph.file)?;
        let found = match loaded {
            Some(runner) if runner.file() == path => runner.run(&[&inputs])?,
            _ => {
                let environment = onnxruntime::environment(options)?;
                let (content, threads) = (bundle.read(&graph.file)?, options.thread_count()?);
                StageRunner::load(&environment, stage, path, &content, threads)?.run(&[&inputs])?
            }
        };
        checks.push(compare(name, graph.file.clone(), &found, &recorded, &stage.outputs));
    }
    Ok(())
}

/// Runs text and image on their recorded inputs and fusion on what they give.
fn check_network(model: &Model, golden: &Golden) -> Result<StageCheck> {
    let [(_, text), (_, image), (_, fusion)] = model.stages();
    let mut states = text.run(&[&golden.inputs("text", text.inputs())?])?;
    states.extend(image.run(&[&golden.inputs("image", image.inputs())?])?);
    for (name, stage) in [(TOKEN_COUNT, "text"), (REGION_COUNT, "image")] {
        // A stage that does not need its own lengths does not record them; fusion may.
        if let Some(count) = golden.input(stage, name).or_else(|| golden.input("fusion", name)) {
            states.insert(name.to_owned(), count.clone());
        }
    }
    let found = fusion.run(&[&states])?;
    let file_name = |runner: &StageRunner| {
        runner.file().strip_prefix(model.bundle().folder()).unwrap_or(runner.file()).display().to_string()
    };
    let files = [text, image, fusion].map(file_name).join(" ");
    let recorded = golden.outputs("fusion", fusion.outputs())?;
    Ok(compare("network", files, &found, &recorded, fusion.outputs()))
}

fn compare(stage: &str, file: String, found: &Tensors, recorded: &Tensors, specs: &[TensorSpec]) -> StageCheck {
    let mut worst = Ok(0.0f64);
    for (name, recorded) in recorded {
        let logarithm = specs.iter().any(|spec| spec.name == *name && spec.logarithm);
        let difference = match found.get(name) {
            Some(found) => difference(found, recorded, if logarithm { f64::exp } else { |value| value }),
            None => Err("is missing".to_owned()),
        };
        worst = match (worst, difference) {
            (Ok(worst), Ok(difference)) => Ok(worst.max(difference)),
            (Err(problem), _) => Err(problem),
            (_, Err(problem)) => Err(format!("{name}: {problem}")),
        };
    }
    let (worst, problem) = match worst {
        Ok(worst) => (worst, None),
        Err(problem) => (f64::INFINITY, Some(problem)),
    };
    let passed = worst <= TOLERANCE;
    StageCheck { stage: stage.to_owned(), file, worst, tolerance: TOLERANCE, passed, problem }
}

/// The largest `|found − recorded| / max(1, |recorded|)` of the `measure` of the numbers, or why there is none.
fn difference(found: &Tensor, recorded: &Tensor, measure: fn(f64) -> f64) -> std::result::Result<f64, String> {
    if found.shape() != recorded.shape() {
        return Err(format!("expected the recorded shape {:?}, found {:?}", recorded.shape(), found.shape()));
    }
    let (found, recorded) = match (found.data(), recorded.data()) {
        (Data::F32(a), Data::F32(b)) => (doubles(a), doubles(b)),
        (Data::I64(a), Data::I64(b)) => (a.iter().map(|&v| v as f64).collect(), b.iter().map(|&v| v as f64).collect()),
        (Data::U8(a), Data::U8(b)) => (doubles(a), doubles(b)),
        _ => return Err("expected the recorded element type, found another".to_owned()),
    };
    let mut worst = 0.0f64;
    for (a, b) in found.into_iter().zip(recorded) {
        if !a.is_finite() || !b.is_finite() {
            return Err(format!("expected finite numbers, found {a} where {b} was recorded"));
        }
        let (a, b) = (measure(a), measure(b));
        worst = worst.max((a - b).abs() / b.abs().max(1.0));
    }
    Ok(worst)
}

fn doubles<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::new(vec![values.len()], Data::F32(values.to_vec())).unwrap()
    }

    fn check(found: &[f32], recorded: &[f32]) -> StageCheck {
        let tensors = |values| Tensors::from([("x".to_owned(), floats(values))]);
        compare("text", "text.onnx".to_owned(), &tensors(found), &tensors(recorded), &[])
    }

    #[test]
    fn the_difference_is_absolute_below_one_and_relative_above() {
        assert!((difference(&floats(&[0.25]), &floats(&[0.5]), |v| v).unwrap() - 0.25).abs() < 1e-9);
        assert!((difference(&floats(&[1001.0]), &floats(&[1000.0]), |v| v).unwrap() - 1e-3).abs() < 1e-9);
    }

    #[test]
    fn logarithms_are_compared_by_what_they_stand_for() {
        let spec = TensorSpec { logarithm: true, ..TensorSpec::new("x", mmnas_bundle::manifest::Dtype::F32, &["n"]) };
        let tensors = |values| Tensors::from([("x".to_owned(), floats(values))]);
        let worst = |found, recorded| {
            compare("image", String::new(), &tensors(found), &tensors(recorded), std::slice::from_ref(&spec)).worst
        };
        assert!(worst(&[-13.0], &[-13.8]) < 2e-6);
        assert!((worst(&[0.0], &[-0.5]) - 0.393).abs() < 1e-3);
    }

    #[test]
    fn what_is_not_a_number_never_passes() {
        for found in [f32::NAN, f32::INFINITY] {
            let outcome = check(&[found], &[0.0]);
            assert!(!outcome.passed && outcome.problem.is_some());
            assert!(!check(&[found], &[found]).passed);
        }
    }

    #[test]
    fn another_shape_or_a_missing_output_never_passes() {
        assert!(!check(&[0.0], &[0.0, 0.0]).passed);
        let recorded = Tensors::from([("x".to_owned(), floats(&[0.0]))]);
        assert!(!compare("text", String::new(), &Tensors::new(), &recorded, &[]).passed);
    }

    #[test]
    fn a_report_with_a_failure_is_an_error() {
        let report = |found| VerifyReport { bundle: "b".into(), checks: vec![check(&[found], &[0.0])] };
        assert!(report(1e-5).check().is_ok());
        let error = report(0.5).check().unwrap_err();
        assert_eq!(error.code(), crate::ErrorCode::VerificationFailed);
        assert!(error.to_string().contains("text differs by 5.000e-1"), "{error}");
    }
}
