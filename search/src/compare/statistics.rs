//! Means, deviations and Kendall's rank correlation of a few numbers.
//!
//! Spearman's is in [`mmnas_bundle::rank_correlation`].

/// Mean and deviation, n − 1 in the denominator.
///
/// The deviation of a single number is 0.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

/// Kendall's tau-b of two lists of the same length, −1 to 1.
///
/// It is 0 if one of them is constant.
pub fn kendall_tau(a: &[f64], b: &[f64]) -> f64 {
    let (mut agreeing, mut pairs_a, mut pairs_b) = (0.0, 0.0, 0.0);
    for i in 0..a.len().min(b.len()) {
        for j in 0..i {
            let sign = |v: &[f64]| v[i].partial_cmp(&v[j]).map_or(0.0, |order| f64::from(order as i8));
            let (x, y) = (sign(a), sign(b));
            agreeing += x * y;
            pairs_a += x * x;
            pairs_b += y * y;
        }
    }
    let scale = f64::sqrt(pairs_a * pairs_b);
    if scale > 0.0 { agreeing / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_of_known_lists() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert!((kendall_tau(&a, &a) - 1.0).abs() < 1e-12);
        let reversed = [5.0, 4.0, 3.0, 2.0, 1.0];
        assert!((kendall_tau(&a, &reversed) + 1.0).abs() < 1e-12);
        // By hand: 12 pairs in order, 3 not, of 15 pairs without ties.
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]);
        assert!((kendall_tau(&x, &y) - 9.0 / 15.0).abs() < 1e-12);
        // With ties: scipy.stats gives this.
        let (x, y) = ([1.0, 2.0, 2.0, 3.0], [1.0, 3.0, 2.0, 3.0]);
        assert!((kendall_tau(&x, &y) - 0.8).abs() < 1e-12);
        assert_eq!(kendall_tau(&[1.0; 4], &y), 0.0);
    }
}
