//! Whether a bundle gives its recorded outputs, and how fast.

mod difference;
mod golden;
mod timing;

use std::path::{Path, PathBuf};

use mmnas_bundle::Bundle;
use mmnas_bundle::manifest::{Form, Graph, MANIFEST, Measured, Stage, TaskName};
use serde::{Serialize, Serializer};

use crate::engine::options::LoadOptions;
use crate::engine::session::{GraphFile, Sessions};
use crate::engine::stage::{StageRunner, Tensors};
use crate::engine::stage_sources;
use crate::engine::stopwatch::Stopwatch;
use crate::engine::tensor_names::{FEATURES, REGION_COUNT, TOKEN_COUNT, TOKENS};
use crate::error::{Error, Result};
use crate::verify::difference::Rows;
use crate::verify::golden::Golden;
use crate::verify::timing::{first_item, machine, median_milliseconds};

/// What a bundle gives, compared with what was recorded when it was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    /// The bundle's folder.
    pub bundle: PathBuf,
    /// What ran the graphs.
    pub provider: String,
    /// One check for every graph of a stage, and one of each form's network.
    ///
    /// The latter is called `network`: the stages of a form one after the other.
    pub checks: Vec<StageCheck>,
    /// Difference and time of the network in every checked form, as manifests record it.
    pub measured: Vec<Measured>,
}

/// The outcome for one graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageCheck {
    /// The stage: `text`, `image`, `fusion`, `network`, `merged` (the network in one graph), `relation` or `vision`.
    pub stage: String,
    /// Operators and number format.
    #[serde(rename = "variant", serialize_with = "display")]
    pub form: Form,
    /// The graph's file name in the bundle; for `network`, the files in order.
    pub file: String,
    /// The largest difference of all outputs as the precision measures it.
    ///
    /// See [`Precision::tolerance`](mmnas_bundle::manifest::Precision::tolerance). Where the manifest calls an output a
    /// logarithm the exponentials are compared. It is infinite where the outputs cannot be compared.
    pub worst: f64,
    /// The largest difference that passes.
    pub tolerance: f64,
    /// Whether `worst` is at most `tolerance`.
    pub passed: bool,
    /// Why the outputs cannot be compared, where they cannot.
    pub problem: Option<String>,
    /// Median milliseconds of one item, where it was timed.
    ///
    /// Of `network` the sum of its stages.
    pub milliseconds: Option<f64>,
}

fn display<S: Serializer>(form: &Form, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(form)
}

/// Whether graphs are timed too, on the first recorded item alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// They are.
    Yes,
    /// They are not.
    No,
}

impl VerifyReport {
    /// Whether every check passed, of which there is one at least.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.passed)
    }

    /// The largest difference of all checks, in units of what passes.
    ///
    /// It is at most 1 where all of them passed.
    pub fn worst(&self) -> f64 {
        self.checks.iter().fold(0.0, |worst, check| worst.max(check.worst / check.tolerance))
    }

    /// An error where a check failed.
    ///
    /// # Errors
    /// [`Error::Verification`], which names the stages that failed.
    pub fn check(&self) -> Result<()> {
        let failed = self.checks.iter().filter(|check| !check.passed);
        let failed: Vec<String> =
            failed.map(|check| format!("{} {} differs by {:.3e}", check.stage, check.form, check.worst)).collect();
        if self.passed() {
            return Ok(());
        }
        let reason = if failed.is_empty() { "there was nothing to check".to_owned() } else { failed.join(", ") };
        Err(Error::Verification { bundle: self.bundle.clone(), reason })
    }
}

/// Checks that the bundle in `folder` gives its recorded outputs.
///
/// The hash of every file is checked first. Then its graphs run on their recorded inputs, the whole network runs from
/// the recorded inputs of text and image, and both are compared with the recorded outputs. Where `options` name a form
/// only its graphs are checked.
///
/// Outputs that differ are no error but a check that did not pass: see [`VerifyReport::passed`].
///
/// # Errors
/// Those of [`Model::load`](crate::Model::load); a recording that is missing or lacks a tensor; a graph that cannot run on
/// its recording.
pub fn verify(folder: &Path, options: &LoadOptions, timed: Timed) -> Result<VerifyReport> {
    let bundle = Bundle::open(folder, options.check_hashes)?;
    let manifest = bundle.manifest();
    stage_sources::check(manifest, folder)?;
    bundle.text_encoder()?;
    if manifest.task == TaskName::Vqa {
        bundle.labels()?;
    }
    for name in manifest.files.keys() {
        bundle.check_file(name)?;
    }
    let golden = Golden::read(&bundle)?;
    let sessions = Sessions::new(options)?;
    let threads = options.thread_count()?;
    let stopwatch = Stopwatch::new(sessions.provider(), threads);
    let verifier = Verifier { bundle: &bundle, golden: &golden, sessions: &sessions, stopwatch, timed };
    let mut report = VerifyReport {
        bundle: folder.to_path_buf(),
        provider: sessions.provider().to_string(),
        checks: Vec::new(),
        measured: Vec::new(),
    };
    let forms = manifest.forms();
    let forms: Vec<Form> = forms.into_iter().filter(|form| options.form.is_none_or(|wanted| wanted == *form)).collect();
    if forms.is_empty() {
        // Tells which there are.
        sessions.graph(&manifest.stages.text, "stages.text", &folder.join(MANIFEST))?;
    }
    for form in forms {
        verifier.network(form, &mut report, threads)?;
    }
    if let Some(merged) = &manifest.merged {
        for graph in merged.graphs.iter().filter(|graph| options.form.is_none_or(|form| form == graph.form())) {
            let inputs = [golden.some_inputs("text", &merged.inputs), golden.some_inputs("image", &merged.inputs)];
            let inputs = inputs.into_iter().flatten().collect();
            report.checks.push(verifier.graph("merged", merged, graph, &inputs, "fusion")?.0);
        }
    }
    if let Some(relation) = &manifest.relation {
        for graph in &relation.graphs {
            let inputs = golden.inputs("relation", &relation.inputs)?;
            report.checks.push(verifier.graph("relation", relation, graph, &inputs, "relation")?.0);
        }
    }
    if let Some(vision) = &manifest.vision {
        for graph in &vision.stage.graphs {
            let inputs = golden.inputs("vision", &vision.stage.inputs)?;
            report.checks.push(verifier.graph("vision", &vision.stage, graph, &inputs, "vision")?.0);
        }
    }
    Ok(report)
}

