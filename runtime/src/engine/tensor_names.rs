//! Names of the tensors that flow between the stages.

/// Token ids, i64 `[batch, tokens]`.
pub(crate) const TOKENS: &str = "tokens";
/// Number of tokens of each text, i64 `[batch]`.
pub(crate) const TOKEN_COUNT: &str = "token_count";
/// Region features, f32 `[batch, regions, D]`.
pub(crate) const FEATURES: &str = "features";
/// Region boxes in pixels, f32 `[batch, regions, 4]`.
pub(crate) const BOXES: &str = "boxes";
/// Number of regions of each image, i64 `[batch]`.
pub(crate) const REGION_COUNT: &str = "region_count";
/// Pixels, u8 `[batch, height, width, 3]`.
pub(crate) const PIXELS: &str = "pixels";
/// Boxes in pixels of the vision stage's input, f32 `[batch, regions, 4]`.
pub(crate) const ROIS: &str = "rois";
/// The detector's scores of its classes, f32 `[batch, regions, classes]`.
///
/// They are 0 for a grid's cells.
pub(crate) const CLASS_SCORES: &str = "class_scores";
/// Logits of the backbone's classes, f32 `[batch, classes]`.
pub(crate) const CLASS_LOGITS: &str = "class_logits";
/// What the head gives for VQA and ITM, f32 `[batch, outputs]`.
pub(crate) const LOGITS: &str = "logits";
/// The regions' scores of VGD before the softmax over them, f32 `[batch, regions]`.
pub(crate) const SCORES: &str = "scores";
/// How much each word counts in the pooled text, f32 `[batch, tokens]`.
pub(crate) const TEXT_ATTENTION: &str = "text_attention";
/// How much each region counts in the pooled image, f32 `[batch, regions]`.
pub(crate) const REGION_ATTENTION: &str = "region_attention";
/// The embedding of a text, f32 `[batch, joint]`.
///
/// For grounding it is the linear one, as wide as [`EmbeddingDimensions::Regions`] says.
pub(crate) const TEXT_EMBEDDING: &str = "text_embedding";
/// The dual encoder's embedding of an image, f32 `[batch, joint]`.
pub(crate) const IMAGE_EMBEDDING: &str = "image_embedding";
/// What the RSA blocks add to their scores, f32 `[batch, heads of all, regions, regions]`.
pub(crate) const RELATION_BIAS: &str = "relation_bias";
/// How the regions' boxes are to be moved (VGD), f32 `[batch, regions, 4]`.
pub(crate) const DELTAS: &str = "deltas";
