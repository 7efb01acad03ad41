//! The stages of a network as graphs: text, image and fusion.

pub(crate) mod fusion;
pub(crate) mod image;
mod relations;
mod states;
pub(crate) mod text;
