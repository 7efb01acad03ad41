//! How text becomes ids.

pub(crate) mod encoder;
pub(crate) mod vocabulary;
