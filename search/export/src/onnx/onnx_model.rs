//! Other people's ONNX files: reading them whole, and what they read and give.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use mmnas_bundle::Error as BundleError;
use prost::Message;

use crate::error::Result;
use crate::onnx::proto::*;

/// Most bytes of a graph with its weights: protobuf, and so ONNX, ends there.
const MAX_BYTES: u64 = (2 << 30) - (1 << 20);

/// An ONNX model of somebody else, with its weights in memory.
#[derive(Debug, Clone)]
pub struct OnnxModel {
    file: PathBuf,
    pub(crate) proto: ModelProto,
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxValue {
    /// Its name.
    pub name: String,
    /// The number that ONNX gives its element type; 0 where the value is no tensor.
    pub elem: i32,
    /// Its sizes, none for one that the graph leaves open; none where it tells no shape.
    pub shape: Option<Vec<Option<usize>>>,
}

impl fmt::Display for OnnxValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elem = match self.elem {
            data_type::FLOAT => "f32",
            data_type::UINT8 => "u8",
            data_type::INT8 => "i8",
            data_type::INT32 => "i32",
            data_type::INT64 => "i64",
            data_type::BOOL => "bool",
            data_type::FLOAT16 => "f16",
            data_type::DOUBLE => "f64",
            _ => "another type",
        };
        let size = |size: &Option<usize>| size.map_or("?".to_owned(), |n| n.to_string());
        match &self.shape {
            Some(shape) => {
                write!(f, "{} {elem} [{}]", self.name, shape.iter().map(size).collect::<Vec<_>>().join(", "))
            }
            None => write!(f, "{} {elem} of any shape", self.name),
        }
    }
}

impl OnnxModel {
    /// Reads a model, with the weights that lie in files beside it.
    ///
    /// # Errors
    /// A file that cannot be read or is no ONNX model; weights outside the model's folder or beyond their file's end;
    /// more than 2 GiB in all.
    pub fn read(file: &Path) -> Result<OnnxModel> {
        let bytes = std::fs::read(file).map_err(BundleError::io(file, "read"))?;
        let wrong = |expected: &str, found: String| BundleError::invalid(file, "(file)", expected, found);
        let proto = ModelProto::decode(bytes.as_slice()).map_err(|e| wrong("an ONNX model", e.to_string()))?;
        if proto.graph.as_ref().is_none_or(|graph| graph.output.is_empty()) {
            return Err(wrong("an ONNX model", "no graph with an output".to_owned()).into());
        }
        let mut model = OnnxModel { file: file.to_path_buf(), proto };
        let mut beside =
            Beside { folder: file.parent().unwrap_or(Path::new("")), file, files: HashMap::new(), left: MAX_BYTES };
        if let Some(graph) = &mut model.proto.graph {
            each_tensor(graph, &mut |tensor| beside.inline(tensor))?;
        }
        Ok(model)
    }

    /// The model's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The inputs that have to be fed.
    pub fn inputs(&self) -> Vec<OnnxValue> {
        let Some(graph) = &self.proto.graph else { return Vec::new() };
        let weights: HashSet<&str> = graph.initializer.iter().filter_map(|weight| weight.name.as_deref()).collect();
        let mut inputs: Vec<OnnxValue> = graph.input.iter().map(value_of).collect();
        inputs.retain(|input| !weights.contains(input.name.as_str()));
        inputs
    }

    /// The outputs.
    pub fn outputs(&self) -> Vec<OnnxValue> {
        self.proto.graph.iter().flat_map(|graph| graph.output.iter().map(value_of)).collect()
    }

    /// Whether a node of the graph gives a value of this name.
    pub(crate) fn gives(&self, name: &str) -> bool {
        let nodes = self.proto.graph.iter().flat_map(|graph| &graph.node);
        nodes.flat_map(|node| &node.output).any(|output| output == name)
    }

    /// Inputs and outputs in words.
    pub fn interface(&self) -> String {
        let list = |values: Vec<OnnxValue>| values.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        format!("inputs: {}; outputs: {}", list(self.inputs()), list(self.outputs()))
    }

    /// An error about a part of the model, which shows its inputs and outputs.
    pub(crate) fn wrong(&self, field: &str, expected: &str, found: impl fmt::Display) -> crate::error::Error {
        BundleError::invalid(&self.file, field, expected, format!("{found}, in a model with {}", self.interface()))
            .into()
    }
}

fn value_of(value: &ValueInfoProto) -> OnnxValue {
    let tensor = value.r#type.as_ref().and_then(|value_type| value_type.tensor_type.as_ref());
    let size = |dim: &Dimension| dim.dim_value.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
    OnnxValue {
        name: value.name.clone().unwrap_or_default(),
        elem: tensor.and_then(|tensor| tensor.elem_type).unwrap_or(0),
        shape: tensor.and_then(|t| t.shape.as_ref()).map(|shape| shape.dim.iter().map(size).collect()),
    }
}

