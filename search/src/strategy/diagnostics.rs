//! Diagnostics of a search: its decidedness, and a collapse to one operation.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::space::search_space::Space;

/// Metrics of one moment of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchDiagnostics {
    /// Mean entropy of the blocks relative to its maximum, 0 (decided) to 1 (uniform).
    pub entropy: f64,
    /// Share of the blocks whose top choice is the same as an epoch before.
    ///
    /// None in the first epoch.
    pub agreement: Option<f64>,
    /// Share of the blocks whose top choice an operation is, by its published name.
    ///
    /// A collapsed search has one operation at 1.
    pub shares: BTreeMap<String, f64>,
}

impl SearchDiagnostics {
    /// Computes the metrics from the blocks' top choices and probabilities.
    ///
    /// `before` are the top choices of an epoch ago.
    pub fn of(
        space: &Space,
        best: &[usize],
        probabilities: &[Vec<f64>],
        before: Option<&[usize]>,
    ) -> SearchDiagnostics {
        let blocks = best.len().max(1) as f64;
        let relative = |p: &Vec<f64>| {
            let entropy: f64 = p.iter().filter(|&&v| v > 0.0).map(|v| -v * v.ln()).sum();
            if p.len() > 1 { entropy / (p.len() as f64).ln() } else { 0.0 }
        };
        let same = |before: &[usize]| before.iter().zip(best).filter(|(a, b)| a == b).count() as f64 / blocks;
        let mut shares: BTreeMap<String, f64> = BTreeMap::new();
        for operations in space.blocks() {
            for operation in operations {
                shares.entry(operation.name().to_owned()).or_default();
            }
        }
        let architecture = space.architecture(best);
        for operation in architecture.encoder.iter().chain(&architecture.decoder) {
            *shares.entry(operation.name().to_owned()).or_default() += 1.0 / blocks;
        }
        SearchDiagnostics {
            entropy: probabilities.iter().map(relative).sum::<f64>() / blocks,
            agreement: before.map(same),
            shares,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_agreement_and_shares() {
        let space = Space::published(2, 2);
        let uniform = vec![vec![0.5, 0.5], vec![0.5, 0.5], vec![0.25; 4], vec![0.25; 4]];
        let now = SearchDiagnostics::of(&space, &[0, 0, 3, 3], &uniform, None);
        assert!((now.entropy - 1.0).abs() < 1e-12 && now.agreement.is_none());
        assert_eq!(now.shares["self_att_64"], 0.5);
        assert_eq!(now.shares["feed_forward"], 0.5);
        assert_eq!(now.shares["guided_att_64"], 0.0);
        let decided = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 0.0, 0.0, 0.0], vec![0.0, 0.0, 0.0, 1.0]];
        let next = SearchDiagnostics::of(&space, &[0, 1, 0, 3], &decided, Some(&[0, 0, 3, 3]));
        assert_eq!((next.entropy, next.agreement), (0.0, Some(0.5)));
    }
}
