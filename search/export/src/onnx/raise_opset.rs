//! Models of older opsets, said in the operators of [`OPSET`].
//!
//! Only what changed its meaning or its form between opset 11 and ours is rewritten. Everything else means the same.

use crate::onnx::model::OPSET;
use crate::onnx::proto::*;

/// The oldest opset that is understood.
pub(crate) const OLDEST: i64 = 11;

/// Reductions whose axes became an input in opset 18.
const REDUCTIONS: [&str; 9] = [
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
];

/// Brings the nodes of a model, of its inner graphs and of its functions to [`OPSET`], if they are of an older one.
///
/// # Errors
/// In words: an opset before [`OLDEST`], or a node whose meaning no operator of today has.
pub(crate) fn raise_opset(model: &mut ModelProto) -> Result<(), String> {
    let mut made = 0;
    let from = version(&mut model.opset_import)?;
    if let Some(graph) = &mut model.graph {
        raise(&mut graph.node, from, &mut made)?;
    }
    for function in &mut model.functions {
        let from = version(&mut function.opset_import)?;
        raise(&mut function.node, from, &mut made)?;
    }
    Ok(())
}

/// The version of the standard operators, which becomes ours where it is older.
fn version(imports: &mut [OperatorSetIdProto]) -> Result<i64, String> {
    let standard = |import: &&mut OperatorSetIdProto| matches!(import.domain.as_deref(), None | Some("" | "ai.onnx"));
    let Some(import) = imports.iter_mut().find(standard) else { return Ok(OPSET) };
    let from = import.version.unwrap_or(1);
    if from < OLDEST {
        return Err(format!("opset {from}, where {OLDEST} is the oldest that is understood"));
    }
    import.version = Some(from.max(OPSET));
    Ok(from)
}

fn raise(nodes: &mut Vec<NodeProto>, from: i64, made: &mut usize) -> Result<(), String> {
    if from >= OPSET {
        return Ok(());
    }
    for mut node in std::mem::take(nodes) {
        for graph in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
            raise(&mut graph.node, from, made)?;
        }
        let standard = matches!(node.domain.as_deref(), None | Some("" | "ai.onnx"));
        let op = node.op_type.clone().unwrap_or_default();
        match op.as_str() {
            _ if !standard => nodes.push(node),
            "Squeeze" | "Unsqueeze" | "ReduceSum" if from < 13 => push_with_input(nodes, node, "axes", made),
            "Split" if from < 13 && taken(&node, "split") => push_with_input(nodes, node, "split", made),
            "Split" if from < 18 && node.input.get(1).is_none_or(String::is_empty) => {
                node.input.truncate(1);
                let parts = node.output.len() as i64;
                node.attribute.push(int("num_outputs", parts));
                nodes.push(node);
            }
            "Softmax" | "LogSoftmax" | "Hardmax" if from < 13 => push_softmax(nodes, node, made),
            name if from < 18 && REDUCTIONS.contains(&name) => push_with_input(nodes, node, "axes", made),
            "RoiAlign" if from < 16 && !taken(&node, "coordinate_transformation_mode") => {
                node.attribute.push(text("coordinate_transformation_mode", "output_half_pixel"));
                nodes.push(node);
            }
            "DFT" => return Err("a DFT, whose axis opset 20 tells otherwise".to_owned()),
            "Resize" if from < 13 && mode(&node, "coordinate_transformation_mode") == Some("tf_half_pixel_for_nn") => {
                return Err("a Resize by tf_half_pixel_for_nn, which opset 13 took away".to_owned());
            }
            "GridSample" => {
                let renamed = match mode(&node, "mode") {
                    Some("bicubic") => "cubic",
                    Some("bilinear") | None => "linear",
                    Some(_) => "nearest",
                };
                node.attribute.retain(|a| a.name.as_deref() != Some("mode"));
                node.attribute.push(text("mode", renamed));
                nodes.push(node);
            }
            // In evaluation nothing is dropped.
            "Dropout" if from < 12 => {
                node.attribute.clear();
                nodes.push(node);
            }
            "BatchNormalization" if from < 14 && node.output.iter().skip(1).any(|name| !name.is_empty()) => {
                return Err("a BatchNormalization in training".to_owned());
            }
            _ => nodes.push(node),
        }
    }
    Ok(())
}

fn taken(node: &NodeProto, name: &str) -> bool {
    node.attribute.iter().any(|attribute| attribute.name.as_deref() == Some(name))
}

fn mode<'a>(node: &'a NodeProto, name: &str) -> Option<&'a str> {
    let attribute = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))?;
    std::str::from_utf8(attribute.s.as_deref()?).ok()
}

