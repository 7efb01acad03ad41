//! Weights in 8 bits.
//!
//! They are symmetric with one scale an output, so that `weight ≈ number · scale`.
//!
//! Processors without VNNI instructions multiply 8-bit numbers in pairs: `a · v + b · w` of two neighbouring inputs is added in 16
//! bits and cut off at their ends (`pmaddubsw`). Activations `a`, `b` are 0 to 255, so numbers `v` and `w` of one sign may be 128
//! together ([`LARGEST_PAIR`]); of different signs they cannot leave 16 bits. A scale is chosen so that no pair of its column does:
//! graphs give the same on every processor. Numbers that are looked up or turned into floats before they are multiplied have no
//! such bound.

use crate::weights::Weight;

/// How the fused operators compute with weights in 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Int8Scheme {
    /// One scale for an activation tensor: the fastest on processors.
    ///
    /// The operators are `DynamicQuantizeMatMul` and `DynamicQuantizeLSTM`. What else is in a batch moves an item's
    /// result a little.
    #[default]
    PerTensor,
    /// One scale for a block of weights and of activations.
    ///
    /// It is more exact and slower (`MatMulNBits`); the LSTM is in 32 bits. A batch gives what single items give.
    PerBlock,
}

/// A matrix in 8 bits.
///
/// Its numbers are −127 to 127, row-major, with one scale for each of its columns (or rows).
#[derive(Debug, PartialEq)]
pub(crate) struct Quantised {
    pub numbers: Vec<i8>,
    pub scales: Vec<f32>,
}

/// The scale of numbers whose largest has this size.
fn scale(largest: f32) -> f32 {
    if largest > 0.0 { largest / 127.0 } else { 1.0 }
}

/// A weight in units of its scale.
///
/// Rounded, it fits since the largest weight gives 127.
fn number(weight: f32, scale: f32) -> i8 {
    (weight / scale).round().clamp(-127.0, 127.0) as i8
}

/// Numbers of one sign of a pair are together no more.
const LARGEST_PAIR: f32 = 128.0;

/// The sum of two neighbours' numbers of one sign, of the larger sign.
fn of_one_sign(pair: [f32; 2]) -> f32 {
    let of = |sign: f32| pair.iter().map(|v| (sign * v).max(0.0)).sum::<f32>();
    of(1.0).max(of(-1.0))
}

impl Quantised {
    /// Rescales the columns with a too large pair; returns how many there were.
    ///
    /// A pair is too large if its products can leave 16 bits.
    pub(crate) fn limit_pairs(&mut self) -> usize {
        let columns = self.scales.len().max(1);
        let numbers: Vec<f32> = self.numbers.iter().map(|&v| f32::from(v)).collect();
        let factors: Vec<f32> = largest_pairs(&numbers, columns)
            .into_iter()
            .map(|pair| if pair > LARGEST_PAIR { scale(pair) } else { 1.0 })
            .collect();
        self.scales.iter_mut().zip(&factors).for_each(|(scale, factor)| *scale *= factor);
        self.numbers = numbers.iter().zip(factors.iter().cycle()).map(|(&v, &factor)| number(v, factor)).collect();
        factors.iter().filter(|factor| **factor > 1.0).count()
    }
}

/// The largest [`of_one_sign`] of each column of a row-major matrix.
///
/// The pairs are the inputs 0 and 1, 2 and 3, ….
fn largest_pairs(data: &[f32], columns: usize) -> Vec<f32> {
    let mut largest = vec![0f32; columns];
    for rows in data.chunks(2 * columns) {
        let (first, second) = rows.split_at(columns.min(rows.len()));
        // A last input that has no neighbour.
        let second = second.iter().copied().chain(std::iter::repeat(0.0));
        for (largest, pair) in largest.iter_mut().zip(first.iter().copied().zip(second)) {
            *largest = largest.max(of_one_sign(pair.into()));
        }
    }
    largest
}

/// Rounds a matrix `[inputs, outputs]` with a scale for each output.
///
/// No pair of its products leaves 16 bits.
pub(crate) fn quantise_columns(matrix: &Weight) -> Quantised {
    let columns = matrix.shape[1].max(1);
    // The largest pair is 127, and 128 where both of its numbers are rounded up.
    let scales: Vec<f32> = largest_pairs(&matrix.data, columns).into_iter().map(scale).collect();
    let numbers = matrix.data.iter().zip(scales.iter().cycle()).map(|(&v, &s)| number(v, s)).collect();
    Quantised { numbers, scales }
}

/// A matrix with a scale for each row.
pub(crate) fn quantise_rows(matrix: &Weight) -> Quantised {
    let mut quantised = Quantised { numbers: Vec::with_capacity(matrix.data.len()), scales: Vec::new() };
    for row in matrix.data.chunks(matrix.shape[1].max(1)) {
        let scale = scale(row.iter().fold(0f32, |largest, v| largest.max(v.abs())));
        quantised.numbers.extend(row.iter().map(|&v| number(v, scale)));
        quantised.scales.push(scale);
    }
    quantised
}

