//! Bundles of the three tasks for `gpu-check.sh`, which verifies them on the processor, CUDA and TensorRT: `gpu-bundles DIR`.

use std::path::PathBuf;

use clap::Parser;
use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions, Form, Precision, TaskName};
use mmnas_export::ExportSettings;
use mmnas_search::bundle::golden::{record, seeded_inputs};
use mmnas_search::space::presets as architectures;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::official;

#[derive(Parser)]
#[command(
    about = "Writes bundles of the published architectures with synthetic weights, in 32 and 16 bits, to the new folder DIR."
)]
struct Options {
    /// The new folder
    out: PathBuf,
    /// H
    #[arg(long, default_value_t = 256)]
    hidden: usize,
}

fn main() {
    let options = Options::parse();
    for task in [TaskName::Vqa, TaskName::Itm, TaskName::Vgd] {
        let architecture = architectures::preset(&format!("mmnas-{task}")).unwrap_or_else(|e| panic!("{e}"));
        let embeddings = (task == TaskName::Itm).then(|| EmbeddingDimensions::dual_encoder(64));
        let d = Dimensions { embeddings, ..official(options.hidden, if task == TaskName::Vqa { 17 } else { 1 }) };
        let network = formula_network(task, &architecture, &d);
        let golden = record(&network, task, &seeded_inputs(&network, 14, 36, 3)).unwrap_or_else(|e| panic!("{e}"));
        let forms = Form::all().filter(|form| form.precision != Precision::Int8).collect();
        let settings = ExportSettings { forms, merged: true, ..ExportSettings::default() };
        let out = options.out.join(task.to_string());
        write((task, &network), &architecture, &weights_of(&network), &golden, settings, &out);
    }
}
