//! Rounds the 8-bit weights of earlier versions' bundles anew.
//!
//! Their products can leave 16 bits on processors without VNNI (see `weights/int8.rs`). No other weights are needed:
//! the numbers times their scales are what is rounded.

use std::collections::BTreeSet;
use std::path::Path;

use mmnas_bundle::Bundle;
use mmnas_bundle::manifest::{Graph, Precision};
use prost::Message as _;

use crate::bundle::verified::{CARD, Measure, finish};
use crate::error::{Error, FailedGraphs, Result};
use crate::folder_writer::FolderWriter;
use crate::onnx::proto::{EXTERNAL, ModelProto, TensorProto, data_type};
use crate::weights::int8::Quantised;

/// What was rounded anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requantised {
    /// The graphs' files.
    pub graphs: Vec<String>,
    /// Columns of all of them that got another scale.
    pub columns: usize,
    /// What was left out because it failed verification.
    pub left_out: Vec<FailedGraphs>,
}

/// Writes `bundle` to the new folder `out`, its 8-bit weights rounded anew.
///
/// That is every column with a pair of numbers whose products can leave 16 bits; all else stays as it is. If there is
/// no such column, nothing is written. `measure` is that of [`write_bundle`](crate::write_bundle).
///
/// # Errors
/// A graph that this project did not write; a file that cannot be read or written; no form that gives what was recorded.
pub fn requantise_bundle(bundle: &Bundle<'_>, out: &Path, measure: Option<&Measure<'_>>) -> Result<Requantised> {
    let mut manifest = bundle.manifest().clone();
    let mut found = Requantised { graphs: Vec::new(), columns: 0, left_out: Vec::new() };
    let mut writer = FolderWriter::create(out)?;
    let mut done = BTreeSet::from([CARD]);
    for graph in bundle.manifest().all_graphs().filter(|graph| graph.precision == Precision::Int8) {
        let (content, data, columns) = requantised(bundle, graph)?;
        writer.add(&graph.file, &content)?;
        if let (Some(name), Some(data)) = (&graph.data, &data) {
            writer.add(name, data)?;
        }
        done.extend(graph.files());
        found.columns += columns;
        found.graphs.extend((columns > 0).then(|| graph.file.clone()));
    }
    if found.columns == 0 {
        return Ok(found);
    }
    for name in bundle.manifest().files.keys().filter(|name| !done.contains(name.as_str())) {
        writer.add(name, &bundle.read(name)?)?;
    }
    // Of the weights as they were.
    manifest.measured.clear();
    found.left_out = finish(writer, manifest, measure)?;
    Ok(found)
}

/// The content of a graph and of its weights' file.
///
/// With it comes how many columns got another scale.
fn requantised(bundle: &Bundle<'_>, graph: &Graph) -> Result<(Vec<u8>, Option<Vec<u8>>, usize)> {
    let content = bundle.read(&graph.file)?;
    let mut data = graph.data.as_deref().map(|name| bundle.read(name)).transpose()?;
    let wrong = |found: &str| Error::Checkpoint {
        file: bundle.folder().join(&graph.file),
        expected: "a graph as mmnas-search writes it",
        found: found.to_owned(),
    };
    let mut model = ModelProto::decode(content.as_slice()).map_err(|e| wrong(&e.to_string()))?;
    // What these messages do not know would be lost.
    if model.encode_to_vec() != content {
        return Err(wrong("fields of another writer"));
    }
    let columns = round_anew(&mut model, data.as_deref_mut()).map_err(|found| wrong(&found))?;
    Ok((model.encode_to_vec(), data, columns))
}

/// Rounds those columns of a graph anew that need it; returns how many.
///
/// The weights may lie beside the graph, in `data`. Whatever is not as this project writes it is an error.
fn round_anew(model: &mut ModelProto, mut data: Option<&mut [u8]>) -> std::result::Result<usize, String> {
    let mut columns = 0;
    let Some(proto) = &mut model.graph else { return Err("no graph".to_owned()) };
    let mut names = BTreeSet::new();
    for node in &proto.node {
        let places: &[usize] = match node.op_type.as_deref() {
            Some("DynamicQuantizeMatMul" | "MatMulInteger") => &[1],
            Some("DynamicQuantizeLSTM") => &[1, 2],
            _ => &[],
        };
        names.extend(places.iter().filter_map(|&place| node.input.get(place).cloned()));
    }
    for name in names {
        let scale = name.strip_suffix(".int8").map(|name| format!("{name}.scale"));
        let at = |wanted: &str| proto.initializer.iter().position(|tensor| tensor.name.as_deref() == Some(wanted));
        let found = at(&name).zip(scale.as_deref().and_then(at));
        let (numbers, scales) = found.ok_or_else(|| format!("no numbers and scales of {name}"))?;
        let mut parts = [numbers, scales].map(|at| Stored::of(&proto.initializer[at], data.as_deref()));
        let [Some(of_numbers), Some(of_scales)] = &mut parts else {
            return Err(format!("numbers or scales of {name} that are not where the graph says"));
        };
        let width = of_scales.bytes.len() / 4;
        let types = [numbers, scales].map(|at| proto.initializer[at].data_type);
        if types != [Some(data_type::INT8), Some(data_type::FLOAT)]
            || width == 0
            || !of_numbers.bytes.len().is_multiple_of(width)
        {
            return Err(format!("numbers and scales of {name} of other types or shapes"));
        }
        let mut matrix = Quantised {
            numbers: of_numbers.bytes.iter().map(|byte| byte.cast_signed()).collect(),
            scales: of_scales.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        };
        let changed = matrix.limit_pairs();
        if changed == 0 {
            continue;
        }
        columns += changed;
        of_numbers.bytes = matrix.numbers.iter().map(|number| number.cast_unsigned()).collect();
        of_scales.bytes = matrix.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        for (part, at) in parts.into_iter().flatten().zip([numbers, scales]) {
            part.put(&mut proto.initializer[at], data.as_deref_mut());
        }
    }
    Ok(columns)
}

