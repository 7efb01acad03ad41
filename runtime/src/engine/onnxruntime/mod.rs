//! The ONNX Runtime of this process: found, loaded once, kept until the end.

mod arena;
mod library_file;
mod locate;
mod mapped;
pub(crate) mod run;

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;

use crate::engine::onnxruntime::locate::LibraryPlace;
use crate::engine::options::{LoadOptions, Threads};
use crate::error::{Error, Result};

struct Loaded {
    library: PathBuf,
    version: String,
    shared: Shared,
    /// The limit of the arena that sessions share, where a model has asked for one.
    memory_limit: Option<u64>,
}

/// The environment that sessions are made in, and the threads that they share.
///
/// Several pools on few processors, each waiting for work in a loop, would take them from one another.
#[derive(Clone)]
pub(crate) struct Shared {
    pub environment: Environment,
    /// Threads of the pool: as the process's first model asked for.
    pub threads: Threads,
}

/// The loaded library, kept for good.
///
/// ONNX Runtime allows one environment a process, and none after it was dropped.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

fn loaded() -> MutexGuard<'static, Option<Loaded>> {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ONNX Runtime library that this process runs and its version, "1.28.0".
///
/// `None` before the first load. The version is "unknown" where the library does not tell it.
pub fn onnxruntime() -> Option<(PathBuf, String)> {
    loaded().as_ref().map(|l| (l.library.clone(), l.version.clone()))
}

/// The library of this process for people: version and place.
pub(crate) fn told() -> String {
    onnxruntime()
        .map_or_else(|| "none".to_owned(), |(library, version)| format!("{version} from {}", library.display()))
}

/// What sessions are made in; the first call loads the library.
///
/// No other function of this crate may touch `ort` before this one has returned: without a library it panics.
pub(crate) fn shared(options: &LoadOptions) -> Result<Shared> {
    let mut slot = loaded();
    if let Some(loaded) = slot.as_ref() {
        if let Some(asked) = &options.ort_library
            && !is_same_library(asked, &loaded.library)
        {
            return Err(Error::OnnxRuntimeTaken { asked: asked.clone(), loaded: loaded.library.clone() });
        }
    } else {
        let loaded = slot.insert(load(options)?);
        let shared = loaded.shared.clone();
        // Whoever is told may ask which library it is.
        drop(slot);
        tracing::info!("ONNX Runtime {}", told());
        return Ok(shared);
    }
    // It was just looked at.
    let Some(loaded) = slot.as_ref() else { return Err(Error::OnnxRuntimeMissing { tried: Vec::new() }) };
    Ok(loaded.shared.clone())
}

/// Gives the process's sessions on the processor the memory limit that `options` ask for.
///
/// Once it is there no other can be.
pub(crate) fn limit_memory(options: &LoadOptions) -> Result<()> {
    let mut slot = loaded();
    let Some(loaded) = slot.as_mut() else { return Ok(()) };
    let Some(wanted) = options.memory_limit else { return Ok(()) };
    match loaded.memory_limit {
        Some(limit) if limit == wanted => Ok(()),
        Some(limit) => {
            let expected = format!("{limit} bytes, the limit of this process's other models");
            Err(Error::argument("memory_limit", expected, wanted))
        }
        None => {
            let bytes = usize::try_from(wanted).unwrap_or(usize::MAX);
            arena::register(&loaded.shared.environment, bytes)
                .map_err(|e| Error::argument("memory_limit", "a limit that ONNX Runtime takes", e))?;
            loaded.memory_limit = Some(wanted);
            Ok(())
        }
    }
}

/// Whether `asked`, a file or a folder that holds it, is the library `loaded`.
fn is_same_library(asked: &Path, loaded: &Path) -> bool {
    locate::files_of(asked).iter().any(|file| file.canonicalize().is_ok_and(|file| file == loaded))
}

fn load(options: &LoadOptions) -> Result<Loaded> {
    let threads = options.threads()?;
    let mut tried = Vec::new();
    for candidate in locate::candidates(options.ort_library.as_deref()) {
        let (place, library) = match candidate {
            LibraryPlace::Missing { place } => {
                tried.push(place);
                continue;
            }
            LibraryPlace::File { place, file } => (place, file),
            LibraryPlace::SystemName { place, name } => (place, name),
        };
        match load_library(&library, threads) {
            Ok(loaded) => return Ok(loaded),
            Err(Failure::Unusable(reason)) => tried.push(format!("{place}: {}", crate::error::one_line(&reason))),
            Err(Failure::Taken(loaded)) => return Err(Error::OnnxRuntimeTaken { asked: library, loaded }),
        }
    }
    Err(Error::OnnxRuntimeMissing { tried })
}

enum Failure {
    /// This file does not do; another may.
    Unusable(String),
    /// The process already holds an ONNX Runtime that another user of `ort` loaded.
    Taken(PathBuf),
}

/// Loads `library`: a file's path, or a bare name that the system's loader looks up.
fn load_library(library: &Path, threads: Threads) -> std::result::Result<Loaded, Failure> {
    let is_file = library.components().count() > 1;
    let library = if is_file {
        library_file::check(library).map_err(Failure::Unusable)?;
        library.canonicalize().map_err(|e| Failure::Unusable(e.to_string()))?
    } else {
        library.to_path_buf()
    };
    let builder = ort::init_from(&library).map_err(|e| Failure::Unusable(load_reason(&e)))?;
    // A second load returns Ok whatever it is asked for, so look at what the process really holds.
    let library = if is_file {
        if !mapped::holds(&library) {
            return Err(Failure::Taken(mapped::named(locate::library_name()).unwrap_or_default()));
        }
        library
    } else {
        mapped::named(locate::library_name()).unwrap_or(library)
    };
    let pool = GlobalThreadPoolOptions::default()
        .with_intra_threads(threads.intra)
        .and_then(|pool| pool.with_inter_threads(threads.inter))
        .and_then(|pool| pool.with_spin_control(threads.spinning.unwrap_or(true)))
        .map_err(|e| Failure::Unusable(e.to_string()))?;
    let environment = builder
        .with_name("mmnas")
        .with_global_thread_pool(pool)
        .with_telemetry(false)
        .with_logger(std::sync::Arc::new(log))
        .build()
        .map_err(|e| Failure::Unusable(e.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    let version = library_file::version(&library).unwrap_or_else(|| "unknown".to_owned());
    Ok(Loaded { library, version, shared: Shared { environment, threads }, memory_limit: None })
}

/// The target of ONNX Runtime's own messages in `tracing`.
///
/// A program can tell them by it from this crate's.
pub const ONNX_RUNTIME_TARGET: &str = "onnxruntime";

/// Passes ONNX Runtime's own messages on to `tracing`.
///
/// They do not go straight to the standard error output then.
fn log(level: LogLevel, category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::error!(target: ONNX_RUNTIME_TARGET, category, place, "{message}"),
        LogLevel::Warning => tracing::warn!(target: ONNX_RUNTIME_TARGET, category, place, "{message}"),
        LogLevel::Info => tracing::debug!(target: ONNX_RUNTIME_TARGET, category, place, "{message}"),
        LogLevel::Verbose => tracing::trace!(target: ONNX_RUNTIME_TARGET, category, place, "{message}"),
    }
}

/// What kept the library from loading.
///
/// The error's own text only says that loading failed; the loader's reason is the source of an error inside it.
fn load_reason(error: &ort::LoadDynamicError) -> String {
    let inner = match error {
        ort::LoadDynamicError::Dlopen { error, .. } => error.source(),
        _ => None,
    };
    inner.map_or_else(|| error.to_string(), |inner| inner.to_string())
}
