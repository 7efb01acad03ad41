//! The C ABI of the mmnas runtime: `libmmnas_runtime`.
//!
//! This crate holds C types, handles, errors and the panic boundary; what a model does is the business of the runtime
//! crate. The comments on the exported functions are the manual: they are copied into `include/mmnas_runtime.h`, whose
//! first pages (`ffi/cbindgen.toml`) state the conventions that every function follows.
//!
//! An export is written in one way: it is `extern "C"`, and its whole body runs inside [`boundary`], which catches
//! panics, clears the out-parameters first, and turns an error into a status and an owned `mmnas_error`. Handles are numbers
//! that [`handles`] looks up.

#![allow(unsafe_code, reason = "a C ABI takes raw pointers; each unsafe block says why it is sound")]
#![allow(non_camel_case_types, reason = "handles carry the names that C programs read")]
#![allow(clippy::missing_safety_doc, reason = "what a caller owes is in the header's manual, in the words of C")]

#[cfg(panic = "abort")]
compile_error!("the C ABI promises that a panic becomes MMNAS_STATUS_PANIC: build it with panic = \"unwind\"");

// The header has the functions in this order, from what a program needs first.
pub mod version;

pub mod status;

pub mod error;

pub mod error_handle;

pub mod options;

pub mod files;

pub mod cancel;

pub mod deadline;

pub mod model;

pub mod bundle_info;

pub mod image;

pub mod regions;

pub mod image_batch;

pub mod text;

pub mod embedding;

pub mod answers;

pub mod groundings;

pub mod matching;

pub mod ranking;

pub mod batcher;

pub mod index;

pub mod index_search;

pub mod limits;

pub mod index_read;

pub mod string_list;

pub mod explanation;

pub mod verification;

pub mod log;

mod boundary;
mod callback;
mod either_index;
mod handles;
mod pairs;
mod strings;