/// The bytes of a tensor, and their place in the weights' file, if any.
struct Stored {
    bytes: Vec<u8>,
    at: Option<usize>,
}

impl Stored {
    fn of(tensor: &TensorProto, data: Option<&[u8]>) -> Option<Stored> {
        if tensor.data_location != Some(EXTERNAL) {
            return Some(Stored { bytes: tensor.raw_data.clone()?, at: None });
        }
        let entry = |key: &str| -> Option<usize> {
            let entry = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key))?;
            entry.value.as_deref()?.parse().ok()
        };
        let (at, length) = (entry("offset")?, entry("length")?);
        Some(Stored { bytes: data?.get(at..at.checked_add(length)?)?.to_vec(), at: Some(at) })
    }

    fn put(self, tensor: &mut TensorProto, data: Option<&mut [u8]>) {
        match (self.at, data) {
            (Some(at), Some(data)) => data[at..at + self.bytes.len()].copy_from_slice(&self.bytes),
            _ => tensor.raw_data = Some(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{GraphProto, NodeProto, StringStringEntry};

    /// A tensor that lies at `offset` of the file beside the graph.
    fn outside(name: &str, kind: i32, offset: usize, length: usize) -> TensorProto {
        let entry = |key: &str, value: String| StringStringEntry { key: Some(key.to_owned()), value: Some(value) };
        TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(kind),
            data_location: Some(EXTERNAL),
            external_data: vec![entry("offset", offset.to_string()), entry("length", length.to_string())],
            ..TensorProto::default()
        }
    }

    #[test]
    fn weights_in_a_file_of_their_own_are_rounded_where_they_lie() {
        let node = NodeProto {
            op_type: Some("DynamicQuantizeMatMul".to_owned()),
            input: vec!["x".to_owned(), "w.int8".to_owned(), "w.scale".to_owned()],
            ..NodeProto::default()
        };
        // Two inputs and two outputs: the first column has a pair of 227, the second none above 128.
        let (numbers, scales) = (64..68, 128..136);
        let graph = GraphProto {
            node: vec![node],
            initializer: vec![
                outside("w.int8", data_type::INT8, numbers.start, numbers.len()),
                outside("w.scale", data_type::FLOAT, scales.start, scales.len()),
            ],
            ..GraphProto::default()
        };
        let mut model = ModelProto { graph: Some(graph), ..ModelProto::default() };
        let mut data = vec![7u8; 256];
        data[numbers.clone()].copy_from_slice(&[127, 64, 100, 64]);
        data[scales.clone()].copy_from_slice(&[0.5f32.to_le_bytes(), 2f32.to_le_bytes()].concat());
        let (before, graph) = (data.clone(), model.clone());
        assert_eq!(round_anew(&mut model, Some(&mut data)), Ok(1));
        assert_eq!(model, graph, "the graph says where they lie, as before");
        assert_eq!(data[numbers.clone()], [71, 64, 56, 64]);
        let first = f32::from_le_bytes(data[scales.start..scales.start + 4].try_into().unwrap());
        assert_eq!(
            (first, &data[scales.start + 4..scales.end]),
            (0.5 * 227.0 / 127.0, &before[scales.start + 4..scales.end])
        );
        for (at, (now, then)) in data.iter().zip(&before).enumerate() {
            assert!(numbers.contains(&at) || scales.contains(&at) || now == then, "byte {at} was changed");
        }
        assert_eq!(round_anew(&mut model, Some(&mut data)), Ok(0));
        assert!(round_anew(&mut model, Some(&mut data[..70])).unwrap_err().contains("w.int8"));
        assert!(round_anew(&mut model, None).unwrap_err().contains("w.int8"));
    }
}
