//! Loading a model.

use std::borrow::Cow;
use std::ffi::c_char;
use std::sync::OnceLock;

use runtime::Model;
use runtime::bundle::manifest::TaskName;

use crate::cancel::mmnas_cancel_token;
use crate::deadline::{MMNAS_NO_DEADLINE, limits};
use crate::error::mmnas_error;
use crate::files::mmnas_files;
use crate::options::{mmnas_options, mmnas_provider};
use crate::status::mmnas_status;
use crate::strings::Text;
use crate::{boundary, strings};

/// A loaded bundle, ready to run.
pub struct mmnas_model {
    pub(crate) model: Model,
    variant: Text,
    /// Made when it is first asked for.
    pub(crate) info: OnceLock<BundleInfo>,
}

/// What a model's getters lend.
pub(crate) struct BundleInfo {
    pub(crate) folder: Text,
    pub(crate) identity: Text,
    pub(crate) vision: Text,
    pub(crate) architecture: Text,
    pub(crate) variants: Vec<Text>,
    pub(crate) labels: Vec<Text>,
}

impl BundleInfo {
    pub(crate) fn of(model: &Model) -> Self {
        let manifest = model.manifest();
        Self {
            folder: Text::new(&model.bundle().folder().to_string_lossy()),
            identity: Text::new(&model.identity()),
            vision: Text::new(model.vision_sha256().unwrap_or_default()),
            architecture: Text::new(&manifest.architecture.to_string()),
            variants: manifest.forms().iter().map(|form| Text::new(&form.to_string())).collect(),
            labels: model.labels().iter().map(|label| Text::new(label)).collect(),
        }
    }
}

/// What a network is for.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mmnas_task {
    /// There is no model.
    None = 0,
    /// Visual question answering: mmnas_vqa_answer().
    Vqa = 1,
    /// Image-text matching and retrieval: mmnas_itm_match(), mmnas_index.
    Itm = 2,
    /// Visual grounding: mmnas_vgd_ground().
    Vgd = 3,
}

impl mmnas_model {
    pub(crate) fn new(model: Model) -> Self {
        Self { variant: Text::new(&model.form().to_string()), model, info: OnceLock::new() }
    }
}

/// Loads a bundle: the folder that `mmnas-search export` writes.
///
/// The first load of a process also loads ONNX Runtime; where from is told at the top of this header.
///
/// @param path       the folder, UTF-8, need not be NUL-terminated
/// @param path_len   the number of bytes of the path; at least 1
/// @param options    how to load it, or NULL for the defaults; only read, and not needed after the call
/// @param model_out  receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO (no such folder),
///         MMNAS_STATUS_INVALID_BUNDLE, MMNAS_STATUS_FUTURE_VERSION, MMNAS_STATUS_ONNX_RUNTIME_MISSING,
///         MMNAS_STATUS_PROVIDER, or MMNAS_STATUS_INFERENCE (ONNX Runtime refused a graph)
///
/// Threads: may be called from many threads at once, also with the same options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_load(
    path: *const c_char,
    path_len: usize,
    options: *const mmnas_options,
    model_out: *mut *mut mmnas_model,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        let options = mmnas_options::load_options(options)?;
        Ok(mmnas_model::new(Model::load(&path, &options)?))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("model_out", model_out, error_out, body) }
}

/// As mmnas_model_load(), for a bundle whose files are in memory: all that lie in its folder.
///
/// @param files      the files, "manifest.json" among them; only read, and not needed after the call
/// @param options    how to load it, or NULL for the defaults; only read, and not needed after the call
/// @param model_out  receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_model_load()
///
/// Threads: may be called from many threads at once, also with the same files and options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_load_files(
    files: *const mmnas_files,
    options: *const mmnas_options,
    model_out: *mut *mut mmnas_model,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let files = boundary::handle("files", files)?.snapshot();
        let options = mmnas_options::load_options(options)?;
        let files = files.iter().map(|(name, bytes)| (name.clone(), Cow::Borrowed(&bytes[..]))).collect();
        Ok(mmnas_model::new(Model::from_files(files, &options)?))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("model_out", model_out, error_out, body) }
}

