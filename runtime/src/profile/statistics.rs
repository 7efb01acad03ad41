//! The middle of some times, and how far they are apart.

/// The middle of some times, and how far they are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    /// The median.
    pub median: f64,
    /// Half the distance between the quartiles, relative to the median.
    pub spread: f64,
}

impl Summary {
    /// Of at least one time.
    pub(super) fn of(times: &[f64]) -> Summary {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = quantile(&sorted, 0.5);
        let half = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 2.0;
        Summary { median, spread: if median > 0.0 { half / median } else { 0.0 } }
    }
}

/// What the part `part` of `sorted` is not above, by a line between the neighbours.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = part * last as f64;
    // Both are at most `last`.
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread_are_the_known_ones() {
        assert_eq!(Summary::of(&[5.0, 1.0, 3.0, 2.0, 4.0]), Summary { median: 3.0, spread: 1.0 / 3.0 });
        assert_eq!(Summary::of(&[4.0, 2.0]), Summary { median: 3.0, spread: 0.5 / 3.0 });
        assert_eq!(Summary::of(&[7.0]), Summary { median: 7.0, spread: 0.0 });
        assert_eq!(Summary::of(&[]), Summary { median: 0.0, spread: 0.0 });
    }

    #[test]
    fn a_few_that_stand_out_move_neither() {
        let mut times = vec![2.0; 50];
        times.extend([90.0; 9]);
        assert_eq!(Summary::of(&times), Summary { median: 2.0, spread: 0.0 });
    }
}
