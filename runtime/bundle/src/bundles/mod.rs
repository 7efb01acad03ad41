//! The folders of bundles and of vision stages.

pub(crate) mod bundle;
mod folder;
pub mod golden;
pub(crate) mod vision_bundle;
