//! What exporting and importing are given alike: which graphs are written, and how.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mmnas_bundle::manifest::Form;
use mmnas_bundle::{Bundle, VisionBundle};
use mmnas_export::{ExportSettings, Int8Scheme, TritonSettings, write_triton};
use mmnas_search::Result;
use mmnas_search::export::ExportOptions;

use super::{measure, output};

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
    /// The program that checks and times the graphs before they are written; by default the `mmnas` beside this program
    #[arg(long, value_name = "MMNAS")]
    runtime: Option<PathBuf>,
    /// Neither check nor time the graphs
    #[arg(long)]
    no_measure: bool,
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
enum FormChoice {
    One(Form),
    All,
}

impl FormChoice {
    fn parse(text: &str) -> std::result::Result<FormChoice, String> {
        if text == "all" {
            Ok(FormChoice::All)
        } else {
            text.parse().map(FormChoice::One).map_err(|e| format!("{e}, or all"))
        }
    }
}

impl WriteArguments {
    fn forms(&self) -> Vec<Form> {
        let mut forms = Vec::new();
        let wanted = self.variants.iter().flat_map(|choice| match choice {
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

    /// Writes what `write` makes.
    pub(super) fn run(
        &self,
        write: impl FnOnce(Option<&VisionBundle>, &Path, &ExportOptions<'_>) -> Result<()>,
    ) -> Result<()> {
        let vision = self.vision.as_deref().map(VisionBundle::open).transpose()?;
        let forms = self.forms();
        let program = if self.no_measure { None } else { measure::program(self.runtime.as_deref())? };
        if program.is_none() && !self.no_measure {
            output::note(
                "the graphs are neither checked nor timed: there is no `mmnas` beside this program (--runtime names one)",
            );
        }
        let measure = |bundle: &Path| match &program {
            Some(program) => measure::measure(program, bundle),
            None => Ok(Vec::new()),
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
                write(vision.as_ref(), &self.out, &options)?;
                output::line(format_args!("{}: {}", self.out.display(), self.summary(&self.out)?));
            }
            Layout::Triton => {
                // Through a bundle beside it, so that what is served was checked like any other.
                let parent = self.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                std::fs::create_dir_all(parent).map_err(mmnas_bundle::Error::io(parent, "create"))?;
                let beside = tempfile::Builder::new().prefix(".mmnas-triton-").tempdir_in(parent);
                let beside = beside.map_err(mmnas_bundle::Error::io(parent, "write"))?;
                let bundle = beside.path().join("bundle");
                write(vision.as_ref(), &bundle, &options)?;
                let form = forms.first().copied().unwrap_or(Form::ORT_FP32);
                let (name, max_batch) = (self.triton_name.clone(), self.triton_batch);
                let settings = TritonSettings { form, name, max_batch };
                write_triton(&Bundle::open(&bundle, true)?, &settings, &self.out)?;
                output::line(format_args!("{}: Triton model repository of {form} graphs", self.out.display()));
            }
        }
        Ok(())
    }

    fn summary(&self, out: &Path) -> Result<String> {
        let bundle = Bundle::open(out, true)?;
        let measured = &bundle.manifest().measured;
        if measured.is_empty() {
            return Ok(format!("written; check it with `mmnas verify {}`", out.display()));
        }
        let of_form = |m: &mmnas_bundle::manifest::Measured| {
            let milliseconds = m.milliseconds.map_or(String::new(), |ms| format!(" {ms:.2} ms,"));
            format!("{}{milliseconds} difference {:.1e}", m.form(), m.difference)
        };
        Ok(format!("written and verified ({})", measured.iter().map(of_form).collect::<Vec<_>>().join("; ")))
    }
}