/// Calls `with` for every stored tensor of a graph and of the graphs in its nodes.
fn each_tensor(graph: &mut GraphProto, with: &mut impl FnMut(&mut TensorProto) -> Result<()>) -> Result<()> {
    for tensor in &mut graph.initializer {
        with(tensor)?;
    }
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
            with(tensor)?;
        }
        for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            each_tensor(inner, with)?;
        }
    }
    Ok(())
}

/// The files of weights beside a model.
struct Beside<'a> {
    folder: &'a Path,
    file: &'a Path,
    files: HashMap<String, Vec<u8>>,
    left: u64,
}

impl Beside<'_> {
    /// Brings a tensor's numbers into the model.
    fn inline(&mut self, tensor: &mut TensorProto) -> Result<()> {
        let name = tensor.name.clone().unwrap_or_default();
        let wrong = |expected: &str, found: String| {
            Err(BundleError::invalid(self.file, format!("weight {name}"), expected, found).into())
        };
        if tensor.data_location == Some(EXTERNAL) {
            let entry = |key: &str| {
                let entry = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
                entry.and_then(|entry| entry.value.clone())
            };
            let location = entry("location").unwrap_or_default();
            // A model is somebody else's: it must not name files that are not its own.
            let plain = Path::new(&location).components().all(|part| matches!(part, Component::Normal(_)));
            if location.is_empty() || !plain {
                return wrong("a file in the model's folder", format!("{location:?}"));
            }
            let number =
                |key: &str| entry(key).map(|text| text.parse::<usize>().map_err(|_| format!("{key} {text:?}")));
            let (offset, length) = match (number("offset").transpose(), number("length").transpose()) {
                (Ok(offset), Ok(length)) => (offset.unwrap_or(0), length),
                (Err(found), _) | (_, Err(found)) => return wrong("whole numbers as offset and length", found),
            };
            if !self.files.contains_key(&location) {
                let path = self.folder.join(&location);
                let length = std::fs::metadata(&path).map_err(BundleError::io(&path, "read"))?.len();
                if length > MAX_BYTES {
                    return wrong("at most 2 GiB of weights", format!("{length} bytes in {location}"));
                }
                self.files.insert(location.clone(), std::fs::read(&path).map_err(BundleError::io(&path, "read"))?);
            }
            let content = &self.files[&location];
            let end = length.map_or(Some(content.len()), |length| offset.checked_add(length));
            let Some(bytes) = end.and_then(|end| content.get(offset..end)) else {
                return wrong(
                    "numbers within their file",
                    format!("offset {offset}, length {length:?} of {} bytes", content.len()),
                );
            };
            tensor.raw_data = Some(bytes.to_vec());
            tensor.external_data.clear();
            tensor.data_location = None;
        }
        let bytes = tensor.encoded_len() as u64;
        if bytes > self.left {
            return wrong("at most 2 GiB of weights", "more".to_owned());
        }
        self.left -= bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(location: &str, offset: &str, length: &str) -> Vec<u8> {
        let entry =
            |key: &str, value: &str| StringStringEntry { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        let weight = TensorProto {
            name: Some("w".to_owned()),
            dims: vec![1],
            data_type: Some(data_type::FLOAT),
            data_location: Some(EXTERNAL),
            external_data: vec![entry("location", location), entry("offset", offset), entry("length", length)],
            ..TensorProto::default()
        };
        let value = |name: &str| ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() };
        let graph = GraphProto {
            initializer: vec![weight],
            input: vec![value("x"), value("w")],
            output: vec![value("y")],
            ..GraphProto::default()
        };
        ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
    }

    #[test]
    fn weights_beside_a_model_are_taken_in_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.onnx");
        std::fs::write(folder.path().join("w.bin"), [9, 9, 0, 0, 128, 63]).unwrap();
        let read = |location: &str, offset: &str, length: &str| {
            std::fs::write(&file, model(location, offset, length)).unwrap();
            OnnxModel::read(&file)
        };
        let sound = read("w.bin", "2", "4").unwrap();
        let weight = &sound.proto.graph.as_ref().unwrap().initializer[0];
        assert_eq!(weight.raw_data.as_deref(), Some(&1f32.to_le_bytes()[..]));
        assert_eq!((weight.data_location, weight.external_data.len()), (None, 0));
        // What is stored is no input.
        assert_eq!(sound.inputs().iter().map(|input| input.name.as_str()).collect::<Vec<_>>(), ["x"]);
        for (location, offset, length, words) in [
            ("../w.bin", "2", "4", "a file in the model's folder"),
            ("/etc/hostname", "0", "1", "a file in the model's folder"),
            ("", "2", "4", "a file in the model's folder"),
            ("w.bin", "3", "4", "within their file"),
            ("w.bin", "18446744073709551615", "4", "within their file"),
            ("w.bin", "-1", "4", "whole numbers"),
            ("none.bin", "2", "4", "none.bin"),
        ] {
            let error = read(location, offset, length).unwrap_err().to_string();
            assert!(error.contains(words), "{location} {offset}: {error}");
        }
        for bytes in [&b"no model"[..], &[]] {
            std::fs::write(&file, bytes).unwrap();
            assert!(OnnxModel::read(&file).unwrap_err().to_string().contains("an ONNX model"));
        }
    }
}
