//! The layers of the network as nodes.
//!
//! Each function writes one layer in the graph's operators and number format.

use crate::network::mask;
use crate::onnx::attribute::Attribute;
use crate::onnx::graph::{Graph, MICROSOFT};
use crate::onnx::value_type::Elem;
use crate::weights::Weight;
use crate::weights::int8::{Blocks, Int8Scheme, Quantised, quantise_blocks, quantise_columns, quantise_rows};

/// Epsilon of the published layer norm, for ONNX's LayerNormalization.
///
/// The published epsilon, 1e-6, stands outside the root, where no operator has one. Without it a row differs by a
/// relative 1e-6 / deviation, several roundings in a trained network; this one only keeps the root above zero.
const EPSILON: f32 = 1e-12;
/// Matrices with fewer rows or columns are not worth quantising.
const LEAST_INT8: usize = 32;

/// Keys and values of an attention.
#[derive(Debug, Clone)]
pub(crate) enum KeysValues {
    /// Of the queries' own positions, `[batch, n, heads · head]` as the queries.
    Own(String, String),
    /// In heads, `[batch, heads, m, head]`.
    Heads(String, String),
}

/// What an attention reads.
#[derive(Debug)]
pub(crate) struct Attention<'a> {
    /// `[batch, n, heads · head]`; without fused operators already divided by √head ([`query_scale`]).
    pub query: &'a str,
    pub keys_values: &'a KeysValues,
    /// Mask of the keys as [`mask::Mask::keys`] gives it.
    pub mask: &'a str,
    /// Added to the scores, `[batch, heads, n, m]`.
    pub bias: Option<&'a str>,
    pub heads: usize,
    pub head: usize,
}

/// Factor of the query's matrix for [`Graph::attention`].
///
/// The fused operator divides by √head itself; elsewhere scores in 16 bits overflow less so.
pub(crate) fn query_scale(g: &Graph, head: usize) -> f32 {
    if g.is_fused() { 1.0 } else { (1.0 / (head as f64).sqrt()) as f32 }
}

/// A named matrix `[inputs, outputs]`, and the bias of its product.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    pub name: &'a str,
    pub matrix: &'a Weight,
    pub bias: Option<(&'a str, &'a Weight)>,
}

impl Graph {
    /// `x W + b` in the number format of the graph.
    pub(crate) fn product(&mut self, x: &str, product: &Product<'_>) -> String {
        let worth = product.matrix.shape.iter().all(|&n| n >= LEAST_INT8);
        if !self.is_int8() || !worth {
            return self.plain_product(x, product);
        }
        if self.is_fused() && self.int8() == Int8Scheme::PerBlock {
            return self.block_product(x, product);
        }
        let Quantised { numbers, scales } = quantise_columns(product.matrix);
        let matrix = self.bytes(&format!("{}.int8", product.name), &product.matrix.shape, &numbers);
        let scales = self.weight(&format!("{}.scale", product.name), &Weight::new(&[scales.len()], scales));
        let bias = product.bias.map(|(name, bias)| self.weight(name, bias));
        if self.is_fused() {
            let inputs = [x, &matrix, &scales, "", bias.as_deref().unwrap_or("")];
            let given = if bias.is_some() { &inputs[..] } else { &inputs[..3] };
            return self.node_of(MICROSOFT, "DynamicQuantizeMatMul", given, vec![]);
        }
        let [numbers, scale, zero] = self.node_with("DynamicQuantizeLinear", &[x]);
        let sums = self.node("MatMulInteger", &[&numbers, &matrix, &zero], vec![]);
        let sums = self.cast(&sums, Elem::F32);
        let scale = self.node("Mul", &[&scale, &scales], vec![]);
        let y = self.node("Mul", &[&sums, &scale], vec![]);
        bias.map_or_else(|| y.clone(), |bias| self.node("Add", &[&y, &bias], vec![]))
    }

    /// `x W + b` with blocks of weights that have a scale each.
    fn block_product(&mut self, x: &str, product: &Product<'_>) -> String {
        let (inputs, outputs) = (product.matrix.shape[0], product.matrix.shape[1]);
        let Blocks { size, numbers, scales } = quantise_blocks(product.matrix);
        let blocks = inputs.div_ceil(size);
        let matrix = self.unsigned_bytes(&format!("{}.int8", product.name), &[outputs, blocks, size], numbers);
        let scales = self.weight(&format!("{}.scale", product.name), &Weight::new(&[outputs, blocks], scales));
        let bias = product.bias.map(|(name, bias)| self.weight(name, bias));
        // Inputs 3 and 4 are zero points and an order of the inputs: none.
        let inputs_of_node = [x, &matrix, &scales, "", "", bias.as_deref().unwrap_or("")];
        let given = if bias.is_some() { &inputs_of_node[..] } else { &inputs_of_node[..3] };
        let attributes = vec![
            ("K", Attribute::Int(inputs as i64)),
            ("N", Attribute::Int(outputs as i64)),
            ("bits", Attribute::Int(8)),
            ("block_size", Attribute::Int(size as i64)),
            // Activations in 8 bits too.
            ("accuracy_level", Attribute::Int(4)),
        ];
        self.node_of(MICROSOFT, "MatMulNBits", given, attributes)
    }

