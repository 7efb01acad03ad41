//! Weights in 8 bits: symmetric, one scale an output, so that `weight ≈ number · scale`.

use crate::Weight;

/// Numbers of a matrix, −127 to 127 row-major, and one scale for each of its columns (or rows).
#[derive(Debug, PartialEq)]
pub(crate) struct Columns {
    pub numbers: Vec<i8>,
    pub scales: Vec<f32>,
}

/// The scale of numbers whose largest has this size.
fn scale(largest: f32) -> f32 {
    if largest > 0.0 { largest / 127.0 } else { 1.0 }
}

/// A weight in units of its scale; rounded, it fits since the largest weight gives 127.
fn number(weight: f32, scale: f32) -> i8 {
    (weight / scale).round().clamp(-127.0, 127.0) as i8
}

/// A matrix `[inputs, outputs]` with a scale for each output.
pub(crate) fn quantise_columns(matrix: &Weight) -> Columns {
    let columns = matrix.shape[1].max(1);
    let mut largest = vec![0f32; columns];
    for row in matrix.data.chunks_exact(columns) {
        largest.iter_mut().zip(row).for_each(|(largest, v)| *largest = largest.max(v.abs()));
    }
    let scales: Vec<f32> = largest.into_iter().map(scale).collect();
    let numbers = matrix.data.iter().zip(scales.iter().cycle()).map(|(&v, &s)| number(v, s)).collect();
    Columns { numbers, scales }
}

/// A matrix with a scale for each row.
pub(crate) fn quantise_rows(matrix: &Weight) -> Columns {
    let mut quantised = Columns { numbers: Vec::with_capacity(matrix.data.len()), scales: Vec::new() };
    for row in matrix.data.chunks(matrix.shape[1].max(1)) {
        let scale = scale(row.iter().fold(0f32, |largest, v| largest.max(v.abs())));
        quantised.numbers.extend(row.iter().map(|&v| number(v, scale)));
        quantised.scales.push(scale);
    }
    quantised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_is_within_half_a_step() {
        let data: Vec<f32> =
            (0..60).map(|k| ((k * 37 % 23) as f32 - 11.0) * if k % 4 == 0 { 100.0 } else { 0.01 }).collect();
        let matrix = Weight::new(&[15, 4], data.clone());
        let quantised = quantise_columns(&matrix);
        for (k, (&v, &q)) in data.iter().zip(&quantised.numbers).enumerate() {
            let s = quantised.scales[k % 4];
            assert!((v - f32::from(q) * s).abs() <= s * 0.5001, "{v} {q} {s}");
        }
        let rows = quantise_rows(&matrix);
        for (k, (&v, &q)) in data.iter().zip(&rows.numbers).enumerate() {
            let s = rows.scales[k / 4];
            assert!((v - f32::from(q) * s).abs() <= s * 0.5001, "{v} {q} {s}");
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        let quantised = quantise_columns(&Weight::new(&[2, 2], vec![0.0, 1.0, 0.0, -1.0]));
        assert_eq!(quantised, Columns { numbers: vec![0, 127, 0, -127], scales: vec![1.0, 1.0 / 127.0] });
    }
}
