//! Rendering of scenes as pictures.

pub mod outline;
pub mod picture;
pub mod regions;
