//! What the benchmarks of the search share: a task without files, training steps on it, interleaved timing, the memory of a
//! process, the machine.

pub mod comparison;
pub mod floor;
pub mod libtorch_side;
pub mod machine;
pub mod made_up;
pub mod steps;
