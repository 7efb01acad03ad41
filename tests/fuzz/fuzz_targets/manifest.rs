//! Any bytes as a manifest: parsed and checked, or an error; what parses is written and parsed again to the same.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mmnas_bundle::Manifest;

fuzz_target!(|content: &[u8]| {
    let Ok(text) = std::str::from_utf8(content) else { return };
    let file = Path::new("manifest.json");
    let Ok(manifest) = Manifest::from_json(text, file) else { return };
    let written = serde_json_of(&manifest);
    let again = Manifest::from_json(&written, file).expect("what was written is read");
    assert_eq!(serde_json_of(&again), written);
});

fn serde_json_of(manifest: &Manifest) -> String {
    serde_json::to_string(manifest).expect("a manifest is JSON")
}
