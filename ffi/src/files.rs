//! A bundle whose files are in memory.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::mmnas_error;
use crate::status::mmnas_status;
use crate::{boundary, handles, strings};

/// The files of a bundle by their names, for mmnas_model_load_files().
#[derive(Debug, Default)]
pub struct mmnas_files {
    files: Mutex<BTreeMap<String, Arc<[u8]>>>,
}

impl mmnas_files {
    /// The files as they are now.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Arc<[u8]>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes an empty set of files.
///
/// @return files that the caller owns and frees with mmnas_files_free(); NULL only if the library itself failed
///
/// Threads: may be called at any time from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_files_new() -> *mut mmnas_files {
    boundary::value(std::ptr::null_mut(), || handles::keep(mmnas_files::default()))
}

/// Adds a file, or replaces the one of the same name.
///
/// @param files      the files to change
/// @param name       its name in the bundle's folder, such as "manifest.json"; UTF-8, need not be NUL-terminated; copied
/// @param name_len   the number of bytes of the name; at least 1
/// @param bytes      its content; copied
/// @param bytes_len  the number of bytes of the content
/// @param error_out  receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the files are as they were
///
/// Threads: changes the files, so no other thread may use them at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_files_add(
    files: *mut mmnas_files,
    name: *const c_char,
    name_len: usize,
    bytes: *const u8,
    bytes_len: usize,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        let files = boundary::handle("files", files)?;
        // SAFETY: the caller lends `name_len` bytes for the time of the call.
        let name = unsafe { strings::text("name", name, name_len) }?;
        if name.is_empty() {
            return Err(mmnas_error::invalid("name", "a file's name", "an empty text"));
        }
        // SAFETY: the caller lends `bytes_len` bytes for the time of the call.
        let bytes = unsafe { strings::bytes("bytes", bytes, bytes_len) }?;
        files.files.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), bytes.into());
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Frees files. Models that were loaded from them stay as they are.
///
/// @param files  files, or NULL, which does nothing
///
/// Threads: no other thread may use the files any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_files_free(files: *mut mmnas_files) {
    boundary::free(files);
}
