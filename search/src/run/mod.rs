//! A run's folder: its files, its log, and what it starts from.

pub mod derived;
pub mod epoch_log;
pub mod epoch_notes;
pub mod files;
pub mod folder;
pub mod searched_blocks;
pub mod tensorboard;
pub mod warm_start;
