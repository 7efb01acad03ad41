//! Dropout, on or off.

use tch::{Device, Kind, Tensor};

/// The rate of dropout of one forward pass: 0 in evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout(pub f64);

/// Number of steps of the rate: it is rounded to multiples of 2^-16.
///
/// Each element takes 16 random bits. The factor on the kept elements follows the rounded rate.
const STEPS: f64 = 65_536.0;

impl Dropout {
    pub(crate) fn apply(self, x: &Tensor) -> Tensor {
        match x.device() {
            _ if self.0 <= 0.0 => x.shallow_clone(),
            Device::Cpu => x * self.noise(x),
            _ => x.dropout(self.0, true),
        }
    }

    /// Factors of dropout, 0 or 1 / (1 − rate), for each element of `like`.
    ///
    /// On the CPU this costs a quarter of libtorch's own dropout. That draws each element by itself
    /// and took half of a forward pass. Here one number of 64 bits serves four elements.
    fn noise(self, like: &Tensor) -> Tensor {
        let dropped = (self.0 * STEPS).round().min(STEPS);
        if dropped == STEPS {
            return like.zeros_like();
        }
        let elements = like.numel() as i64;
        let mut bits = Tensor::empty([(elements + 3) / 4], (Kind::Int64, like.device()));
        let bits = bits.random_from_(i64::MIN, None).view_dtype(Kind::Int16).narrow(0, 0, elements);
        let kept = bits.view(like.size().as_slice()).ge(i64::from(i16::MIN) + dropped as i64);
        kept.to_kind(like.kind()) * (STEPS / (STEPS - dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_drops_at_its_rate_and_keeps_the_mean() {
        tch::manual_seed(5);
        for rate in [0.1, 0.5, 0.9] {
            // An odd number of elements, so that the last random number serves fewer than four.
            let x = Tensor::ones([1001, 1001], (Kind::Float, Device::Cpu));
            let y = Dropout(rate).apply(&x);
            let dropped = y.eq(0.0).to_kind(Kind::Double);
            // Six deviations of the mean of 1e6 draws are below 0.003; the same holds for each of
            // the four in a number.
            assert!((dropped.mean(Kind::Double).double_value(&[]) - rate).abs() < 0.003);
            for lane in 0..4 {
                let share = dropped.flatten(0, 1).slice(0, lane, None, 4).mean(Kind::Double).double_value(&[]);
                assert!((share - rate).abs() < 0.006, "{rate}, lane {lane}: {share}");
            }
            let kept = y.masked_select(&y.ne(0.0));
            assert!((kept.min().double_value(&[]) - 1.0 / (1.0 - rate)).abs() < 1e-3 / (1.0 - rate));
            assert!(kept.min().equal(&kept.max()));
            assert!((y.mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.003 / (1.0 - rate));
        }
    }

    #[test]
    fn neighbours_are_dropped_independently() {
        tch::manual_seed(6);
        let dropped = Dropout(0.5).apply(&Tensor::ones([400_000], (Kind::Float, Device::Cpu))).eq(0.0);
        for shift in 1..=5 {
            let both = dropped.narrow(0, 0, 399_000).logical_and(&dropped.narrow(0, shift, 399_000));
            let share = both.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            assert!((share - 0.25).abs() < 0.005, "{shift}: {share}");
        }
    }

    #[test]
    fn the_extremes_keep_and_drop_everything_and_the_gradient_is_the_noise() {
        let x = Tensor::randn([7, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        assert!(Dropout(0.0).apply(&x).equal(&x));
        assert_eq!(Dropout(1.0).apply(&x).abs().max().double_value(&[]), 0.0);
        let y = Dropout(0.3).apply(&x);
        let gradient = &Tensor::run_backward(&[&y.sum(Kind::Float)], &[&x], false, false)[0];
        assert!((gradient * &x - y).abs().max().double_value(&[]) < 1e-6);
    }
}