    /// `x W + b` in floats whatever the number format.
    pub(crate) fn plain_product(&mut self, x: &str, product: &Product<'_>) -> String {
        let matrix = self.weight(product.name, product.matrix);
        let y = self.node("MatMul", &[x, &matrix], vec![]);
        match product.bias {
            Some((name, bias)) => {
                let bias = self.weight(name, bias);
                self.node("Add", &[&y, &bias], vec![])
            }
            None => y,
        }
    }

    /// `LN(x + y + bias)`, the published LN with its `gain` and `shift`.
    ///
    /// It is in 32 bits whatever the precision, since the squares of what a block gives leave the range of 16. `x` and
    /// `y` have one shape, unless `broadcast` says that `y` is repeated.
    pub(crate) fn residual_norm(
        &mut self,
        (x, y, bias): (&str, &str, Option<(&str, &Weight)>),
        broadcast: bool,
        (gain_name, gain): (&str, &Weight),
        (shift_name, shift): (&str, &Weight),
    ) -> String {
        let width = gain.data.len();
        let factor = (width.saturating_sub(1) as f64 / width.max(1) as f64).sqrt();
        let gain = Weight::new(&[width], gain.data.iter().map(|v| (f64::from(*v) * factor) as f32).collect());
        let (x, y) = (self.cast(x, Elem::F32), self.cast(y, Elem::F32));
        let normed = self.in_f32(|g| {
            let (gain, shift) = (g.weight(gain_name, &gain), g.weight(shift_name, shift));
            let bias = bias.map(|(name, bias)| g.weight(name, bias));
            let epsilon = ("epsilon", Attribute::Float(EPSILON));
            if g.is_fused() {
                // Repeated it costs a fraction of what the other norm takes longer.
                let y = if broadcast { g.expand_like(&y, &x) } else { y };
                let inputs = [&x, &y, &gain, &shift, bias.as_deref().unwrap_or("")];
                let given = if bias.is_some() { &inputs[..] } else { &inputs[..4] };
                return g.node_of(MICROSOFT, "SkipLayerNormalization", given, vec![epsilon]);
            }
            let mut sum = g.node("Add", &[&x, &y], vec![]);
            if let Some(bias) = bias {
                sum = g.node("Add", &[&sum, &bias], vec![]);
            }
            let attributes = vec![epsilon, ("axis", Attribute::Int(-1)), ("stash_type", Attribute::Int(1))];
            g.node("LayerNormalization", &[&sum, &gain, &shift], attributes)
        });
        self.cast(&normed, self.float())
    }

    /// Scaled dot-product attention of all heads, `[batch, n, heads · head]`.
    pub(crate) fn attention(&mut self, a: &Attention<'_>) -> String {
        if self.is_fused() {
            let (key, value) = match a.keys_values {
                KeysValues::Own(key, value) | KeysValues::Heads(key, value) => (key, value),
            };
            let attributes = vec![
                ("num_heads", Attribute::Int(a.heads as i64)),
                ("mask_filter_value", Attribute::Float(mask::masked(self))),
            ];
            // Inputs: query, key, value, projection bias (none), key mask, score bias.
            let inputs = [a.query, key, value, "", a.mask, a.bias.unwrap_or("")];
            let given = if a.bias.is_some() { &inputs[..] } else { &inputs[..5] };
            return self.node_of(MICROSOFT, "MultiHeadAttention", given, attributes);
        }
        let (heads, head) = (a.heads as i64, a.head as i64);
        let in_heads = |g: &mut Graph, value: &str, order: [i64; 4]| {
            let value = g.reshape(value, &[0, 0, heads, head]);
            g.transpose(&value, &order)
        };
        let query = in_heads(self, a.query, [0, 2, 1, 3]);
        let (key, value) = match a.keys_values {
            KeysValues::Own(key, value) => (in_heads(self, key, [0, 2, 3, 1]), in_heads(self, value, [0, 2, 1, 3])),
            KeysValues::Heads(key, value) => (self.transpose(key, &[0, 1, 3, 2]), value.clone()),
        };
        let mut scores = self.node("MatMul", &[&query, &key], vec![]);
        if let Some(bias) = a.bias {
            scores = self.node("Add", &[&scores, bias], vec![]);
        }
        scores = self.node("Add", &[&scores, a.mask], vec![]);
        let weights = self.node("Softmax", &[&scores], vec![("axis", Attribute::Int(-1))]);
        let attended = self.node("MatMul", &[&weights, &value], vec![]);
        let attended = self.transpose(&attended, &[0, 2, 1, 3]);
        self.reshape(&attended, &[0, 0, heads * head])
    }

