//! The sum that predicts what a network takes from what probes took: time, bytes, memory or energy.
//!
//! Blocks run one after the other, so what they take adds up. Three things do not, and have terms of their own: a stage
//! without blocks; what the first block of a kind brings that others share, such as a mask; and what one stage computes
//! for the blocks of another, stacked into one product.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::latency::probes::{Part, Stack};
use crate::latency::table::{LatencyTable, Measurement};
use crate::manifest::Form;
use crate::network::architecture::Architecture;
use crate::network::operation::Operation;

/// What is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Median time of one item, in milliseconds.
    Milliseconds,
    /// Graphs and weights on disk, in megabytes (10⁶ bytes).
    Megabytes,
    /// Memory that the sessions hold, in megabytes (10⁶ bytes).
    Memory,
    /// Energy of one item, in millijoules.
    Millijoules,
}

impl Quantity {
    /// All quantities, in the order of a table's columns.
    pub const ALL: [Quantity; 4] =
        [Quantity::Milliseconds, Quantity::Megabytes, Quantity::Memory, Quantity::Millijoules];

    /// Short name of the unit: `ms`, `MB`, `MB of memory`, `mJ`.
    pub fn unit(self) -> &'static str {
        match self {
            Quantity::Milliseconds => "ms",
            Quantity::Megabytes => "MB",
            Quantity::Memory => "MB of memory",
            Quantity::Millijoules => "mJ",
        }
    }

    /// The field of a measurement that holds it.
    fn field(self) -> &'static str {
        match self {
            Quantity::Milliseconds => "milliseconds",
            Quantity::Megabytes => "bytes",
            Quantity::Memory => "memory",
            Quantity::Millijoules => "millijoules",
        }
    }

    /// What a graph took, if that could be read where it was measured.
    pub fn of(self, measurement: &Measurement) -> Option<f64> {
        match self {
            Quantity::Milliseconds => Some(measurement.milliseconds),
            Quantity::Megabytes => Some(measurement.bytes as f64 / 1e6),
            Quantity::Memory => measurement.memory.map(|bytes| bytes as f64 / 1e6),
            Quantity::Millijoules => measurement.millijoules,
        }
    }
}

/// What blocks of one operation add to a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockCost {
    /// Of each block.
    pub each: f64,
    /// What the first block brings beyond that; blocks of several operations share it.
    pub first: f64,
}

impl BlockCost {
    const NONE: BlockCost = BlockCost { each: 0.0, first: 0.0 };
}

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
    /// The text stage.
    pub text: StageCosts,
    /// The image stage.
    pub image: StageCosts,
    /// The fusion stage.
    pub fusion: StageCosts,
}

