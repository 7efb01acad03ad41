//! Images or texts on disk, to be searched.

use std::ffi::c_char;
use std::sync::{Arc, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use runtime::{Access, ImageIndex, Limits, TextIndex};

use crate::either_index::EitherIndex;
use crate::error::mmnas_error;
use crate::image::mmnas_image;
use crate::model::mmnas_model;
use crate::status::mmnas_status;
use crate::string_list::mmnas_keys;
use crate::strings::Text;
use crate::text::mmnas_text;
use crate::{boundary, strings};

/// Encoded images or texts on disk, by keys. What was committed stays whole whatever stops the program.
pub struct mmnas_index {
    index: Arc<RwLock<EitherIndex>>,
    /// What ends the searches of this handle; none: what ends the calls of the index's model.
    limits: Option<Limits>,
}

/// What an index holds.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mmnas_index_kind {
    /// Images, to be found by texts.
    Images = 0,
    /// Texts, to be found by images.
    Texts = 1,
}

fn is_images(kind: i32) -> Result<bool, mmnas_error> {
    match kind {
        0 => Ok(true),
        1 => Ok(false),
        other => Err(mmnas_error::invalid("kind", "one of mmnas_index_kind, 0 or 1", &other.to_string())),
    }
}

impl mmnas_index {
    fn of(index: EitherIndex) -> Self {
        Self { index: Arc::new(RwLock::new(index)), limits: None }
    }

    /// The same index with searches that end at `limits`.
    pub(crate) fn limited(&self, limits: Limits) -> Self {
        Self { index: Arc::clone(&self.index), limits: Some(limits) }
    }
}

/// Reads an index.
pub(crate) fn look<R>(
    index: *const mmnas_index,
    get: impl FnOnce(&EitherIndex) -> Result<R, mmnas_error>,
) -> Result<R, mmnas_error> {
    let index = boundary::handle("index", index)?;
    get(&index.index.read().unwrap_or_else(PoisonError::into_inner))
}

/// How long a search that has limits waits for a change by another thread before it looks at them again.
const WAIT: Duration = Duration::from_millis(1);

/// Searches an index, within the handle's limits where it has such.
pub(crate) fn search<R>(
    index: *const mmnas_index,
    find: impl FnOnce(&EitherIndex, Option<&Limits>) -> Result<R, mmnas_error>,
) -> Result<R, mmnas_error> {
    let handle = boundary::handle("index", index)?;
    let Some(limits) = &handle.limits else {
        return find(&handle.index.read().unwrap_or_else(PoisonError::into_inner), None);
    };
    loop {
        limits.check()?;
        match handle.index.try_read() {
            Ok(index) => return find(&index, Some(limits)),
            Err(TryLockError::Poisoned(index)) => return find(&index.into_inner(), Some(limits)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT),
        }
    }
}

/// Changes an index.
///
/// # Safety
///
/// `error_out` is NULL or may be written to.
unsafe fn change(
    index: *mut mmnas_index,
    error_out: *mut *mut mmnas_error,
    change: impl FnOnce(&mut EitherIndex) -> Result<(), mmnas_error>,
) -> mmnas_status {
    let body = || {
        let index = boundary::handle("index", index)?;
        change(&mut index.index.write().unwrap_or_else(PoisonError::into_inner))
    };
    // SAFETY: promised by the caller of this function.
    unsafe { boundary::call(error_out, body) }
}

/// Makes a new, empty index, to be written to.
///
/// @param model      a model for ITM; it may be freed before the index
/// @param path       the folder to make, which must not be there; UTF-8, need not be NUL-terminated
/// @param path_len   the number of bytes of the path; at least 1
/// @param kind       one of mmnas_index_kind
/// @param index_out  receives the index, which the caller owns and frees with mmnas_index_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_WRONG_TASK, MMNAS_STATUS_IO, MMNAS_STATUS_EXISTS, or
///         MMNAS_STATUS_INVALID_BUNDLE (written before bundles had what an index needs)
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_create(
    model: *const mmnas_model,
    path: *const c_char,
    path_len: usize,
    kind: i32,
    index_out: *mut *mut mmnas_index,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        Ok(mmnas_index::of(match is_images(kind)? {
            true => EitherIndex::Images(ImageIndex::create(&model.model, &path)?),
            false => EitherIndex::Texts(TextIndex::create(&model.model, &path)?),
        }))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("index_out", index_out, error_out, body) }
}

