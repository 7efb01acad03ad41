//! The sum that predicts what a network takes from what probes took: time, bytes, memory or energy.
//!
//! Blocks run one after the other, so what they take adds up. Three things do not, and have terms of their own: a stage
//! without blocks; what the first block of a kind brings that others share, such as a mask; and what one stage computes
//! for the blocks of another, stacked into one product.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
pub use crate::latency::chains::BlockCost;
use crate::latency::chains::Chain;
use crate::latency::probes::{Part, Stack};
pub use crate::latency::quantity::Quantity;
use crate::latency::table::{LatencyTable, Measurement};
use crate::manifest::Form;
use crate::network::architecture::Architecture;
use crate::network::operation::Operation;

/// What a stage takes.
#[derive(Debug, Clone, PartialEq)]
pub struct StageCosts {
    /// Without any block.
    pub fixed: f64,
    /// What its own blocks add.
    pub blocks: BTreeMap<Operation, BlockCost>,
    /// What it computes for blocks of the fusion stage.
    pub shared: BTreeMap<Operation, BlockCost>,
}

/// What networks of one form take on one device, of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkCosts {
    /// From pixels to region features, where a vision stage was measured; the same for every network.
    pub vision: Option<f64>,
    /// The text stage.
    pub text: StageCosts,
    /// The image stage.
    pub image: StageCosts,
    /// The fusion stage.
    pub fusion: StageCosts,
}

/// What one item takes in each stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predicted {
    /// Of the vision stage, where one was measured: from pixels of its size to region features.
    pub vision: Option<f64>,
    /// Of the text stage.
    pub text: f64,
    /// Of the image stage.
    pub image: f64,
    /// Of the fusion stage.
    pub fusion: f64,
}

impl Predicted {
    /// A question about a known image: text and fusion.
    pub fn known_image(&self) -> f64 {
        self.text + self.fusion
    }

    /// All three stages of the network, from region features on.
    pub fn all(&self) -> f64 {
        self.text + self.image + self.fusion
    }

    /// The vision stage and all three stages, where a vision stage was measured.
    pub fn from_pixels(&self) -> Option<f64> {
        self.vision.map(|vision| vision + self.all())
    }
}

/// Counts of the operations among some blocks.
fn counts<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> BTreeMap<Operation, usize> {
    let mut counts = BTreeMap::new();
    for operation in operations {
        *counts.entry(*operation).or_default() += 1;
    }
    counts
}

/// `Σ count · each + max first` over the operations, or the first operation without a cost.
fn sum(
    costs: &BTreeMap<Operation, BlockCost>,
    counts: &BTreeMap<Operation, usize>,
) -> std::result::Result<f64, Operation> {
    let (mut each, mut first) = (0.0, 0.0f64);
    for (operation, count) in counts {
        let cost = costs.get(operation).ok_or(*operation)?;
        each += *count as f64 * cost.each;
        first = first.max(cost.first);
    }
    Ok(each + first)
}

impl StageCosts {
    fn of(table: &LatencyTable, file: &Path, form: Form, quantity: Quantity, stack: Stack) -> Result<StageCosts> {
        let missing = |part: &str| {
            let expected = format!("a measurement of the {stack} stage {part} as {form}");
            Error::invalid(file, "measurements", expected, "none")
        };
        let value = |m: &Measurement| value(m, quantity, file);
        let fixed = value(table.find(form, stack, Part::Fixed).ok_or_else(|| missing("without blocks"))?)?;
        let mut chains: [BTreeMap<Operation, Chain>; 2] = Default::default();
        for m in table.measurements.iter().filter(|m| m.form() == form && m.stack == stack) {
            let (place, operation, count, after) = match m.part {
                Part::Fixed | Part::Check { .. } => continue,
                Part::Blocks { operation, count, after } => (0, operation, count, after),
                Part::Shared { operation, count } => (1, operation, count, None),
            };
            let base = match after {
                None => fixed,
                Some(first) => {
                    let part = Part::Blocks { operation: first, count: 1, after: None };
                    value(table.find(form, stack, part).ok_or_else(|| missing(&format!("with one {first}")))?)?
                }
            };
            chains[place]
                .entry(operation)
                .or_insert_with(|| Chain { base, times: Vec::new() })
                .times
                .push((count, value(m)?));
        }
        let costs = |chains: &BTreeMap<Operation, Chain>| {
            chains.iter().map(|(operation, chain)| (*operation, BlockCost::of(chain))).collect()
        };
        let (mut blocks, shared): (BTreeMap<_, BlockCost>, BTreeMap<_, BlockCost>) =
            (costs(&chains[0]), costs(&chains[1]));
        // What the first of its own blocks and the first of the served ones both bring is there once.
        for (operation, cost) in &mut blocks {
            cost.first = (cost.first - shared.get(operation).map_or(0.0, |shared| shared.first)).max(0.0);
        }
        Ok(StageCosts { fixed, blocks, shared })
    }

