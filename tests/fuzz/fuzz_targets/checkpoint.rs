//! Any bytes as a checkpoint: weights whose shapes fit their numbers, or an error.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mmnas_export::Weights;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|content: &[u8]| {
    let file = FOLDER.path().join("checkpoint");
    std::fs::write(&file, content).expect("the temporary folder is written to");
    let Ok(weights) = Weights::read(&file) else { return };
    for (name, weight) in weights.iter() {
        assert_eq!(weight.shape.iter().product::<usize>(), weight.data.len(), "{name}");
    }
});
