//! How a bundle is loaded.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use mmnas_bundle::manifest::Form;

use crate::engine::provider::Provider;
use crate::error::{Error, Result};

/// How a bundle is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The ONNX Runtime library, or a folder that holds it.
    ///
    /// `None` searches for it (see the crate's documentation). Only the first load of a process loads the library;
    /// asking for another one later is an error.
    pub ort_library: Option<PathBuf>,
    /// Whether the SHA-256 of every file that is read is compared with the manifest's.
    ///
    /// Lengths always are.
    pub check_hashes: bool,
    /// Whether region features of another vision stage than the bundle's are taken.
    ///
    /// They may have the same width and then mean other things. Features that do not say which stage gave them are
    /// always taken.
    pub any_features: bool,
    /// Threads that one operator of a graph may use, 1 to 1024.
    ///
    /// `None` takes as many as the system has to offer. Models whose numbers of threads and spinning are those of the
    /// process's first one share its threads; others have their own.
    pub threads: Option<NonZeroUsize>,
    /// Operators that may run at the same time, 1 to 1024.
    ///
    /// The blocks of a network follow one another, so more than 1 seldom helps.
    pub operators_at_once: NonZeroUsize,
    /// Whether threads that have nothing to do wait in a loop for a while.
    ///
    /// The next operator then begins sooner, and the processors are busy meanwhile. `None` lets those wait so that
    /// models share, and no others.
    pub spinning: Option<bool>,
    /// Which graphs of the bundle run, its vision stage aside, which has one.
    ///
    /// `None` takes graphs in 32 bits if there are any, else in 8, else in 16, and of these those with fused operators
    /// (for TensorRT without). [`crate::verify`] checks only the graphs of this form; with `None` all.
    pub form: Option<Form>,
    /// What may run the graphs, the best first.
    ///
    /// The first that can be had on this machine does; where none can, the load is an error that says why. One provider
    /// is so required; with more, the later are allowed where the earlier are missing, which is told as a warning and
    /// by [`Model::provider`](crate::Model::provider).
    pub providers: Vec<Provider>,
    /// Which of the machine's GPUs, from 0.
    pub device: i32,
    /// Most bytes that weights and intermediate results may take, from 1 MiB.
    ///
    /// A load or a call that needs more is an error. On the processor all models of a process that have a limit share
    /// it, so it has to be the same in all; on a GPU it is a model's own. `None` leaves it to the system.
    pub memory_limit: Option<u64>,
    /// An existing folder where TensorRT keeps its engines for the next load.
    ///
    /// Building them takes it minutes.
    pub engine_cache: Option<PathBuf>,
    /// Whether TensorRT may compute in 16 bits where a graph says 32.
    pub tensorrt_in_16_bits: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            ort_library: None,
            check_hashes: true,
            any_features: false,
            threads: None,
            operators_at_once: NonZeroUsize::MIN,
            spinning: None,
            form: None,
            providers: vec![Provider::Cpu],
            device: 0,
            memory_limit: None,
            engine_cache: None,
            tensorrt_in_16_bits: false,
        }
    }
}

/// The threads that run a model's graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Threads {
    /// Of one operator.
    pub intra: usize,
    /// Operators at the same time.
    pub inter: usize,
    /// Whether they wait in a loop.
    pub spinning: Option<bool>,
}

impl LoadOptions {
    const MAX_THREADS: usize = 1024;
    const LEAST_MEMORY: u64 = 1 << 20;

    /// Checks what can be checked without ONNX Runtime.
    pub(crate) fn check(&self) -> Result<()> {
        self.threads()?;
        if self.providers.is_empty() {
            return Err(Error::argument("providers", "at least one", "none"));
        }
        if self.device < 0 {
            return Err(Error::argument("device", "a number from 0", self.device));
        }
        if let Some(limit) = self.memory_limit.filter(|limit| *limit < Self::LEAST_MEMORY) {
            return Err(Error::argument("memory_limit", format!("at least {} bytes", Self::LEAST_MEMORY), limit));
        }
        match &self.engine_cache {
            Some(folder) if !folder.is_dir() => {
                Err(Error::argument("engine_cache", "an existing folder", folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// The number of threads of one operator; an error where it is out of range.
    pub(crate) fn thread_count(&self) -> Result<usize> {
        let available = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.threads.map_or_else(available, NonZeroUsize::get);
        if threads > Self::MAX_THREADS {
            return Err(Error::argument("threads", format!("1 to {}", Self::MAX_THREADS), threads));
        }
        Ok(threads)
    }

    /// All about threads; an error where a number is out of range.
    pub(crate) fn threads(&self) -> Result<Threads> {
        let inter = self.operators_at_once.get();
        if inter > Self::MAX_THREADS {
            return Err(Error::argument("operators_at_once", format!("1 to {}", Self::MAX_THREADS), inter));
        }
        Ok(Threads { intra: self.thread_count()?, inter, spinning: self.spinning })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_errors() {
        let check = |options: LoadOptions| options.check().map_err(|e| e.to_string());
        assert_eq!(check(LoadOptions::default()), Ok(()));
        assert!(LoadOptions::default().thread_count().unwrap() >= 1);
        let many = || NonZeroUsize::new(1 << 40).unwrap();
        for (options, field) in [
            (LoadOptions { threads: Some(many()), ..LoadOptions::default() }, "threads"),
            (LoadOptions { operators_at_once: many(), ..LoadOptions::default() }, "operators_at_once"),
            (LoadOptions { providers: vec![], ..LoadOptions::default() }, "providers"),
            (LoadOptions { device: -1, ..LoadOptions::default() }, "device"),
            (LoadOptions { memory_limit: Some(5), ..LoadOptions::default() }, "memory_limit"),
            (LoadOptions { engine_cache: Some("/nonexistent".into()), ..LoadOptions::default() }, "engine_cache"),
        ] {
            assert!(check(options).unwrap_err().starts_with(field), "{field}");
        }
    }
}
