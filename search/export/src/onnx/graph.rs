//! One ONNX graph while it is put together.

use std::collections::BTreeMap;

use mmnas_bundle::manifest::{Dim, Dtype, Form, Precision, TensorSpec, Variant};

use crate::onnx::attribute::Attribute;
use crate::onnx::proto::*;
use crate::onnx::shape_inference::{Node, infer};
use crate::onnx::value_type::{Elem, ValueType, dims};
use crate::weights::Weight;
use crate::weights::int8::Int8Scheme;

/// ONNX Runtime's own operators.
pub(crate) const MICROSOFT: &str = "com.microsoft";

/// Builds one ONNX graph.
///
/// Nodes are appended in order; values are named by the caller's hint and a number. Weights and scalars are stored as
/// [`Graph::float`].
#[derive(Debug)]
pub(crate) struct Graph {
    form: Form,
    float: Elem,
    int8: Int8Scheme,
    /// The first node whose output's type does not follow: what was put together wrongly.
    pub(super) untyped: Option<String>,
    pub(crate) proto: GraphProto,
    pub(super) inputs: Vec<TensorSpec>,
    pub(super) outputs: Vec<TensorSpec>,
    pub(super) types: BTreeMap<String, ValueType>,
    /// Operator sets, functions and IR version of the models that were taken over.
    pub(super) imported: Imported,
    integers: BTreeMap<String, Vec<i64>>,
    values: usize,
}

/// What a model that was taken over needs of the file that holds it.
#[derive(Debug, Default)]
pub(super) struct Imported {
    pub opsets: Vec<OperatorSetIdProto>,
    pub functions: Vec<FunctionProto>,
    pub ir_version: i64,
}

impl Graph {
    pub(crate) fn new(name: &str, form: Form) -> Graph {
        Graph {
            form,
            float: if form.precision == Precision::Fp16 { Elem::F16 } else { Elem::F32 },
            int8: Int8Scheme::default(),
            untyped: None,
            proto: GraphProto { name: Some(name.to_owned()), ..GraphProto::default() },
            inputs: Vec::new(),
            outputs: Vec::new(),
            types: BTreeMap::new(),
            imported: Imported::default(),
            integers: BTreeMap::new(),
            values: 0,
        }
    }

    /// With another scheme for weights in 8 bits.
    pub(crate) fn with_int8(self, int8: Int8Scheme) -> Graph {
        Graph { int8, ..self }
    }

    /// How weights in 8 bits are computed with.
    pub(crate) fn int8(&self) -> Int8Scheme {
        self.int8
    }

    /// Whether ONNX Runtime's own operators may be used.
    pub(crate) fn is_fused(&self) -> bool {
        self.form.variant == Variant::Ort
    }

    /// Whether weights are to be stored in 8 bits.
    pub(crate) fn is_int8(&self) -> bool {
        self.form.precision == Precision::Int8
    }

    /// The element type that the network is computed in.
    pub(crate) fn float(&self) -> Elem {
        self.float
    }

    /// Builds a part that is computed in 32 bits whatever the precision.
    ///
    /// Its inputs are to be such.
    pub(crate) fn in_f32<T>(&mut self, part: impl FnOnce(&mut Graph) -> T) -> T {
        let float = std::mem::replace(&mut self.float, Elem::F32);
        let result = part(self);
        self.float = float;
        result
    }

    /// The type of a value.
    pub(crate) fn type_of(&self, value: &str) -> Option<&ValueType> {
        self.types.get(value)
    }

    /// Declares an input, once; returns its name.
    pub(crate) fn input(&mut self, name: &str, dtype: Dtype, shape: &[&str]) -> String {
        if !self.inputs.iter().any(|spec| spec.name == name) {
            self.inputs.push(TensorSpec::new(name, dtype, shape));
            self.types.insert(name.to_owned(), ValueType::new(dtype.into(), dims(shape)));
        }
        name.to_owned()
    }

