//! Any bytes as a sequence of calls of the C ABI, with handles that are live, freed, of another type, or none. Whatever is called:
//! the library does not panic, a failure has an error and no handle, and in the end every handle can be freed.
//!
//! The bundles are those in the folder that the environment variable MMNAS_FUZZ_BUNDLES names (`make fuzz` makes them).
#![no_main]

use std::ffi::c_char;
use std::path::PathBuf;
use std::ptr;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mmnas_ffi::answers::*;
use mmnas_ffi::batcher::*;
use mmnas_ffi::bundle_info::*;
use mmnas_ffi::cancel::*;
use mmnas_ffi::deadline::*;
use mmnas_ffi::embedding::*;
use mmnas_ffi::error::*;
use mmnas_ffi::error_handle::*;
use mmnas_ffi::explanation::*;
use mmnas_ffi::files::*;
use mmnas_ffi::groundings::*;
use mmnas_ffi::image::*;
use mmnas_ffi::image_batch::*;
use mmnas_ffi::index::*;
use mmnas_ffi::index_read::*;
use mmnas_ffi::index_search::*;
use mmnas_ffi::limits::*;
use mmnas_ffi::matching::*;
use mmnas_ffi::model::*;
use mmnas_ffi::options::*;
use mmnas_ffi::ranking::*;
use mmnas_ffi::regions::*;
use mmnas_ffi::status::mmnas_status;
use mmnas_ffi::string_list::*;
use mmnas_ffi::text::*;
use mmnas_ffi::version::mmnas_handles_live;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::var_os("MMNAS_FUZZ_BUNDLES").expect("MMNAS_FUZZ_BUNDLES names the folder of the bundles").into()
});

/// Models that stay, since loading takes longer than all other calls together.
static MODELS: LazyLock<[usize; 3]> = LazyLock::new(|| {
    ["vqa", "itm", "vgd"].map(|task| {
        let folder = FOLDER.join(task).display().to_string();
        let mut model = ptr::null_mut();
        // SAFETY: the text is there, and the place may be written to.
        let status = unsafe {
            mmnas_model_load(folder.as_ptr().cast(), folder.len(), ptr::null(), &raw mut model, ptr::null_mut())
        };
        assert!(status == mmnas_status::Ok, "{folder}: {status:?}");
        model.addr()
    })
});

/// The bytes that say what is called.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn text(&mut self) -> &[u8] {
        let len = usize::from(self.byte() % 24).min(self.0.len());
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        text
    }

    fn number(&mut self) -> usize {
        match self.byte() {
            255 => usize::MAX,
            254 => isize::MAX as usize + 1,
            small => usize::from(small % 7),
        }
    }
}

/// Every handle that a call gave, and some that never were.
struct Handles(Vec<usize>);

impl Handles {
    /// Any of them, whatever its type.
    fn any<T>(&self, script: &mut Script<'_>) -> *mut T {
        let place = usize::from(script.byte()) % (self.0.len() + 2);
        ptr::without_provenance_mut(self.0.get(place).copied().unwrap_or(if place % 2 == 0 { 0 } else { 0xdead_beef }))
    }

    /// Looks at what a call gave.
    fn made<T>(&mut self, status: mmnas_status, out: *mut T, error: *mut mmnas_error) {
        checked(status, error);
        assert_eq!(status == mmnas_status::Ok, !out.is_null());
        if !out.is_null() {
            self.0.push(out.addr());
        }
    }
}

fn checked(status: mmnas_status, error: *mut mmnas_error) {
    assert_eq!(status == mmnas_status::Ok, error.is_null());
    assert_eq!(mmnas_error_status(error), status);
    let mut len = 0;
    // SAFETY: the place may be written to.
    let message = unsafe { mmnas_error_message(error, &raw mut len) };
    // SAFETY: the library promises a text that ends in a zero, while the error lives.
    let message = unsafe { std::ffi::CStr::from_ptr(message) };
    assert_eq!(message.count_bytes(), len);
    assert_ne!(status, mmnas_status::Panic, "{message:?}");
    mmnas_error_free(error);
}