/// Factors of a matrix's inputs, and the matrix divided by them.
///
/// If the inputs' largest sizes are known, input times factor and row have the same largest size: the root of what the
/// input gives at most (SmoothQuant, Xiao et al. 2023, with equal shares). Rows that nearly cancel out, as those of
/// correlated features do, would lose several times as much if the inputs alone took up the difference. Without sizes
/// every row's largest number becomes 1. A row of zeros keeps its input as it is.
pub(crate) fn evened_rows(matrix: &Weight, input_sizes: Option<&[f32]>) -> (Weight, Weight) {
    let columns = matrix.shape[1].max(1);
    let largest = |row: &[f32]| row.iter().fold(0f32, |largest, v| largest.max(v.abs()));
    let factor = |(input, row): (usize, &[f32])| {
        let size = input_sizes.and_then(|sizes| sizes.get(input)).filter(|size| **size > 0.0);
        let factor = size.map_or(largest(row), |size| (largest(row) / size).sqrt());
        Some(factor).filter(|factor| *factor > 0.0 && factor.is_finite()).unwrap_or(1.0)
    };
    let factors: Vec<f32> = matrix.data.chunks_exact(columns).enumerate().map(factor).collect();
    let rows = matrix.data.chunks_exact(columns).zip(&factors);
    let even = rows.flat_map(|(row, factor)| row.iter().map(move |v| v / factor)).collect();
    (Weight::new(&[factors.len()], factors), Weight::new(&matrix.shape, even))
}

/// A matrix in blocks along its inputs, as `MatMulNBits` wants it.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// Weights of a block.
    pub size: usize,
    /// `[outputs, blocks, size]`, 128 being zero.
    pub numbers: Vec<u8>,
    /// `[outputs, blocks]`.
    pub scales: Vec<f32>,
}

