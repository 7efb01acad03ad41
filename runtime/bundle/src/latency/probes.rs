//! `probes.json`: small graphs whose times tell what operations cost on a device.
//!
//! A probe is one stage of a network whose blocks repeat one operation. The exporter writes it as it writes bundles, so
//! what is measured is what will run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::file_record::FileRecord;
use crate::files::{inside, read_text};
use crate::manifest::{Dimensions, Form, Format, Stage, TaskName, parse_format};
use crate::network::architecture::Architecture;
use crate::network::operation::Operation;

/// File name of the description in a folder of probes.
pub const PROBES: &str = "probes.json";
/// The format name that a folder of probes carries.
pub const PROBES_FORMAT: &str = "mmnas-probes";

/// Blocks that run together: those of one stage of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stack {
    /// The encoder, in the text stage.
    Text,
    /// The decoder before its first block that reads the text, in the image stage.
    Image,
    /// The decoder from that block on, in the fusion stage.
    Fusion,
    /// No blocks: the vision stage, pixels to features of regions.
    Vision,
    /// No blocks: the vision stage's detector, where it has one.
    Detector,
}

impl Stack {
    /// The stacks of a network, in the order of its stages.
    pub const ALL: [Stack; 3] = [Stack::Text, Stack::Image, Stack::Fusion];

    /// What comes before a network: from pixels to region features.
    ///
    /// It has no blocks, and one form whatever the network's.
    pub const BEFORE: [Stack; 2] = [Stack::Detector, Stack::Vision];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Stack::Text => "text",
            Stack::Image => "image",
            Stack::Fusion => "fusion",
            Stack::Vision => "vision",
            Stack::Detector => "detector",
        }
    }

    /// Whether this stage computes something for blocks of `operation` that stand in the fusion stage.
    ///
    /// The text stage computes keys and values for what reads the text, the image stage biases for what reads relations.
    pub fn serves(self, operation: Operation) -> bool {
        match self {
            Stack::Text => operation.reads_text(),
            Stack::Image => operation.kind().is_some_and(|kind| kind.relation_heads().is_some()),
            Stack::Fusion | Stack::Vision | Stack::Detector => false,
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a probe adds to its stage without any block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Part {
    /// Nothing: the stage without blocks.
    Fixed,
    /// Blocks of one operation, one after the other.
    Blocks {
        /// The operation.
        operation: Operation,
        /// How many, at least 1.
        count: usize,
        /// One block of this operation stands before them; none for none.
        ///
        /// The fusion stage begins with a block that reads the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Operation>,
    },
    /// What blocks of the fusion stage need of this stage: keys and values (text), relation biases (image).
    Shared {
        /// The operation of these blocks.
        operation: Operation,
        /// How many, at least 1.
        count: usize,
    },
    /// All that a network has in this stage: whether the sum of the others holds.
    Check {
        /// Which of the networks that are listed beside the graphs, from 0.
        number: usize,
    },
}

/// One small graph, in one form or more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Which blocks it has.
    pub stack: Stack,
    /// What it adds to its stage.
    pub part: Part,
    /// Its graphs, inputs and outputs.
    pub stage: Stage,
}

impl Probe {
    /// The forms of its graphs.
    fn forms(&self) -> impl Iterator<Item = Form> {
        self.stage.graphs.iter().map(|graph| graph.form())
    }

    /// A name for messages: `text`, `fusion 4 x feed_forward`, `image for 2 x rel_self_att_64`, `text of check 3`.
    pub fn name(&self) -> String {
        let stack = self.stack;
        match self.part {
            Part::Fixed => stack.to_string(),
            Part::Blocks { operation, count, after: None } => format!("{stack} {count} x {operation}"),
            Part::Blocks { operation, count, after: Some(first) } => format!("{stack} {first}, {count} x {operation}"),
            Part::Shared { operation, count } => format!("{stack} for {count} x {operation}"),
            Part::Check { number } => format!("{stack} of check {number}"),
        }
    }
}

/// A folder of probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// Name and version of the format.
    pub format: Format,
    /// What the networks are for.
    pub task: TaskName,
    /// Their sizes.
    pub dimensions: Dimensions,
    /// Tokens of the measured text.
    pub tokens: usize,
    /// Regions of the measured image.
    pub regions: usize,
    /// Networks that are measured whole, to see whether what is predicted of them holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Architecture>,
    /// The graphs.
    pub probes: Vec<Probe>,
    /// Version of the program that wrote them.
    pub version: String,
    /// Size and hash of every graph, by file name.
    pub files: BTreeMap<String, FileRecord>,
}

/// Most probes of a folder: a space has a few operations, each measured a few times.
const MAX_PROBES: usize = 4096;
/// Most tokens and regions.
const MAX_POSITIONS: usize = 4096;

impl Probes {
    /// Reads and checks the description in `folder`; the graphs are not read.
    ///
    /// # Errors
    /// A file that cannot be read, of another format or a later major version; sizes out of range; a graph that lies
    /// outside the folder, has no record or stands twice; forms that differ from probe to probe.
    pub fn read(folder: &Path) -> Result<Probes> {
        let file = folder.join(PROBES);
        let probes: Probes = parse_format(&read_text(&file, 16 << 20)?, &file, PROBES_FORMAT)?;
        probes.check(&file)?;
        Ok(probes)
    }

    /// The forms that every probe of a network's stages has, in the order of the first.
    pub fn forms(&self) -> Vec<Form> {
        let first = self.probes.iter().find(|probe| Stack::ALL.contains(&probe.stack));
        first.map_or_else(Vec::new, |probe| probe.forms().collect())
    }

