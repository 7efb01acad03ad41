//! How a model is loaded.

use std::ffi::c_char;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use runtime::bundle::manifest::Form;
use runtime::{LoadOptions, Provider};

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::{boundary, handles, strings};

/// How a model is to be loaded. What is not set has its default.
#[derive(Debug, Default)]
pub struct mmnas_options {
    options: Mutex<Chosen>,
}

#[derive(Debug, Clone, Default)]
struct Chosen {
    load: LoadOptions,
    /// Whether the providers are the caller's and no longer the default.
    providers: bool,
}

/// What runs the graphs.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mmnas_provider {
    /// The processor.
    Cpu = 0,
    /// NVIDIA's CUDA; what it cannot run, the processor runs.
    Cuda = 1,
    /// NVIDIA's TensorRT; what it cannot run, CUDA runs.
    Tensorrt = 2,
}

impl From<Provider> for mmnas_provider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Cpu => Self::Cpu,
            Provider::Cuda => Self::Cuda,
            Provider::TensorRt => Self::Tensorrt,
        }
    }
}

impl mmnas_options {
    /// The options at `pointer`, or the defaults where it is NULL.
    pub(crate) fn load_options(pointer: *const Self) -> Result<LoadOptions, mmnas_error> {
        if pointer.is_null() {
            return Ok(LoadOptions::default());
        }
        let options = boundary::handle("options", pointer)?;
        let chosen = options.options.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(chosen.load.clone())
    }
}

/// Changes the options by `change`, whose error leaves them as they were.
///
/// # Safety
///
/// `error_out` is NULL or may be written to.
unsafe fn set(
    options: *mut mmnas_options,
    error_out: *mut *mut mmnas_error,
    change: impl FnOnce(&mut Chosen) -> Result<(), mmnas_error>,
) -> mmnas_status {
    let body = || {
        let options = boundary::handle("options", options)?;
        let mut chosen = options.options.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut chosen)
    };
    // SAFETY: promised by the caller of this function.
    unsafe { boundary::call(error_out, body) }
}

/// Makes options in which everything has its default.
///
/// @return options that the caller owns and frees with mmnas_options_free(); NULL only if the library itself failed
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_options_new() -> *mut mmnas_options {
    boundary::value(std::ptr::null_mut(), || handles::keep(mmnas_options::default()))
}

/// Frees options. Models that were loaded with them stay as they are.
///
/// @param options  options, or NULL, which does nothing
///
/// Threads: no other thread may use the options any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_options_free(options: *mut mmnas_options) {
    boundary::free(options);
}

