//! A table of known times for tests.

use crate::latency::probes::{Part, Stack};
use crate::latency::table::{Environment, LATENCY_FORMAT, LatencyTable, Measurement};
use crate::manifest::{Dimensions, Form, Format, TaskName};
use crate::network::operation::Operation;

/// What a graph takes, in 32 bits.
pub(super) fn measurement(stack: Stack, part: Part, milliseconds: f64) -> Measurement {
    let Form { variant, precision } = Form::ORT_FP32;
    let (spread, runs, bytes, memory, millijoules) = (0.0, 9, 1, None, None);
    Measurement { stack, part, variant, precision, milliseconds, spread, runs, bytes, memory, millijoules }
}

/// A device whose times are known: `fixed + Σ each + max first`.
pub(super) fn table() -> LatencyTable {
    let each = |stack: Stack, operation: Operation| match (stack, operation) {
        (Stack::Text, _) => 0.25,
        (_, Operation::FeedForward) => 0.5,
        _ => 0.75,
    };
    let mut measurements = Vec::new();
    let mut add = |stack, part, milliseconds| measurements.push(measurement(stack, part, milliseconds));
    for (stack, fixed) in [(Stack::Text, 1.0), (Stack::Image, 2.0), (Stack::Fusion, 3.0)] {
        add(stack, Part::Fixed, fixed);
        for operation in [Operation::SelfAttention, Operation::FeedForward, Operation::GuidedAttention] {
            for count in [1usize, 4] {
                // In the fusion stage a block that reads the text stands before others.
                let guided = stack == Stack::Fusion && operation != Operation::GuidedAttention;
                let after = guided.then_some(Operation::GuidedAttention);
                let first = if operation == Operation::FeedForward && !guided { 0.0 } else { 0.125 };
                let ms = fixed + count as f64 * each(stack, operation) + first;
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
        checks: Vec::new(),
        measurements,
    }
}