    fn check(&self, file: &Path) -> Result<()> {
        self.dimensions.check(self.task, file)?;
        for (field, value) in [("tokens", self.tokens), ("regions", self.regions)] {
            if value == 0 || value > MAX_POSITIONS {
                return Err(Error::invalid(file, field, format!("1 to {MAX_POSITIONS}"), value));
            }
        }
        if self.probes.is_empty() || self.probes.len() > MAX_PROBES {
            return Err(Error::invalid(file, "probes", format!("1 to {MAX_PROBES} graphs"), self.probes.len()));
        }
        let folder = file.parent().unwrap_or(Path::new("."));
        let forms = self.forms();
        for (place, probe) in self.probes.iter().enumerate() {
            let field = format!("probes.{}", probe.name());
            if self.probes[..place].iter().any(|known| (known.stack, known.part) == (probe.stack, probe.part)) {
                return Err(Error::invalid(file, field, "every graph once", "one twice"));
            }
            probe.stage.check(file, &field)?;
            check_part(probe.stack, probe.part, self.checks.len(), file, &field)?;
            if Stack::BEFORE.contains(&probe.stack) {
                if probe.stage.graphs.len() > 1 {
                    return Err(Error::invalid(file, field, "one graph", probe.stage.graphs.len()));
                }
            } else if probe.forms().ne(forms.iter().copied()) {
                return Err(Error::invalid(file, field, "the same forms in every probe", "others"));
            }
            for name in probe.stage.graphs.iter().flat_map(|graph| graph.files()) {
                inside(folder, name, file, &field)?;
                if !self.files.contains_key(name) {
                    return Err(Error::invalid(file, format!("files.{name}"), "size and hash of the graph", "none"));
                }
            }
        }
        Ok(())
    }
}

/// Checks that a stage can have a part; there are `checks` networks that are measured whole.
pub(super) fn check_part(stack: Stack, part: Part, checks: usize, file: &Path, field: &str) -> Result<()> {
    match part {
        Part::Blocks { count: 0, .. } | Part::Shared { count: 0, .. } => {
            Err(Error::invalid(file, field, "at least 1 block", 0))
        }
        Part::Check { number } if number >= checks => {
            let expected = format!("a check of the {checks} that are listed, from 0");
            Err(Error::invalid(file, field, expected, number))
        }
        Part::Blocks { .. } | Part::Shared { .. } | Part::Check { .. } if Stack::BEFORE.contains(&stack) => {
            Err(Error::invalid(file, field, format!("the {stack} stage alone"), "blocks"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::fixture::table;
    use crate::manifest::Graph;

    fn graph(Form { variant, precision }: Form) -> Graph {
        Graph { variant, precision, file: "a.onnx".to_owned(), data: None }
    }

    fn probe(stack: Stack, part: Part) -> Probe {
        let stage = Stage { graphs: vec![graph(Form::ORT_FP32)], inputs: vec![], outputs: vec![] };
        Probe { stack, part, stage }
    }

    fn blocks(count: usize) -> Part {
        Part::Blocks { operation: Operation::FeedForward, count, after: None }
    }

    fn probes(probes: Vec<Probe>) -> Probes {
        Probes {
            format: Format::current(PROBES_FORMAT),
            task: TaskName::Vqa,
            dimensions: table().dimensions,
            tokens: 7,
            regions: 36,
            checks: vec![Architecture {
                encoder: vec![Operation::FeedForward],
                decoder: vec![Operation::GuidedAttention],
            }],
            probes,
            version: "0.1.0".to_owned(),
            files: BTreeMap::from([("a.onnx".to_owned(), FileRecord::of(b""))]),
        }
    }

    fn error(more: Probe) -> String {
        let file = Path::new("probes.json");
        let mut probes = probes(vec![probe(Stack::Text, blocks(1)), probe(Stack::Fusion, blocks(1))]);
        probes.check(file).unwrap();
        probes.probes.push(more);
        probes.check(file).unwrap_err().to_string()
    }

    #[test]
    fn a_graph_that_stands_twice_is_named() {
        let error = error(probe(Stack::Fusion, blocks(1)));
        assert_eq!(error, "probes.json: probes.fusion 1 x feed_forward: expected every graph once, found one twice");
    }

    #[test]
    fn a_check_of_no_network_is_named() {
        let file = Path::new("probes.json");
        let check = |number| probe(Stack::Text, Part::Check { number });
        probes(vec![check(0), probe(Stack::Image, Part::Check { number: 0 })]).check(file).unwrap();
        let error = error(check(1));
        let expected = "probes.text of check 1: expected a check of the 1 that are listed, from 0, found 1";
        assert_eq!(error, format!("probes.json: {expected}"));
    }

    #[test]
    fn what_comes_before_a_network_has_one_graph_and_no_blocks() {
        let portable = Form { variant: crate::manifest::Variant::Portable, ..Form::ORT_FP32 };
        let mut vision = probe(Stack::Vision, Part::Fixed);
        vision.stage.graphs = vec![graph(portable)];
        let with_vision = probes(vec![vision.clone(), probe(Stack::Text, blocks(1))]);
        with_vision.check(Path::new("probes.json")).unwrap();
        assert_eq!(with_vision.forms(), [Form::ORT_FP32]);
        vision.stage.graphs.push(graph(Form::ORT_FP32));
        assert!(error(vision).ends_with("probes.vision: expected one graph, found 2"));
        for part in [blocks(1), Part::Check { number: 0 }] {
            let error = error(probe(Stack::Detector, part));
            assert!(error.ends_with("expected the detector stage alone, found blocks"), "{error}");
        }
    }
}