/// A call that makes a handle: `$call` is given places for it and for the error.
macro_rules! make {
    ($handles:expr, $type:ty, |$out:ident, $error:ident| $call:expr) => {{
        let (mut out, mut error): (*mut $type, _) = (ptr::without_provenance_mut(1), ptr::null_mut());
        let ($out, $error) = (&raw mut out, &raw mut error);
        // SAFETY: texts and places are there; handles may be anything.
        let status = unsafe { $call };
        $handles.made(status, out, error);
    }};
}

/// A call that makes nothing.
macro_rules! call {
    (|$error:ident| $call:expr) => {{
        let mut error = ptr::null_mut();
        let $error = &raw mut error;
        // SAFETY: texts and places are there; handles may be anything.
        let status = unsafe { $call };
        checked(status, error);
    }};
}

fuzz_target!(|bytes: &[u8]| {
    let (mut script, mut handles) = (Script(bytes), Handles(MODELS.to_vec()));
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("index").display().to_string();
    for _ in 0..64 {
        if script.0.is_empty() {
            break;
        }
        one(&mut script, &mut handles, &folder);
    }
    for handle in handles.0.split_off(MODELS.len()) {
        free(handle);
    }
    assert_eq!(mmnas_handles_live(), MODELS.len());
});

fn free(handle: usize) {
    fn pointer<T>(handle: usize) -> *mut T {
        ptr::without_provenance_mut(handle)
    }
    mmnas_options_free(pointer(handle));
    mmnas_files_free(pointer(handle));
    mmnas_cancel_token_free(pointer(handle));
    mmnas_model_free(pointer(handle));
    mmnas_image_free(pointer(handle));
    mmnas_text_free(pointer(handle));
    mmnas_answers_free(pointer(handle));
    mmnas_regions_free(pointer(handle));
    mmnas_batcher_free(pointer(handle));
    mmnas_error_free(pointer(handle));
    mmnas_groundings_free(pointer(handle));
    mmnas_ranking_free(pointer(handle));
    mmnas_index_free(pointer(handle));
    mmnas_keys_free(pointer(handle));
    mmnas_explanation_free(pointer(handle));
}

/// Keeps what a call that tells of each by itself has made, images as well as errors.
fn keep_each<T>(handles: &mut Handles, made: &[*mut T], errors: &[*mut mmnas_error]) {
    let errors = errors.iter().filter(|error| !error.is_null()).map(|error| error.addr());
    handles.0.extend(made.iter().filter(|made| !made.is_null()).map(|made| made.addr()).chain(errors));
}

