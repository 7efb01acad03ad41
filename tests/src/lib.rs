//! What the tests across the crates share: the fixtures of the published code and the weights that they were made with,
//! a small trained bundle, the workspace's programs, and programs in C.

pub mod agreement;
pub mod alone;
pub mod bench;
pub mod browser;
pub mod c_consumer;
pub mod captions;
pub mod emulated;
pub mod exported;
pub mod fixtures;
pub mod header;
pub mod imports;
pub mod mutation;
pub mod onnx;
pub mod phrases;
pub mod programs;
pub mod python;
pub mod reference;
pub mod service;
pub mod skipped;
pub mod small_run;
pub mod stopping;
