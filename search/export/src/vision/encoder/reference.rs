//! The model itself, to be run on its own: what a vision stage over it is compared with.

use prost::Message;

use crate::onnx::onnx_model::OnnxModel;
use crate::onnx::proto::*;
use crate::vision::encoder::encoder_input::EncoderInput;

/// Name of the input of [`reference_model`].
pub const REFERENCE_INPUT: &str = "mmnas.image";

/// Name of the output of [`reference_model`] with the value at `place`.
pub fn reference_output(place: usize) -> String {
    format!("mmnas.value.{place}")
}

/// The model as it is, in its own opset, with `values` as outputs in 32-bit floats.
///
/// Its input is [`REFERENCE_INPUT`], in bytes where the model reads bytes, else in 32-bit floats.
pub fn reference_model(model: &OnnxModel, input: &EncoderInput, values: &[String]) -> Vec<u8> {
    let mut proto = model.proto.clone();
    let graph = proto.graph.get_or_insert_default();
    let cast = |from: &str, to: &str, elem: i32| {
        let attribute = AttributeProto {
            name: Some("to".to_owned()),
            i: Some(i64::from(elem)),
            r#type: Some(attribute_type::INT),
            ..AttributeProto::default()
        };
        NodeProto {
            op_type: Some("Cast".to_owned()),
            input: vec![from.to_owned()],
            output: vec![to.to_owned()],
            attribute: vec![attribute],
            ..NodeProto::default()
        }
    };
    let value = |name: &str, elem: i32| {
        let tensor_type = Some(TensorType { elem_type: Some(elem), shape: None });
        let value_type = TypeProto { tensor_type, ..TypeProto::default() };
        ValueInfoProto { name: Some(name.to_owned()), r#type: Some(value_type) }
    };
    let elem = if input.is_bytes() { data_type::UINT8 } else { data_type::FLOAT };
    graph.node.insert(0, cast(REFERENCE_INPUT, &input.name, input.elem.onnx()));
    let mut image = value(REFERENCE_INPUT, elem);
    // The shape that the model tells of it.
    let shape = graph.input.iter().find(|known| known.name.as_ref() == Some(&input.name));
    let shape = shape.and_then(|known| known.r#type.as_ref()?.tensor_type.as_ref()?.shape.clone());
    if let Some(tensor) = image.r#type.as_mut().and_then(|value_type| value_type.tensor_type.as_mut()) {
        tensor.shape = shape;
    }
    graph.input.retain(|known| known.name.as_ref() != Some(&input.name));
    graph.input.push(image);
    let outputs: Vec<String> = (0..values.len()).map(reference_output).collect();
    graph.node.extend(values.iter().zip(&outputs).map(|(from, to)| cast(from, to, data_type::FLOAT)));
    graph.output = outputs.iter().map(|name| value(name, data_type::FLOAT)).collect();
    proto.encode_to_vec()
}