struct Verifier<'a> {
    bundle: &'a Bundle<'a>,
    golden: &'a Golden,
    sessions: &'a Sessions,
    stopwatch: Stopwatch,
    timed: Timed,
}

impl Verifier<'_> {
    /// Checks one graph on its own; its outputs are recorded for the stage `outputs`.
    fn graph(
        &self,
        name: &str,
        stage: &Stage,
        graph: &Graph,
        inputs: &Tensors,
        outputs: &str,
    ) -> Result<(StageCheck, StageRunner)> {
        let runner = StageRunner::load(self.sessions, stage, &GraphFile::check(self.bundle, graph)?)?;
        let found = runner.run(&[inputs])?;
        let recorded = self.golden.outputs(outputs, &stage.outputs)?;
        let mut check = outcome(name, graph.form(), graph.file.clone(), (&found, &recorded), stage);
        if self.timed == Timed::Yes {
            check.milliseconds = Some(median_milliseconds(&runner, &first_item(inputs), self.stopwatch)?);
        }
        Ok((check, runner))
    }

    /// Checks the three stages of a form alone, and one after the other.
    fn network(&self, form: Form, report: &mut VerifyReport, threads: usize) -> Result<()> {
        let mut runners = Vec::new();
        let first = report.checks.len();
        for (name, stage) in self.bundle.manifest().stages.named() {
            let graph = stage.graph(form).ok_or_else(|| {
                let expected = format!("a graph {form}");
                Error::invalid(&self.bundle.folder().join(MANIFEST), format!("stages.{name}.graphs"), expected, "none")
            })?;
            let inputs = self.golden.inputs(name, &stage.inputs)?;
            let (check, runner) = self.graph(name, stage, graph, &inputs, name)?;
            report.checks.push(check);
            runners.push((runner, inputs));
        }
        let [(text, of_text), (image, of_image), (fusion, _)] = runners.as_slice() else { return Ok(()) };
        let mut states = text.run(&[of_text])?;
        states.extend(image.run(&[of_image])?);
        for (name, stage) in [(TOKEN_COUNT, "text"), (REGION_COUNT, "image")] {
            // A stage that does not need its own lengths does not record them; fusion may.
            if let Some(count) = self.golden.input(stage, name).or_else(|| self.golden.input("fusion", name)) {
                states.insert(name.to_owned(), count.clone());
            }
        }
        let found = fusion.run(&[&states])?;
        let stage = &self.bundle.manifest().stages.fusion;
        let recorded = self.golden.outputs("fusion", &stage.outputs)?;
        let alone = &report.checks[first..];
        let files = alone.iter().map(|check| check.file.as_str()).collect::<Vec<_>>().join(" ");
        let mut check = outcome("network", form, files, (&found, &recorded), stage);
        check.milliseconds = alone.iter().map(|check| check.milliseconds).sum();
        let size = |inputs: &Tensors, name: &str| inputs.get(name).and_then(|t| t.shape().get(1)).copied().unwrap_or(0);
        report.measured.push(Measured {
            variant: form.variant,
            precision: form.precision,
            difference: check.worst,
            milliseconds: check.milliseconds,
            tokens: size(of_text, TOKENS),
            regions: size(of_image, FEATURES),
            machine: machine(threads),
        });
        report.checks.push(check);
        Ok(())
    }
}

fn outcome(name: &str, form: Form, file: String, (found, recorded): (&Tensors, &Tensors), stage: &Stage) -> StageCheck {
    let rows = if name == "vision" { Rows::Mixed } else { Rows::Sums };
    let (worst, problem) = match difference::worst(found, recorded, (&stage.outputs, rows), form.precision) {
        Ok(worst) => (worst, None),
        Err(problem) => (f64::INFINITY, Some(problem)),
    };
    let tolerance = form.precision.tolerance();
    let passed = worst <= tolerance;
    StageCheck { stage: name.to_owned(), form, file, worst, tolerance, passed, problem, milliseconds: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tensor::{Data, Tensor};

    #[test]
    fn a_report_with_a_failure_is_an_error() {
        let stage = Stage { graphs: vec![], inputs: vec![], outputs: vec![] };
        let tensors =
            |value: f32| Tensors::from([("x".to_owned(), Tensor::new(vec![1], Data::F32(vec![value])).unwrap())]);
        let report = |found| VerifyReport {
            bundle: "b".into(),
            provider: "cpu".into(),
            checks: vec![outcome("text", Form::ORT_FP32, "text.onnx".into(), (&tensors(found), &tensors(0.0)), &stage)],
            measured: Vec::new(),
        };
        assert!(report(1e-5).check().is_ok() && report(1e-5).worst() < 1.0);
        let error = report(0.5).check().unwrap_err();
        assert_eq!(error.code(), crate::error::ErrorCode::VerificationFailed);
        assert!(error.to_string().contains("text ort-fp32 differs by 5.000e-1"), "{error}");
        let broken = report(f32::NAN);
        assert!(!broken.passed() && broken.checks[0].problem.is_some());
    }
}
