//! Several items as one batch.
//!
//! Tensors of one item each are padded with zeros to the longest and stacked.

use std::collections::BTreeMap;

use mmnas_bundle::manifest::{Dim, TensorSpec};

use crate::engine::stage::Tensors;
use crate::engine::tensor::{Data, Tensor};

/// Stacks the tensors that `specs` list, of all `items`.
///
/// Each item is looked for in several lots of tensors. There is no batch where a tensor is missing, is not of one item,
/// or differs from the others in more than its named dimensions: then the stage, which looks at every item alone, says
/// what is wrong.
pub(crate) fn stacked<'a>(specs: &[TensorSpec], items: &[[&'a Tensors; 2]]) -> Option<Tensors> {
    let mut longest: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for spec in specs {
        let of_item = |item: &[&'a Tensors; 2]| item.iter().find_map(|lot| lot.get(&spec.name));
        let tensors: Vec<&Tensor> = items.iter().map(of_item).collect::<Option<_>>()?;
        for &tensor in &tensors {
            if tensor.shape().len() != spec.shape.len() || tensor.shape().first() != Some(&1) {
                return None;
            }
            for (dim, &size) in spec.shape.iter().zip(tensor.shape()).skip(1) {
                match dim {
                    Dim::Fixed(expected) if *expected != size => return None,
                    Dim::Fixed(_) => {}
                    Dim::Named(name) => {
                        let most = longest.entry(name).or_default();
                        *most = size.max(*most);
                    }
                }
            }
        }
        found.push((spec, tensors));
    }
    let mut batch = Tensors::new();
    for (spec, tensors) in found {
        let side = |dim: &Dim| match dim {
            Dim::Fixed(size) => Some(*size),
            Dim::Named(name) => longest.get(name.as_str()).copied(),
        };
        let mut shape = vec![items.len()];
        shape.extend(spec.shape.iter().skip(1).map(side).collect::<Option<Vec<usize>>>()?);
        batch.insert(spec.name.clone(), stack(shape, &tensors)?);
    }
    Some(batch)
}

fn stack(shape: Vec<usize>, tensors: &[&Tensor]) -> Option<Tensor> {
    let item = shape.iter().skip(1).try_fold(1usize, |product, &side| product.checked_mul(side))?;
    let total = item.checked_mul(tensors.len())?;
    let data = match tensors.first()?.data() {
        Data::F32(_) => Data::F32(padded(total, item, &shape[1..], tensors, |t| match t.data() {
            Data::F32(values) => Some(values),
            _ => None,
        })?),
        Data::I64(_) => Data::I64(padded(total, item, &shape[1..], tensors, |t| match t.data() {
            Data::I64(values) => Some(values),
            _ => None,
        })?),
        // No state holds bytes.
        Data::U8(_) => return None,
    };
    Tensor::new(shape, data)
}

fn padded<T: Copy + Default>(
    total: usize,
    item: usize,
    shape: &[usize],
    tensors: &[&Tensor],
    values: fn(&Tensor) -> Option<&Vec<T>>,
) -> Option<Vec<T>> {
    let mut all = vec![T::default(); total];
    if item == 0 {
        return Some(all);
    }
    for (tensor, place) in tensors.iter().zip(all.chunks_exact_mut(item)) {
        copy_into_corner(values(tensor)?, &tensor.shape()[1..], place, shape);
    }
    Some(all)
}

/// Cuts item `k` with its first `count` places out of a batch's outputs.
///
/// Each dimension that has a name, the batch aside, is padded to the longest item's. There is none where an output is
/// not what `specs` say.
pub(crate) fn item(outputs: &Tensors, specs: &[TensorSpec], k: usize, count: usize) -> Option<Tensors> {
    let mut found = Tensors::new();
    for spec in specs {
        let tensor = outputs.get(&spec.name)?;
        let values = tensor.as_f32()?;
        let (items, whole) = tensor.shape().split_first()?;
        let numbers = values.len() / (*items).max(1);
        let row = values.get(k * numbers..(k + 1) * numbers)?;
        let sizes = spec.shape.get(1..)?.iter().zip(whole);
        let cut: Vec<usize> =
            sizes.map(|(dim, &size)| if matches!(dim, Dim::Named(_)) { count.min(size) } else { size }).collect();
        let mut data = Vec::with_capacity(cut.iter().product());
        copy_from_corner(row, whole, &mut data, &cut);
        let shape = std::iter::once(1).chain(cut).collect();
        found.insert(spec.name.clone(), Tensor::new(shape, Data::F32(data))?);
    }
    Some(found)
}

/// Appends the corner of the shape `small` of `from`, whose shape is `large`.
fn copy_from_corner(from: &[f32], large: &[usize], to: &mut Vec<f32>, small: &[usize]) {
    if small == large {
        to.extend_from_slice(from);
        return;
    }
    let (Some((rows, rest)), Some((_, large_rest))) = (small.split_first(), large.split_first()) else { return };
    let large_row = large_rest.iter().product::<usize>();
    if large_row > 0 {
        from.chunks_exact(large_row).take(*rows).for_each(|row| copy_from_corner(row, large_rest, to, rest));
    }
}

/// Copies `from`, of shape `small`, into the corner of `to`, of shape `large`.
fn copy_into_corner<T: Copy>(from: &[T], small: &[usize], to: &mut [T], large: &[usize]) {
    if small == large {
        to.copy_from_slice(from);
        return;
    }
    // Shapes of one number alone are equal, so there is a first dimension.
    let (Some((rows, rest)), Some((_, large_rest))) = (small.split_first(), large.split_first()) else { return };
    let (row, large_row) = (rest.iter().product::<usize>(), large_rest.iter().product::<usize>());
    if row == 0 || large_row == 0 {
        return;
    }
    for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(large_row)).take(*rows) {
        copy_into_corner(from, rest, to, large_rest);
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::manifest::Dtype;

    use super::*;

    fn floats(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::new(shape.to_vec(), Data::F32(values.to_vec())).unwrap()
    }

    #[test]
    fn items_are_padded_to_the_longest() {
        let specs = [
            TensorSpec::new("x", Dtype::F32, &["batch", "regions", "2"]),
            TensorSpec::new("b", Dtype::F32, &["batch", "1", "regions", "regions"]),
            TensorSpec::new("n", Dtype::I64, &["batch"]),
        ];
        let item = |n: usize, values: &[f32], square: &[f32]| {
            Tensors::from([
                ("x".to_owned(), floats(&[1, n, 2], values)),
                ("b".to_owned(), floats(&[1, 1, n, n], square)),
                ("n".to_owned(), Tensor::count(n)),
            ])
        };
        let (one, two) = (item(1, &[1.0, 2.0], &[9.0]), item(2, &[3.0, 4.0, 5.0, 6.0], &[1.0, 2.0, 3.0, 4.0]));
        let none = Tensors::new();
        let batch = stacked(&specs, &[[&none, &one], [&two, &none]]).unwrap();
        assert_eq!(batch["x"], floats(&[2, 2, 2], &[1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(batch["b"], floats(&[2, 1, 2, 2], &[9.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0]));
        assert_eq!(batch["n"], Tensor::new(vec![2], Data::I64(vec![1, 2])).unwrap());
    }

    #[test]
    fn items_come_back_from_a_batch() {
        let specs = [
            TensorSpec::new("k", Dtype::F32, &["batch", "2", "tokens", "1"]),
            TensorSpec::new("p", Dtype::F32, &["batch", "3"]),
        ];
        let batch = Tensors::from([
            ("k".to_owned(), floats(&[2, 2, 3, 1], &(0..12).map(|v| v as f32).collect::<Vec<_>>())),
            ("p".to_owned(), floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ]);
        let second = item(&batch, &specs, 1, 2).unwrap();
        assert_eq!(second["k"], floats(&[1, 2, 2, 1], &[6.0, 7.0, 9.0, 10.0]));
        assert_eq!(second["p"], floats(&[1, 3], &[4.0, 5.0, 6.0]));
        assert_eq!(item(&batch, &specs, 0, 3).unwrap()["k"], floats(&[1, 2, 3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert!(item(&batch, &specs, 2, 1).is_none());
    }

    #[test]
    fn what_does_not_stack_is_none() {
        let specs = [TensorSpec::new("x", Dtype::F32, &["batch", "2"])];
        let lot = |tensor| Tensors::from([("x".to_owned(), tensor)]);
        let none = Tensors::new();
        for wrong in [floats(&[1, 3], &[0.0; 3]), floats(&[2, 2], &[0.0; 4]), floats(&[2], &[0.0; 2])] {
            assert!(stacked(&specs, &[[&lot(wrong), &none]]).is_none());
        }
        assert!(stacked(&specs, &[[&none, &none]]).is_none());
    }
}
