//! Types and shapes of the outputs of operators.
//!
//! Every value of a graph is declared: engines plan memory by it, and a graph that was put together wrongly is found
//! where it is made.

use mmnas_bundle::manifest::Dim;

use crate::onnx::attribute::Attribute;
use crate::onnx::value_type::{Elem, ValueType};

/// What is known of a node.
pub(crate) struct Node<'a> {
    pub op: &'a str,
    /// Types of the inputs; none for optional ones that are left out.
    pub inputs: Vec<Option<&'a ValueType>>,
    /// Whole numbers of the inputs that are stored vectors of such.
    pub integers: Vec<Option<&'a [i64]>>,
    pub attributes: &'a [(&'a str, Attribute)],
    pub outputs: usize,
}

/// The types of the outputs of a node, or none where they do not follow.
pub(crate) fn infer(node: &Node<'_>) -> Option<Vec<ValueType>> {
    let one = |value| Some(vec![value]);
    let first = || node.input(0);
    match node.op {
        "Relu"
        | "Log"
        | "Sqrt"
        | "Abs"
        | "Sigmoid"
        | "Softmax"
        | "Identity"
        | "Clip"
        | "LayerNormalization"
        | "LpNormalization"
        | "SkipLayerNormalization" => one(first()?.clone()),
        "Add" | "Sub" | "Mul" | "Div" | "Max" => {
            one(ValueType::new(first()?.elem, broadcast(&first()?.shape, &node.input(1)?.shape)?))
        }
        "Less" => one(ValueType::new(Elem::Bool, broadcast(&first()?.shape, &node.input(1)?.shape)?)),
        "Where" => {
            let (yes, no) = (node.input(1)?, node.input(2)?);
            one(ValueType::new(yes.elem, broadcast(&broadcast(&first()?.shape, &yes.shape)?, &no.shape)?))
        }
        "Cast" => one(ValueType::new(Elem::of_onnx(node.int("to")?)?, first()?.shape.clone())),
        "MatMul" => one(ValueType::new(first()?.elem, product(&first()?.shape, &node.input(1)?.shape)?)),
        "MatMulInteger" => one(ValueType::new(Elem::I32, product(&first()?.shape, &node.input(1)?.shape)?)),
        "DynamicQuantizeMatMul" => one(ValueType::new(Elem::F32, product(&first()?.shape, &node.input(1)?.shape)?)),
        "MatMulNBits" => {
            let mut shape = first()?.shape.clone();
            *shape.last_mut()? = Dim::Fixed(usize::try_from(node.int("N")?).ok()?);
            one(ValueType::new(first()?.elem, shape))
        }
        "DynamicQuantizeLinear" => Some(vec![
            ValueType::new(Elem::U8, first()?.shape.clone()),
            ValueType::fixed(Elem::F32, &[]),
            ValueType::fixed(Elem::U8, &[]),
        ]),
        "DequantizeLinear" => one(ValueType::new(node.input(1)?.elem, first()?.shape.clone())),
        "MultiHeadAttention" => {
            // The query's batch and length; the width of all heads together, which queries have too.
            one(first()?.clone())
        }
        "Transpose" => {
            let shape = &first()?.shape;
            let shape = node.ints("perm")?.iter().map(|&k| shape.get(usize::try_from(k).ok()?).cloned());
            one(ValueType::new(first()?.elem, shape.collect::<Option<_>>()?))
        }
        "Split" => node.split(),
        "Concat" => one(node.concat()?),
        "Squeeze" => {
            let rank = first()?.shape.len();
            let gone: Vec<usize> = node.integers(1)?.iter().map(|&a| place(a, rank)).collect::<Option<_>>()?;
            let shape = first()?.shape.iter().enumerate().filter(|(k, _)| !gone.contains(k));
            one(ValueType::new(first()?.elem, shape.map(|(_, dim)| dim.clone()).collect()))
        }
        "Unsqueeze" => {
            let rank = first()?.shape.len() + node.integers(1)?.len();
            let mut new: Vec<usize> = node.integers(1)?.iter().map(|&a| place(a, rank)).collect::<Option<_>>()?;
            new.sort_unstable();
            let mut shape = first()?.shape.clone();
            new.into_iter().for_each(|k| shape.insert(k.min(shape.len()), Dim::Fixed(1)));
            one(ValueType::new(first()?.elem, shape))
        }
        "Reshape" => {
            let old = &first()?.shape;
            let dim = |(k, &n): (usize, &i64)| match n {
                0 => old.get(k).cloned(),
                -1 => Some(Dim::Named("items".to_owned())),
                n => usize::try_from(n).ok().map(Dim::Fixed),
            };
            let shape = node.integers(1)?.iter().enumerate().map(dim).collect::<Option<_>>()?;
            one(ValueType::new(first()?.elem, shape))
        }
        "Shape" => {
            let count = usize::try_from(node.int("end")? - node.int("start")?).ok()?;
            one(ValueType::fixed(Elem::I64, &[count]))
        }
        "Gather" => {
            let mut shape = node.input(1)?.shape.clone();
            shape.extend_from_slice(first()?.shape.get(1..)?);
            one(ValueType::new(first()?.elem, shape))
        }
        "LSTM" | "DynamicQuantizeLSTM" => {
            let [steps, batch, _] = first()?.shape.as_slice() else { return None };
            let hidden = Dim::Fixed(usize::try_from(node.int("hidden_size")?).ok()?);
            one(ValueType::new(first()?.elem, vec![steps.clone(), Dim::Fixed(1), batch.clone(), hidden]))
        }
        "Conv" => node.convolution(),
        "AveragePool" => node.pool(),
        // Ours keep the shape: a stride of 1, padding on all sides.
        "MaxPool" => one(first()?.clone()),
        "ScatterElements" => one(first()?.clone()),
        "ReduceMin" | "ReduceMax" => {
            let rank = first()?.shape.len();
            let mut shape = first()?.shape.clone();
            for &axis in node.integers(1)? {
                *shape.get_mut(place(axis, rank)?)? = Dim::Fixed(1);
            }
            one(ValueType::new(first()?.elem, shape))
        }
        "RoiAlign" => {
            let (channels, items) = (first()?.shape.get(1)?.clone(), node.input(1)?.shape.first()?.clone());
            let side = |name: &str| Some(Dim::Fixed(usize::try_from(node.int(name)?).ok()?));
            one(ValueType::new(first()?.elem, vec![items, channels, side("output_height")?, side("output_width")?]))
        }
        "GlobalAveragePool" => {
            let mut shape = first()?.shape.clone();
            shape.iter_mut().skip(2).for_each(|dim| *dim = Dim::Fixed(1));
            one(ValueType::new(first()?.elem, shape))
        }
        _ => None,
    }
}

