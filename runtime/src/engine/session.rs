//! Sessions of ONNX Runtime over the graphs of a bundle.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmnas_bundle::manifest::{Form, Graph, Precision, Stage, Variant};
use mmnas_bundle::{Bundle, FileRecord};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use crate::engine::onnxruntime::{self, Shared};
use crate::engine::options::{LoadOptions, Threads};
use crate::engine::provider::Provider;
use crate::engine::provider_choice::{self, dispatches};
use crate::error::{Error, Result};

/// A graph that was checked.
pub(crate) struct GraphFile<'a> {
    /// Where it lies, for ONNX Runtime and for errors.
    pub path: PathBuf,
    /// Its content; none where its weights lie in a file beside it.
    ///
    /// ONNX Runtime maps that file then, and reads the graph itself. A graph from memory can refer to no file that the
    /// manifest does not know.
    pub content: Option<Cow<'a, [u8]>>,
    /// Name and content of its weights' file, where both are in memory.
    pub data: Option<(String, Arc<[u8]>)>,
}

impl<'a> GraphFile<'a> {
    /// Checks a graph of a bundle with its weights.
    pub(crate) fn check(bundle: &'a Bundle<'_>, graph: &Graph) -> Result<GraphFile<'a>> {
        let in_memory = bundle.in_memory(&graph.file).map(Cow::Borrowed);
        if graph.data.is_none() && in_memory.is_none() {
            let content = Some(bundle.read(&graph.file)?.into());
            return Ok(GraphFile { path: bundle.path(&graph.file)?, content, data: None });
        }
        let mut beside = None;
        if let Some(data) = &graph.data {
            bundle.check_file(data)?;
            beside = bundle.in_memory(data).map(|content| (data.clone(), content.into()));
        }
        Ok(GraphFile { path: bundle.check_file(&graph.file)?, content: in_memory, data: beside })
    }
}

impl GraphFile<'static> {
    /// Most bytes of a graph: protobuf, and so ONNX, ends there.
    const MAX_BYTES: u64 = 2 << 30;

    /// Checks a graph that lies in a plain `folder`, with its weights.
    ///
    /// `records` have size and hash of its files, whose names were checked; `description` is the file that they stand
    /// in.
    pub(crate) fn in_folder(
        folder: &Path,
        graph: &Graph,
        records: &BTreeMap<String, FileRecord>,
        description: &Path,
        check_hashes: bool,
    ) -> Result<GraphFile<'static>> {
        let record = |name: &str| {
            let none = || Error::invalid(description, format!("files.{name}"), "size and hash of the graph", "none");
            records.get(name).ok_or_else(none)
        };
        let path = folder.join(&graph.file);
        let Some(data) = &graph.data else {
            let content = record(&graph.file)?.read_checked(&path, check_hashes, Self::MAX_BYTES)?;
            return Ok(GraphFile { path, content: Some(content.into()), data: None });
        };
        record(data)?.check_file(&folder.join(data), check_hashes)?;
        record(&graph.file)?.check_file(&path, check_hashes)?;
        Ok(GraphFile { path, content: None, data: None })
    }
}

/// What of the options tells sessions over the same graph apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionSettings {
    threads: Threads,
    provider: Provider,
    device: i32,
    memory_limit: Option<u64>,
    engine_cache: Option<PathBuf>,
    tensorrt_in_16_bits: bool,
}

/// What sessions are made with.
pub(crate) struct Sessions {
    shared: Shared,
    threads: Threads,
    provider: Provider,
    options: LoadOptions,
}

impl Sessions {
    /// Loads ONNX Runtime if need be, and takes the first allowed provider that there is.
    pub(crate) fn new(options: &LoadOptions) -> Result<Sessions> {
        options.check()?;
        let (shared, threads) = (onnxruntime::shared(options)?, options.threads()?);
        let provider = provider_choice::first_available(&shared, options)?;
        if provider == Provider::Cpu {
            onnxruntime::limit_memory(options)?;
        }
        Ok(Sessions { shared, threads, provider, options: options.clone() })
    }

    /// What runs the sessions.
    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    /// What tells these sessions from others.
    pub(crate) fn settings(&self) -> SessionSettings {
        let LoadOptions { device, memory_limit, tensorrt_in_16_bits, .. } = self.options;
        SessionSettings {
            threads: self.threads,
            provider: self.provider,
            device,
            memory_limit,
            engine_cache: self.options.engine_cache.clone(),
            tensorrt_in_16_bits,
        }
    }

    /// A session over a graph.
    pub(crate) fn create(&self, graph: &GraphFile<'_>) -> Result<Session> {
        self.try_create(graph).map_err(|e| Error::inference(&graph.path, "loading", &e))
    }

