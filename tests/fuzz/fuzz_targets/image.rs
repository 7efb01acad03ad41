//! Any bytes as an image file: pixels, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mmnas_runtime::DecodedImage;

// Panics of decoders are caught and become errors; the hook that libFuzzer sets would end the process before. One of ours still
// ends it.
fuzz_target!(
    init: std::panic::set_hook(Box::new(|_| {})),
    |content: &[u8]| {
        let Ok(image) = DecodedImage::from_bytes(content) else { return };
        assert_eq!(image.rgb.len(), image.width as usize * image.height as usize * 3);
        assert!(image.width > 0 && image.height > 0);
    }
);