    /// The rows of `x` scaled to length 1.
    pub(crate) fn unit(&mut self, x: &str) -> String {
        self.node("LpNormalization", &[x], vec![("axis", Attribute::Int(-1)), ("p", Attribute::Int(2))])
    }

    /// Rows of `table` by `ids`.
    pub(crate) fn lookup(&mut self, name: &str, table: &Weight, ids: &str) -> String {
        if !self.is_int8() {
            let table = self.weight(name, table);
            return self.node("Gather", &[&table, ids], vec![]);
        }
        let Quantised { numbers, scales } = quantise_rows(table);
        let numbers = self.bytes(&format!("{name}.int8"), &table.shape, &numbers);
        let scales = self.weight(&format!("{name}.scale"), &Weight::new(&[scales.len(), 1], scales));
        let rows = self.node("Gather", &[&numbers, ids], vec![]);
        let rows = self.cast(&rows, Elem::F32);
        let scales = self.node("Gather", &[&scales, ids], vec![]);
        self.node("Mul", &[&rows, &scales], vec![])
    }

    /// The states of a one-layer LSTM over `x` `[batch, n, inputs]`, `[batch, n, hidden]`.
    ///
    /// `input` `[4 hidden, inputs]` and `hidden` `[4 hidden, hidden]` with the gates in ONNX's order, `biases` `[8
    /// hidden]`.
    pub(crate) fn lstm(&mut self, x: &str, input: &Weight, recurrent: &Weight, biases: &Weight) -> String {
        let (gates, inputs, width) = (input.shape[0], input.shape[1], recurrent.shape[1]);
        let biases = self.weight("lstm.bias_l0", &Weight::new(&[1, 2 * gates], biases.data.clone()));
        let by_time = self.transpose(x, &[1, 0, 2]);
        let size = vec![("hidden_size", Attribute::Int(width as i64))];
        let (name_input, name_recurrent) = ("lstm.weight_ih_l0", "lstm.weight_hh_l0");
        let states = if !self.is_int8() {
            let input = self.weight(name_input, &Weight::new(&[1, gates, inputs], input.data.clone()));
            let recurrent = self.weight(name_recurrent, &Weight::new(&[1, gates, width], recurrent.data.clone()));
            self.node("LSTM", &[&by_time, &input, &recurrent, &biases], size)
        } else if self.is_fused() && self.int8() == Int8Scheme::PerTensor {
            let [input, input_scale] = self.lstm_columns(name_input, &input.transposed());
            let [recurrent, recurrent_scale] = self.lstm_columns(name_recurrent, &recurrent.transposed());
            let zero = self.bytes("lstm.zero", &[1, gates], &vec![0; gates]);
            // Inputs 4 to 7 are lengths, initial states and peepholes: none.
            let scales = [input_scale.as_str(), &zero, &recurrent_scale, &zero];
            let inputs = [[by_time.as_str(), &input, &recurrent, &biases].as_slice(), &[""; 4], &scales].concat();
            self.node_of(MICROSOFT, "DynamicQuantizeLSTM", &inputs, size)
        } else {
            let input = self.lstm_rows(name_input, input);
            let recurrent = self.lstm_rows(name_recurrent, recurrent);
            self.node("LSTM", &[&by_time, &input, &recurrent, &biases], size)
        };
        // In this order: a Transpose right before a MatMul in 16 bits crashes ONNX Runtime 1.28 while it fuses the two.
        let states = self.transpose(&states, &[2, 1, 0, 3]);
        self.squeeze(&states, &[1])
    }

    /// A matrix of an LSTM in 8 bits for the fused operator.
    ///
    /// `[1, inputs, 4 hidden]`, and its scales.
    fn lstm_columns(&mut self, name: &str, matrix: &Weight) -> [String; 2] {
        let Quantised { numbers, scales } = quantise_columns(matrix);
        let shape = [1, matrix.shape[0], matrix.shape[1]];
        let matrix = self.bytes(&format!("{name}.int8"), &shape, &numbers);
        [matrix, self.weight(&format!("{name}.scale"), &Weight::new(&[1, scales.len()], scales))]
    }

    /// A matrix of an LSTM, stored in 8 bits, computed with in 32.
    ///
    /// `[1, 4 hidden, inputs]`.
    fn lstm_rows(&mut self, name: &str, matrix: &Weight) -> String {
        let Quantised { numbers, scales } = quantise_rows(matrix);
        let numbers = self.bytes(&format!("{name}.int8"), &[1, matrix.shape[0], matrix.shape[1]], &numbers);
        let scales = self.weight(&format!("{name}.scale"), &Weight::new(&[scales.len()], scales));
        self.node("DequantizeLinear", &[&numbers, &scales], vec![("axis", Attribute::Int(1))])
    }
}
