//! Somebody else's model as a part of a graph of ours.

use std::collections::HashSet;

use mmnas_bundle::manifest::Dim;

use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::onnx::proto::*;
use crate::onnx::value_type::{Elem, ValueType};

/// What the names of a model's values begin with in a graph of ours, so that none is like one of ours.
const PREFIX: &str = "model/";

impl Graph {
    /// Takes over the nodes and weights of `model` that `outputs` need.
    ///
    /// `input` names the model's input and the value of ours that it becomes. Of each output the shape is told, as the
    /// model itself may not say it. Returns the outputs in 32-bit floats.
    pub(crate) fn embed(
        &mut self,
        model: ModelProto,
        (input, value): (&str, &str),
        outputs: &[(String, Vec<Dim>)],
    ) -> Vec<String> {
        let ModelProto { graph, opset_import, functions, ir_version, .. } = model;
        let mut graph = graph.unwrap_or_default();
        prune(&mut graph, outputs.iter().map(|(name, _)| name.as_str()));
        let rename = |name: &str| match name {
            "" => String::new(),
            name if name == input => value.to_owned(),
            name => format!("{PREFIX}{name}"),
        };
        rename_all(&mut graph, &rename);
        self.proto.node.append(&mut graph.node);
        self.proto.initializer.append(&mut graph.initializer);
        self.proto.sparse_initializer.append(&mut graph.sparse_initializer);
        self.proto.quantization_annotation.append(&mut graph.quantization_annotation);
        self.import(opset_import, functions, ir_version);
        let float = i64::from(Elem::F32.onnx());
        let ours = outputs.iter().map(|(name, shape)| {
            // Of what type the model computes it is not known; that of the cast is.
            let output = self.fresh("cast");
            let attribute = vec![Attribute::Int(float).proto("to")];
            self.proto.node.push(NodeProto {
                name: Some(format!("Cast.{output}")),
                op_type: Some("Cast".to_owned()),
                input: vec![rename(name)],
                output: vec![output.clone()],
                attribute,
                ..NodeProto::default()
            });
            self.types.insert(output.clone(), ValueType::new(Elem::F32, shape.clone()));
            output
        });
        ours.collect()
    }
}

/// Leaves out the nodes and weights that none of `outputs` needs.
fn prune<'a>(graph: &mut GraphProto, outputs: impl Iterator<Item = &'a str>) {
    let mut needed: HashSet<String> = outputs.map(str::to_owned).collect();
    // Nodes stand in the order in which they can run, so one pass from the end sees every reader before its source.
    let mut kept: Vec<NodeProto> = Vec::new();
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            reads(&node, &mut |name| {
                needed.insert(name.to_owned());
            });
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|weight| weight.name.as_ref().is_some_and(|name| needed.contains(name)));
    let of = |sparse: &SparseTensorProto| sparse.values.as_ref().and_then(|values| values.name.clone());
    graph.sparse_initializer.retain(|sparse| of(sparse).is_some_and(|name| needed.contains(&name)));
    let known = |note: &TensorAnnotation| note.tensor_name.as_ref().is_some_and(|name| needed.contains(name));
    graph.quantization_annotation.retain(known);
}

/// Calls `with` for every value that a node reads, those that its inner graphs take from outside too.
fn reads(node: &NodeProto, with: &mut impl FnMut(&str)) {
    node.input.iter().filter(|name| !name.is_empty()).for_each(|name| with(name));
    for graph in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
        graph.node.iter().for_each(|node| reads(node, with));
        // An inner graph may give a value from outside as it is.
        graph.output.iter().filter_map(|output| output.name.as_deref()).for_each(&mut *with);
    }
}

/// Gives every value and node of a graph, and of its inner graphs, another name.
fn rename_all(graph: &mut GraphProto, rename: &impl Fn(&str) -> String) {
    let again = |name: &mut Option<String>| {
        if let Some(name) = name {
            *name = rename(name);
        }
    };
    for node in &mut graph.node {
        node.input.iter_mut().chain(&mut node.output).for_each(|name| *name = rename(name));
        if let Some(name) = node.name.as_mut().filter(|name| !name.is_empty()) {
            *name = format!("{PREFIX}{name}");
        }
        node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)).for_each(|g| rename_all(g, rename));
    }
    graph.initializer.iter_mut().for_each(|weight| again(&mut weight.name));
    for sparse in &mut graph.sparse_initializer {
        sparse.values.iter_mut().for_each(|values| again(&mut values.name));
    }
    for note in &mut graph.quantization_annotation {
        again(&mut note.tensor_name);
        note.quant_parameter_tensor_names.iter_mut().for_each(|entry| again(&mut entry.value));
    }
    graph.input.iter_mut().chain(&mut graph.output).for_each(|value| again(&mut value.name));
    // Shapes that were told of other sizes of the input would be wrong here.
    graph.value_info.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::value_type::dims;
    use crate::vision::regions::FORM;

    fn node(op: &str, input: &[&str], output: &str) -> NodeProto {
        NodeProto {
            op_type: Some(op.to_owned()),
            input: input.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..NodeProto::default()
        }
    }

    fn weight(name: &str) -> TensorProto {
        TensorProto { name: Some(name.to_owned()), ..TensorProto::default() }
    }

    #[test]
    fn what_an_output_needs_comes_along_under_names_of_its_own_and_nothing_else() {
        // A node whose inner graph reads "outside", and a head that nobody asked for.
        let inner = GraphProto { node: vec![node("Add", &["outside", "x"], "in")], ..GraphProto::default() };
        let mut branch = node("If", &["flag"], "map");
        branch.attribute = vec![AttributeProto { g: Some(inner), ..AttributeProto::default() }];
        let graph = GraphProto {
            node: vec![
                node("Mul", &["x", "w"], "outside"),
                node("Not", &["dead", ""], "unused"),
                branch,
                node("MatMul", &["map", "head"], "logits"),
            ],
            initializer: ["w", "dead", "flag", "head"].map(weight).to_vec(),
            ..GraphProto::default()
        };
        let import = OperatorSetIdProto { domain: Some("custom".to_owned()), version: Some(3) };
        let model = ModelProto { graph: Some(graph), opset_import: vec![import], ..ModelProto::default() };
        let mut ours = Graph::new("vision", FORM);
        let outputs = [("map".to_owned(), dims(&["batch", "8"]))];
        let values = ours.embed(model, ("x", "pixels"), &outputs);
        let of = |nodes: &[NodeProto]| nodes.iter().map(|node| node.op_type.clone().unwrap()).collect::<Vec<_>>();
        assert_eq!(of(&ours.proto.node), ["Mul", "If", "Cast"]);
        assert_eq!((ours.proto.node[2].input[0].as_str(), &ours.proto.node[2].output), ("model/map", &values));
        assert_eq!(ours.type_of(&values[0]), Some(&ValueType::new(Elem::F32, dims(&["batch", "8"]))));
        assert_eq!(ours.proto.node[0].input, ["pixels", "model/w"]);
        let inner = ours.proto.node[1].attribute[0].g.as_ref().unwrap();
        assert_eq!(
            (inner.node[0].input.as_slice(), inner.node[0].output.as_slice()),
            (&["model/outside".to_owned(), "pixels".to_owned()][..], &["model/in".to_owned()][..])
        );
        let weights: Vec<_> = ours.proto.initializer.iter().map(|weight| weight.name.clone().unwrap()).collect();
        assert_eq!(weights, ["model/w", "model/flag"]);
    }
}
