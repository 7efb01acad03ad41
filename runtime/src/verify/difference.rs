//! How far outputs lie from the recorded ones.

use mmnas_bundle::manifest::{Precision, TensorSpec};

use crate::engine::stage::Tensors;
use crate::engine::tensor::{Data, Tensor};

/// What the numbers of a row have to do with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// They are sums of terms as large as the largest of them, as a network's are.
    Sums,
    /// They are of several kinds side by side, as features of maps, boxes and scores are.
    Mixed,
}

/// The largest difference of the outputs, as [`Precision::tolerance`] measures it, or why there is none.
///
/// Of logarithms their exponentials are compared.
pub(crate) fn worst(
    found: &Tensors,
    recorded: &Tensors,
    (specs, rows): (&[TensorSpec], Rows),
    precision: Precision,
) -> Result<f64, String> {
    let mut worst = 0.0f64;
    for (name, recorded) in recorded {
        let logarithm = specs.iter().any(|spec| spec.name == *name && spec.logarithm);
        let found = found.get(name).ok_or_else(|| format!("{name}: is missing"))?;
        let measure = if logarithm { f64::exp } else { |value| value };
        let difference = difference(found, recorded, (measure, rows), precision).map_err(|e| format!("{name}: {e}"))?;
        worst = worst.max(difference);
    }
    Ok(worst)
}

fn difference(
    found: &Tensor,
    recorded: &Tensor,
    (measure, rows): (fn(f64) -> f64, Rows),
    precision: Precision,
) -> Result<f64, String> {
    if found.shape() != recorded.shape() {
        return Err(format!("expected the recorded shape {:?}, found {:?}", recorded.shape(), found.shape()));
    }
    let row = if rows == Rows::Sums { row_length(recorded.shape()) } else { 1 };
    let (found, recorded) = match (found.data(), recorded.data()) {
        (Data::F32(a), Data::F32(b)) => (doubles(a), doubles(b)),
        (Data::I64(a), Data::I64(b)) => (a.iter().map(|&v| v as f64).collect(), b.iter().map(|&v| v as f64).collect()),
        (Data::U8(a), Data::U8(b)) => (doubles(a), doubles(b)),
        _ => return Err("expected the recorded element type, found another".to_owned()),
    };
    let pairs: Vec<(f64, f64)> = found.into_iter().zip(recorded).map(|(a, b)| (measure(a), measure(b))).collect();
    // Of what was measured: the exponential of a finite number may be infinite.
    if let Some((a, b)) = pairs.iter().find(|(a, b)| !a.is_finite() || !b.is_finite()) {
        return Err(format!("expected finite numbers, found {a} where {b} was recorded"));
    }
    let (mut largest, mut squares, mut of_recorded) = (0.0f64, 0.0f64, 0.0f64);
    for row in pairs.chunks(row) {
        let scale = row.iter().fold(1.0f64, |scale, (_, b)| scale.max(b.abs()));
        for (a, b) in row {
            largest = largest.max((a - b).abs() / scale);
            squares += (a - b) * (a - b);
            of_recorded += b * b;
        }
    }
    match precision {
        Precision::Fp32 => Ok(largest),
        Precision::Fp16 | Precision::Int8 if squares == 0.0 => Ok(0.0),
        // Zeros are recorded where an operation gives nothing; then only zeros are right.
        Precision::Fp16 | Precision::Int8 if of_recorded == 0.0 => Ok(squares.sqrt()),
        Precision::Fp16 | Precision::Int8 => Ok((squares / of_recorded).sqrt()),
    }
}

/// Numbers of a row: the last dimension, or one number where there is no other.
fn row_length(shape: &[usize]) -> usize {
    match shape {
        [.., _, last] => (*last).max(1),
        _ => 1,
    }
}