fn one(script: &mut Script<'_>, handles: &mut Handles, folder: &str) {
    let choice = script.byte();
    let (number, top_k) = (script.number(), script.number());
    let (first, second, third): (*mut (), *mut (), *mut ()) =
        (handles.any(script), handles.any(script), handles.any(script));
    let (images, texts) = ([handles.any(script), handles.any(script)], [handles.any(script), handles.any(script)]);
    let (images, texts): ([*const mmnas_image; 2], [*const mmnas_text; 2]) =
        (images.map(<*mut _>::cast_const), texts.map(<*mut _>::cast_const));
    let text = script.text();
    let (words, len): (*const c_char, usize) = (text.as_ptr().cast(), text.len());
    // A list has two handles: a length that is larger has to be one that no list can have.
    let count = if number > isize::MAX as usize { number } else { number % 3 };
    let (path, path_len): (*const c_char, usize) = (folder.as_ptr().cast(), folder.len());
    match choice % 52 {
        0 => handles.0.push(mmnas_options_new().addr()),
        1 => handles.0.push(mmnas_files_new().addr()),
        2 => handles.0.push(mmnas_cancel_token_new().addr()),
        3 => call!(|error| mmnas_options_set_threads(first.cast(), number, error)),
        4 => call!(|error| mmnas_options_set_variant(first.cast(), words, len, error)),
        5 => call!(|error| mmnas_options_add_provider(first.cast(), number as i32, error)),
        6 => call!(|error| mmnas_files_add(first.cast(), words, len, words.cast(), len, error)),
        7 => make!(handles, mmnas_model, |out, error| mmnas_model_load_files(first.cast(), second.cast(), out, error)),
        8 => make!(handles, mmnas_model, |out, error| mmnas_model_limited(
            first.cast(),
            second.cast(),
            60_000 + number as u64 % 7,
            out,
            error
        )),
        9 => call!(|error| mmnas_cancel_token_cancel(first.cast(), error)),
        10 => make!(handles, mmnas_image, |out, error| mmnas_image_from_bytes(
            first.cast(),
            words.cast(),
            len,
            out,
            error
        )),
        11 => {
            let regions = 1 + usize::from(choice) % 3;
            let width = mmnas_model_feature_width(first.cast());
            let features: Vec<f32> = (0..regions * width).map(|k| (k % 7) as f32 - 3.0 + len as f32).collect();
            let boxes: Vec<f32> = (0..regions).flat_map(|k| [0.0, 0.0, 9.0 + k as f32, 9.0]).collect();
            make!(handles, mmnas_image, |out, error| mmnas_image_from_regions(
                first.cast(),
                features.as_ptr(),
                features.len(),
                boxes.as_ptr(),
                boxes.len().saturating_sub(number % 2),
                number as u32 % 90,
                60,
                out,
                error
            ));
        }
        12 => make!(handles, mmnas_image, |out, error| mmnas_image_from_pixels(
            first.cast(),
            words.cast(),
            len,
            number as u32,
            top_k as u32,
            number,
            top_k as i32,
            out,
            error
        )),
        13 | 14 => make!(handles, mmnas_text, |out, error| mmnas_text_encode(first.cast(), words, len, out, error)),
        15 | 16 => make!(handles, mmnas_answers, |out, error| mmnas_vqa_answer(
            first.cast(),
            second.cast(),
            words,
            len,
            top_k,
            out,
            error
        )),
        17 => {
            let mut out = [ptr::null_mut(); 2];
            let place = out.as_mut_ptr();
            call!(|error| mmnas_vqa_answer_batch(
                first.cast(),
                images.as_ptr(),
                texts.as_ptr(),
                count,
                top_k,
                place,
                error
            ));
            handles.0.extend(out.iter().filter(|handle| !handle.is_null()).map(|handle| handle.addr()));
        }
        18 => make!(handles, mmnas_groundings, |out, error| mmnas_vgd_ground(
            first.cast(),
            second.cast(),
            words,
            len,
            top_k,
            out,
            error
        )),
        19 => call!(|error| mmnas_itm_match(
            first.cast(),
            images.as_ptr(),
            texts.as_ptr(),
            count,
            [0.0f32; 2].as_mut_ptr(),
            ptr::null_mut(),
            error
        )),
        20 => make!(handles, mmnas_ranking, |out, error| mmnas_itm_rank_images(
            first.cast(),
            second.cast(),
            images.as_ptr(),
            count,
            top_k,
            out,
            error
        )),
        21 => make!(handles, mmnas_explanation, |out, error| mmnas_explain(
            first.cast(),
            second.cast(),
            words,
            len,
            out,
            error
        )),
        22 => make!(handles, mmnas_index, |out, error| mmnas_index_create(
            first.cast(),
            path,
            path_len,
            number as i32,
            out,
            error
        )),
        23 => make!(handles, mmnas_index, |out, error| mmnas_index_open(
            first.cast(),
            path,
            path_len,
            number as i32,
            top_k % 2 == 0,
            out,
            error
        )),
        24 => call!(|error| mmnas_index_put_image(first.cast(), words, len, second.cast(), error)),
        25 => call!(|error| mmnas_index_put_text(first.cast(), words, len, second.cast(), error)),
        26 => call!(|error| mmnas_index_delete(first.cast(), words, len, error)),
        27 => call!(|error| mmnas_index_commit(first.cast(), error)),
        28 => call!(|error| mmnas_index_compact(first.cast(), error)),
        29 => make!(handles, mmnas_ranking, |out, error| mmnas_index_find_images(
            first.cast(),
            second.cast(),
            top_k,
            number,
            out,
            error
        )),
        30 if number.is_multiple_of(2) => {
            make!(handles, mmnas_keys, |out, error| mmnas_text_unknown_words(first.cast(), words, len, out, error))
        }
        30 => make!(handles, mmnas_keys, |out, error| mmnas_index_keys(first.cast(), out, error)),
        31 => {
            let _ = (mmnas_answers_count(first.cast()), mmnas_ranking_count(second.cast()));
            let _ = (mmnas_image_region_count(first.cast()), mmnas_keys_count(third.cast()));
            let (mut label, mut length, mut share) = (ptr::null(), 0, 0.0);
            let (label, length) = (&raw mut label, &raw mut length);
            call!(|error| mmnas_answers_get(first.cast(), number, label, length, &raw mut share, error));
            call!(|error| mmnas_image_region_box(first.cast(), number, [0.0f32; 4].as_mut_ptr(), error));
        }
        32 => make!(handles, mmnas_ranking, |out, error| mmnas_index_find_texts(
            first.cast(),
            second.cast(),
            top_k,
            number,
            out,
            error
        )),
        33 => {
            let mut out = [ptr::null_mut(); 2];
            let (words, lens) = ([words, ptr::null()], [len, 0]);
            let place = out.as_mut_ptr();
            let (words, lens) = (words.as_ptr(), lens.as_ptr());
            call!(|error| mmnas_text_encode_batch(first.cast(), words, lens, count, place, error));
            handles.0.extend(out.iter().filter(|handle| !handle.is_null()).map(|handle| handle.addr()));
        }
        34 => {
            // What has no such key gives no handle, and is a success.
            let (mut out, mut error) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: texts and places are there; handles may be anything.
            let status = unsafe { mmnas_index_get_image(first.cast(), words, len, &raw mut out, &raw mut error) };
            checked(status, error);
            handles.0.extend((!out.is_null()).then(|| out.addr()));
        }
        35 => {
            let (mut word, mut length, mut weight, mut place) = (ptr::null(), 0, 0.0, 0);
            let (word, length, weight, place) = (&raw mut word, &raw mut length, &raw mut weight, &raw mut place);
            call!(|error| mmnas_explanation_word(first.cast(), number, word, length, weight, error));
            call!(|error| mmnas_explanation_region(first.cast(), number, ptr::null_mut(), weight, error));
            call!(|error| mmnas_ranking_get(second.cast(), number, place, word, length, weight, weight, error));
            call!(|error| mmnas_groundings_get(third.cast(), number, ptr::null_mut(), weight, weight, place, error));
            // SAFETY: the place may be written to; the handle may be anything.
            let key = unsafe { mmnas_keys_get(third.cast(), number, length) };
            // SAFETY: both are asked for only where there is one, and the place was written to.
            assert!(key.is_null() || unsafe { std::ffi::CStr::from_ptr(key).count_bytes() <= *length });
        }
        36 => make!(handles, mmnas_regions, |out, error| mmnas_regions_from_bytes(
            first.cast(),
            words.cast(),
            len,
            out,
            error
        )),
        37 => {
            let pixels = [7u8; 60];
            let stride = number.min(60);
            make!(handles, mmnas_regions, |out, error| mmnas_regions_from_pixels(
                first.cast(),
                pixels.as_ptr(),
                pixels.len(),
                5,
                4,
                stride,
                top_k as i32,
                out,
                error
            ));
        }
        38 => make!(handles, mmnas_image, |out, error| mmnas_regions_encode(first.cast(), second.cast(), out, error)),
        39 => {
            let (mut images, mut errors) = ([ptr::null_mut(); 2], [ptr::null_mut(); 2]);
            let (places, places_of_errors) = (images.as_mut_ptr(), errors.as_mut_ptr());
            let regions: [*const mmnas_regions; 2] = [second.cast(), third.cast()];
            call!(|error| mmnas_regions_encode_batch(
                first.cast(),
                regions.as_ptr(),
                count,
                places,
                places_of_errors,
                error
            ));
            keep_each(handles, &images, &errors);
        }
        40 => {
            let (mut images, mut errors) = ([ptr::null_mut(); 2], [ptr::null_mut(); 2]);
            let (places, places_of_errors) = (images.as_mut_ptr(), errors.as_mut_ptr());
            let (contents, lens): ([*const u8; 2], [usize; 2]) = ([words.cast(), ptr::null()], [len, number]);
            call!(|error| mmnas_image_from_bytes_batch(
                first.cast(),
                contents.as_ptr(),
                lens.as_ptr(),
                count,
                places,
                places_of_errors,
                error
            ));
            keep_each(handles, &images, &errors);
        }
        41 => {
            let (mut regions, mut errors) = ([ptr::null_mut(); 2], [ptr::null_mut(); 2]);
            let (places, places_of_errors) = (regions.as_mut_ptr(), errors.as_mut_ptr());
            let (paths, lens) = ([path, ptr::null()], [path_len, number]);
            call!(|error| mmnas_regions_from_file_batch(
                first.cast(),
                paths.as_ptr(),
                lens.as_ptr(),
                count,
                places,
                places_of_errors,
                error
            ));
            keep_each(handles, &regions, &errors);
        }
        42 => {
            let (mut images, mut errors) = ([ptr::null_mut(); 2], [ptr::null_mut(); 2]);
            let (places, places_of_errors) = (images.as_mut_ptr(), errors.as_mut_ptr());
            let pixels = [9u8; 60];
            call!(|error| mmnas_image_from_pixels_batch(
                first.cast(),
                [pixels.as_ptr(), words.cast()].as_ptr(),
                [pixels.len(), len].as_ptr(),
                [5, number as u32].as_ptr(),
                [4, top_k as u32].as_ptr(),
                [15, number].as_ptr(),
                [top_k as i32, number as i32].as_ptr(),
                count,
                places,
                places_of_errors,
                error
            ));
            keep_each(handles, &images, &errors);
        }
        43 => make!(handles, mmnas_batcher, |out, error| mmnas_batcher_create(
            first.cast(),
            number,
            top_k as u64 % 7,
            top_k,
            out,
            error
        )),
        44 => make!(handles, mmnas_answers, |out, error| mmnas_batcher_answer(
            first.cast(),
            second.cast(),
            third.cast(),
            words,
            len,
            top_k,
            out,
            error
        )),
        45 => make!(handles, mmnas_groundings, |out, error| mmnas_batcher_ground(
            first.cast(),
            second.cast(),
            third.cast(),
            words,
            len,
            top_k,
            out,
            error
        )),
        46 => {
            let (mut logit, place) = (0.0f32, ptr::null_mut());
            let logit = &raw mut logit;
            call!(|error| mmnas_batcher_match(
                first.cast(),
                second.cast(),
                third.cast(),
                words,
                len,
                place,
                logit,
                error
            ));
            call!(|error| mmnas_batcher_close(second.cast(), error));
        }
        47 => {
            let mut numbers = [0.0f32; 65];
            let room = mmnas_model_embedding_width(first.cast()).min(64) + number % 2;
            let place = numbers.as_mut_ptr();
            call!(|error| mmnas_image_embedding(first.cast(), second.cast(), place, room, error));
            call!(|error| mmnas_text_embedding(first.cast(), second.cast(), place, room, error));
        }
        48 => {
            let mut length = 0;
            let place = &raw mut length;
            // SAFETY: the place may be written to; the handle may be anything.
            let texts = unsafe {
                [
                    mmnas_model_folder(first.cast(), place),
                    mmnas_model_identity(first.cast(), place),
                    mmnas_model_vision_identity(first.cast(), place),
                    mmnas_model_architecture(first.cast(), place),
                    mmnas_model_variant_at(first.cast(), number, place),
                    mmnas_model_label_at(first.cast(), number, place),
                ]
            };
            // SAFETY: the library promises texts that end in zeros, while the model lives.
            assert!(
                texts
                    .iter()
                    .all(|text| text.is_null() || unsafe { std::ffi::CStr::from_ptr(*text) }.count_bytes() < 1 << 20)
            );
            // SAFETY: as above; the numbers are there while the regions live.
            let features = unsafe { mmnas_regions_features(second.cast(), place) };
            assert_eq!(features.is_null(), mmnas_regions_count(second.cast()) == 0);
        }
        49 | 50 => {
            // None, or a minute.
            let time = if number.is_multiple_of(2) { MMNAS_AT_ONCE } else { 60_000 };
            if choice % 52 == 49 {
                make!(handles, mmnas_model, |out, error| mmnas_model_limited_to(
                    first.cast(),
                    second.cast(),
                    time,
                    out,
                    error
                ));
            } else {
                make!(handles, mmnas_index, |out, error| mmnas_index_limited_to(
                    first.cast(),
                    second.cast(),
                    time,
                    out,
                    error
                ));
            }
        }
        // The models of all runs stay.
        _ => {
            let handle = first.cast::<mmnas_answers>().addr();
            if !MODELS.contains(&handle) {
                free(handle);
            }
        }
    }
}
