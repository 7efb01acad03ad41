//! What flows between the stages of a network, as values of a graph.

use std::collections::BTreeMap;

use mmnas_bundle::manifest::{Dimensions, Dtype, EmbeddingDimensions};
use mmnas_bundle::param_names;
use mmnas_bundle::{Architecture, OperationKind};

use crate::error::Result;
use crate::network::blocks::kind_of;
use crate::network::mask::Mask;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;

/// A text after the encoder.
#[derive(Debug)]
pub(crate) struct TextState {
    /// Token ids, `[batch, tokens]`.
    pub tokens: String,
    /// AttFlat of the text, `[batch, 2 H]`.
    pub pooled: String,
    /// How much each word counts in it, `[batch, tokens]`.
    pub attention: String,
    /// Keys and values of the decoder's blocks that read the text.
    ///
    /// Each is `[batch, heads, tokens, head]`.
    pub keys_values: BTreeMap<usize, (String, String)>,
    /// The tokens.
    pub mask: Mask,
}

/// An image before the first block that reads the text.
#[derive(Debug)]
pub(crate) struct ImageState {
    /// `[batch, regions, H]`.
    pub regions: String,
    /// Biases of the later blocks that read relations, if there is one.
    ///
    /// `[batch, heads of all, regions, regions]`.
    pub biases: Option<String>,
    /// The regions.
    pub mask: Mask,
}

/// An embedding from the text or the image to the head.
///
/// It is in 32 bits.
#[derive(Debug)]
pub(crate) struct Embedding {
    name: &'static str,
    shape: Vec<String>,
}

impl Embedding {
    fn new(name: &'static str, named: &[&str], width: usize) -> Embedding {
        let named = named.iter().map(|dim| (*dim).to_owned());
        Embedding { name, shape: named.chain([width.to_string()]).collect() }
    }

    fn dims(&self) -> Vec<&str> {
        self.shape.iter().map(String::as_str).collect()
    }

    /// Declares it as an input; returns its name.
    pub(crate) fn input(&self, g: &mut Graph) -> String {
        g.input(self.name, Dtype::F32, &self.dims())
    }

    /// Declares `value` as that output.
    pub(crate) fn output(&self, g: &mut Graph, value: &str) {
        g.output(value, self.name, &self.dims());
    }
}

/// The embeddings of a network: of the text and of the image.
///
/// Those of a dual encoder are `[batch, width]` each. Linear ones are `[batch, width]` for the text and `[batch, regions,
/// width]` for the regions.
pub(crate) fn embeddings(d: &Dimensions) -> Option<[Embedding; 2]> {
    let embeddings = d.embeddings?;
    let width = embeddings.width();
    let of_image = match embeddings {
        EmbeddingDimensions::DualEncoder { .. } => Embedding::new("image_embedding", &["batch"], width),
        EmbeddingDimensions::Regions { .. } => Embedding::new("region_embedding", &["batch", "regions"], width),
    };
    Some([Embedding::new("text_embedding", &["batch"], width), of_image])
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
pub(crate) fn text_readers(parameters: Parameters<'_>, architecture: &Architecture) -> Result<Vec<Reader>> {
    readers(parameters, architecture, |kind| match kind {
        OperationKind::GuidedAttention(heads) | OperationKind::UniimgAttention(heads) => Some(heads),
        _ => None,
    })
}

/// The blocks of the decoder that read the relations of the regions.
pub(crate) fn relation_readers(parameters: Parameters<'_>, architecture: &Architecture) -> Result<Vec<Reader>> {
    readers(parameters, architecture, |kind| kind.relation_heads())
}

fn readers(
    parameters: Parameters<'_>,
    architecture: &Architecture,
    heads: fn(OperationKind) -> Option<mmnas_bundle::Heads>,
) -> Result<Vec<Reader>> {
    let mut found = Vec::new();
    for (block, operation) in architecture.decoder.iter().enumerate() {
        let prefix = param_names::decoder_block(block);
        if let Some(heads) = heads(kind_of(*operation, &prefix)?) {
            let (heads, head) = parameters.heads(heads, &prefix)?;
            found.push(Reader { block, heads, head });
        }
    }
    Ok(found)
}
