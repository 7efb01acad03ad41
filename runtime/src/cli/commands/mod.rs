//! The commands, each with its arguments.

pub(super) mod answer;
pub(super) mod evaluate;
pub(super) mod extract;
pub(super) mod ground;
pub(super) mod index;
pub(super) mod info;
pub(super) mod predict;
pub(super) mod profile;
pub(super) mod rank;
pub(super) mod run;
pub(super) mod verify;
