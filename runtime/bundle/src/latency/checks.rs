//! Whether the sum holds on a device: networks that were measured whole, beside what is predicted of them.

use std::path::Path;

use crate::error::Result;
use crate::latency::costs::{NetworkCosts, Predicted};
use crate::latency::probes::{Part, Stack};
use crate::latency::quantity::Quantity;
use crate::latency::table::LatencyTable;
use crate::manifest::Form;
use crate::metrics::rank_correlation::spearman_rho;
use crate::network::architecture::Architecture;

/// A network that was measured whole.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedNetwork {
    /// One operation a block.
    pub architecture: Architecture,
    /// What the sum of the probes says of its stages.
    pub predicted: Predicted,
    /// What its stages took, in the same rounds as the probes.
    pub measured: Predicted,
}

impl CheckedNetwork {
    /// How far all three stages are predicted from what they took, relative to that.
    pub fn error(&self) -> f64 {
        (self.predicted.all() / self.measured.all() - 1.0).abs()
    }
}

/// The networks of a table that were measured whole in one form.
#[derive(Debug, Clone, PartialEq)]
pub struct Checks {
    /// Operators and number format.
    pub form: Form,
    /// The networks, in the order of the table.
    pub networks: Vec<CheckedNetwork>,
}

impl Checks {
    /// The checks of a form; none where no network was measured. `file` names the table in errors.
    ///
    /// # Errors
    /// Those of [`NetworkCosts::of`] and [`NetworkCosts::predict`], where there is something to check.
    pub fn of(table: &LatencyTable, file: &Path, form: Form, quantity: Quantity) -> Result<Checks> {
        let mut networks = Vec::new();
        for (number, architecture) in table.checks.iter().enumerate() {
            let found = |stack| quantity.of(table.find(form, stack, Part::Check { number })?);
            let [Some(text), Some(image), Some(fusion)] = Stack::ALL.map(found) else { continue };
            let predicted = NetworkCosts::of(table, file, form, quantity)?.predict(architecture, file)?;
            // The vision stage is one graph, of which there is nothing to add up.
            let measured = Predicted { vision: predicted.vision, text, image, fusion };
            networks.push(CheckedNetwork { architecture: architecture.clone(), predicted, measured });
        }
        Ok(Checks { form, networks })
    }

    /// Mean of the errors; none without a network.
    pub fn mean_error(&self) -> Option<f64> {
        let errors = self.networks.iter().map(CheckedNetwork::error);
        (!self.networks.is_empty()).then(|| errors.sum::<f64>() / self.networks.len() as f64)
    }

    /// Largest of the errors; none without a network.
    pub fn worst_error(&self) -> Option<f64> {
        self.networks.iter().map(CheckedNetwork::error).reduce(f64::max)
    }

    /// Spearman's correlation of predicted and measured; none of fewer than two networks.
    pub fn rank_correlation(&self) -> Option<f64> {
        let (predicted, measured): (Vec<f64>, Vec<f64>) =
            self.networks.iter().map(|network| (network.predicted.all(), network.measured.all())).unzip();
        (self.networks.len() > 1).then(|| spearman_rho(&predicted, &measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::fixture::{measurement, table};
    use crate::network::operation::Operation::{FeedForward, GuidedAttention, SelfAttention};

    /// Two networks that take a quarter and an eighth more than predicted; a third of which a stage is missing.
    fn checked() -> LatencyTable {
        let mut table = table();
        let blocks =
            |count| Architecture { encoder: vec![FeedForward; count], decoder: vec![SelfAttention, GuidedAttention] };
        table.checks = vec![blocks(1), blocks(2), blocks(3)];
        // Text 1 + ¼ a block + 1/16, image 2 + ¾ + ⅛, fusion 3 + ¾ + ⅛.
        let others = [(Stack::Image, 2.875), (Stack::Fusion, 3.875)];
        for (number, more, text) in [(0, 1.25, 1.3125), (1, 1.125, 1.5625), (2, 1.0, 1.8125)] {
            for (stack, ms) in [(Stack::Text, text)].into_iter().chain(others) {
                if (number, stack) != (2, Stack::Image) {
                    table.measurements.push(measurement(stack, Part::Check { number }, more * ms));
                }
            }
        }
        table
    }

    #[test]
    fn networks_are_predicted_beside_what_they_took() {
        let (table, file) = (checked(), Path::new("latency.json"));
        let checks = Checks::of(&table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
        assert_eq!(checks.networks.len(), 2);
        assert!((checks.networks[0].predicted.all() - 8.0625).abs() < 1e-12, "{checks:?}");
        assert_eq!(checks.networks[0].measured.all(), 1.25 * 8.0625);
        // 1 − 1/1.25 and 1 − 1/1.125.
        let (first, second) = (0.2, 1.0 - 1.0 / 1.125);
        assert!((checks.mean_error().unwrap() - (first + second) / 2.0).abs() < 1e-12);
        assert!((checks.worst_error().unwrap() - first).abs() < 1e-12);
        // The smaller one took longer.
        assert_eq!(checks.rank_correlation(), Some(-1.0));
    }

    #[test]
    fn without_networks_there_is_nothing_to_tell() {
        let (mut table, file) = (checked(), Path::new("latency.json"));
        table.measurements.clear();
        let checks = Checks::of(&table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
        assert_eq!((checks.mean_error(), checks.worst_error(), checks.rank_correlation()), (None, None, None));
    }

    #[test]
    fn a_check_without_the_probes_is_an_error() {
        let (mut table, file) = (checked(), Path::new("latency.json"));
        table.measurements.retain(|m| m.part != Part::Fixed);
        let error = Checks::of(&table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap_err().to_string();
        assert!(error.contains("the text stage without blocks as ort-fp32"), "{error}");
    }
}
