//! Arguments that exporting and importing share: which graphs are written, and how.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use mmnas_bundle::manifest::{Form, Measured};
use mmnas_bundle::{Bundle, VisionBundle};
use mmnas_export::{ExportSettings, FailedGraphs, Int8Scheme, TritonSettings, Verified, write_triton};
use mmnas_search::Result;
use mmnas_search::bundle::export::ExportOptions;
use serde_json::{Value, json};

use super::measure::{self, MeasureArguments};
use super::output;

/// Options of whatever writes a bundle.
#[derive(Args)]
pub(super) struct WriteArguments {
    /// Vision stage whose features the network was trained on; without it the bundle takes region features, not pixels
    #[arg(long)]
    vision: Option<PathBuf>,
    /// Folder to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Forms of the graphs, separated by commas: ort or portable operators in fp32, fp16 or int8; or `all`
    #[arg(long, value_delimiter = ',', value_parser = FormChoice::parse, default_value = "ort-fp32,ort-int8")]
    variants: Vec<FormChoice>,
    /// How weights in 8 bits are computed with by the ort operators
    #[arg(long, value_enum, default_value = "per-tensor")]
    int8: Int8Choice,
    /// Write the whole network as one graph too, model.onnx, for other engines
    #[arg(long)]
    merged: bool,
    /// Licence of the weights, for the manifest and the model card
    #[arg(long)]
    licence: Option<String>,
    /// What the folder is to be
    #[arg(long, value_enum, default_value = "bundle")]
    layout: Layout,
    /// Name of the model in a Triton repository
    #[arg(long, default_value = "mmnas")]
    triton_name: String,
    /// Most items of a batch in a Triton repository
    #[arg(long, default_value_t = 64)]
    triton_batch: u32,
    #[command(flatten)]
    measure: MeasureArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Layout {
    /// A bundle
    Bundle,
    /// A model repository of NVIDIA's Triton Inference Server, in the first of the forms
    Triton,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Int8Choice {
    /// One scale for an activation: the fastest
    PerTensor,
    /// One scale for a block of weights and activations: more exact, slower; batches give what single items give
    PerBlock,
}

#[derive(Clone)]
pub(super) enum FormChoice {
    One(Form),
    All,
}

impl FormChoice {
    pub(super) fn parse(text: &str) -> std::result::Result<FormChoice, String> {
        if text == "all" {
            Ok(FormChoice::All)
        } else {
            text.parse().map(FormChoice::One).map_err(|e| format!("{e}, or all"))
        }
    }

    /// The forms of some choices, each once.
    pub(super) fn forms(choices: &[FormChoice]) -> Vec<Form> {
        let mut forms = Vec::new();
        let wanted = choices.iter().flat_map(|choice| match choice {
            FormChoice::One(form) => vec![*form],
            FormChoice::All => Form::all().collect(),
        });
        for form in wanted {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }
}

impl WriteArguments {
    /// Writes what `write` makes; the exit code tells where graphs were left out.
    pub(super) fn run(
        &self,
        write: impl FnOnce(Option<&VisionBundle>, &Path, &ExportOptions<'_>) -> Result<Vec<FailedGraphs>>,
    ) -> Result<ExitCode> {
        let vision = self.vision.as_deref().map(VisionBundle::open).transpose()?;
        let forms = FormChoice::forms(&self.variants);
        let program = self.measure.program()?;
        let measure = |bundle: &Path| match &program {
            Some(program) => measure::measure(program, bundle),
            None => Ok(Verified::default()),
        };
        let int8 = match self.int8 {
            Int8Choice::PerTensor => Int8Scheme::PerTensor,
            Int8Choice::PerBlock => Int8Scheme::PerBlock,
        };
        let options = ExportOptions {
            settings: ExportSettings { forms: forms.clone(), merged: self.merged, int8, ..ExportSettings::default() },
            licence: self.licence.clone(),
            measure: program.is_some().then_some(&measure),
        };
        match self.layout {
            Layout::Bundle => {
                let left_out = write(vision.as_ref(), &self.out, &options)?;
                written(&self.out, "written", &left_out, self.json.then(|| json!({})))
            }
            Layout::Triton => {
                // Through a bundle beside it, so that what is served was checked like any other.
                let parent = self.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                std::fs::create_dir_all(parent).map_err(mmnas_bundle::Error::io(parent, "create"))?;
                let beside = tempfile::Builder::new().prefix(".mmnas-triton-").tempdir_in(parent);
                let beside = beside.map_err(mmnas_bundle::Error::io(parent, "write"))?;
                let bundle = beside.path().join("bundle");
                let left_out = write(vision.as_ref(), &bundle, &options)?;
                let form = forms.first().copied().unwrap_or(Form::ORT_FP32);
                // Another form in its place would be served without a word.
                if left_out.iter().any(|failed| failed.form == form && !failed.merged) {
                    return Err(mmnas_export::Error::Unverified { failed: left_out }.into());
                }
                let (name, max_batch) = (self.triton_name.clone(), self.triton_batch);
                let settings = TritonSettings { form, name, max_batch };
                write_triton(&Bundle::open(&bundle, true)?, &settings, &self.out)?;
                if self.json {
                    output::json(&json!({ "out": self.out, "triton": form.to_string(), "left_out": left_out }))?;
                } else {
                    output::line(format_args!("{}: Triton model repository of {form} graphs", self.out.display()));
                }
                Ok(output::left_out(&left_out))
            }
        }
    }
}

/// Tells of the bundle `out` what it has, and what was left out of it.
pub(super) fn written(out: &Path, what: &str, left_out: &[FailedGraphs], json: Option<Value>) -> Result<ExitCode> {
    let bundle = Bundle::open(out, true)?;
    let manifest = bundle.manifest();
    if let Some(mut told) = json {
        told["out"] = json!(out);
        told["variants"] = manifest.forms().iter().map(Form::to_string).collect();
        told["measured"] = json!(manifest.measured);
        told["left_out"] = json!(left_out);
        output::json(&told)?;
    } else if manifest.measured.is_empty() {
        output::line(format_args!("{}: {what}; check it with `mmnas verify {}`", out.display(), out.display()));
    } else {
        let of_form = |m: &Measured| {
            let milliseconds = m.milliseconds.map_or(String::new(), |ms| format!(" {ms:.2} ms,"));
            format!("{}{milliseconds} difference {:.1e}", m.form(), m.difference)
        };
        let forms = manifest.measured.iter().map(of_form).collect::<Vec<_>>().join("; ");
        output::line(format_args!("{}: {what} and verified ({forms})", out.display()));
    }
    Ok(output::left_out(left_out))
}
