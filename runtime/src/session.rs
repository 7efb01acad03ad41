//! Sessions of ONNX Runtime over the graphs of a bundle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmnas_bundle::Bundle;
use mmnas_bundle::manifest::{Form, Graph, Precision, Stage, Variant};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use crate::onnxruntime::Shared;
use crate::{Error, LoadOptions, Result, onnxruntime};

/// A graph that was read and checked.
pub(crate) struct GraphFile {
    /// Where it was read from, for errors.
    pub path: PathBuf,
    pub content: Vec<u8>,
    /// Its weights, where they lie in a file of their own: the name that the graph gives it, and its content.
    pub data: Option<(String, Arc<[u8]>)>,
}

impl GraphFile {
    /// Reads a graph of a bundle with its weights.
    pub(crate) fn read(bundle: &Bundle, graph: &Graph) -> Result<GraphFile> {
        let data = graph.data.as_ref().map(|name| Ok::<_, Error>((name.clone(), bundle.read_data(name)?.into())));
        Ok(GraphFile { path: bundle.path(&graph.file)?, content: bundle.read(&graph.file)?, data: data.transpose()? })
    }
}

/// What sessions are made with.
pub(crate) struct Sessions {
    shared: Shared,
    threads: usize,
    options: LoadOptions,
}

impl Sessions {
    /// Loads ONNX Runtime where no one has.
    pub(crate) fn new(options: &LoadOptions) -> Result<Sessions> {
        let threads = options.thread_count()?;
        Ok(Sessions { shared: onnxruntime::shared(options)?, threads, options: options.clone() })
    }

    /// A session over a graph.
    pub(crate) fn create(&self, graph: &GraphFile) -> Result<Session> {
        self.try_create(graph).map_err(|e| Error::inference(&graph.path, "loading", e))
    }

    fn try_create(&self, graph: &GraphFile) -> ort::Result<Session> {
        let mut builder = Session::builder(&self.shared.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_log_level(LogLevel::Warning)?
            .with_execution_providers(self.options.provider.dispatches())?;
        if self.threads != self.shared.threads {
            // Threads of its own; if they waited in a loop they would take the processors from the others.
            builder = builder
                .with_independent_thread_pool()?
                .with_intra_threads(self.threads)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(false)?
                .with_inter_op_spinning(false)?;
        }
        if let Some((name, data)) = &graph.data {
            builder = builder.with_external_initializer_file_in_memory(name, data.clone())?;
        }
        builder.commit_from_memory(&graph.content)
    }
}

/// The graph of `stage` that `options` ask for; where they leave it open, in 32 bits, with fused operators where there are
/// such. `manifest` and `name` are for the error where there is none.
pub(crate) fn chosen_graph<'a>(
    stage: &'a Stage,
    name: &str,
    manifest: &Path,
    options: &LoadOptions,
) -> Result<&'a Graph> {
    let portable = Form { variant: Variant::Portable, precision: Precision::Fp32 };
    let wanted = options.form.map_or(vec![Form::ORT_FP32, portable], |form| vec![form]);
    let graph = wanted.iter().find_map(|form| stage.graph(*form));
    graph.ok_or_else(|| {
        let names = |forms: &mut dyn Iterator<Item = Form>| forms.map(|f| f.to_string()).collect::<Vec<_>>().join(", ");
        let expected = format!("a graph {}", wanted.iter().map(Form::to_string).collect::<Vec<_>>().join(" or "));
        let found = names(&mut stage.graphs.iter().map(Graph::form));
        Error::invalid(manifest, format!("{name}.graphs"), expected, found)
    })
}

/// The graph of a vision stage; it has one.
pub(crate) fn vision_graph<'a>(stage: &'a Stage, manifest: &Path) -> Result<&'a Graph> {
    let graph = stage.graphs.first();
    graph.ok_or_else(|| Error::invalid(manifest, "vision.stage.graphs", "at least one graph", "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(forms: &[&str]) -> Stage {
        let graph = |name: &&str| {
            let Form { variant, precision } = name.parse().unwrap();
            Graph { variant, precision, file: (*name).to_owned(), data: None }
        };
        Stage { graphs: forms.iter().map(graph).collect(), inputs: vec![], outputs: vec![] }
    }

    #[test]
    fn fused_fp32_is_preferred_and_what_is_asked_for_is_taken() {
        let file = Path::new("manifest.json");
        let chosen = |forms: &[&str], wanted: Option<&str>| {
            let options = LoadOptions { form: wanted.map(|f| f.parse().unwrap()), ..LoadOptions::default() };
            chosen_graph(&stage(forms), "text", file, &options).map(|g| g.file.clone()).map_err(|e| e.to_string())
        };
        assert_eq!(chosen(&["ort-fp16", "portable-fp32", "ort-fp32"], None).unwrap(), "ort-fp32");
        assert_eq!(chosen(&["ort-fp16", "portable-fp32"], None).unwrap(), "portable-fp32");
        assert_eq!(chosen(&["ort-fp32", "ort-int8"], Some("ort-int8")).unwrap(), "ort-int8");
        let error = chosen(&["ort-fp16"], None).unwrap_err();
        assert!(
            error.contains("text.graphs") && error.contains("ort-fp32") && error.contains("found ort-fp16"),
            "{error}"
        );
    }
}
