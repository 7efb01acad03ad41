//! Writes probes: small graphs whose times tell what operations cost on a device.

use std::path::Path;

use mmnas_bundle::latency::probes::{PROBES, PROBES_FORMAT, Part, Probe, Probes, Stack};
use mmnas_bundle::manifest::{Dimensions, Form, Format, TaskName};
use mmnas_bundle::{Architecture, Operation, VisionBundle};

use crate::error::Result;
use crate::folder_writer::FolderWriter;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::onnx::model::{BuiltGraph, stage_of};
use crate::stages::{fusion, image, text};
use crate::weights::Weights;
use crate::weights::int8::Int8Scheme;

/// Length of the second chain, of sides that have so many blocks.
const SECOND: usize = 4;
/// Longest chain. Its weights leave the caches as those of a deep network do.
const LONGEST: usize = 12;

/// Lengths of the chains of a side with so many blocks: what lies between them is the blocks' own, what the first has
/// beyond that is shared.
///
/// They are about as long as what the side has, so that the weights of both stay in the caches or neither's do.
fn lengths(blocks: usize) -> impl Iterator<Item = usize> {
    let (second, longest) = (blocks.clamp(2, SECOND), blocks.min(LONGEST));
    [1, second].into_iter().chain((longest > second + 1).then_some(longest))
}

/// A probe before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedProbe {
    /// Which blocks it has.
    pub stack: Stack,
    /// What it adds to its stage.
    pub part: Part,
    /// A network whose stage it is.
    pub architecture: Architecture,
}

/// The probes of a space with these operations, in so many blocks of encoder and decoder at most.
///
/// A stack that is not measured has no blocks.
pub fn plan(encoder: &[Operation], decoder: &[Operation], blocks: (usize, usize)) -> Vec<PlannedProbe> {
    let idle = Vec::new;
    let of =
        |stack, part, encoder, decoder| PlannedProbe { stack, part, architecture: Architecture { encoder, decoder } };
    let mut planned: Vec<PlannedProbe> =
        Stack::ALL.into_iter().map(|stack| of(stack, Part::Fixed, idle(), idle())).collect();
    let first_guided = decoder.iter().copied().find(|operation| operation.reads_text());
    for count in lengths(blocks.0) {
        for &operation in encoder {
            let part = Part::Blocks { operation, count, after: None };
            planned.push(of(Stack::Text, part, vec![operation; count], idle()));
        }
    }
    for count in lengths(blocks.1) {
        for &operation in decoder {
            let chain = vec![operation; count];
            let after = first_guided.filter(|_| !operation.reads_text());
            if !operation.reads_text() {
                let part = Part::Blocks { operation, count, after: None };
                planned.push(of(Stack::Image, part, idle(), chain.clone()));
                if after.is_none() {
                    continue;
                }
            }
            // The fusion stage begins with a block that reads the text.
            let late: Vec<Operation> = after.into_iter().chain(chain).collect();
            planned.push(of(Stack::Fusion, Part::Blocks { operation, count, after }, idle(), late.clone()));
            for stack in Stack::ALL.into_iter().filter(|stack| stack.serves(operation)) {
                planned.push(of(stack, Part::Shared { operation, count }, idle(), late.clone()));
            }
        }
    }
    planned
}

/// The stages of networks that are measured whole.
fn plan_checks(checks: &[Architecture]) -> Vec<PlannedProbe> {
    let of = |(number, architecture): (usize, &Architecture)| {
        let architecture = architecture.clone();
        Stack::ALL.map(|stack| PlannedProbe { stack, part: Part::Check { number }, architecture: architecture.clone() })
    };
    checks.iter().enumerate().flat_map(of).collect()
}

/// What the probes are of.
#[derive(Debug)]
pub struct ProbeSettings<'a> {
    /// What the networks are for.
    pub task: TaskName,
    /// Their sizes.
    pub dimensions: &'a Dimensions,
    /// Tokens of the text that is measured.
    pub tokens: usize,
    /// Regions of the image that is measured.
    pub regions: usize,
    /// The forms of the graphs, at least one.
    pub forms: &'a [Form],
    /// How the fused operators compute with weights in 8 bits.
    pub int8: Int8Scheme,
    /// Most bytes of weights that are stored in a graph.
    pub external_over: u64,
    /// Networks whose stages are written too, to see whether what is predicted of them holds.
    pub checks: &'a [Architecture],
    /// A vision stage that is measured too, for calls from pixels on.
    pub vision: Option<&'a VisionBundle>,
}

