//! Names in `golden.safetensors`: inputs and outputs of every stage, recorded where the bundle was written.
//!
//! A tensor is called `STAGE.in.NAME` or `STAGE.out.NAME`, NAME being the graph's. Inputs that are another stage's
//! outputs are stored with both, so that each stage is checked alone.

/// The name of an input of `stage`.
pub fn input(stage: &str, name: &str) -> String {
    format!("{stage}.in.{name}")
}

/// The name of an output of `stage`.
pub fn output(stage: &str, name: &str) -> String {
    format!("{stage}.out.{name}")
}
