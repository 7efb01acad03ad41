//! `latency.json`: what probes took on a device.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::read_text;
use crate::latency::probes::{Part, Probes, Stack, check_part};
use crate::manifest::{Dimensions, EmbeddingDimensions, Form, Format, Precision, TaskName, Variant, parse_format};
use crate::network::architecture::Architecture;

/// The format name that a file of latencies carries.
pub const LATENCY_FORMAT: &str = "mmnas-latency";

/// Where and with what probes were measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The processor's name, or the GPU's.
    pub device: String,
    /// Features of the processor that decide which code runs, such as `avx512_vnni`.
    pub flags: Vec<String>,
    /// What ran the graphs: cpu, cuda or tensorrt.
    pub provider: String,
    /// Threads of one graph.
    pub threads: usize,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Operating system and architecture.
    pub system: String,
}

/// What one graph took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Which blocks it has.
    pub stack: Stack,
    /// What it adds to its stage.
    pub part: Part,
    /// Which operators.
    pub variant: Variant,
    /// Which numbers.
    pub precision: Precision,
    /// Median milliseconds of one item.
    pub milliseconds: f64,
    /// Half the distance between the quartiles, relative to the median.
    pub spread: f64,
    /// Runs that count.
    pub runs: usize,
    /// Bytes of the graph and its weights on disk.
    pub bytes: u64,
    /// Bytes of memory that a session over it holds, where that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Millijoules of one item, where the device counts its energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millijoules: Option<f64>,
}

impl Measurement {
    /// Operators and number format together.
    pub fn form(&self) -> Form {
        Form { variant: self.variant, precision: self.precision }
    }
}

/// What the probes of a folder took on a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyTable {
    /// Name and version of the format.
    pub format: Format,
    /// SHA-256 of the folder's `probes.json`.
    pub probes_sha256: String,
    /// What the networks are for.
    pub task: TaskName,
    /// Their sizes.
    pub dimensions: Dimensions,
    /// Tokens of the measured text.
    pub tokens: usize,
    /// Regions of the measured image.
    pub regions: usize,
    /// Where and with what it was measured.
    pub environment: Environment,
    /// Networks that were measured whole, to see whether what is predicted of them holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Architecture>,
    /// What each graph took.
    pub measurements: Vec<Measurement>,
}

