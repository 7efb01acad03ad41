//! A graph as the bytes of an ONNX model.
//!
//! Its weights lie beside it if one file would be too large.

use mmnas_bundle::manifest::{self, Dim, Form, Stage, TensorSpec};
use prost::Message;

use crate::error::{Error, Result};
use crate::onnx::graph::{Graph, MICROSOFT};
use crate::onnx::proto::*;
use crate::onnx::value_type::{Elem, ValueType};

/// Opset of the standard operators in every graph.
pub const OPSET: i64 = 20;
/// IR version of the models; ONNX Runtime reads it since 1.16.
const IR_VERSION: i64 = 9;
/// Weights beside a graph begin at multiples of this, so that engines can map them.
const ALIGNMENT: usize = 4096;

/// A graph that is ready to be written, with what the manifest says of it.
#[derive(Debug)]
pub(crate) struct BuiltGraph {
    pub form: Form,
    pub file: String,
    pub bytes: Vec<u8>,
    /// The file of the weights, where they do not lie in the graph.
    pub data: Option<(String, Vec<u8>)>,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
}

impl BuiltGraph {
    /// Serialises `graph` under the name `file`.
    ///
    /// Weights of more than `limit` bytes go to a file of their own (protobuf ends at 2 GiB). A graph that was put
    /// together wrongly is an error.
    pub(crate) fn new(graph: Graph, form: Form, file: String, limit: u64) -> Result<BuiltGraph> {
        let Graph { mut proto, inputs, outputs, types, untyped, imported, .. } = graph;
        if let Some(node) = untyped {
            return Err(Error::Graph { file, node });
        }
        let info =
            |spec: &TensorSpec| value_info(&spec.name, &ValueType::new(Elem::from(spec.dtype), spec.shape.clone()));
        proto.input = inputs.iter().map(info).collect();
        proto.output = outputs.iter().map(info).collect();
        let is_output = |name: &String| outputs.iter().any(|spec| spec.name == *name);
        let inner = proto.node.iter().flat_map(|node| &node.output).filter(|name| !is_output(name));
        proto.value_info = inner.filter_map(|name| Some(value_info(name, types.get(name)?))).collect();
        let weights: u64 = proto.initializer.iter().map(|t| bytes_of(t) as u64).sum();
        let data = (weights > limit).then(|| {
            let name = format!("{file}.data");
            let bytes = move_outside(&mut proto, &name);
            (name, bytes)
        });
        let fused = proto.node.iter().any(|node| node.domain.as_deref() == Some(MICROSOFT));
        let model = ModelProto {
            ir_version: Some(imported.ir_version.max(IR_VERSION)),
            producer_name: Some("mmnas".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(proto),
            opset_import: opsets(imported.opsets, fused),
            functions: imported.functions,
        };
        Ok(BuiltGraph { form, file, bytes: model.encode_to_vec(), data, inputs, outputs })
    }

    fn entry(&self) -> manifest::Graph {
        manifest::Graph {
            variant: self.form.variant,
            precision: self.form.precision,
            file: self.file.clone(),
            data: self.data.as_ref().map(|(name, _)| name.clone()),
        }
    }
}

/// A stage whose graphs, at least one, compute the same.
pub(crate) fn stage_of(graphs: &[BuiltGraph]) -> Stage {
    let first = graphs.first();
    Stage {
        graphs: graphs.iter().map(BuiltGraph::entry).collect(),
        inputs: first.map_or_else(Vec::new, |graph| graph.inputs.clone()),
        outputs: first.map_or_else(Vec::new, |graph| graph.outputs.clone()),
    }
}

/// Our operator sets and those of models that were taken over, each once and as new as any needs it.
fn opsets(imported: Vec<OperatorSetIdProto>, fused: bool) -> Vec<OperatorSetIdProto> {
    let mut opsets: Vec<(String, i64)> = vec![(String::new(), OPSET)];
    let others = imported.into_iter().map(|import| (import.domain.unwrap_or_default(), import.version.unwrap_or(1)));
    for (domain, version) in fused.then(|| (MICROSOFT.to_owned(), 1)).into_iter().chain(others) {
        let domain = if domain == "ai.onnx" { String::new() } else { domain };
        match opsets.iter_mut().find(|(known, _)| *known == domain) {
            Some((_, known)) => *known = version.max(*known),
            None => opsets.push((domain, version)),
        }
    }
    opsets
        .into_iter()
        .map(|(domain, version)| OperatorSetIdProto { domain: Some(domain), version: Some(version) })
        .collect()
}

fn bytes_of(tensor: &TensorProto) -> usize {
    tensor.raw_data.as_ref().map_or(0, Vec::len)
}

/// Moves the tensors of a page and more into the content of a file `name`.
fn move_outside(proto: &mut GraphProto, name: &str) -> Vec<u8> {
    let mut content = Vec::new();
    for tensor in proto.initializer.iter_mut().filter(|tensor| bytes_of(tensor) >= ALIGNMENT) {
        let bytes = tensor.raw_data.take().unwrap_or_default();
        content.resize(content.len().next_multiple_of(ALIGNMENT), 0);
        let entry = |key: &str, value: String| StringStringEntry { key: Some(key.to_owned()), value: Some(value) };
        tensor.external_data = vec![
            entry("location", name.to_owned()),
            entry("offset", content.len().to_string()),
            entry("length", bytes.len().to_string()),
        ];
        tensor.data_location = Some(EXTERNAL);
        content.extend_from_slice(&bytes);
    }
    content
}

fn value_info(name: &str, value_type: &ValueType) -> ValueInfoProto {
    let dim = |d: &Dim| match d {
        Dim::Fixed(n) => Dimension { dim_value: Some(*n as i64), dim_param: None },
        Dim::Named(name) => Dimension { dim_value: None, dim_param: Some(name.clone()) },
    };
    let shape = TensorShapeProto { dim: value_type.shape.iter().map(dim).collect() };
    let tensor_type = Some(TensorType { elem_type: Some(value_type.elem.onnx()), shape: Some(shape) });
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type, ..TypeProto::default() }) }
}
