use mmnas_bundle::manifest::{Dim, Dtype, TensorSpec};
use prost::Message;

use crate::onnx::*;
use crate::{OPSET, Weight};

/// ONNX Runtime's own operators.
pub(crate) const MICROSOFT: &str = "com.microsoft";
/// IR version of the models; ONNX Runtime reads it since 1.16.
const IR_VERSION: i64 = 9;

/// An attribute of a node.
#[derive(Debug, Clone)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
}

/// Builds one ONNX graph: nodes are appended in order, values are named by the caller's hint and a number.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    proto: GraphProto,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    values: usize,
}

impl Graph {
    pub(crate) fn new(name: &str) -> Graph {
        Graph { proto: GraphProto { name: Some(name.to_owned()), ..GraphProto::default() }, ..Graph::default() }
    }

    /// Declares an input; returns its name.
    pub(crate) fn input(&mut self, name: &str, dtype: Dtype, shape: &[&str]) -> String {
        let spec = TensorSpec::new(name, dtype, shape);
        self.proto.input.push(value_info(&spec));
        self.inputs.push(spec);
        name.to_owned()
    }

    /// Declares `value` as the output `name`.
    pub(crate) fn output(&mut self, value: &str, name: &str, dtype: Dtype, shape: &[&str]) {
        self.declare(value, TensorSpec::new(name, dtype, shape));
    }

    /// As [`Graph::output`] for a value that is a logarithm.
    pub(crate) fn logarithm_output(&mut self, value: &str, name: &str, dtype: Dtype, shape: &[&str]) {
        self.declare(value, TensorSpec { logarithm: true, ..TensorSpec::new(name, dtype, shape) });
    }

    fn declare(&mut self, value: &str, spec: TensorSpec) {
        let name = &spec.name.clone();
        self.proto.output.push(value_info(&spec));
        self.outputs.push(spec);
        // Renaming the producer's output saves an Identity; a value that has no producer here is an input and needs one.
        let produced = self.proto.node.iter().any(|node| node.output.iter().any(|o| o == value));
        if !produced {
            self.push("Identity", "", vec![value.to_owned()], vec![name.clone()], vec![]);
            return;
        }
        for node in &mut self.proto.node {
            for place in node.input.iter_mut().chain(&mut node.output).filter(|place| *place == value) {
                place.clone_from(name);
            }
        }
    }

    fn fresh(&mut self, hint: &str) -> String {
        self.values += 1;
        format!("{hint}.{}", self.values)
    }

    fn push(
        &mut self,
        op: &str,
        domain: &str,
        input: Vec<String>,
        output: Vec<String>,
        attributes: Vec<(&str, Attribute)>,
    ) {
        self.proto.node.push(NodeProto {
            name: Some(format!("{op}.{}", output.first().map_or("", String::as_str))),
            op_type: Some(op.to_owned()),
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
            attribute: attributes.into_iter().map(|(name, value)| attribute(name, value)).collect(),
            input,
            output,
        });
    }

