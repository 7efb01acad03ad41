//! Bundles: how they are written, verified and described.

mod model_card;
pub(crate) mod requantise;
pub(crate) mod verified;
pub(crate) mod write;
