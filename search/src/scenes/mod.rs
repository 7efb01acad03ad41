//! Synthetic scenes of flat shapes, with questions, captions and phrases about them: data for all three tasks at any size.

pub mod attributes;
pub mod dataset;
pub mod language_prior;
pub mod render;
pub mod scene;
pub mod text;
