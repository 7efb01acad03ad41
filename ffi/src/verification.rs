//! Whether a bundle gives on this machine what it gave where it was written.

use std::ffi::c_char;

use runtime::{Timed, VerifyReport};

use crate::error::mmnas_error;
use crate::options::mmnas_options;
use crate::status::mmnas_status;
use crate::strings::Text;
use crate::{boundary, strings};

/// A bundle's outputs, compared with those that were recorded when it was written.
pub struct mmnas_verification {
    report: VerifyReport,
    texts: Vec<Texts>,
}

struct Texts {
    stage: Text,
    variant: Text,
    problem: Text,
}

/// Checks the hash of every file of a bundle (unless the options say not to), runs its graphs on their recorded inputs, and compares with the recorded outputs.
/// Outputs that differ are no failure of the call: see mmnas_verification_passed().
///
/// @param path              the bundle's folder, UTF-8, need not be NUL-terminated
/// @param path_len          the number of bytes of the path; at least 1
/// @param options           how to load it, or NULL for the defaults; where they set a variant only it is checked
/// @param timed             whether to time the graphs too
/// @param verification_out  receives the outcome, which the caller owns and frees with mmnas_verification_free(), or NULL on
///                          failure
/// @param error_out         receives the error, or NULL on success; may itself be NULL
/// @return as mmnas_model_load()
///
/// Threads: may be called from many threads at once, also with the same options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_verify(
    path: *const c_char,
    path_len: usize,
    options: *const mmnas_options,
    timed: bool,
    verification_out: *mut *mut mmnas_verification,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let body = || {
        // SAFETY: the caller lends `path_len` bytes for the time of the call.
        let path = unsafe { strings::path("path", path, path_len) }?;
        let options = mmnas_options::load_options(options)?;
        let report = runtime::verify(&path, &options, if timed { Timed::Yes } else { Timed::No })?;
        let texts = report.checks.iter().map(|check| Texts {
            stage: Text::new(&check.stage),
            variant: Text::new(&check.form.to_string()),
            problem: Text::new(check.problem.as_deref().unwrap_or_default()),
        });
        Ok(mmnas_verification { texts: texts.collect(), report })
    };
    // SAFETY: the caller passes for each of both NULL or a place to write to.
    unsafe { boundary::make("verification_out", verification_out, error_out, body) }
}

/// Whether every check passed.
///
/// @param verification  the outcome
/// @return whether it did; false for NULL
///
/// Threads: the outcome may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_verification_passed(verification: *const mmnas_verification) -> bool {
    boundary::read(verification, false, |verification| verification.report.passed())
}

/// How many checks there were.
///
/// @param verification  the outcome
/// @return the number; 0 for NULL
///
/// Threads: the outcome may be read from many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_verification_count(verification: *const mmnas_verification) -> usize {
    boundary::read(verification, 0, |verification| verification.report.checks.len())
}

/// Reads one check. The out-parameters may each be NULL when the value is not wanted; on failure they receive NULL and zeros.
///
/// @param verification      the outcome
/// @param index             which check; less than mmnas_verification_count()
/// @param stage_out         receives what was checked, such as "fusion" or "network": ASCII, NUL-terminated, borrowed from the
///                          outcome, valid until mmnas_verification_free()
/// @param variant_out       receives its variant, such as "ort-int8", as the stage
/// @param difference_out    receives the largest difference; infinite where outputs cannot be compared
/// @param tolerance_out     receives the largest difference that passes
/// @param milliseconds_out  receives the median milliseconds of one item; 0 where it was not timed
/// @param error_out         receives the error, or NULL on success; may itself be NULL
/// @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
///
/// Threads: the outcome may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_verification_get(
    verification: *const mmnas_verification,
    index: usize,
    stage_out: *mut *const c_char,
    variant_out: *mut *const c_char,
    difference_out: *mut f64,
    tolerance_out: *mut f64,
    milliseconds_out: *mut f64,
    error_out: *mut *mut mmnas_error,
) -> mmnas_status {
    let write = |(stage, variant): (*const c_char, *const c_char), numbers: [f64; 3]| {
        // SAFETY: the caller passes for each NULL or a place to write to.
        unsafe {
            boundary::store(stage_out, stage);
            boundary::store(variant_out, variant);
            boundary::store(difference_out, numbers[0]);
            boundary::store(tolerance_out, numbers[1]);
            boundary::store(milliseconds_out, numbers[2]);
        }
    };
    write((std::ptr::null(), std::ptr::null()), [0.0; 3]);
    let body = || {
        let verification = boundary::handle("verification", verification)?;
        let check = boundary::element("index", &verification.report.checks, index)?;
        let texts = boundary::element("index", &verification.texts, index)?;
        let numbers = [check.worst, check.tolerance, check.milliseconds.unwrap_or(0.0)];
        write((texts.stage.pointer(), texts.variant.pointer()), numbers);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place to write an error to.
    unsafe { boundary::call(error_out, body) }
}

/// Why the outputs of a check cannot be compared.
///
/// @param verification  the outcome
/// @param index         which check
/// @param len_out       receives the number of bytes without the closing NUL; 0 on failure; may be NULL
/// @return UTF-8, NUL-terminated, borrowed from the outcome: valid until mmnas_verification_free(); the empty text where they
///         can be compared; NULL where there is no such check
///
/// Threads: the outcome may be read from many threads at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmnas_verification_problem(
    verification: *const mmnas_verification,
    index: usize,
    len_out: *mut usize,
) -> *const c_char {
    let none = (std::ptr::null(), 0);
    let (text, len) = boundary::read(verification, none, |verification| {
        verification.texts.get(index).map_or(none, |texts| (texts.problem.pointer(), texts.problem.len()))
    });
    // SAFETY: the caller passes NULL or a place to write to.
    unsafe { boundary::store(len_out, len) };
    text
}

/// Frees the outcome of a verification.
///
/// @param verification  the outcome, or NULL, which does nothing
///
/// Threads: no other thread may use it any more.
#[unsafe(no_mangle)]
pub extern "C" fn mmnas_verification_free(verification: *mut mmnas_verification) {
    boundary::free(verification);
}