    /// What the first dimension of the first input is called: the batch of all inputs.
    pub(crate) fn batch(&self) -> String {
        match self.inputs.first().and_then(|spec| spec.shape.first()) {
            Some(Dim::Fixed(n)) => n.to_string(),
            Some(Dim::Named(name)) => name.clone(),
            None => "batch".to_owned(),
        }
    }

    /// Declares an input of 32-bit floats.
    ///
    /// Returns it in the type that the network is computed in.
    pub(crate) fn float_input(&mut self, name: &str, shape: &[&str]) -> String {
        let input = self.input(name, Dtype::F32, shape);
        self.cast(&input, self.float)
    }

    /// Declares `value` as the output `name` in 32-bit floats.
    pub(crate) fn output(&mut self, value: &str, name: &str, shape: &[&str]) {
        self.declare(value, TensorSpec::new(name, Dtype::F32, shape));
    }

    /// As [`Graph::output`] for a value that is a logarithm.
    pub(crate) fn logarithm_output(&mut self, value: &str, name: &str, shape: &[&str]) {
        self.declare(value, TensorSpec { logarithm: true, ..TensorSpec::new(name, Dtype::F32, shape) });
    }

    fn declare(&mut self, value: &str, spec: TensorSpec) {
        let value = self.cast(value, Elem::F32);
        let name = spec.name.clone();
        self.outputs.push(spec);
        let is_output = self.outputs.iter().any(|other| other.name == value);
        let produced = self.proto.node.iter().any(|node| node.output.contains(&value));
        // Renaming the producer's output saves an Identity; a value that has no producer here is an input and needs one.
        if !produced || is_output {
            self.push("Identity", "", vec![value], vec![name], vec![]);
            return;
        }
        if let Some(value_type) = self.types.remove(&value) {
            self.types.insert(name.clone(), value_type);
        }
        for node in &mut self.proto.node {
            for place in node.input.iter_mut().chain(&mut node.output).filter(|place| **place == value) {
                place.clone_from(&name);
            }
        }
    }

    /// Adds what a model that was taken over needs of the file.
    pub(super) fn import(&mut self, opsets: Vec<OperatorSetIdProto>, functions: Vec<FunctionProto>, ir: Option<i64>) {
        self.imported.opsets.extend(opsets);
        self.imported.functions.extend(functions);
        self.imported.ir_version = self.imported.ir_version.max(ir.unwrap_or(0));
    }

    /// A name that no other value has.
    pub(super) fn fresh(&mut self, hint: &str) -> String {
        self.values += 1;
        format!("{hint}.{}", self.values)
    }

    /// Appends a node of `domain`; the types of its outputs follow from its inputs.
    pub(super) fn push(
        &mut self,
        op: &str,
        domain: &str,
        input: Vec<String>,
        output: Vec<String>,
        attributes: Vec<(&str, Attribute)>,
    ) {
        let node = Node {
            op,
            inputs: input.iter().map(|name| self.types.get(name)).collect(),
            integers: input.iter().map(|name| self.integers.get(name).map(Vec::as_slice)).collect(),
            attributes: &attributes,
            outputs: output.len(),
        };
        let types = infer(&node);
        // How many numbers a Range gives is data to it, as is a shape that was computed; whoever makes one declares it.
        let is_data =
            op == "Range" || ["Reshape", "Expand"].contains(&op) && node.integers.get(1).is_some_and(Option::is_none);
        if types.is_none() && !is_data {
            self.untyped.get_or_insert_with(|| format!("{op} of {:?}", node.inputs));
        }
        self.types.extend(output.iter().cloned().zip(types.unwrap_or_default()));
        self.proto.node.push(NodeProto {
            name: Some(format!("{op}.{}", output.first().map_or("", String::as_str))),
            op_type: Some(op.to_owned()),
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
            attribute: attributes.into_iter().map(|(name, value)| value.proto(name)).collect(),
            input,
            output,
            ..NodeProto::default()
        });
    }

    /// Appends a node with one output.
    ///
    /// An empty input name is an optional input that is left out.
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

