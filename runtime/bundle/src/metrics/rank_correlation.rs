//! Spearman's rank correlation.

/// Ranks from 1; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |v: &f64| {
        let below = values.iter().filter(|w| *w < v).count() as f64;
        let equal = values.iter().filter(|w| *w == v).count() as f64;
        below + (equal + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// Spearman's rho of two lists of the same length, −1 to 1.
///
/// It is 0 if one of them is constant.
pub fn spearman_rho(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    // The mean of all ranks.
    let middle = (a.len() as f64 + 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum() };
    let scale = f64::sqrt(product(&a, &a) * product(&b, &b));
    if scale > 0.0 { product(&a, &b) / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_of_known_lists() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert!((spearman_rho(&a, &a) - 1.0).abs() < 1e-12);
        assert!((spearman_rho(&a, &[5.0, 4.0, 3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        // 1 − 6 Σd² / (n (n² − 1)) = 1 − 6 · 6 / 210.
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]);
        assert!((spearman_rho(&x, &y) - (1.0 - 36.0 / 210.0)).abs() < 1e-12);
        // With ties: scipy.stats gives this.
        let (x, y) = ([1.0, 2.0, 2.0, 3.0], [1.0, 3.0, 2.0, 3.0]);
        assert!((spearman_rho(&x, &y) - 0.833_333_333_333_333_4).abs() < 1e-12);
        assert_eq!((spearman_rho(&[1.0; 4], &y), spearman_rho(&[], &[])), (0.0, 0.0));
    }
}
