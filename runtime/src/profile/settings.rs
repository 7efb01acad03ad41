//! How probes are measured.

use crate::error::{Error, Result};

/// How probes are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfileSettings {
    /// Rounds, in each of which every graph runs, 5 to 10000.
    ///
    /// Where the times of a graph are spread too far there are up to three times as many, for all graphs of its form.
    pub rounds: usize,
    /// Most spread of a graph's times: half the distance between the quartiles, relative to the median.
    pub max_spread: f64,
}

impl Default for ProfileSettings {
    fn default() -> Self {
        ProfileSettings { rounds: 60, max_spread: 0.25 }
    }
}

impl ProfileSettings {
    const ROUNDS: (usize, usize) = (5, 10_000);

    /// Checks the ranges.
    pub(super) fn check(&self) -> Result<()> {
        let (least, most) = Self::ROUNDS;
        if self.rounds < least || self.rounds > most {
            return Err(Error::argument("rounds", format!("{least} to {most}"), self.rounds));
        }
        if !(self.max_spread.is_finite() && self.max_spread > 0.0) {
            return Err(Error::argument("max_spread", "a number above 0", self.max_spread));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_errors() {
        let of = |rounds, max_spread| ProfileSettings { rounds, max_spread }.check().map_err(|e| e.to_string());
        assert_eq!(ProfileSettings::default().check().map_err(|e| e.to_string()), Ok(()));
        assert_eq!(of(4, 0.1).unwrap_err(), "rounds: expected 5 to 10000, found 4");
        assert!(of(10_001, 0.1).is_err() && of(10_000, 0.1).is_ok());
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(of(5, wrong).unwrap_err().starts_with("max_spread"), "{wrong}");
        }
    }
}
