use std::num::NonZeroUsize;
use std::path::PathBuf;

use mmnas_bundle::manifest::Form;

use crate::{Error, Provider, Result};

/// How a bundle is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The ONNX Runtime library, or a folder that holds it. `None` searches for it (see the crate's documentation).
    /// Only the first load of a process loads the library; asking for another one later is an error.
    pub ort_library: Option<PathBuf>,
    /// Whether the SHA-256 of every file that is read is compared with the manifest's. Lengths always are.
    pub check_hashes: bool,
    /// Threads that one operator of a graph may use, 1 to 1024; `None` takes as many as the system has to offer. Models
    /// that ask for as many as the process's first one share its threads; others have their own.
    pub threads: Option<NonZeroUsize>,
    /// Which graphs of the bundle run, its vision stage aside, which has one; `None` takes those in 32 bits where there are
    /// such, else in 8, else in 16, with fused operators where there are such (for TensorRT without). [`crate::verify`] checks only these; with `None` all.
    pub form: Option<Form>,
    /// What runs them; an error where it cannot be had.
    pub provider: Provider,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions { ort_library: None, check_hashes: true, threads: None, form: None, provider: Provider::Cpu }
    }
}

impl LoadOptions {
    const MAX_THREADS: usize = 1024;

    /// The number of threads to use; an error where it is out of range.
    pub(crate) fn thread_count(&self) -> Result<usize> {
        let available = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.threads.map_or_else(available, NonZeroUsize::get);
        if threads > Self::MAX_THREADS {
            return Err(Error::argument("threads", format!("1 to {}", Self::MAX_THREADS), threads));
        }
        Ok(threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_threads_that_no_machine_has_is_an_error() {
        let options = LoadOptions { threads: NonZeroUsize::new(1 << 40), ..LoadOptions::default() };
        assert!(options.thread_count().is_err());
        assert!(LoadOptions::default().thread_count().unwrap() >= 1);
    }
}