fn doubles<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::new(vec![values.len()], Data::F32(values.to_vec())).unwrap()
    }

    fn of(found: &[f32], recorded: &[f32], precision: Precision) -> Result<f64, String> {
        let tensors = |values| Tensors::from([("x".to_owned(), floats(values))]);
        worst(&tensors(found), &tensors(recorded), (&[], Rows::Sums), precision)
    }

    #[test]
    fn in_32_bits_the_difference_is_absolute_below_one_and_relative_above() {
        assert!((of(&[0.25], &[0.5], Precision::Fp32).unwrap() - 0.25).abs() < 1e-9);
        assert!((of(&[1001.0], &[1000.0], Precision::Fp32).unwrap() - 1e-3).abs() < 1e-9);
    }

    #[test]
    fn in_32_bits_a_row_has_the_size_of_its_largest_number() {
        let rows = |shape: &[usize], values: &[f32]| Tensor::new(shape.to_vec(), Data::F32(values.to_vec())).unwrap();
        let by = |kind: Rows, shape: &[usize], found: &[f32], recorded: &[f32]| {
            let tensors = |values| Tensors::from([("x".to_owned(), rows(shape, values))]);
            worst(&tensors(found), &tensors(recorded), (&[], kind), Precision::Fp32).unwrap()
        };
        let of = |shape: &[usize], found: &[f32], recorded: &[f32]| by(Rows::Sums, shape, found, recorded);
        // A box beside features that are larger is no smaller for them.
        assert!((by(Rows::Mixed, &[1, 2], &[20.0, 0.25], &[20.0, 0.5]) - 0.25).abs() < 1e-9);
        // A small number of a row of large ones is a difference of sums as large as they are.
        assert!((of(&[1, 2], &[20.0, 0.25], &[20.0, 0.5]) - 0.0125).abs() < 1e-9);
        // The next row is another item's.
        assert!((of(&[2, 1], &[20.0, 0.25], &[20.0, 0.5]) - 0.25).abs() < 1e-9);
        assert!((of(&[2, 1, 2], &[20.0, 0.5, 0.25, 0.0], &[20.0, 0.5, 0.5, 0.0]) - 0.25).abs() < 1e-9);
        // So are the numbers of an output of one dimension.
        assert!((of(&[2], &[20.0, 0.25], &[20.0, 0.5]) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn in_16_and_8_bits_it_is_that_of_the_whole_output() {
        for precision in [Precision::Fp16, Precision::Int8] {
            assert!((of(&[3.0, 4.5], &[3.0, 4.0], precision).unwrap() - 0.1).abs() < 1e-9);
            assert_eq!(of(&[0.0], &[0.0], precision), Ok(0.0));
            assert_eq!(of(&[2.0], &[0.0], precision), Ok(2.0));
        }
    }

    #[test]
    fn logarithms_are_compared_by_what_they_stand_for() {
        let spec = TensorSpec { logarithm: true, ..TensorSpec::new("x", mmnas_bundle::manifest::Dtype::F32, &["n"]) };
        let tensors = |values| Tensors::from([("x".to_owned(), floats(values))]);
        let worst = |found, recorded| {
            worst(&tensors(found), &tensors(recorded), (std::slice::from_ref(&spec), Rows::Sums), Precision::Fp32)
                .unwrap()
        };
        assert!(worst(&[-13.0], &[-13.8]) < 2e-6);
        assert!((worst(&[0.0], &[-0.5]) - 0.393).abs() < 1e-3);
        let infinite = super::worst(
            &tensors(&[800.0]),
            &tensors(&[900.0]),
            (std::slice::from_ref(&spec), Rows::Sums),
            Precision::Fp32,
        );
        assert!(infinite.unwrap_err().contains("finite"));
    }

    #[test]
    fn what_is_not_a_number_another_shape_or_missing_is_told() {
        for precision in [Precision::Fp32, Precision::Fp16] {
            for found in [f32::NAN, f32::INFINITY] {
                assert!(of(&[found], &[0.0], precision).unwrap_err().contains("finite"));
                assert!(of(&[found], &[found], precision).is_err());
            }
            assert!(of(&[0.0], &[0.0, 0.0], precision).is_err());
        }
        let recorded = Tensors::from([("x".to_owned(), floats(&[0.0]))]);
        assert!(worst(&Tensors::new(), &recorded, (&[], Rows::Sums), Precision::Fp32).unwrap_err().contains("missing"));
    }
}