    /// Appends a node with one output; an empty input name is an optional input that is left out.
    pub(crate) fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<(&str, Attribute)>) -> String {
        self.node_of("", op, inputs, attributes)
    }

    /// As [`Graph::node`] for an operator of `domain`.
    pub(crate) fn node_of(
        &mut self,
        domain: &str,
        op: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) -> String {
        let output = self.fresh(&op.to_lowercase());
        self.push(op, domain, inputs.iter().map(|&s| s.to_owned()).collect(), vec![output.clone()], attributes);
        output
    }

    /// Splits `value` along `axis` into `count` equal parts.
    pub(crate) fn split(&mut self, value: &str, axis: i64, count: usize) -> Vec<String> {
        let outputs: Vec<String> = (0..count).map(|_| self.fresh("split")).collect();
        let attributes = vec![("axis", Attribute::Int(axis)), ("num_outputs", Attribute::Int(count as i64))];
        self.push("Split", "", vec![value.to_owned()], outputs.clone(), attributes);
        outputs
    }

    /// Stores f32 numbers; returns the value's name, which keeps the parameter's own.
    pub(crate) fn weight(&mut self, name: &str, weight: &Weight) -> String {
        let bytes = weight.data.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = weight.shape.iter().map(|&n| n as i64).collect();
        self.initializer(name.to_owned(), data_type::FLOAT, dims, bytes)
    }

    /// Stores whole numbers as a vector.
    pub(crate) fn integers(&mut self, values: &[i64]) -> String {
        let name = self.fresh("integers");
        self.initializer(
            name,
            data_type::INT64,
            vec![values.len() as i64],
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        )
    }

    /// Stores one whole number as a scalar.
    pub(crate) fn integer(&mut self, value: i64) -> String {
        let name = self.fresh("integer");
        self.initializer(name, data_type::INT64, vec![], value.to_le_bytes().to_vec())
    }

    /// Stores one f32 number as a scalar.
    pub(crate) fn scalar(&mut self, value: f32) -> String {
        let name = self.fresh("scalar");
        self.initializer(name, data_type::FLOAT, vec![], value.to_le_bytes().to_vec())
    }

    fn initializer(&mut self, name: String, data_type: i32, dims: Vec<i64>, bytes: Vec<u8>) -> String {
        if !self.proto.initializer.iter().any(|t| t.name.as_ref() == Some(&name)) {
            let tensor =
                TensorProto { name: Some(name.clone()), data_type: Some(data_type), dims, raw_data: Some(bytes) };
            self.proto.initializer.push(tensor);
        }
        name
    }

    /// Matrix product with a stored matrix.
    pub(crate) fn matmul(&mut self, x: &str, name: &str, weight: &Weight) -> String {
        let weight = self.weight(name, weight);
        self.node("MatMul", &[x, &weight], vec![])
    }

    /// `1 … count` of each row as a mask `[batch, n]`, true where a position is there; `like` has `n` as its second
    /// dimension.
    pub(crate) fn presence(&mut self, like: &str, count: &str) -> String {
        let shape = self.node("Shape", &[like], vec![("start", Attribute::Int(1)), ("end", Attribute::Int(2))]);
        let axes = self.integers(&[0]);
        let n = self.node("Squeeze", &[&shape, &axes], vec![]);
        let (zero, one) = (self.integer(0), self.integer(1));
        let positions = self.node("Range", &[&zero, &n, &one], vec![]);
        let axes = self.integers(&[1]);
        let count = self.node("Unsqueeze", &[count, &axes], vec![]);
        self.node("Less", &[&positions, &count], vec![])
    }

    /// A mask as the 0/1 integers that the attention operators take.
    pub(crate) fn key_mask(&mut self, presence: &str) -> String {
        self.node("Cast", &[presence], vec![("to", Attribute::Int(i64::from(data_type::INT32)))])
    }

    /// The serialised model with the inputs and outputs that the manifest lists.
    pub(crate) fn finish(self) -> (Vec<u8>, Vec<TensorSpec>, Vec<TensorSpec>) {
        let opset =
            |domain: &str, version| OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) };
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("mmnas".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(self.proto),
            opset_import: vec![opset("", OPSET), opset(MICROSOFT, 1)],
        };
        (model.encode_to_vec(), self.inputs, self.outputs)
    }
}

fn attribute(name: &str, value: Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    proto.r#type = Some(match value {
        Attribute::Float(f) => {
            proto.f = Some(f);
            attribute_type::FLOAT
        }
        Attribute::Int(i) => {
            proto.i = Some(i);
            attribute_type::INT
        }
        Attribute::Ints(ints) => {
            proto.ints = ints;
            attribute_type::INTS
        }
    });
    proto
}

fn value_info(spec: &TensorSpec) -> ValueInfoProto {
    let dim = |d: &Dim| match d {
        Dim::Fixed(n) => Dimension { dim_value: Some(*n as i64), dim_param: None },
        Dim::Named(name) => Dimension { dim_value: None, dim_param: Some(name.clone()) },
    };
    let elem_type = match spec.dtype {
        Dtype::F32 => data_type::FLOAT,
        Dtype::I64 => data_type::INT64,
        Dtype::U8 => data_type::UINT8,
    };
    let shape = TensorShapeProto { dim: spec.shape.iter().map(dim).collect() };
    let tensor_type = Some(TensorType { elem_type: Some(elem_type), shape: Some(shape) });
    ValueInfoProto { name: Some(spec.name.clone()), r#type: Some(TypeProto { tensor_type }) }
}