/// A dimension counted from the front, of an axis that may count from the back.
fn place(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()
}

/// The shape of two that are broadcast to one another.
fn broadcast(a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[Dim], k: usize| {
        let missing = rank - shape.len();
        if k < missing { Dim::Fixed(1) } else { shape[k - missing].clone() }
    };
    let dim = |k| match (at(a, k), at(b, k)) {
        (x, y) if x == y => Some(x),
        (Dim::Fixed(1), other) | (other, Dim::Fixed(1)) => Some(other),
        _ => None,
    };
    (0..rank).map(dim).collect()
}

/// The shape of a matrix product.
fn product(a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    let ([left @ .., rows, inner], [right @ .., inner_too, columns]) = (a, b) else { return None };
    if inner != inner_too {
        return None;
    }
    let mut shape = broadcast(left, right)?;
    shape.extend([rows.clone(), columns.clone()]);
    Some(shape)
}

impl<'a> Node<'a> {
    fn input(&self, k: usize) -> Option<&'a ValueType> {
        self.inputs.get(k).copied().flatten()
    }

    fn integers(&self, k: usize) -> Option<&'a [i64]> {
        self.integers.get(k).copied().flatten()
    }

    fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn int(&self, name: &str) -> Option<i64> {
        if let Attribute::Int(value) = self.attribute(name)? { Some(*value) } else { None }
    }

    fn ints(&self, name: &str) -> Option<&'a [i64]> {
        if let Attribute::Ints(values) = self.attribute(name)? { Some(values) } else { None }
    }

    fn split(&self) -> Option<Vec<ValueType>> {
        let input = self.input(0)?;
        let axis = place(self.int("axis")?, input.shape.len())?;
        let Dim::Fixed(size) = *input.shape.get(axis)? else { return None };
        let sizes: Vec<usize> = match self.integers(1) {
            Some(sizes) => sizes.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<_>>()?,
            None => vec![size / self.outputs.max(1); self.outputs],
        };
        if sizes.iter().sum::<usize>() != size || sizes.len() != self.outputs {
            return None;
        }
        let part = |n: usize| {
            let mut shape = input.shape.clone();
            shape[axis] = Dim::Fixed(n);
            ValueType::new(input.elem, shape)
        };
        Some(sizes.into_iter().map(part).collect())
    }

    fn concat(&self) -> Option<ValueType> {
        let mut output = self.input(0)?.clone();
        let axis = place(self.int("axis")?, output.shape.len())?;
        let dims = (0..self.inputs.len()).map(|k| self.input(k)?.shape.get(axis)).collect::<Option<Vec<_>>>()?;
        let fixed: Option<Vec<usize>> =
            dims.iter().map(|dim| if let Dim::Fixed(n) = dim { Some(*n) } else { None }).collect();
        *output.shape.get_mut(axis)? = match fixed {
            Some(sizes) => Dim::Fixed(sizes.iter().sum()),
            None => {
                let name = |dim: &&Dim| match dim {
                    Dim::Fixed(n) => n.to_string(),
                    Dim::Named(name) => name.clone(),
                };
                Dim::Named(dims.iter().map(name).collect::<Vec<_>>().join(" + "))
            }
        };
        Some(output)
    }

    fn spatial(&self, channels: Dim, kernel: &[i64]) -> Option<Vec<ValueType>> {
        let input = self.input(0)?;
        let sides = kernel.len();
        let pads = self.ints("pads").map_or(vec![0; 2 * sides], <[i64]>::to_vec);
        let strides = self.ints("strides").map_or(vec![1; sides], <[i64]>::to_vec);
        let mut shape = vec![input.shape.first()?.clone(), channels];
        for (k, &kernel) in kernel.iter().enumerate() {
            let pad = pads.get(k)? + pads.get(k + sides)?;
            shape.push(match input.shape.get(k + 2)? {
                Dim::Fixed(n) => {
                    let n = i64::try_from(*n).ok()?;
                    Dim::Fixed(usize::try_from((n + pad - kernel) / strides.get(k)? + 1).ok()?)
                }
                // Ours keep the number of positions.
                named if pad == kernel - 1 && strides.get(k) == Some(&1) => named.clone(),
                Dim::Named(_) => return None,
            });
        }
        Some(vec![ValueType::new(input.elem, shape)])
    }

    fn convolution(&self) -> Option<Vec<ValueType>> {
        self.spatial(self.input(1)?.shape.first()?.clone(), self.ints("kernel_shape")?)
    }

    fn pool(&self) -> Option<Vec<ValueType>> {
        self.spatial(self.input(0)?.shape.get(1)?.clone(), self.ints("kernel_shape")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::value_type::dims;

    #[test]
    fn products_and_broadcasts_follow_the_rules() {
        assert_eq!(product(&dims(&["batch", "n", "4"]), &dims(&["4", "8"])), Some(dims(&["batch", "n", "8"])));
        assert_eq!(product(&dims(&["batch", "n", "4"]), &dims(&["5", "8"])), None);
        assert_eq!(broadcast(&dims(&["batch", "1", "n"]), &dims(&["3", "1"])), Some(dims(&["batch", "3", "n"])));
        assert_eq!(broadcast(&dims(&["batch"]), &dims(&["n"])), None);
    }
}
