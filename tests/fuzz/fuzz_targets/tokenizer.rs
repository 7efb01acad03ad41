//! Any bytes as a tokenizer's settings: an encoder that encodes, or an error.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mmnas_bundle::{TextEncoder, Vocabulary};

fuzz_target!(|content: &[u8]| {
    let Ok(text) = std::str::from_utf8(content) else { return };
    let file = Path::new("tokenizer.json");
    let _ = Vocabulary::from_tokenizer_json(text, file);
    let Ok(encoder) = TextEncoder::from_json(text, file) else { return };
    let size = encoder.vocabulary_size() as i64;
    for question in ["what color is the shape?", "", "a/b-c 'd' \u{e9}\u{1f600}\0"] {
        if let Ok(ids) = encoder.encode(question, 14) {
            assert!(ids.len() <= 14 && ids.iter().all(|id| (0..size.max(1)).contains(id)), "{ids:?} of {size}");
        }
        let _ = encoder.words(question);
    }
});