    /// What a stage with these blocks of its own takes that computes something for `served` blocks of another one.
    fn predict(&self, own: &BTreeMap<Operation, usize>, served: &BTreeMap<Operation, usize>) -> Found {
        let blocks = sum(&self.blocks, own).map_err(|operation| ("in", operation))?;
        let mut shared = sum(&self.shared, served).map_err(|operation| ("served by", operation))?;
        let known = |operations: &BTreeMap<Operation, usize>| {
            let firsts = operations.keys().filter_map(|operation| Some(self.shared.get(operation)?.first));
            firsts.fold(0.0, f64::max)
        };
        shared += (known(own) - known(served)).max(0.0);
        Ok(self.fixed + blocks + shared)
    }
}

/// A sum, or an operation without a cost and what it does in the stage.
type Found = std::result::Result<f64, (&'static str, Operation)>;

/// What comes before a network: the vision stage, and its detector if it has one.
fn vision(table: &LatencyTable, file: &Path, quantity: Quantity) -> Result<Option<f64>> {
    let mut sum = None;
    for stack in Stack::BEFORE {
        let found = table.measurements.iter().find(|m| (m.stack, m.part) == (stack, Part::Fixed));
        let Some(m) = found else { continue };
        sum = Some(sum.unwrap_or(0.0) + value(m, quantity, file)?);
    }
    Ok(sum)
}

/// What a graph took, or an error where that could not be read.
fn value(m: &Measurement, quantity: Quantity, file: &Path) -> Result<f64> {
    quantity.of(m).ok_or_else(|| {
        let field = format!("measurements[].{} of the {} stage as {}", quantity.field(), m.stack, m.form());
        Error::invalid(file, field, format!("a number of {}", quantity.unit()), "none")
    })
}

impl NetworkCosts {
    /// The costs of a form, from a table that `file` names in errors.
    ///
    /// # Errors
    /// A form in which a stage without blocks was not measured; a quantity that could not be read where it was.
    pub fn of(table: &LatencyTable, file: &Path, form: Form, quantity: Quantity) -> Result<NetworkCosts> {
        let of = |stack| StageCosts::of(table, file, form, quantity, stack);
        let vision = vision(table, file, quantity)?;
        Ok(NetworkCosts { vision, text: of(Stack::Text)?, image: of(Stack::Image)?, fusion: of(Stack::Fusion)? })
    }

    /// What a network of this architecture takes; `file` names the table in errors.
    ///
    /// # Errors
    /// An operation that was not measured where the architecture has it.
    pub fn predict(&self, architecture: &Architecture, file: &Path) -> Result<Predicted> {
        let (early, late) = architecture.decoder.split_at(architecture.image_blocks());
        let late_counts = counts(late);
        let served = |stack: Stack| {
            let served = late_counts.iter().filter(|(operation, _)| stack.serves(**operation));
            served.map(|(operation, count)| (*operation, *count)).collect::<BTreeMap<_, _>>()
        };
        let stage = |costs: &StageCosts, stack: Stack, own: &BTreeMap<Operation, usize>| -> Result<f64> {
            costs.predict(own, &served(stack)).map_err(|(what, operation)| {
                let expected = format!("a measurement of {operation} {what} the {stack} stage");
                Error::invalid(file, "measurements", expected, "none")
            })
        };
        Ok(Predicted {
            vision: self.vision,
            text: stage(&self.text, Stack::Text, &counts(&architecture.encoder))?,
            image: stage(&self.image, Stack::Image, &counts(early))?,
            fusion: stage(&self.fusion, Stack::Fusion, &late_counts)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::fixture::{measurement, table};

    #[test]
    fn a_sum_is_predicted_by_its_terms() {
        let (table, file) = (table(), Path::new("latency.json"));
        let costs = NetworkCosts::of(&table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
        use Operation::{FeedForward, GuidedAttention, SelfAttention};
        let architecture = Architecture {
            encoder: vec![SelfAttention, FeedForward],
            decoder: vec![SelfAttention, GuidedAttention, FeedForward, GuidedAttention],
        };
        let predicted = costs.predict(&architecture, file).unwrap();
        let expected = Predicted {
            vision: None,
            text: 1.0 + 2.0 * 0.25 + 0.125 + 2.0 * 0.0625,
            image: 2.0 + 0.75 + 0.125,
            fusion: 3.0 + 2.0 * 0.75 + 0.5 + 0.125,
        };
        let parts = |p: Predicted| [p.text, p.image, p.fusion, p.known_image(), p.all()];
        for (found, expected) in parts(predicted).into_iter().zip(parts(expected)) {
            assert!((found - expected).abs() < 1e-12, "{predicted:?} {expected}");
        }
        assert_eq!(predicted.known_image(), predicted.text + predicted.fusion);
    }

    /// An image stage computes relations once, for its own blocks and for those of the fusion stage.
    #[test]
    fn what_own_and_served_blocks_both_bring_is_there_once() {
        let (mut table, file) = (table(), Path::new("latency.json"));
        let operation = Operation::RelationSelfAttention;
        for count in [1usize, 4] {
            let n = count as f64;
            let part = Part::Blocks { operation, count, after: None };
            // 0.5 of relations, and 0.125 of a mask.
            table.measurements.push(measurement(Stack::Image, part, 2.0 + 0.625 + n));
            table.measurements.push(measurement(Stack::Image, Part::Shared { operation, count }, 2.5 + 0.25 * n));
            let part = Part::Blocks { operation, count, after: Some(Operation::GuidedAttention) };
            table.measurements.push(measurement(Stack::Fusion, part, 3.875 + n));
        }
        let costs = NetworkCosts::of(&table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
        use Operation::{FeedForward, GuidedAttention, SelfAttention};
        let image = |decoder: &[Operation]| {
            let architecture = Architecture { encoder: vec![FeedForward], decoder: decoder.to_vec() };
            costs.predict(&architecture, file).unwrap().image
        };
        for (decoder, expected) in [
            (&[operation, GuidedAttention][..], 2.0 + 0.625 + 1.0),
            (&[GuidedAttention, operation], 2.0 + 0.5 + 0.25),
            (&[operation, GuidedAttention, operation], 2.0 + 0.625 + 1.0 + 0.25),
            (&[SelfAttention, GuidedAttention, operation], 2.0 + 0.125 + 0.75 + 0.5 + 0.25),
        ] {
            assert!((image(decoder) - expected).abs() < 1e-12, "{decoder:?}: {} {expected}", image(decoder));
        }
    }

    #[test]
    fn a_call_from_pixels_has_the_vision_stage_and_its_detector() {
        let (mut table, file) = (table(), Path::new("latency.json"));
        let predict = |table: &LatencyTable| {
            let costs = NetworkCosts::of(table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
            let (encoder, decoder) = (vec![Operation::FeedForward], vec![Operation::GuidedAttention]);
            costs.predict(&Architecture { encoder, decoder }, file).unwrap()
        };
        let known = predict(&table);
        assert_eq!((known.vision, known.from_pixels()), (None, None));
        for (stack, ms) in [(Stack::Vision, 20.0), (Stack::Detector, 40.0)] {
            let m = measurement(stack, Part::Fixed, ms);
            table.measurements.push(Measurement { variant: crate::manifest::Variant::Portable, ..m });
        }
        let predicted = predict(&table);
        assert_eq!(predicted, Predicted { vision: Some(60.0), ..known });
        assert_eq!(predicted.from_pixels(), Some(60.0 + known.all()));
        assert_eq!(table.forms(), [Form::ORT_FP32]);
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let (table, file) = (table(), Path::new("latency.json"));
        let int8 = Form { precision: crate::manifest::Precision::Int8, ..Form::ORT_FP32 };
        let error = NetworkCosts::of(&table, file, int8, Quantity::Milliseconds).unwrap_err().to_string();
        assert!(error.contains("latency.json") && error.contains("ort-int8"), "{error}");
        let costs = NetworkCosts::of(&table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
        let architecture = Architecture {
            encoder: vec![Operation::FeedForward],
            decoder: vec![Operation::RelationSelfAttention, Operation::GuidedAttention],
        };
        let error = costs.predict(&architecture, file).unwrap_err().to_string();
        assert!(error.contains("rel_self_att_64 in the image stage"), "{error}");
        let other = vec![Operation::GuidedAttention, "none".parse().unwrap()];
        let error =
            costs.predict(&Architecture { decoder: other, ..architecture.clone() }, file).unwrap_err().to_string();
        assert!(error.contains("none in the fusion stage"), "{error}");

        let mut unserved = table.clone();
        unserved.measurements.retain(|m| !matches!(m.part, Part::Shared { .. }));
        let costs = NetworkCosts::of(&unserved, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
        let architecture = Architecture { decoder: vec![Operation::GuidedAttention], ..architecture };
        let error = costs.predict(&architecture, file).unwrap_err().to_string();
        assert!(error.contains("guided_att_64 served by the text stage"), "{error}");
    }

    #[test]
    fn bytes_add_up_as_times_do_and_what_was_not_read_is_named() {
        let (mut table, file) = (table(), Path::new("latency.json"));
        for m in &mut table.measurements {
            m.bytes = (m.milliseconds * 64e6) as u64;
        }
        let of = |quantity| NetworkCosts::of(&table, file, Form::ORT_FP32, quantity);
        let architecture =
            Architecture { encoder: vec![Operation::FeedForward; 2], decoder: vec![Operation::GuidedAttention; 3] };
        let milliseconds = of(Quantity::Milliseconds).unwrap().predict(&architecture, file).unwrap().all();
        let megabytes = of(Quantity::Megabytes).unwrap().predict(&architecture, file).unwrap().all();
        assert!((megabytes - 64.0 * milliseconds).abs() < 1e-9, "{megabytes} {milliseconds}");
        for (quantity, field) in [(Quantity::Memory, "memory"), (Quantity::Millijoules, "millijoules")] {
            let error = of(quantity).unwrap_err().to_string();
            assert!(error.contains(&format!("measurements[].{field} of the text stage as ort-fp32")), "{error}");
        }
    }
}