/// What one item is predicted to take in each stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predicted {
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

    /// All three stages.
    pub fn all(&self) -> f64 {
        self.text + self.image + self.fusion
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
        let value = |m: &Measurement| {
            let unread = || {
                let field = format!("measurements[].{} of the {stack} stage as {form}", quantity.field());
                Error::invalid(file, field, format!("a number of {}", quantity.unit()), "none")
            };
            quantity.of(m).ok_or_else(unread)
        };
        let fixed = value(table.find(form, stack, Part::Fixed).ok_or_else(|| missing("without blocks"))?)?;
        let mut chains: [BTreeMap<Operation, Chain>; 2] = Default::default();
        for m in table.measurements.iter().filter(|m| m.form() == form && m.stack == stack) {
            let (place, operation, count, after) = match m.part {
                Part::Fixed => continue,
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
        let (blocks, shared) = (costs(&chains[0]), costs(&chains[1]));
        Ok(StageCosts { fixed, blocks, shared })
    }
}

/// What chains of one operation took.
#[derive(Debug, Default)]
struct Chain {
    /// Of the stage without the chain.
    base: f64,
    /// Length of a chain and what the stage takes with it.
    times: Vec<(usize, f64)>,
}

impl BlockCost {
    /// From what chains of some lengths took.
    ///
    /// The shortest and the longest chain give what each block takes; what the shortest takes beyond that came with the
    /// first block. Noise may make either negative, which no block is.
    fn of(Chain { base, times }: &Chain) -> BlockCost {
        let shortest = times.iter().min_by_key(|(count, _)| *count);
        let longest = times.iter().max_by_key(|(count, _)| *count);
        let (Some(&(few, short)), Some(&(many, long))) = (shortest, longest) else { return BlockCost::NONE };
        let each = if many > few { (long - short) / (many - few) as f64 } else { (long - base) / many.max(1) as f64 };
        let each = each.max(0.0);
        BlockCost { each, first: (short - base - few as f64 * each).max(0.0) }
    }
}

impl NetworkCosts {
    /// The costs of a form, from a table that `file` names in errors.
    ///
    /// # Errors
    /// A form in which a stage without blocks was not measured; a quantity that could not be read where it was.
    pub fn of(table: &LatencyTable, file: &Path, form: Form, quantity: Quantity) -> Result<NetworkCosts> {
        let of = |stack| StageCosts::of(table, file, form, quantity, stack);
        Ok(NetworkCosts { text: of(Stack::Text)?, image: of(Stack::Image)?, fusion: of(Stack::Fusion)? })
    }

    /// What a network of this architecture takes; `file` names the table in errors.
    ///
    /// # Errors
    /// An operation that was not measured where the architecture has it.
    pub fn predict(&self, architecture: &Architecture, file: &Path) -> Result<Predicted> {
        let (early, late) = architecture.decoder.split_at(architecture.image_blocks());
        let late_counts = counts(late);
        let missing = |stack: Stack, what: &'static str| {
            move |operation: Operation| {
                let expected = format!("a measurement of {operation} {what} the {stack} stage");
                Error::invalid(file, "measurements", expected, "none")
            }
        };
        let served = |stack: Stack| {
            let served = late_counts.iter().filter(|(operation, _)| stack.serves(**operation));
            served.map(|(operation, count)| (*operation, *count)).collect::<BTreeMap<_, _>>()
        };
        let stage = |costs: &StageCosts, stack, own: &BTreeMap<Operation, usize>| -> Result<f64> {
            let blocks = sum(&costs.blocks, own).map_err(missing(stack, "in"))?;
            let shared = sum(&costs.shared, &served(stack)).map_err(missing(stack, "served by"))?;
            Ok(costs.fixed + blocks + shared)
        };
        Ok(Predicted {
            text: stage(&self.text, Stack::Text, &counts(&architecture.encoder))?,
            image: stage(&self.image, Stack::Image, &counts(early))?,
            fusion: stage(&self.fusion, Stack::Fusion, &late_counts)?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::latency::table::{Environment, LATENCY_FORMAT};
    use crate::manifest::{Dimensions, Format, TaskName};

    /// A device whose times are known: `fixed + Σ each + max first`.
    pub(in crate::latency) fn table() -> LatencyTable {
        let each = |stack: Stack, operation: Operation| match (stack, operation) {
            (Stack::Text, _) => 0.25,
            (_, Operation::FeedForward) => 0.5,
            _ => 0.75,
        };
        let mut measurements = Vec::new();
        let mut add = |stack, part, milliseconds| {
            let Form { variant, precision } = Form::ORT_FP32;
            let m = Measurement {
                stack,
                part,
                variant,
                precision,
                milliseconds,
                spread: 0.0,
                runs: 9,
                bytes: 1,
                memory: None,
                millijoules: None,
            };
            measurements.push(m);
        };
        for (stack, fixed) in [(Stack::Text, 1.0), (Stack::Image, 2.0), (Stack::Fusion, 3.0)] {
            add(stack, Part::Fixed, fixed);
            for operation in [Operation::SelfAttention, Operation::FeedForward, Operation::GuidedAttention] {
                for count in [1usize, 4] {
                    let first = if operation == Operation::FeedForward { 0.0 } else { 0.125 };
                    let ms = fixed + count as f64 * each(stack, operation) + first;
                    // In the fusion stage a block that reads the text stands before others.
                    let guided = stack == Stack::Fusion && operation != Operation::GuidedAttention;
                    let after = guided.then_some(Operation::GuidedAttention);
                    let ms = if guided { ms + each(stack, Operation::GuidedAttention) } else { ms };
                    add(stack, Part::Blocks { operation, count, after }, ms);
                }
            }
        }
        for count in [1usize, 4] {
            let operation = Operation::GuidedAttention;
            add(Stack::Text, Part::Shared { operation, count }, 1.0 + 0.0625 * count as f64);
        }
        LatencyTable {
            format: Format::current(LATENCY_FORMAT),
            probes_sha256: String::new(),
            task: TaskName::Vqa,
            dimensions: Dimensions {
                hidden: 64,
                feature: 8,
                embedding: 8,
                vocabulary: 9,
                outputs: 3,
                attflat: 8,
                head: 64,
                relation: 8,
                embeddings: None,
            },
            tokens: 7,
            regions: 36,
            environment: Environment {
                device: String::new(),
                flags: Vec::new(),
                provider: "cpu".to_owned(),
                threads: 1,
                onnxruntime: String::new(),
                system: String::new(),
            },
            measurements,
        }
    }

    #[test]
    fn a_sum_is_predicted_to_the_last_digit() {
        let (table, file) = (table(), Path::new("latency.json"));
        let costs = NetworkCosts::of(&table, file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
        use Operation::{FeedForward, GuidedAttention, SelfAttention};
        let architecture = Architecture {
            encoder: vec![SelfAttention, FeedForward],
            decoder: vec![SelfAttention, GuidedAttention, FeedForward, GuidedAttention],
        };
        let predicted = costs.predict(&architecture, file).unwrap();
        let expected = Predicted {
            text: 1.0 + 2.0 * 0.25 + 0.125 + 2.0 * 0.0625,
            image: 2.0 + 0.75 + 0.125,
            fusion: 3.0 + 2.0 * 0.75 + 0.5 + 0.125,
        };
        assert_eq!(predicted, expected);
        assert_eq!(predicted.known_image(), expected.text + expected.fusion);
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

    #[test]
    fn noise_makes_no_negative_cost() {
        let of = |times: &[(usize, f64)]| BlockCost::of(&Chain { base: 2.0, times: times.to_vec() });
        assert_eq!(of(&[(1, 1.9), (4, 1.8)]), BlockCost { each: 0.0, first: 0.0 });
        assert_eq!(of(&[(4, 4.0)]), BlockCost { each: 0.5, first: 0.0 });
        assert_eq!(of(&[]), BlockCost::NONE);
    }
}
