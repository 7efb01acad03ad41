//! Scales with round numbers.

/// Unit of the numbers of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Numbers as they are.
    Plain,
    /// Shares, written in per cent.
    Percent,
}

/// The vertical axis of a chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    step: f64,
    unit: Unit,
}

/// The smallest round number that is not below `least`.
///
/// Round numbers are 1, 2, 2.5, 5 times a power of ten.
fn round_up(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 2.5, 5.0].into_iter().find(|digit| digit * power >= least * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

/// Number of decimals that show multiples of `step` exactly.
fn decimals(step: f64) -> usize {
    let whole = |decimals: &usize| {
        let scaled = step * 10f64.powi(*decimals as i32);
        scaled > 0.5 && (scaled - scaled.round()).abs() < 1e-6
    };
    (0..4).find(whole).unwrap_or(4)
}

impl Axis {
    /// Makes an axis around `values`; it starts at 0 if they come near it.
    pub(crate) fn around(values: impl Iterator<Item = f64>, unit: Unit) -> Axis {
        Axis::with_steps(values, unit, 4)
    }

    /// Makes an axis as [`Axis::around`], with about `steps` steps: at most 10.
    pub(crate) fn with_steps(values: impl Iterator<Item = f64>, unit: Unit, steps: u8) -> Axis {
        let finite = values.filter(|v| v.is_finite());
        let (mut low, mut high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low >= 0.0 && low < 0.5 * high {
            low = 0.0;
        }
        if low == high {
            let margin = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low, high) = (if low == 0.0 { 0.0 } else { low - margin }, high + margin);
        }
        if unit == Unit::Percent {
            (low, high) = (low.max(0.0), high.min(1.0));
        }
        let step = round_up((high - low) / f64::from(steps));
        if !step.is_finite() || step <= 0.0 {
            return Axis { low: 0.0, high: 1.0, step: 0.5, unit };
        }
        Axis { low: (low / step).floor() * step, high: (high / step - 1e-9).ceil() * step, step, unit }
    }

    /// An axis from 0 to 1 with marks at every `step`.
    pub(crate) fn shares(step: f64) -> Axis {
        Axis { low: 0.0, high: 1.0, step, unit: Unit::Percent }
    }

    /// Its marks, from low to high.
    pub(crate) fn marks(&self) -> Vec<f64> {
        let count = ((self.high - self.low) / self.step).round().clamp(1.0, 12.0) as usize;
        (0..=count).map(|k| self.low + k as f64 * self.step).collect()
    }

    /// A mark as text.
    pub(crate) fn mark(&self, value: f64) -> String {
        if self.unit == Unit::Percent {
            return format!("{:.*} %", decimals(100.0 * self.step), 100.0 * value);
        }
        if value.abs() < 1e-9 * self.step {
            return "0".to_owned();
        }
        if self.step < 1e-3 || self.high >= 1e6 {
            return format!("{value:.1e}").replace(".0e", "e");
        }
        format!("{value:.*}", decimals(self.step))
    }

    /// A value as text, finer than the marks.
    pub(crate) fn value(&self, value: f64) -> String {
        match self.unit {
            Unit::Percent => format!("{:.1} %", 100.0 * value),
            Unit::Plain => significant(value),
        }
    }
}

/// A number with three digits that count.
pub(crate) fn significant(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}").replace(".00e", "e").replace("0e", "e");
    }
    let decimals = (2.0 - size.log10().floor()).clamp(0.0, 5.0) as usize;
    format!("{value:.decimals$}")
}

/// Marks of an axis of `epochs` epochs, which count from 0.
///
/// They are at most `most` and one.
pub(crate) fn epoch_marks(epochs: usize, most: usize) -> Vec<usize> {
    let last = epochs.saturating_sub(1);
    let step = round_up(last.max(1) as f64 / most.max(1) as f64).ceil().max(1.0) as usize;
    (0..=last).step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(values: &[f64], unit: Unit) -> Vec<String> {
        let axis = Axis::around(values.iter().copied(), unit);
        axis.marks().into_iter().map(|v| axis.mark(v)).collect()
    }

    #[test]
    fn marks_are_round_and_hold_the_values() {
        assert_eq!(marks(&[0.3, 3.47], Unit::Plain), ["0", "1", "2", "3", "4"]);
        assert_eq!(marks(&[0.71, 0.834], Unit::Percent), ["70 %", "75 %", "80 %", "85 %"]);
        assert_eq!(marks(&[2.2e-4, 4e-4], Unit::Plain), ["2e-4", "2.5e-4", "3e-4", "3.5e-4", "4e-4"]);
        assert_eq!(marks(&[1.0, 1.0], Unit::Percent), ["90.0 %", "92.5 %", "95.0 %", "97.5 %", "100.0 %"]);
        assert_eq!(marks(&[0.0], Unit::Plain), ["0", "0.25", "0.50", "0.75", "1.00"]);
        for values in [vec![], vec![f64::NAN], vec![f64::MAX, f64::MIN], vec![f64::INFINITY], vec![1e-320, 2e-320]] {
            let axis = Axis::around(values.iter().copied(), Unit::Plain);
            assert!(axis.low < axis.high && axis.marks().len() <= 13, "{values:?} {axis:?}");
        }
    }

    #[test]
    fn values_keep_three_digits() {
        let texts = [0.0, 0.41234, 41.234, 4123.4, 4e-4, 1.25e-5, -0.5].map(significant);
        assert_eq!(texts, ["0", "0.412", "41.2", "4123", "4e-4", "1.25e-5", "-0.500"]);
        assert_eq!(epoch_marks(6, 6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(epoch_marks(100, 5), [0, 20, 40, 60, 80]);
        assert_eq!(epoch_marks(1, 5), [0]);
        assert_eq!(epoch_marks(0, 5), [0]);
    }
}
