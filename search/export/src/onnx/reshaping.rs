//! Nodes that reshape values, join them and take them apart.

use mmnas_bundle::manifest::Dim;

use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::onnx::value_type::{Elem, ValueType};

impl Graph {
    /// Splits `value` along `axis` into parts of the given sizes.
    pub(crate) fn split(&mut self, value: &str, axis: i64, sizes: &[usize]) -> Vec<String> {
        if sizes.len() == 1 {
            return vec![value.to_owned()];
        }
        let outputs: Vec<String> = sizes.iter().map(|_| self.fresh("split")).collect();
        let sizes = self.integers(&sizes.iter().map(|&n| n as i64).collect::<Vec<_>>());
        let attributes = vec![("axis", Attribute::Int(axis))];
        self.push("Split", "", vec![value.to_owned(), sizes], outputs.clone(), attributes);
        outputs
    }

    /// Concatenates along `axis`.
    pub(crate) fn concat(&mut self, values: &[&str], axis: i64) -> String {
        if let [only] = values {
            return (*only).to_owned();
        }
        self.node("Concat", values, vec![("axis", Attribute::Int(axis))])
    }

    /// Permutes dimensions.
    pub(crate) fn transpose(&mut self, value: &str, order: &[i64]) -> String {
        self.node("Transpose", &[value], vec![("perm", Attribute::Ints(order.to_vec()))])
    }

    /// Gives a value another shape; 0 keeps a dimension.
    pub(crate) fn reshape(&mut self, value: &str, shape: &[i64]) -> String {
        let shape = self.integers(shape);
        self.node("Reshape", &[value, &shape], vec![])
    }

    /// Unfolds the first dimension of a value into the first two of `like`.
    pub(crate) fn unfold_like(&mut self, value: &str, like: &str) -> String {
        let attributes = vec![("start", Attribute::Int(0)), ("end", Attribute::Int(2))];
        let first = self.node("Shape", &[like], attributes);
        let rest = self.type_of(value).map_or_else(Vec::new, |known| known.shape[1..].to_vec());
        let sizes: Vec<i64> = rest.iter().map(|dim| if let Dim::Fixed(n) = dim { *n as i64 } else { -1 }).collect();
        let sizes = self.integers(&sizes);
        let shape = self.concat(&[&first, &sizes], 0);
        let unfolded = self.node("Reshape", &[value, &shape], vec![]);
        let known = self.type_of(value).zip(self.type_of(like));
        let unfolded_type = known.map(|(value, like)| ValueType::new(value.elem, [&like.shape[..2], &rest].concat()));
        self.types.extend(unfolded_type.map(|known| (unfolded.clone(), known)));
        unfolded
    }

    /// Unfolds the second dimension of a value into the last ones of `like`.
    ///
    /// The value is `[k, m]`; m counts all dimensions of `like` but the first.
    pub(crate) fn unfold_last_like(&mut self, value: &str, like: &str) -> String {
        let rank = self.type_of(like).map_or(1, |known| known.shape.len()) as i64;
        let rest = self.node("Shape", &[like], vec![("start", Attribute::Int(1)), ("end", Attribute::Int(rank))]);
        // The first dimension as it is.
        let first = self.integers(&[0]);
        let shape = self.concat(&[&first, &rest], 0);
        let unfolded = self.node("Reshape", &[value, &shape], vec![]);
        let known = self.type_of(value).zip(self.type_of(like));
        let unfolded_type =
            known.map(|(value, like)| ValueType::new(value.elem, [&value.shape[..1], &like.shape[1..]].concat()));
        self.types.extend(unfolded_type.map(|known| (unfolded.clone(), known)));
        unfolded
    }

    /// Repeats a value where its dimensions are 1 and those of `like` are more.
    pub(crate) fn expand_like(&mut self, value: &str, like: &str) -> String {
        let rank = self.type_of(like).map_or(1, |known| known.shape.len()) as i64;
        let shape = self.node("Shape", &[like], vec![("start", Attribute::Int(0)), ("end", Attribute::Int(rank))]);
        let expanded = self.node("Expand", &[value, &shape], vec![]);
        let known = self.type_of(value).zip(self.type_of(like));
        let expanded_type = known.map(|(value, like)| ValueType::new(value.elem, like.shape.clone()));
        self.types.extend(expanded_type.map(|known| (expanded.clone(), known)));
        expanded
    }

    /// Inserts dimensions of size 1.
    pub(crate) fn unsqueeze(&mut self, value: &str, axes: &[i64]) -> String {
        let axes = self.integers(axes);
        self.node("Unsqueeze", &[value, &axes], vec![])
    }

    /// Removes dimensions of size 1.
    pub(crate) fn squeeze(&mut self, value: &str, axes: &[i64]) -> String {
        let axes = self.integers(axes);
        self.node("Squeeze", &[value, &axes], vec![])
    }

    /// `0, 1, …` up to the size of `value` in the dimension `axis`.
    pub(crate) fn positions(&mut self, value: &str, axis: usize) -> String {
        let at = axis as i64;
        let attributes = vec![("start", Attribute::Int(at)), ("end", Attribute::Int(at + 1))];
        let size = self.node("Shape", &[value], attributes);
        let size = self.squeeze(&size, &[0]);
        let (zero, one) = (self.integer(0), self.integer(1));
        let positions = self.node("Range", &[&zero, &size, &one], vec![]);
        // The number of positions is data to the operator, but it is known to be this dimension.
        let dim = self.type_of(value).and_then(|known| known.shape.get(axis)).cloned();
        self.types.extend(dim.map(|dim| (positions.clone(), ValueType::new(Elem::I64, vec![dim]))));
        positions
    }
}