/// Opens an index that this model, or another load of its bundle, has made. Where the model is limited, its limits are those of
/// all searches; mmnas_index_limited_to() gives a search limits of its own.
///
/// @param model      the model; it may be freed before the index
/// @param path       the index's folder, UTF-8, need not be NUL-terminated
/// @param path_len   the number of bytes of the path; at least 1
/// @param kind       one of mmnas_index_kind: what the index holds
/// @param writable   whether it is to be changed, which one opened index at a time may do, of all processes; any number may read
///                   meanwhile, and see what was committed when they opened
/// @param index_out  receives the index, which the caller owns and frees with mmnas_index_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of another model), MMNAS_STATUS_WRONG_TASK,
///         MMNAS_STATUS_IO, MMNAS_STATUS_INVALID_BUNDLE (damaged, or of the other kind), MMNAS_STATUS_FUTURE_VERSION, or MMNAS_STATUS_EXISTS (it is being written; the
///         message says whether by this process or by another)
///
/// Threads: may be called from many threads at once with the same model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_open(
    model: *const mmnas_model,
    path: *const c_char,
    path_len: usize,
    kind: i32,
    writable: bool,
    index_out: *mut *mut mmnas_index,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let model = boundary::handle("model", model)?;
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        let access = if writable { Access::Write } else { Access::Read };
        Ok(mmnas_index::of(match is_images(kind)? {
            true => EitherIndex::Images(ImageIndex::open(&model.model, &path, access)?),
            false => EitherIndex::Texts(TextIndex::open(&model.model, &path, access)?),
        }))
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("index_out", index_out, error_out, body) }
}

/// Adds an image to an index of images, or replaces the one that has the key. It counts from mmnas_index_commit() on.
///
/// @param index      the index
/// @param key        its key, such as a file's name; UTF-8, need not be NUL-terminated; at most 64 KiB; copied
/// @param key_len    the number of bytes of the key
/// @param image      an image of the index's model
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of texts or one opened for reading), or
///         MMNAS_STATUS_IO; on failure the index is as it was
///
/// Threads: changes the index; calls of other threads with the same index wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_put_image(
    index: *mut mmnas_index,
    key: *const c_char,
    key_len: usize,
    image: *const mmnas_image,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let put = |index: &mut EitherIndex| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        let image = boundary::handle("image", image)?;
        Ok(index.images_mut()?.put(key, &image.image)?)
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { change(index, error_out, put) }
}

/// Adds a text to an index of texts, or replaces the one that has the key. It counts from mmnas_index_commit() on.
///
/// @param index      the index
/// @param key        its key, such as the text itself; UTF-8, need not be NUL-terminated; at most 64 KiB; copied
/// @param key_len    the number of bytes of the key
/// @param text       a text of the index's model
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_index_put_image()
///
/// Threads: changes the index; calls of other threads with the same index wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_put_text(
    index: *mut mmnas_index,
    key: *const c_char,
    key_len: usize,
    text: *const mmnas_text,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let put = |index: &mut EitherIndex| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        let text = boundary::handle("text", text)?;
        Ok(index.texts_mut()?.put(key, &text.text)?)
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { change(index, error_out, put) }
}

/// Deletes what has a key, from mmnas_index_commit() on; nothing happens where there is none. mmnas_index_compact() gives its
/// room back.
///
/// @param index      the index
/// @param key        the key, UTF-8, need not be NUL-terminated
/// @param key_len    the number of bytes of the key
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT (also for an index opened for reading)
///
/// Threads: changes the index; calls of other threads with the same index wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_delete(
    index: *mut mmnas_index,
    key: *const c_char,
    key_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let delete = |index: &mut EitherIndex| {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) }?;
        Ok(index.any_mut().delete(key)?)
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { change(index, error_out, delete) }
}

