//! Canonical correlation analysis with ridges (Hotelling, 1936; Hardoon et al., 2004).
//!
//! Its directions are weighted by their correlations (Gong et al., 2014).

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::recipe::ridges::Ridges;

/// Covariances of two centred variables, f64 on the processor.
#[derive(Debug)]
pub(crate) struct Covariances {
    /// Covariance of the first variable, `[m, m]`.
    pub xx: Tensor,
    /// Covariance of both variables, `[m, n]`.
    pub xy: Tensor,
    /// Covariance of the second variable, `[n, n]`.
    pub yy: Tensor,
}

/// Weights of the directions that [`correlated_directions`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectionWeights {
    /// The correlation: for what is compared by its directions (Gong et al.).
    Correlation,
    /// The root of the correlation.
    ///
    /// The product of both variables' directions, all of them, is then
    /// `x (Σxx + ridge)⁻¹ Σxy (Σyy + ridge)⁻¹ yᵀ`. That is what ridge regressions of the one on the
    /// other say.
    Root,
}

/// The directions of two variables that correlate most, `[m, width]` and `[n, width]`.
///
/// They are in falling order, each times its weight. Columns beyond the smaller of m and n are
/// zero. `ridges` are added to the variances, in units of their mean. Without them directions that
/// hardly vary would be followed into the noise. Each matrix is scaled so that the variances of its
/// projections add to 1.
pub(crate) fn correlated_directions(
    covariances: &Covariances,
    ridges: Ridges,
    width: i64,
    weights: DirectionWeights,
) -> Result<(Tensor, Tensor)> {
    let root = |moment: &Tensor, ridge: f64| -> Result<Tensor> {
        let n = moment.size()[0];
        let added = moment.trace().double_value(&[]) / n as f64 * ridge;
        Ok((moment + Tensor::eye(n, (Kind::Double, Device::Cpu)) * added).f_linalg_cholesky(false)?)
    };
    let (root_x, root_y) = (root(&covariances.xx, ridges.image_ridge)?, root(&covariances.yy, ridges.text_ridge)?);
    let half = root_x.f_linalg_solve_triangular(&covariances.xy, false, true, false)?;
    let whitened = root_y.f_linalg_solve_triangular(&half.tr(), false, true, false)?.tr();
    let m = whitened.size()[0];
    let kept = width.min(m).min(whitened.size()[1]);
    // Eigenvalues rise: the largest are the last.
    let (squares, vectors) = whitened.matmul(&whitened.tr()).f_linalg_eigh("L")?;
    let correlations = squares.narrow(0, m - kept, kept).flip([0]).clamp_min(0.0).sqrt();
    let left = vectors.narrow(1, m - kept, kept).flip([1]);
    let right = whitened.tr().matmul(&left) / correlations.clamp_min(1e-9);
    let weights = match weights {
        DirectionWeights::Correlation => correlations,
        DirectionWeights::Root => correlations.sqrt(),
    };
    let finish = |root: &Tensor, directions: &Tensor, moment: &Tensor| -> Result<Tensor> {
        let directions = root.tr().f_linalg_solve_triangular(directions, true, true, false)? * &weights;
        let variance = (moment.matmul(&directions) * &directions).sum(Kind::Double).clamp_min(1e-300);
        Ok((directions / variance.sqrt()).constant_pad_nd([0, width - kept]))
    };
    Ok((finish(&root_x, &left, &covariances.xx)?, finish(&root_y, &right, &covariances.yy)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ridges(image_ridge: f64, text_ridge: f64) -> Ridges {
        Ridges { image_ridge, text_ridge }
    }

    /// Finds the number that two variables of three and four numbers share.
    ///
    /// y₂ = −x₁; everything else is noise of other sizes.
    #[test]
    fn what_two_variables_share_is_found() {
        let _guard = tch::no_grad_guard();
        let mut rng = crate::seed::rng(5, "correlation", 0);
        let drawn = |n: i64, rng: &mut _| crate::toy::drawn(rng, &[4000, n]).to_kind(Kind::Double);
        let (x, y) = (drawn(3, &mut rng) * 5.0, drawn(4, &mut rng));
        y.narrow(1, 2, 1).copy_(&(x.narrow(1, 1, 1) * -0.01));
        let centred = |v: &Tensor| v - v.mean_dim(0i64, true, Kind::Double);
        let (x, y) = (centred(&x), centred(&y));
        let covariances = Covariances {
            xx: x.tr().matmul(&x) / 4000.0,
            xy: x.tr().matmul(&y) / 4000.0,
            yy: y.tr().matmul(&y) / 4000.0,
        };
        let (of_x, of_y) =
            correlated_directions(&covariances, ridges(1e-6, 1e-6), 5, DirectionWeights::Correlation).unwrap();
        assert_eq!((of_x.size(), of_y.size()), (vec![3, 5], vec![4, 5]));
        let (a, b) = (x.matmul(&of_x), y.matmul(&of_y));
        let cosine = |k: i64| {
            let (a, b) = (a.narrow(1, k, 1), b.narrow(1, k, 1));
            ((&a * &b).sum(Kind::Double) / (a.norm() * b.norm()).clamp_min(1e-12)).double_value(&[])
        };
        assert!(cosine(0) > 0.999, "{}", cosine(0));
        assert!(cosine(1).abs() < 0.1, "{}", cosine(1));
        // The first direction is x₁ alone, the weakest ones count as little as their correlations.
        let first = of_x.narrow(1, 0, 1).abs();
        assert!(first.double_value(&[1, 0]) > 50.0 * first.double_value(&[0, 0]), "{first}");
        assert!(a.narrow(1, 1, 2).norm().double_value(&[]) < 0.1 * a.narrow(1, 0, 1).norm().double_value(&[]));
        assert_eq!(of_x.narrow(1, 3, 2).abs().max().double_value(&[]), 0.0);
        let variance = (&a * &a).sum(Kind::Double).double_value(&[]) / 4000.0;
        assert!((variance - 1.0).abs() < 1e-9, "{variance}");
    }

    /// All directions by the roots of their correlations say together what ridge regressions say.
    #[test]
    fn the_product_by_roots_is_that_of_ridge_regressions() {
        let _guard = tch::no_grad_guard();
        let mut rng = crate::seed::rng(6, "correlation", 0);
        let mut moment = |n: i64| {
            let drawn = crate::toy::drawn(&mut rng, &[50, n]).to_kind(Kind::Double);
            drawn.tr().matmul(&drawn) / 50.0
        };
        let (of_x, of_y) = (moment(3), moment(4));
        let of_both = crate::toy::drawn(&mut rng, &[3, 4]).to_kind(Kind::Double) * 0.1;
        let covariances = Covariances { xx: of_x, xy: of_both, yy: of_y };
        let (a, b) = correlated_directions(&covariances, ridges(0.5, 2.0), 3, DirectionWeights::Root).unwrap();
        let with_ridge = |moment: &Tensor, ridge: f64| {
            let n = moment.size()[0];
            moment + Tensor::eye(n, (Kind::Double, Device::Cpu)) * (moment.trace() / n as f64 * ridge)
        };
        let inverse = |moment: &Tensor, ridge: f64| with_ridge(moment, ridge).inverse();
        let expected = inverse(&covariances.xx, 0.5).matmul(&covariances.xy).matmul(&inverse(&covariances.yy, 2.0));
        let found = a.matmul(&b.tr());
        let (expected, found) = (&expected / expected.norm(), &found / found.norm());
        let worst = (&expected - &found).abs().max().double_value(&[]);
        assert!(worst < 1e-9, "{expected} {found}");
        let (other, of_y) =
            correlated_directions(&covariances, ridges(0.5, 2.0), 3, DirectionWeights::Correlation).unwrap();
        let other = other.matmul(&of_y.tr());
        assert!((&expected - &other / other.norm()).abs().max().double_value(&[]) > 1e-3, "other weights are others");
    }

    /// A ridge turns the direction in x.
    ///
    /// With y of one number it is (Cxx + ridge · mean variance)⁻¹ Cxy, whatever its length.
    #[test]
    fn a_ridge_turns_directions_towards_what_varies_much() {
        let covariances = Covariances {
            xx: Tensor::from_slice(&[4.0, 0.0, 0.0, 1.0]).view([2, 2]),
            xy: Tensor::from_slice(&[1.0, 0.5]).view([2, 1]),
            yy: Tensor::from_slice(&[1.0]).view([1, 1]),
        };
        for (ridge, expected) in [(0.0, (1.0 / 4.0) / 0.5), (2.0, (1.0 / 9.0) / (0.5 / 6.0))] {
            let (of_x, of_y) =
                correlated_directions(&covariances, ridges(ridge, 0.0), 1, DirectionWeights::Correlation).unwrap();
            let ratio = of_x.double_value(&[0, 0]) / of_x.double_value(&[1, 0]);
            assert!((ratio - expected).abs() < 1e-9, "{ratio} {expected}");
            assert!(
                (of_y.double_value(&[0, 0]).abs() - 1.0).abs() < 1e-9 && (&of_x * &of_y).double_value(&[0, 0]) > 0.0
            );
        }
    }
}
