//! The operations that a run's probabilities belong to.

use mmnas_bundle::{Error as BundleError, Operation};
use serde::Deserialize;

use crate::error::Result;
use crate::run::epoch_log::EpochRecord;
use crate::run::epoch_notes as notes;
use crate::run::folder::RunFolder;

/// File in a search's folder that names the operations of every block.
///
/// They stand in the order of the probabilities. Without the file the published pool is meant.
const FILE: &str = "space.json";

/// A block that was searched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    /// Whether it is in the decoder.
    pub decoder: bool,
    /// Its place in the stack, from 1.
    pub number: usize,
    /// Names of its operations, one a probability.
    pub operations: Vec<String>,
}

impl Block {
    /// Name of the block, such as `encoder 3`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", if self.decoder { "decoder" } else { "encoder" }, self.number)
    }
}

#[derive(Deserialize)]
struct SpaceFile {
    encoder: Vec<Vec<String>>,
    decoder: Vec<Vec<String>>,
}

fn names(operations: &[Operation]) -> Vec<String> {
    operations.iter().map(|operation| operation.name().to_owned()).collect()
}

/// The space of the published pool for these probabilities.
///
/// A block with as many probabilities as an encoder block has operations is one of the encoder.
fn published(probabilities: &[Vec<f64>]) -> SpaceFile {
    let encoder = probabilities.iter().take_while(|p| p.len() == Operation::ENCODER.len()).count();
    SpaceFile {
        encoder: vec![names(&Operation::ENCODER); encoder],
        decoder: vec![names(&Operation::DECODER); probabilities.len() - encoder],
    }
}

/// The blocks of the search in `run`, the encoder's first.
///
/// None if the records hold no probabilities. Every block names as many operations as the first
/// record has probabilities of it.
pub(crate) fn blocks(run: &RunFolder, records: &[EpochRecord]) -> Result<Vec<Block>> {
    let Some(probabilities) = records.iter().find_map(notes::probabilities) else { return Ok(Vec::new()) };
    let file = run.file(FILE);
    let space = if file.exists() {
        let text = std::fs::read_to_string(&file).map_err(BundleError::io(&file, "read"))?;
        serde_json::from_str(&text).map_err(|e| BundleError::json(&file, &e))?
    } else {
        published(&probabilities)
    };
    let stacks = [(false, space.encoder), (true, space.decoder)];
    let blocks = stacks.into_iter().flat_map(|(decoder, stack)| {
        let block = move |(k, operations)| Block { decoder, number: k + 1, operations };
        stack.into_iter().enumerate().map(block)
    });
    let mut blocks: Vec<Block> = blocks.collect();
    if blocks.len() != probabilities.len() {
        let (expected, found) = (format!("{} blocks, as in log.jsonl", probabilities.len()), blocks.len());
        return Err(BundleError::invalid(&file, "encoder, decoder", expected, found).into());
    }
    for (block, p) in blocks.iter_mut().zip(&probabilities) {
        let known = block.operations.len();
        block.operations.extend((known..p.len()).map(|k| format!("operation {}", k + 1)));
        block.operations.truncate(p.len());
    }
    Ok(blocks)
}
