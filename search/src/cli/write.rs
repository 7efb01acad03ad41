//! Arguments that exporting and importing share: which graphs are written, and how.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use mmnas_bundle::latency::costs::{NetworkCosts, Predicted};
use mmnas_bundle::latency::quantity::Quantity;
use mmnas_bundle::latency::table::LatencyTable;
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
    /// What `mmnas profile` wrote on a device: tells what the network is predicted to take there
    #[arg(long, value_name = "FILE")]
    latency: Option<PathBuf>,
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
pub(super) enum Int8Choice {
    /// One scale for an activation: the fastest
    PerTensor,
    /// One scale for a block of weights and activations: more exact, slower; batches give what single items give
    PerBlock,
}

impl Int8Choice {
    pub(super) fn scheme(self) -> Int8Scheme {
        match self {
            Int8Choice::PerTensor => Int8Scheme::PerTensor,
            Int8Choice::PerBlock => Int8Scheme::PerBlock,
        }
    }
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
        let table = self.latency.as_deref().map(LatencyTable::read).transpose()?;
        let latency = table.as_ref().zip(self.latency.as_deref());
        // Before the bundle appears in its place, as everything that can be wrong with it.
        let measure = |bundle: &Path| {
            if let Some(latency) = latency {
                predictions(&Bundle::open(bundle, false)?, latency)?;
            }
            match &program {
                Some(program) => measure::measure(program, bundle),
                None => Ok(Verified::default()),
            }
        };
        let int8 = self.int8.scheme();
        let options = ExportOptions {
            settings: ExportSettings { forms: forms.clone(), merged: self.merged, int8, ..ExportSettings::default() },
            licence: self.licence.clone(),
            measure: (program.is_some() || latency.is_some()).then_some(&measure),
        };
        match self.layout {
            Layout::Bundle => {
                let left_out = write(vision.as_ref(), &self.out, &options)?;
                written(&self.out, "written", &left_out, latency, self.json.then(|| json!({})))
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

/// What a bundle's network is predicted to take in each of its forms that a table has.
///
/// # Errors
/// A table of another task or other sizes, which is named with the field; one that lacks an operation.
fn predictions(
    bundle: &Bundle<'_>,
    (table, file): (&LatencyTable, &Path),
) -> mmnas_bundle::Result<Vec<(Form, Predicted)>> {
    let manifest = bundle.manifest();
    table.check_network(manifest.task, &manifest.dimensions, file)?;
    let measured = table.forms();
    let forms = manifest.forms().into_iter().filter(|form| measured.contains(form));
    let of = |form| {
        let costs = NetworkCosts::of(table, file, form, Quantity::Milliseconds)?;
        Ok((form, costs.predict(&manifest.architecture, file)?))
    };
    forms.map(of).collect()
}

/// Tells of the bundle `out` what it has, and what was left out of it.
///
/// With a table of latencies and its file it tells what the network is predicted to take.
pub(super) fn written(
    out: &Path,
    what: &str,
    left_out: &[FailedGraphs],
    latency: Option<(&LatencyTable, &Path)>,
    json: Option<Value>,
) -> Result<ExitCode> {
    let bundle = Bundle::open(out, true)?;
    let manifest = bundle.manifest();
    let predicted = latency.map(|latency| predictions(&bundle, latency)).transpose()?.unwrap_or_default();
    let as_json = json.is_some();
    if let Some(mut told) = json {
        told["out"] = json!(out);
        told["variants"] = manifest.forms().iter().map(Form::to_string).collect();
        told["measured"] = json!(manifest.measured);
        told["left_out"] = json!(left_out);
        if latency.is_some() {
            let of = |(form, p): &(Form, Predicted)| json!({ "variant": form.to_string(), "milliseconds": p.all() });
            told["predicted"] = predicted.iter().map(of).collect();
        }
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
    if let Some((table, _)) = latency.filter(|_| !as_json) {
        let of = |(form, p): &(Form, Predicted)| format!("{form} {:.2} ms", p.all());
        let told = predicted.iter().map(of).collect::<Vec<_>>().join("; ");
        let told = if told.is_empty() { "no form of the bundle was measured there" } else { &told };
        let (device, tokens, regions) = (&table.environment.device, table.tokens, table.regions);
        output::line(format_args!("predicted on {device} for {tokens} tokens and {regions} regions: {told}"));
    }
    Ok(output::left_out(left_out))
}
