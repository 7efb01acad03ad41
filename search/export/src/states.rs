//! What flows between the stages of a network, as values of a graph.

use std::collections::BTreeMap;

use mmnas_bundle::{Architecture, OperationKind};

use crate::Result;
use crate::blocks::kind_of;
use crate::mask::Mask;
use crate::source::{Source, decoder_prefix};

/// A text after the encoder.
#[derive(Debug)]
pub(crate) struct TextState {
    /// Token ids, `[batch, tokens]`.
    pub tokens: String,
    /// AttFlat of the text, `[batch, 2 H]`.
    pub pooled: String,
    /// How much each word counts in it, `[batch, tokens]`.
    pub attention: String,
    /// Keys and values of the decoder's blocks that read the text, each `[batch, heads, tokens, head]`.
    pub keys_values: BTreeMap<usize, (String, String)>,
    /// The tokens.
    pub mask: Mask,
}

/// An image before the first block that reads the text.
#[derive(Debug)]
pub(crate) struct ImageState {
    /// `[batch, regions, H]`.
    pub regions: String,
    /// What they were made of, `[batch, regions, D]`, where the graph has it.
    pub features: Option<String>,
    /// Biases of the blocks from there on that read relations, each `[batch, heads, regions, regions]`.
    pub biases: BTreeMap<usize, String>,
    /// The regions.
    pub mask: Mask,
}

/// A block of the decoder with its heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub block: usize,
    /// Number of heads.
    pub heads: usize,
    /// Width of a head.
    pub head: usize,
}

/// The blocks of the decoder that read the text.
pub(crate) fn text_readers(source: Source<'_>, architecture: &Architecture) -> Result<Vec<Reader>> {
    readers(source, architecture, |kind| match kind {
        OperationKind::GuidedAttention(heads) | OperationKind::UniimgAttention(heads) => Some(heads),
        _ => None,
    })
}

/// The blocks of the decoder that read the relations of the regions.
pub(crate) fn relation_readers(source: Source<'_>, architecture: &Architecture) -> Result<Vec<Reader>> {
    readers(source, architecture, |kind| kind.relation_heads())
}

fn readers(
    source: Source<'_>,
    architecture: &Architecture,
    heads: fn(OperationKind) -> Option<mmnas_bundle::Heads>,
) -> Result<Vec<Reader>> {
    let mut found = Vec::new();
    for (block, operation) in architecture.decoder.iter().enumerate() {
        let prefix = decoder_prefix(block);
        if let Some(heads) = heads(kind_of(*operation, &prefix)?) {
            let (heads, head) = source.heads(heads, &prefix)?;
            found.push(Reader { block, heads, head });
        }
    }
    Ok(found)
}