/// Says which ONNX Runtime library to load, instead of searching for one.
///
/// A process loads ONNX Runtime once: the first model decides, and loading a later one that asks for another library
/// fails with MMNAS_STATUS_ONNX_RUNTIME_MISSING. Nothing is opened before mmnas_model_load().
///
/// @param options    the options to change
/// @param path       the library, or a folder that holds it; UTF-8, need not be NUL-terminated; copied
/// @param path_len   the number of bytes of the path; at least 1
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_onnxruntime_library(
    options: *mut mmnas_options,
    path: *const c_char,
    path_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        chosen.load.ort_library = Some(unsafe { strings::path("path", path, path_len) }?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets how many threads one operator of a graph may use.
///
/// Models whose threads are those of the process's first model share them; others have threads of their own.
///
/// @param options    the options to change
/// @param threads    1 to 1024, which mmnas_model_load() checks, or 0 for the default: as many as the system has to
///                   offer to the process
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_threads(
    options: *mut mmnas_options,
    threads: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        chosen.load.threads = NonZeroUsize::new(threads);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets how many operators of a graph may run at the same time. The blocks of a network follow one another, so more than 1
/// seldom helps.
///
/// @param options    the options to change
/// @param operators  1, which is the default, to 1024; mmnas_model_load() checks the upper end
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_operators_at_once(
    options: *mut mmnas_options,
    operators: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        let number = NonZeroUsize::new(operators);
        chosen.load.operators_at_once = number.ok_or_else(|| mmnas_error::invalid("operators", "at least 1", "0"))?;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets whether threads that have nothing to do wait in a loop for a while: the next operator begins sooner, and the
/// processors are busy meanwhile. Where this is not called, those that models share do, and no others.
///
/// @param options    the options to change
/// @param spinning   whether they do
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_spinning(
    options: *mut mmnas_options,
    spinning: bool,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        chosen.load.spinning = Some(spinning);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets whether loading compares the files that it reads with the SHA-256 that the bundle's manifest records. Lengths are
/// compared in any case.
///
/// @param options       the options to change
/// @param check_hashes  true, which is the default, to compare
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_check_hashes(
    options: *mut mmnas_options,
    check_hashes: bool,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        chosen.load.check_hashes = check_hashes;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets which graphs of the bundle run, its vision stage aside, which has one. mmnas_model_load() fails where the bundle has
/// no such graphs; mmnas_verify() checks only these.
///
/// @param options      the options to change
/// @param variant      "ort-fp32", "ort-fp16", "ort-int8", "portable-fp32", "portable-fp16" or "portable-int8"; empty for the
///                     default: in 32 bits where there are such, else in 8, else in 16
/// @param variant_len  the number of bytes of the variant
/// @param error_out    receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_variant(
    options: *mut mmnas_options,
    variant: *const c_char,
    variant_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        // SAFETY: the caller lends `variant_len` bytes for the time of the call.
        let variant = unsafe { strings::text("variant", variant, variant_len) }?;
        chosen.load.form = if variant.is_empty() {
            None
        } else {
            let wrong = |error| mmnas_error::new(mmnas_status::InvalidArgument, &format!("variant: {error}"));
            Some(variant.parse::<Form>().map_err(wrong)?)
        };
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Allows a provider. The first call replaces the default, which is MMNAS_PROVIDER_CPU; each later one adds a provider that
/// may be taken where those before it cannot be had. So one call requires a provider, and more of them name a fall-back,
/// which is told in the log and by mmnas_model_provider(). mmnas_model_load() fails with MMNAS_STATUS_PROVIDER where none
/// can be had.
///
/// @param options    the options to change
/// @param provider   one of mmnas_provider
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_add_provider(
    options: *mut mmnas_options,
    provider: i32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        let provider = match provider {
            0 => Provider::Cpu,
            1 => Provider::Cuda,
            2 => Provider::TensorRt,
            other => return Err(mmnas_error::invalid("provider", "one of mmnas_provider, 0 to 2", &other.to_string())),
        };
        if !chosen.providers {
            chosen.load.providers.clear();
            chosen.providers = true;
        }
        if !chosen.load.providers.contains(&provider) {
            chosen.load.providers.push(provider);
        }
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets which of the machine's GPUs to use.
///
/// @param options    the options to change
/// @param device     its number, from 0, which is the default
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_device(
    options: *mut mmnas_options,
    device: i32,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        if device < 0 {
            return Err(mmnas_error::invalid("device", "a number from 0", &device.to_string()));
        }
        chosen.load.device = device;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets how much memory weights and intermediate results may take; a load or a call that needs more fails. On the processor
/// all models of a process that have a limit share it, so it has to be the same in all; on a GPU it is a model's own.
///
/// @param options    the options to change
/// @param bytes      at least 1 MiB, which mmnas_model_load() checks, or 0 for no limit, the default
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_memory_limit(
    options: *mut mmnas_options,
    bytes: u64,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        chosen.load.memory_limit = Some(bytes).filter(|bytes| *bytes > 0);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}

/// Sets what TensorRT may do.
///
/// @param options           the options to change
/// @param engine_cache      an existing folder where TensorRT keeps the engines that it builds, which takes it minutes, for
///                          the next load; UTF-8, copied; NULL for none, the default
/// @param engine_cache_len  the number of bytes of the folder's path; 0 for NULL
/// @param in_16_bits        whether it may compute in 16 bits where a graph says 32; false is the default
/// @param error_out         receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
///
/// Threads: changes the options, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_options_set_tensorrt(
    options: *mut mmnas_options,
    engine_cache: *const c_char,
    engine_cache_len: usize,
    in_16_bits: bool,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let change = |chosen: &mut Chosen| {
        chosen.load.engine_cache = if engine_cache.is_null() && engine_cache_len == 0 {
            None
        } else {
            // SAFETY: the caller lends `engine_cache_len` bytes for the time of the call.
            Some(unsafe { strings::path("engine_cache", engine_cache, engine_cache_len) }?)
        };
        chosen.load.tensorrt_in_16_bits = in_16_bits;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { set(options, error_out, change) }
}