/// Rounds a matrix `[inputs, outputs]` with a scale for each block.
///
/// A block is part of one output's weights; a last one that is not full is filled with zeros.
pub(crate) fn quantise_blocks(matrix: &Weight) -> Blocks {
    let (inputs, outputs) = (matrix.shape[0], matrix.shape[1]);
    let size = [128, 64, 32].into_iter().find(|size| inputs >= *size).unwrap_or(16);
    let blocks = inputs.div_ceil(size);
    let mut found = Blocks { size, numbers: Vec::with_capacity(outputs * blocks * size), scales: Vec::new() };
    for output in 0..outputs {
        for block in 0..blocks {
            let weight = |k: usize| if k < inputs { matrix.data[k * outputs + output] } else { 0.0 };
            let weights: Vec<f32> = (block * size..(block + 1) * size).map(weight).collect();
            let scale = scale(weights.iter().fold(0f32, |largest, v| largest.max(v.abs())));
            found.numbers.extend(weights.iter().map(|&v| (i16::from(number(v, scale)) + 128) as u8));
            found.scales.push(scale);
        }
    }
    found
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

    /// The largest pair of a column decides, whatever its signs.
    ///
    /// The last input has no neighbour.
    #[test]
    fn no_pair_of_products_leaves_16_bits() {
        let pairs = [[1.0, 1.0], [1.0, -1.0], [-3.0, -1.0], [0.0, 4.0], [100.0, 27.0]];
        let expected = [[64, 64], [127, -127], [-95, -32], [0, 127], [100, 27]];
        for (pair, expected) in pairs.into_iter().zip(expected) {
            let found = quantise_columns(&Weight::new(&[2, 1], pair.to_vec()));
            assert_eq!(found.numbers, expected, "{pair:?}");
        }
        let (inputs, outputs) = (131, 40);
        let weight = |k: usize| ((k as f64 * 12.9898).sin() * 43_758.545).fract() as f32;
        for spread in [1, 3, 9] {
            let data = (0..inputs * outputs).map(|k| weight(k).powi(spread)).collect();
            let Quantised { numbers, .. } = quantise_columns(&Weight::new(&[inputs, outputs], data));
            let at = |k: usize, o: usize| if k < inputs { i32::from(numbers[k * outputs + o]) } else { 0 };
            for (k, o) in (0..inputs).step_by(2).flat_map(|k| (0..outputs).map(move |o| (k, o))) {
                let (v, w) = (at(k, o), at(k + 1, o));
                let (most, least) = (255 * (v.max(0) + w.max(0)), 255 * (v.min(0) + w.min(0)));
                assert!(i16::try_from(most).is_ok() && i16::try_from(least).is_ok(), "{k} {o}: {v} {w}");
            }
            let largest = numbers.iter().map(|v| v.unsigned_abs()).max();
            assert!(largest > Some(63), "{largest:?}");
        }
    }

    /// A column without a too large pair stays as it is.
    #[test]
    fn old_numbers_are_rounded_anew_where_a_pair_is_too_large() {
        let numbers = vec![127, 127, 100, 1, -127, 64, 64, 64, 120, -127, -64, 127];
        let mut old = Quantised { numbers, scales: vec![0.5, 2.0] };
        assert_eq!(old.limit_pairs(), 1);
        assert_eq!(old.scales, [0.5 * (127.0 + 100.0) / 127.0, 2.0]);
        assert_eq!(old.numbers, [71, 127, 56, 1, -71, 64, 36, 64, 67, -127, -36, 127]);
        let mut again = Quantised { numbers: old.numbers.clone(), scales: old.scales.clone() };
        assert_eq!((again.limit_pairs(), again), (0, old));
    }

    #[test]
    fn blocks_hold_an_outputs_weights_in_order() {
        let (inputs, outputs) = (40, 3);
        let data: Vec<f32> = (0..inputs * outputs).map(|k| (k as f32 * 0.37).sin() * (1 + k % 7) as f32).collect();
        let Blocks { size, numbers, scales } = quantise_blocks(&Weight::new(&[inputs, outputs], data.clone()));
        assert_eq!((size, numbers.len(), scales.len()), (32, 3 * 2 * 32, 6));
        for (k, o) in (0..inputs).flat_map(|k| (0..outputs).map(move |o| (k, o))) {
            let (block, at) = (o * 2 + k / 32, k % 32);
            let found = (f32::from(numbers[block * 32 + at]) - 128.0) * scales[block];
            assert!((found - data[k * outputs + o]).abs() <= scales[block] * 0.5001);
        }
        assert!(numbers[32 + 8..64].iter().all(|&n| n == 128), "what fills the last block is zero");
    }

    #[test]
    fn evened_rows_times_their_factors_are_the_matrix() {
        let matrix = Weight::new(&[3, 2], vec![4.0, -8.0, 0.0, 0.0, 0.01, 0.0025]);
        let (factors, even) = evened_rows(&matrix, None);
        assert_eq!((factors.data, factors.shape), (vec![8.0, 1.0, 0.01], vec![3]));
        assert_eq!((even.data, even.shape), (vec![0.5, -1.0, 0.0, 0.0, 1.0, 0.25], vec![3, 2]));
        // The first input is at most 2, the second unknown, the third at most 100.
        let (factors, even) = evened_rows(&matrix, Some(&[2.0, 0.0, 100.0]));
        assert_eq!(factors.data, [2.0, 1.0, 0.01]);
        assert_eq!(even.data, [2.0, -4.0, 0.0, 0.0, 1.0, 0.25]);
    }

    /// A few inputs give a hundred times the others, and nearly cancel out.
    #[test]
    fn what_cancels_out_leaves_what_is_small() {
        let (inputs, outputs) = (64, 4);
        let noise = |k: usize| ((k as f64 * 12.9898).sin() * 43_758.545).fract();
        let large = |k: usize| (k / 2).is_multiple_of(4);
        let sizes = [1.0f32; 64];
        let weight = |k: usize, o: usize| {
            let of_pair = if large(k) { 100.0 } else { 1.0 } * (0.5 + noise(k / 2 * outputs + o).abs());
            (if k.is_multiple_of(2) { of_pair } else { -of_pair }) as f32
        };
        let data = (0..inputs * outputs).map(|at| weight(at / outputs, at % outputs)).collect();
        let matrix = Weight::new(&[inputs, outputs], data);
        let input = |k: usize| (0.6 + 0.4 * noise(1000 + if large(k) { k / 2 } else { k })) as f32;
        let exact = |o: usize| (0..inputs).map(|k| input(k) * matrix.data[k * outputs + o]).sum::<f32>();
        let error = |sizes: Option<&[f32]>| -> f32 {
            let (factors, even) = evened_rows(&matrix, sizes);
            let numbers: Vec<f32> = (0..inputs).map(|k| input(k) * factors.data[k]).collect();
            let step = numbers.iter().fold(0f32, |largest, v| largest.max(v.abs())) / 255.0;
            let Quantised { numbers: weights, scales } = quantise_columns(&even);
            let product = |o: usize| {
                let of =
                    |k: usize| (numbers[k] / step).round() * step * f32::from(weights[k * outputs + o]) * scales[o];
                (0..inputs).map(of).sum::<f32>()
            };
            (0..outputs).map(|o| (product(o) - exact(o)).powi(2)).sum::<f32>().sqrt()
        };
        assert!(error(Some(&sizes)) < 0.5 * error(None), "{} {}", error(Some(&sizes)), error(None));
    }

    #[test]
    fn zeros_stay_zeros() {
        let quantised = quantise_columns(&Weight::new(&[2, 2], vec![0.0, 1.0, 0.0, -1.0]));
        assert_eq!(quantised, Quantised { numbers: vec![0, 127, 0, -127], scales: vec![1.0, 1.0 / 127.0] });
    }
}