/// Saves: makes everything that was added and deleted count, all of it or, where the disk is full or the process is killed,
/// nothing.
///
/// @param index      the index
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, or MMNAS_STATUS_IO
///
/// Threads: changes the index; calls of other threads with the same index wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_commit(index: *mut mmnas_index, error_out: *mut *mut mmnas_error) -> mmnas_status {
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { change(index, error_out, |index| Ok(index.any_mut().commit()?)) }
}

/// Commits, and gives back the room of what was deleted and replaced; needs as much room as the index has.
///
/// @param index      the index
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, or MMNAS_STATUS_INVALID_BUNDLE (damaged)
///
/// Threads: changes the index; calls of other threads with the same index wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_compact(
    index: *mut mmnas_index,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { change(index, error_out, |index| Ok(index.any_mut().compact()?)) }
}

/// How many images or texts an index holds.
///
/// @param index  the index
/// @return the number; 0 for NULL
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_index_count(index: *const mmnas_index) -> usize {
    boundary::value(0, || look(index, |index| Ok(index.any().len())).unwrap_or(0))
}

/// Whether an index holds something with this key.
///
/// @param index    the index
/// @param key      the key, UTF-8, need not be NUL-terminated
/// @param key_len  the number of bytes of the key
/// @return whether it does; false where an argument is not valid
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_contains(index: *const mmnas_index, key: *const c_char, key_len: usize) -> bool {
    boundary::value(false, || {
        // SAFETY: the caller lends `key_len` bytes for the time of the call.
        let key = unsafe { strings::text("key", key, key_len) };
        let contains = |index: &EitherIndex| key.map(|key| index.any().contains(key));
        look(index, contains).unwrap_or(false)
    })
}

/// How many bytes an index's states take on disk, and how many of them mmnas_index_compact() would give back.
///
/// @param index        the index
/// @param bytes_out    receives the bytes of all; 0 for NULL; may be NULL
/// @param garbage_out  receives those of what was deleted or replaced; 0 for NULL; may be NULL
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_bytes(index: *const mmnas_index, bytes_out: *mut u64, garbage_out: *mut u64) {
    let sizes = |index: &EitherIndex| Ok(index.any().bytes());
    let (bytes, garbage) = boundary::value((0, 0), || look(index, sizes).unwrap_or((0, 0)));
    // SAFETY: the caller passes for each NULL or a place to write to.
    unsafe {
        boundary::store(bytes_out, bytes);
        boundary::store(garbage_out, garbage);
    }
}

/// How many numbers an embedding has: whether there can be shortlists, and what mmnas_index_export() writes.
///
/// @param index  the index
/// @return the number; 0 where the network has no embeddings, and for NULL
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_index_embedding_width(index: *const mmnas_index) -> usize {
    let width = |index: &EitherIndex| Ok(index.any().embedding_width().unwrap_or(0));
    boundary::value(0, || look(index, width).unwrap_or(0))
}

/// Lists the keys of an index, in their order.
///
/// @param index      the index
/// @param keys_out   receives the keys, which the caller owns and frees with mmnas_keys_free(), or NULL on failure
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the index may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_index_keys(
    index: *const mmnas_index,
    keys_out: *mut *mut mmnas_keys,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let list = |index: &EitherIndex| Ok(index.any().keys().map(Text::new).collect());
    let body = || Ok(mmnas_keys { keys: look(index, list)? });
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("keys_out", keys_out, error_out, body) }
}

/// Frees a handle to an index, and closes the index where it was the last: what was not committed is forgotten.
///
/// @param index  an index, or NULL, which does nothing
///
/// Threads: no call may begin with the index any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_index_free(index: *mut mmnas_index) {
    boundary::free(index);
}