fn int(name: &str, value: i64) -> AttributeProto {
    let (name, r#type) = (Some(name.to_owned()), Some(attribute_type::INT));
    AttributeProto { name, i: Some(value), r#type, ..AttributeProto::default() }
}

fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    let (name, r#type) = (Some(name.to_owned()), Some(attribute_type::INTS));
    AttributeProto { name, ints: values, r#type, ..AttributeProto::default() }
}

fn text(name: &str, value: &str) -> AttributeProto {
    let (name, r#type) = (Some(name.to_owned()), Some(attribute_type::STRING));
    AttributeProto { name, s: Some(value.as_bytes().to_vec()), r#type, ..AttributeProto::default() }
}

fn plain(op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        name: Some(format!("{op}.{output}")),
        input: input.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

fn fresh(made: &mut usize) -> String {
    *made += 1;
    format!("mmnas.raised.{made}")
}

/// The node with whole numbers as its second input that were an attribute.
fn push_with_input(nodes: &mut Vec<NodeProto>, mut node: NodeProto, name: &str, made: &mut usize) {
    let place = node.attribute.iter().position(|attribute| attribute.name.as_deref() == Some(name));
    if let Some(attribute) = place.map(|place| node.attribute.remove(place)) {
        let value = fresh(made);
        nodes.push(plain("Constant", &[], &value, vec![ints("value_ints", attribute.ints)]));
        node.input.truncate(1);
        node.input.push(value);
    }
    nodes.push(node);
}

/// Before opset 13 a softmax was over all dimensions from its axis on, together.
fn push_softmax(nodes: &mut Vec<NodeProto>, mut node: NodeProto, made: &mut usize) {
    let axis = node.attribute.iter().find(|a| a.name.as_deref() == Some("axis")).and_then(|a| a.i).unwrap_or(1);
    node.attribute = vec![int("axis", -1)];
    if let (true, [x], [y]) = (axis != -1, node.input.as_slice(), node.output.as_slice()) {
        let (x, y) = (x.clone(), y.clone());
        let (shape, flat, soft) = (fresh(made), fresh(made), fresh(made));
        nodes.push(plain("Shape", &[&x], &shape, vec![]));
        nodes.push(plain("Flatten", &[&x], &flat, vec![int("axis", axis)]));
        (node.input, node.output) = (vec![flat], vec![soft.clone()]);
        nodes.push(node);
        // A size of 0 is one, and no word for the size that is there.
        nodes.push(plain("Reshape", &[&soft, &shape], &y, vec![int("allowzero", 1)]));
    } else {
        nodes.push(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(op: &str, from: i64, attribute: Vec<AttributeProto>) -> Result<Vec<NodeProto>, String> {
        let node = NodeProto { attribute, ..plain(op, &["x"], "y", vec![]) };
        let opset = OperatorSetIdProto { domain: None, version: Some(from) };
        let graph = GraphProto { node: vec![node], ..GraphProto::default() };
        let mut model = ModelProto { graph: Some(graph), opset_import: vec![opset], ..ModelProto::default() };
        raise_opset(&mut model)?;
        assert_eq!(model.opset_import[0].version, Some(from.max(OPSET)));
        Ok(model.graph.unwrap().node)
    }

    fn ops(nodes: &[NodeProto]) -> Vec<&str> {
        nodes.iter().map(|node| node.op_type.as_deref().unwrap()).collect()
    }

    #[test]
    fn attributes_that_became_inputs_are_inputs() {
        for (op, from, name) in
            [("Squeeze", 11, "axes"), ("ReduceSum", 12, "axes"), ("Split", 11, "split"), ("ReduceMean", 17, "axes")]
        {
            let nodes = raised(op, from, vec![ints(name, vec![1, 2])]).unwrap();
            assert_eq!(ops(&nodes), ["Constant", op]);
            assert_eq!((nodes[0].attribute[0].ints.as_slice(), &nodes[0].output[0]), (&[1, 2][..], &nodes[1].input[1]));
            assert!(nodes[1].attribute.is_empty());
        }
        // As it is in its own opset.
        assert_eq!(raised("ReduceMean", 18, vec![]).unwrap(), [plain("ReduceMean", &["x"], "y", vec![])]);
        assert_eq!(raised("Split", 17, vec![]).unwrap()[0].attribute, [int("num_outputs", 1)]);
    }

    #[test]
    fn a_softmax_over_all_dimensions_from_its_axis_on_stays_one() {
        assert_eq!(ops(&raised("Softmax", 12, vec![int("axis", -1)]).unwrap()), ["Softmax"]);
        let nodes = raised("Softmax", 11, vec![]).unwrap();
        assert_eq!(ops(&nodes), ["Shape", "Flatten", "Softmax", "Reshape"]);
        assert_eq!((nodes[1].attribute[0].i, nodes[2].attribute[0].i), (Some(1), Some(-1)));
        assert_eq!(nodes[3].output, ["y"]);
        assert_eq!(ops(&raised("Softmax", 13, vec![int("axis", 1)]).unwrap()), ["Softmax"]);
    }

    #[test]
    fn what_no_operator_of_today_means_is_refused() {
        assert!(raised("Relu", 10, vec![]).unwrap_err().contains("opset 10"));
        let mode = text("coordinate_transformation_mode", "tf_half_pixel_for_nn");
        assert!(raised("Resize", 11, vec![mode]).unwrap_err().contains("tf_half_pixel_for_nn"));
        assert_eq!(ops(&raised("Relu", 21, vec![]).unwrap()), ["Relu"]);
    }
}
