//! The outputs of a bundle's stages, computed by the network.
//!
//! Exported graphs are recorded against them.

use tch::Tensor;

use crate::model::head::EmbeddingInputs;
use crate::model::inputs::Inputs;
use crate::model::network::Network;
use crate::nn::dropout::Dropout;
use crate::operations::Context;
use crate::precision::MatmulPrecision;
use crate::space::arch_path::{ArchPath, Choice};

/// Outputs of the stages, by name.
#[derive(Debug)]
pub struct StageOutputs {
    /// Outputs of the text stage.
    ///
    /// `text_pooled` `[batch, 2 H]`; `text_attention` `[batch, tokens]`; `text_embedding`
    /// `[batch, width]`, where the network has embeddings. For each GA block `b` of the decoder
    /// `key_b` and `value_b` `[batch, heads, tokens, head width]`.
    pub text: Vec<(String, Tensor)>,
    /// Outputs of the image stage.
    ///
    /// `regions` `[batch, regions, H]` after the blocks before the first GA. `relation_bias`
    /// `[batch, RSA blocks from there on · heads, regions, regions]`, if there are such blocks.
    /// `image_embedding` `[batch, width]`, or `region_embedding` `[batch, regions, width]`, where
    /// the network has embeddings.
    pub image: Vec<(String, Tensor)>,
    /// Scores, with what the embeddings add.
    pub output: Tensor,
    /// How much each region counts in the output, `[batch, regions]`.
    ///
    /// None where the head pools no regions.
    pub region_attention: Option<Tensor>,
}

impl Network {
    /// Computes what the stages of a bundle of this network give for `inputs`.
    ///
    /// They have the names that mmnas-export gives them: first the text stage's, then the image
    /// stage's, then the output of the head. The network must be a derived one; it runs in
    /// evaluation.
    pub fn stage_outputs(&self, inputs: &Inputs) -> StageOutputs {
        let _guard = tch::no_grad_guard();
        let path = ArchPath::single(&vec![0; self.space.len()]);
        let (off, full) = (Dropout(0.0), MatmulPrecision::Float32);
        let (text_mask, region_mask) = (inputs.text_mask(), inputs.region_mask());
        let encoder = self.space.encoder.len();
        let only = Choice::One(0);
        // A bundle has no use for relations with padding, so its image stage leaves them as they
        // come.
        let biases = self.relation_biases(&path, &inputs.boxes, None);
        let mut x = self.embed(&inputs.tokens);
        let context = Context::new(text_mask.as_ref(), off, full);
        for block in 0..encoder {
            x = self.block(block, &only, &x, (&context, &biases));
        }
        let pooled = self.head.pool_text(&x, text_mask.as_ref(), off);
        let mut text = vec![("text_pooled".to_owned(), pooled.shallow_clone())];
        let attention = self.head.text_attention(&x, text_mask.as_ref());
        text.extend(attention.map(|attention| ("text_attention".to_owned(), attention)));
        for (index, module) in self.blocks[encoder..].iter().enumerate() {
            if let Some((keys, values)) = module[0].text_keys_values(&x) {
                text.push((format!("key_{index}"), keys));
                text.push((format!("value_{index}"), values));
            }
        }
        let first_guided = self.first_guided();
        let context = Context::new(region_mask.as_ref(), off, full);
        let features = self.standardised(&inputs.features);
        let mut y = self.regions(&features, full);
        for block in encoder..first_guided {
            y = self.block(block, &only, &y, (&context, &biases));
        }
        let mut image = vec![("regions".to_owned(), y.shallow_clone())];
        let kept: Vec<&Tensor> = biases.range((first_guided, 0)..).map(|(_, bias)| bias).collect();
        if !kept.is_empty() {
            image.push(("relation_bias".to_owned(), Tensor::cat(&kept, 1)));
        }
        let embedding = self.head.embedding().map(|head| {
            let inputs = EmbeddingInputs {
                tokens: &inputs.tokens,
                text_mask: text_mask.as_ref(),
                text: &pooled,
                boxes: &inputs.boxes,
                features: &features,
                regions: &y,
                region_mask: region_mask.as_ref(),
            };
            (head, head.embed(&inputs, off))
        });
        if let Some((_, embeddings)) = &embedding {
            text.push(("text_embedding".to_owned(), embeddings.text.shallow_clone()));
            let name = if embeddings.image.dim() == 3 { "region_embedding" } else { "image_embedding" };
            image.push((name.to_owned(), embeddings.image.shallow_clone()));
        }
        let context = Context { text: Some(&x), text_mask: text_mask.as_ref(), ..context };
        for block in first_guided..self.blocks.len() {
            y = self.block(block, &only, &y, (&context, &biases));
        }
        let region_attention = self.head.region_attention(&y, region_mask.as_ref());
        let mut output = self.head.scores(&pooled, &y, region_mask.as_ref(), off);
        if let Some((head, embeddings)) = &embedding {
            output += head.score(embeddings);
        }
        StageOutputs { text, image, output, region_attention }
    }
}