impl LatencyTable {
    /// A table of these probes without any measurement.
    pub fn new(probes: &Probes, probes_sha256: String, environment: Environment) -> LatencyTable {
        LatencyTable {
            format: Format::current(LATENCY_FORMAT),
            probes_sha256,
            task: probes.task,
            dimensions: probes.dimensions.clone(),
            tokens: probes.tokens,
            regions: probes.regions,
            environment,
            checks: probes.checks.clone(),
            measurements: Vec::new(),
        }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// A file that cannot be read, of another format or a later major version; times that are no times; one graph
    /// twice; a check of a network that is not listed.
    pub fn read(file: &Path) -> Result<LatencyTable> {
        let table: LatencyTable = parse_format(&read_text(file, 16 << 20)?, file, LATENCY_FORMAT)?;
        table.dimensions.check(table.task, file)?;
        for (place, m) in table.measurements.iter().enumerate() {
            let field = |name: &str| format!("measurements[{place}].{name}");
            if !(m.milliseconds.is_finite() && m.milliseconds > 0.0) {
                return Err(Error::invalid(file, field("milliseconds"), "a number above 0", m.milliseconds));
            }
            if !(m.spread.is_finite() && m.spread >= 0.0) {
                return Err(Error::invalid(file, field("spread"), "a number from 0", m.spread));
            }
            if let Some(energy) = m.millijoules.filter(|energy| !(energy.is_finite() && *energy >= 0.0)) {
                return Err(Error::invalid(file, field("millijoules"), "a number from 0", energy));
            }
            check_part(m.stack, m.part, table.checks.len(), file, &field("part"))?;
            if table.measurements[..place].iter().any(|known| known.is_of(m.form(), m.stack, m.part)) {
                return Err(Error::invalid(file, field("part"), "every graph once", "one twice"));
            }
        }
        Ok(table)
    }

    /// Checks that the table is of networks of this task and these sizes; `file` names the table in errors.
    ///
    /// The vocabulary may differ: looking up a word takes the same time among few words and among many.
    ///
    /// # Errors
    /// Another task; the first size that is another.
    pub fn check_network(&self, task: TaskName, dimensions: &Dimensions, file: &Path) -> Result<()> {
        if self.task != task {
            return Err(Error::invalid(file, "task", format!("{task}, as the network's"), self.task));
        }
        let (own, other) = (&self.dimensions, dimensions);
        let sizes = [
            ("hidden", own.hidden, other.hidden),
            ("feature", own.feature, other.feature),
            ("embedding", own.embedding, other.embedding),
            ("outputs", own.outputs, other.outputs),
            ("attflat", own.attflat, other.attflat),
            ("head", own.head, other.head),
            ("relation", own.relation, other.relation),
        ];
        for (name, measured, wanted) in sizes {
            if measured != wanted {
                let (field, expected) = (format!("dimensions.{name}"), format!("{wanted}, as the network's"));
                return Err(Error::invalid(file, field, expected, measured));
            }
        }
        if own.embeddings != other.embeddings {
            let told = |e: &Option<EmbeddingDimensions>| e.map_or_else(|| "none".to_owned(), |e| format!("{e:?}"));
            let expected = format!("{}, as the network's", told(&other.embeddings));
            return Err(Error::invalid(file, "dimensions of the embeddings", expected, told(&own.embeddings)));
        }
        Ok(())
    }

    /// What a graph took, if it was measured.
    pub fn find(&self, form: Form, stack: Stack, part: Part) -> Option<&Measurement> {
        self.measurements.iter().find(|m| m.is_of(form, stack, part))
    }

    /// The forms that stages of networks were measured in.
    pub fn forms(&self) -> Vec<Form> {
        let of_networks = self.measurements.iter().filter(|m| Stack::ALL.contains(&m.stack));
        let mut forms: Vec<Form> = of_networks.map(Measurement::form).collect();
        forms.sort_unstable();
        forms.dedup();
        forms
    }
}

impl Measurement {
    fn is_of(&self, form: Form, stack: Stack, part: Part) -> bool {
        self.form() == form && self.stack == stack && self.part == part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::fixture::{measurement, table};

    #[test]
    fn a_network_of_other_sizes_is_refused_by_the_field() {
        type Change = fn(&mut Dimensions);
        let (table, file) = (table(), Path::new("latency.json"));
        let check = |task, change: Change| {
            let mut network = table.dimensions.clone();
            change(&mut network);
            table.check_network(task, &network, file).map_err(|e| e.to_string())
        };
        assert_eq!(check(TaskName::Vqa, |_| {}), Ok(()));
        assert_eq!(check(TaskName::Vqa, |d| d.vocabulary = 900), Ok(()));
        let error = check(TaskName::Itm, |_| {}).unwrap_err();
        assert_eq!(error, "latency.json: task: expected itm, as the network's, found vqa");
        let changes: [(&str, Change); 8] = [
            ("dimensions.hidden", |d| d.hidden = 7),
            ("dimensions.feature", |d| d.feature = 7),
            ("dimensions.embedding", |d| d.embedding = 7),
            ("dimensions.outputs", |d| d.outputs = 7),
            ("dimensions.attflat", |d| d.attflat = 7),
            ("dimensions.head", |d| d.head = 7),
            ("dimensions.relation", |d| d.relation = 7),
            ("dimensions of the embeddings", |d| d.embeddings = Some(EmbeddingDimensions::dual_encoder(7))),
        ];
        for (field, change) in changes {
            let error = check(TaskName::Vqa, change).unwrap_err();
            assert!(error.starts_with(&format!("latency.json: {field}: expected ")) && error.contains('7'), "{error}");
        }
    }

    #[test]
    fn a_check_that_is_not_listed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latency.json");
        let mut table = table();
        table.measurements.push(measurement(Stack::Text, Part::Check { number: 0 }, 1.0));
        let read = |table: &LatencyTable| {
            std::fs::write(&file, serde_json::to_string(table).unwrap()).unwrap();
            LatencyTable::read(&file).map_err(|e| e.to_string())
        };
        let place = table.measurements.len() - 1;
        let error = read(&table).unwrap_err();
        assert!(error.contains(&format!("measurements[{place}].part: expected a check of the 0")), "{error}");
        table.checks = vec![crate::Architecture {
            encoder: vec![crate::Operation::FeedForward],
            decoder: vec![crate::Operation::FeedForward],
        }];
        assert_eq!(read(&table).unwrap(), table);
    }
}
