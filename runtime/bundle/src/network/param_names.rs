//! Names of a network's parameters.
//!
//! A layer `L` has the parameters `L.weight` and, mostly, `L.bias`. The published code's names are kept as they are,
//! "backnone" included, so that weights move both ways. Names that begin with `embed` and [`ATTFLAT_E`] are ours.

/// The table of word vectors.
pub const EMBEDDING: &str = "embedding";
/// The LSTM over the words.
pub const LSTM: &str = "lstm";
/// The linear layer of region features.
pub const IMGFEAT_LINEAR: &str = "imgfeat_linear";
/// The linear layer of the regions' relations.
pub const LINEAR_Y_REL: &str = "linear_y_rel";
/// AttFlat of the text.
pub const ATTFLAT_X: &str = "attflat_x";
/// AttFlat of the regions.
pub const ATTFLAT_Y: &str = "attflat_y";
/// AttFlat of the regions for the image's embedding.
pub const ATTFLAT_E: &str = "attflat_e";
/// The linear layer of regions in the head of grounding.
pub const ATTFC_Y: &str = "attfc_y";
/// The layer norm before the outputs.
pub const PROJ_NORM: &str = "proj_norm";
/// The outputs of a pooled head.
pub const PROJ: &str = "proj";
/// The scores of regions (VGD).
pub const PROJ_SCORES: &str = "proj_scores";
/// The deltas of boxes (VGD).
pub const PROJ_REG: &str = "proj_reg";
/// The text's embedding.
pub const EMBED_X: &str = "embed_x";
/// The image's embedding.
pub const EMBED_Y: &str = "embed_y";
/// Region features in the image's embedding.
pub const EMBED_F: &str = "embed_f";
/// Words in the linear part of the embeddings.
pub const EMBED_W: &str = "embed_w";
/// Region features in the linear part of the embeddings.
pub const EMBED_A: &str = "embed_a";
/// What the linear part counts beside the other.
pub const EMBED_FACTOR: &str = "embed_factor";
/// What the cosine of two embeddings is multiplied by.
pub const EMBED_SCALE: &str = "embed_scale";
/// The attention of a block, under the block's prefix.
pub const MHATT: &str = "mhatt";
/// The layer of relations in a block's attention.
pub const LINEAR_R: &str = "linear_r";

/// The dotted prefix of an encoder block's parameters.
pub fn encoder_block(block: usize) -> String {
    format!("backnone.cells_enc.0.dag.{block}.0")
}

/// The dotted prefix of a decoder block's parameters.
pub fn decoder_block(block: usize) -> String {
    format!("backnone.cells_dec.0.dag.{block}.0")
}

/// The name of a layer's weight.
pub fn weight(layer: &str) -> String {
    format!("{layer}.weight")
}

/// The name of a layer's bias.
pub fn bias(layer: &str) -> String {
    format!("{layer}.bias")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_the_published_prefixes() {
        assert_eq!(
            weight(&format!("{}.{MHATT}.{LINEAR_R}", decoder_block(3))),
            "backnone.cells_dec.0.dag.3.0.mhatt.linear_r.weight"
        );
        assert_eq!(bias(&encoder_block(0)), "backnone.cells_enc.0.dag.0.0.bias");
    }
}
