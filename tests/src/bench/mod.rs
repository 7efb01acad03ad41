//! What the benchmarks share: a task without files and training steps on it, the padded forward pass in two ways, what the machine can do
//! at best, pictures for bundles with one vision stage, interleaved timing, the memory of a process, the machine.

pub mod comparison;
pub mod floor;
pub mod libtorch_side;
pub mod machine;
pub mod published_pass;
pub mod shared_vision;
pub mod steps;
pub mod synthetic;