    fn try_create(&self, graph: &GraphFile<'_>) -> ort::Result<Session> {
        let mut builder = Session::builder(&self.shared.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_log_level(LogLevel::Warning)?
            .with_execution_providers(dispatches(self.provider, &self.options))?
            .with_parallel_execution(self.threads.inter > 1)?;
        if self.options.memory_limit.is_some() && self.provider == Provider::Cpu {
            builder = builder.with_env_allocators()?;
        }
        if self.threads != self.shared.threads {
            // Threads of its own; if they waited in a loop they would take the processors from the others.
            let spinning = self.threads.spinning.unwrap_or(false);
            builder = builder
                .with_independent_thread_pool()?
                .with_intra_threads(self.threads.intra)?
                .with_inter_threads(self.threads.inter)?
                .with_intra_op_spinning(spinning)?
                .with_inter_op_spinning(spinning)?;
        }
        if let Some((name, content)) = &graph.data {
            builder = builder.with_external_initializer_file_in_memory(name, Arc::clone(content))?;
        }
        match &graph.content {
            Some(content) => builder.commit_from_memory(content),
            None => builder.commit_from_file(&graph.path),
        }
    }

    /// The graph of `stage` that runs: see [`chosen_graph`].
    pub(crate) fn graph<'a>(&self, stage: &'a Stage, name: &str, manifest: &Path) -> Result<&'a Graph> {
        chosen_graph(stage, name, manifest, self.options.form, self.provider)
    }
}

/// Chooses the graph of `stage` in the form that is asked for.
///
/// Where the form is left open, it is the first in 32 bits, 8 or 16, with fused operators if there are any (for
/// TensorRT, which does not know them, without). `manifest` and `name` are for the error where there is none.
pub(crate) fn chosen_graph<'a>(
    stage: &'a Stage,
    name: &str,
    manifest: &Path,
    form: Option<Form>,
    provider: Provider,
) -> Result<&'a Graph> {
    let variants = match provider {
        Provider::TensorRt => [Variant::Portable, Variant::Ort],
        Provider::Cpu | Provider::Cuda => [Variant::Ort, Variant::Portable],
    };
    let precisions = [Precision::Fp32, Precision::Int8, Precision::Fp16];
    let any = precisions.into_iter().flat_map(|precision| variants.map(|variant| Form { variant, precision }));
    let wanted: Vec<Form> = form.map_or_else(|| any.collect(), |form| vec![form]);
    let graph = wanted.iter().find_map(|form| stage.graph(*form));
    graph.ok_or_else(|| {
        let names = |forms: &mut dyn Iterator<Item = Form>| forms.map(|f| f.to_string()).collect::<Vec<_>>().join(", ");
        let expected = format!("a graph {}", wanted.iter().map(Form::to_string).collect::<Vec<_>>().join(" or "));
        let found = names(&mut stage.graphs.iter().map(Graph::form));
        Error::invalid(manifest, format!("{name}.graphs"), expected, found)
    })
}

/// The graph of a stage that has one.
pub(crate) fn only_graph<'a>(stage: &'a Stage, name: &str, manifest: &Path) -> Result<&'a Graph> {
    let graph = stage.graphs.first();
    graph.ok_or_else(|| Error::invalid(manifest, format!("{name}.graphs"), "at least one graph", "none"))
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
    fn a_graph_in_a_folder_is_checked_with_its_weights() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (folder.path(), Path::new("probes.json"));
        let mut records = BTreeMap::new();
        for (name, content) in [("a.onnx", "graph"), ("a.data", "weights")] {
            std::fs::write(path.join(name), content).unwrap();
            records.insert(name.to_owned(), FileRecord::of(content.as_bytes()));
        }
        let Form { variant, precision } = Form::ORT_FP32;
        let mut graph = Graph { variant, precision, file: "a.onnx".to_owned(), data: None };
        let check = |graph: &Graph, hashes| GraphFile::in_folder(path, graph, &records, file, hashes);
        assert_eq!(check(&graph, true).unwrap().content.as_deref(), Some(&b"graph"[..]));
        graph.data = Some("a.data".to_owned());
        assert!(check(&graph, true).unwrap().content.is_none());
        std::fs::write(path.join("a.data"), "another").unwrap();
        assert!(check(&graph, false).is_ok());
        assert!(check(&graph, true).err().unwrap().to_string().contains("a.data"));
        graph.data = Some("b.data".to_owned());
        let error = check(&graph, true).err().unwrap().to_string();
        assert_eq!(error, "probes.json: files.b.data: expected size and hash of the graph, found none");
    }

    #[test]
    fn fused_fp32_is_preferred_and_what_is_asked_for_is_taken() {
        let file = Path::new("manifest.json");
        let chosen = |forms: &[&str], wanted: Option<&str>| {
            let form = wanted.map(|f| f.parse().unwrap());
            chosen_graph(&stage(forms), "text", file, form, Provider::Cpu)
                .map(|g| g.file.clone())
                .map_err(|e| e.to_string())
        };
        assert_eq!(chosen(&["ort-fp16", "portable-fp32", "ort-fp32"], None).unwrap(), "ort-fp32");
        assert_eq!(chosen(&["ort-fp16", "portable-fp32"], None).unwrap(), "portable-fp32");
        let both = stage(&["ort-fp32", "portable-fp32"]);
        let tensorrt = chosen_graph(&both, "text", file, None, Provider::TensorRt);
        assert_eq!(tensorrt.unwrap().file, "portable-fp32");
        assert_eq!(chosen(&["ort-fp32", "ort-int8"], Some("ort-int8")).unwrap(), "ort-int8");
        assert_eq!(chosen(&["ort-fp16", "portable-int8"], None).unwrap(), "portable-int8");
        let error = chosen(&["ort-fp16"], Some("ort-int8")).unwrap_err();
        assert!(
            error.contains("text.graphs") && error.contains("ort-int8") && error.contains("found ort-fp16"),
            "{error}"
        );
    }
}