/// Writes the probes to the new folder `out`, complete or not at all; gives their description.
///
/// `weights` makes the parameters of a network of an architecture: any numbers, since only times count.
///
/// # Errors
/// An operation that the exporter does not know; parameters that do not fit; a folder that cannot be written.
pub fn write_probes(
    planned: &[PlannedProbe],
    settings: &ProbeSettings<'_>,
    out: &Path,
    mut weights: impl FnMut(&Architecture) -> Result<Weights>,
) -> Result<Probes> {
    if settings.forms.is_empty() {
        return Err(mmnas_bundle::Error::invalid(PROBES, "forms", "at least one form", "none").into());
    }
    let mut writer = FolderWriter::create(out)?;
    let mut probes = settings.vision.map_or_else(|| Ok(Vec::new()), |vision| add_vision(&mut writer, vision))?;
    // Stages of one network follow each other.
    let mut known: Option<(Architecture, Weights)> = None;
    for (number, probe) in planned.iter().chain(&plan_checks(settings.checks)).enumerate() {
        let (architecture, weights) = match known.take().filter(|(known, _)| *known == probe.architecture) {
            Some(known) => known,
            None => (probe.architecture.clone(), weights(&probe.architecture)?),
        };
        let parameters = Parameters { weights: &weights, dimensions: settings.dimensions };
        let mut written = Vec::new();
        for &form in settings.forms {
            let graph = Graph::new(probe.stack.name(), form).with_int8(settings.int8);
            let graph = match probe.stack {
                Stack::Text => text::build(parameters, &probe.architecture, graph)?,
                Stack::Image => image::build(parameters, &probe.architecture, graph)?,
                Stack::Fusion => fusion::build(parameters, &probe.architecture, settings.task, graph)?,
                // They have no blocks, and are not planned.
                Stack::Vision | Stack::Detector => continue,
            };
            let file = format!("{number:03}.{}.{form}.onnx", probe.stack);
            written.push(writer.add_graph(BuiltGraph::new(graph, form, file, settings.external_over)?)?);
        }
        probes.push(Probe { stack: probe.stack, part: probe.part, stage: stage_of(&written) });
        known = Some((architecture, weights));
    }
    let described = Probes {
        format: Format::current(PROBES_FORMAT),
        task: settings.task,
        dimensions: settings.dimensions.clone(),
        tokens: settings.tokens,
        regions: settings.regions,
        checks: settings.checks.to_vec(),
        probes,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        files: writer.files().clone(),
    };
    writer.describe(PROBES, &described)?;
    writer.finish()?;
    Ok(described)
}

/// Copies the graphs of a vision stage and of its detector; gives them as probes.
fn add_vision(writer: &mut FolderWriter, vision: &VisionBundle) -> Result<Vec<Probe>> {
    let detector = vision.vision().regions.detector().map(|detector| (Stack::Detector, detector.stage()));
    let stages = detector.into_iter().chain([(Stack::Vision, vision.vision().stage.clone())]);
    let mut probes = Vec::new();
    for (stack, mut stage) in stages {
        for graph in &mut stage.graphs {
            let content = vision.read(&graph.file)?;
            // Names of our own, which no other graph of the folder has.
            graph.file = format!("{stack}.{}.onnx", graph.form());
            writer.add(&graph.file, &content)?;
        }
        probes.push(Probe { stack, part: Part::Fixed, stage });
    }
    Ok(probes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_measured_where_it_may_stand() {
        use Operation::{FeedForward, GuidedAttention, RelationSelfAttention, SelfAttention};
        let planned = plan(&Operation::ENCODER, &Operation::DECODER, (2, 4));
        let count = |stack: Stack, of: Operation| {
            let is = |p: &&PlannedProbe| {
                p.stack == stack && matches!(p.part, Part::Blocks { operation, .. } if operation == of)
            };
            planned.iter().filter(is).count()
        };
        for (operation, expected) in [
            (SelfAttention, [2, 2, 2]),
            (FeedForward, [2, 2, 2]),
            (GuidedAttention, [0, 0, 2]),
            (RelationSelfAttention, [0, 2, 2]),
        ] {
            assert_eq!(Stack::ALL.map(|stack| count(stack, operation)), expected, "{operation}");
        }
        let shared = |stack: Stack| {
            let of = |p: &PlannedProbe| match p.part {
                Part::Shared { operation, count } if p.stack == stack => Some((operation, count)),
                _ => None,
            };
            planned.iter().filter_map(of).collect::<Vec<_>>()
        };
        assert_eq!(shared(Stack::Text), [(GuidedAttention, 1), (GuidedAttention, 4)]);
        assert_eq!(shared(Stack::Image), [(RelationSelfAttention, 1), (RelationSelfAttention, 4)]);
        assert!(shared(Stack::Fusion).is_empty());
    }

    #[test]
    fn deep_spaces_have_longer_chains() {
        for (blocks, expected) in [
            (1, vec![1, 2]),
            (2, vec![1, 2]),
            (3, vec![1, 3]),
            (5, vec![1, 4]),
            (6, vec![1, 4, 6]),
            (18, vec![1, 4, 12]),
        ] {
            assert_eq!(lengths(blocks).collect::<Vec<_>>(), expected, "{blocks}");
        }
        let planned = plan(&Operation::ENCODER, &Operation::DECODER, (2, 8));
        let longest = |stack: Stack| {
            let count = |p: &PlannedProbe| match p.part {
                Part::Blocks { count, .. } | Part::Shared { count, .. } if p.stack == stack => Some(count),
                _ => None,
            };
            planned.iter().filter_map(count).max()
        };
        // What the text stage computes for the decoder has the decoder's lengths.
        assert_eq!(Stack::ALL.map(longest), [Some(8); 3]);
        assert!(planned.iter().all(|p| p.architecture.encoder.len() <= 2), "{planned:?}");
    }

    #[test]
    fn a_space_that_never_reads_the_text_has_no_late_blocks() {
        let planned = plan(&[Operation::FeedForward], &[Operation::FeedForward], (2, 4));
        let late = planned.iter().filter(|p| p.stack == Stack::Fusion);
        assert_eq!(late.map(|p| p.part).collect::<Vec<_>>(), [Part::Fixed]);
    }
}