    /// Appends a node of the standard operators with `N` outputs.
    pub(crate) fn node_with<const N: usize>(&mut self, op: &str, inputs: &[&str]) -> [String; N] {
        let outputs: [String; N] = std::array::from_fn(|_| self.fresh(&op.to_lowercase()));
        self.push(op, "", inputs.iter().map(|&s| s.to_owned()).collect(), outputs.to_vec(), vec![]);
        outputs
    }

    /// The value in another element type; itself where it has that.
    pub(crate) fn cast(&mut self, value: &str, elem: Elem) -> String {
        if self.type_of(value).is_some_and(|known| known.elem == elem) {
            return value.to_owned();
        }
        self.node("Cast", &[value], vec![("to", Attribute::Int(i64::from(elem.onnx())))])
    }

    /// Stores numbers in the type that the network is computed in.
    ///
    /// Returns the value's name, which keeps the parameter's own.
    pub(crate) fn weight(&mut self, name: &str, weight: &Weight) -> String {
        let bytes = match self.float {
            Elem::F16 => weight.data.iter().flat_map(|v| half(*v).to_le_bytes()).collect(),
            _ => weight.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        self.initializer(name.to_owned(), ValueType::fixed(self.float, &weight.shape), bytes)
    }

    /// Stores 8-bit numbers.
    pub(crate) fn bytes(&mut self, name: &str, shape: &[usize], numbers: &[i8]) -> String {
        let bytes = numbers.iter().map(|v| v.to_le_bytes()[0]).collect();
        self.initializer(name.to_owned(), ValueType::fixed(Elem::I8, shape), bytes)
    }

    /// Stores 8-bit numbers without a sign.
    pub(crate) fn unsigned_bytes(&mut self, name: &str, shape: &[usize], numbers: Vec<u8>) -> String {
        self.initializer(name.to_owned(), ValueType::fixed(Elem::U8, shape), numbers)
    }

    /// Stores whole numbers as a vector.
    pub(crate) fn integers(&mut self, values: &[i64]) -> String {
        if let Some((name, _)) = self.integers.iter().find(|(_, known)| known.as_slice() == values) {
            return name.clone();
        }
        let name = self.fresh("integers");
        self.integers.insert(name.clone(), values.to_vec());
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, ValueType::fixed(Elem::I64, &[values.len()]), bytes)
    }

    /// Stores one whole number as a scalar.
    pub(crate) fn integer(&mut self, value: i64) -> String {
        let name = self.fresh("integer");
        self.initializer(name, ValueType::fixed(Elem::I64, &[]), value.to_le_bytes().to_vec())
    }

    /// Stores one number as a scalar.
    pub(crate) fn scalar(&mut self, value: f32) -> String {
        let name = self.fresh("scalar");
        self.weight(&name, &Weight::new(&[], vec![value]))
    }

    fn initializer(&mut self, name: String, value_type: ValueType, bytes: Vec<u8>) -> String {
        if self.types.contains_key(&name) {
            return name;
        }
        let size = |dim: &Dim| match dim {
            Dim::Fixed(n) => *n as i64,
            Dim::Named(_) => 0,
        };
        self.proto.initializer.push(TensorProto {
            name: Some(name.clone()),
            data_type: Some(value_type.elem.onnx()),
            dims: value_type.shape.iter().map(size).collect(),
            raw_data: Some(bytes),
            ..TensorProto::default()
        });
        self.types.insert(name.clone(), value_type);
        name
    }
}

/// The nearest finite 16-bit float.
///
/// What is beyond its range becomes its largest number, as an infinity would spoil all that it meets.
fn half(value: f32) -> half::f16 {
    half::f16::from_f32(value.clamp(half::f16::MIN.to_f32(), half::f16::MAX.to_f32()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_range_of_16_bits_stay_finite() {
        assert_eq!((half(1e6), half(-1e6)), (half::f16::MAX, half::f16::MIN));
        assert_eq!(half(0.5).to_f32(), 0.5);
    }
}