/// Makes another handle to a loaded model, whose calls end early: at a moment, when a token is cancelled, or at whichever
/// comes first. It costs next to nothing, so make one for each request. Images and texts of either handle serve both.
/// Freeing one leaves the other.
///
/// It cannot say that the time is over already, since 0 is no limit here: for the time that a request has left use
/// mmnas_model_limited_to(). Searches of an index have mmnas_index_limited_to().
///
/// @param model         the model; where it is itself limited, its own limits stay with it and are not the new handle's
/// @param token         what ends the calls, or NULL for nothing; not needed after the call
/// @param milliseconds  how long from now calls may take until they fail with MMNAS_STATUS_DEADLINE_EXCEEDED, or 0 for as long
///                      as it takes; the time runs from this call, over all calls that are made with the new handle
/// @param limited_out   receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
/// @param error_out     receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_limited(
    model: *const mmnas_model,
    token: *const mmnas_cancel_token,
    milliseconds: u64,
    limited_out: *mut *mut mmnas_model,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        let time = match milliseconds {
            0 => MMNAS_NO_DEADLINE,
            some => i64::try_from(some).unwrap_or(MMNAS_NO_DEADLINE),
        };
        Ok(mmnas_model::new(model.model.limited(limits(token, time)?)))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("limited_out", limited_out, error_out, body) }
}

/// Runs every stage once on synthetic inputs, so that the first real call finds memory allocated and, on a GPU, kernels loaded.
///
/// @param model      the model
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_warm_up(
    model: *const mmnas_model,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || Ok(boundary::handle("model", model)?.model.warm_up()?);
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// What a model is for.
///
/// @param model  the model
/// @return one of mmnas_task; MMNAS_TASK_NONE for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_task(model: *const mmnas_model) -> mmnas_task {
    boundary::read(model, mmnas_task::None, |model| match model.model.manifest().task {
        TaskName::Vqa => mmnas_task::Vqa,
        TaskName::Itm => mmnas_task::Itm,
        TaskName::Vgd => mmnas_task::Vgd,
    })
}

/// What runs a model's graphs: the first of the allowed providers that could be had.
///
/// @param model  the model
/// @return one of mmnas_provider; MMNAS_PROVIDER_CPU for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_provider(model: *const mmnas_model) -> mmnas_provider {
    boundary::read(model, mmnas_provider::Cpu, |model| model.model.provider().into())
}

/// Which graphs of the bundle run, such as "ort-fp32".
///
/// @param model    the model
/// @param len_out  receives the number of bytes without the closing NUL; may be NULL
/// @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_model_variant(model: *const mmnas_model, len_out: *mut usize) -> *const c_char {
    let (text, len) = boundary::read(model, (c"".as_ptr(), 0), |model| (model.variant.pointer(), model.variant.len()));
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { boundary::store(len_out, len) };
    text
}

/// How many numbers a region's features have, for mmnas_image_from_regions().
///
/// @param model  the model
/// @return the number; 0 for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_feature_width(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.manifest().dimensions.feature)
}

/// Whether a model takes pictures. One that does not takes region features only.
///
/// @param model  the model
/// @return whether it does; false for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_takes_pictures(model: *const mmnas_model) -> bool {
    boundary::read(model, false, |model| model.model.manifest().vision.is_some())
}

/// How many words of a text a model reads; those behind them are left out.
///
/// @param model  the model
/// @return the number; 0 for NULL
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_max_tokens(model: *const mmnas_model) -> usize {
    boundary::read(model, 0, |model| model.model.manifest().text.max_tokens)
}

/// Frees a model. Answers that came from it stay valid. Images and texts do too, but serve no other model, so all that can be
/// done with them is to free them. Calls that other threads have begun with it come to their end.
///
/// @param model  a model, or NULL, which does nothing
///
/// Threads: may be called at any time; no call may begin with the model any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_model_free(model: *mut mmnas_model) {
    boundary::free(model);
}
