//! Pictures of what a model found.

pub(crate) mod boxes;
pub(crate) mod explain_picture;
pub(crate) mod lettering;
pub(crate) mod ranking_picture;
