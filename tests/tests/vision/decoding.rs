//! Image files of every format: the pixels that other readers have, and damaged files, which are errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mmnas_runtime::{DecodedImage, Error, ErrorCode, VisionStage};
use mmnas_search::bundle::vision::export_vision;
use mmnas_tests::exported::grid_vision;
use mmnas_tests::fixtures;
use mmnas_tests::{programs, python};

use super::checkpoint;

/// An image file's content, and its pixels as Pillow has them.
type Made = (Vec<u8>, Vec<u8>);

/// Image files by name.
static MADE: LazyLock<BTreeMap<String, Made>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    python::run_with_pillow("make_images.py", &[&fixtures::path("jpeg"), folder.path()]);
    let names =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let images = names.filter(|name| !name.ends_with(".rgb"));
    images.map(|name| (name.clone(), (read(&name), read(&format!("{name}.rgb"))))).collect()
});

fn case(name: &str) -> PathBuf {
    fixtures::path("cases").join(name)
}

/// What an image error says of a file's content.
fn reason(encoded: &[u8]) -> String {
    match DecodedImage::from_bytes(encoded) {
        Err(Error::Image { image, reason }) if image == "(bytes)" => reason,
        other => panic!("expected an image error, found {:?}", other.map(|image| (image.width, image.height))),
    }
}

#[test]
fn images_are_as_other_readers_have_them() {
    assert!(MADE.len() > 150, "{}", MADE.len());
    for (name, (encoded, expected)) in &*MADE {
        let image = DecodedImage::from_bytes(encoded).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(image.rgb.len(), expected.len(), "{name}");
        assert_eq!(image.rgb.len(), image.width as usize * image.height as usize * 3, "{name}");
        // Decoders of JPEG may round otherwise where they transform and where they enlarge colours.
        let (most, mean) = if name.ends_with(".jpg") { (4, 0.5) } else { (2, 0.5) };
        let off: Vec<u8> = image.rgb.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
        let sum: f64 = off.iter().map(|v| f64::from(*v)).sum();
        assert!(
            off.iter().all(|v| *v <= most) && sum <= mean * off.len() as f64,
            "{name}: {:?} {sum}",
            off.iter().max()
        );
    }
}

/// What cannot be read right is refused, and the error says what it is.
#[test]
fn kinds_of_jpeg_that_are_not_read_are_told() {
    let one_scan = std::fs::read(fixtures::path("jpeg/1x1_1x1_1x1_one_scan.jpg")).unwrap();
    let frame = one_scan.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let changed = |at: usize, value: u8| {
        let mut jpeg = one_scan.clone();
        jpeg[frame + at] = value;
        reason(&jpeg)
    };
    for (marker, word) in [
        (0xc3, "lossless"),
        (0xc5, "hierarchical"),
        (0xc9, "arithmetic-coded"),
        (0xca, "arithmetic-coded"),
        (0xcb, "lossless, arithmetic-coded"),
    ] {
        assert!(changed(1, marker).contains(word), "{}", changed(1, marker));
    }
    assert!(changed(4, 12).contains("8 bits a sample, found 12"), "{}", changed(4, 12));
    assert!(changed(9, 2).contains("1, 3 or 4 components, found 2"), "{}", changed(9, 2));
    assert!(changed(7, 0xff).contains("at most 20000 pixels a side"), "{}", changed(7, 0xff));
    assert!(changed(11, 0x51).contains("sampling factors of 1 to 4, found 5 by 1"), "{}", changed(11, 0x51));
    let mut lines = one_scan.clone();
    lines[frame + 5..frame + 7].fill(0);
    assert!(reason(&lines).contains("DNL"), "{}", reason(&lines));
    let quarter = std::fs::read(fixtures::path("jpeg/4x1_2x1_1x1_scan_each.jpg")).unwrap();
    assert!(reason(&quarter).contains("found 2 by 1 of 4 by 1"), "{}", reason(&quarter));
}

/// Every beginning of every file: an error, unless the end marker alone is missing; and with more behind it, the same image.
#[test]
fn images_that_end_in_the_middle_are_errors() {
    for (name, (encoded, _)) in MADE.iter().filter(|(name, _)| !name.starts_with("turned_") || name.contains("_1_II_L"))
    {
        let whole = DecodedImage::from_bytes(encoded).unwrap();
        let end = match Path::new(name).extension().and_then(|e| e.to_str()) {
            Some("jpg") => 2,
            Some("png") => 12,
            Some("gif") => 1,
            // What pads a WebP's last part.
            Some("webp") => 1,
            _ => 0,
        };
        // Cuts in a long comment are all alike.
        for length in (0..encoded.len()).filter(|length| length % 101 == 0 || encoded.len() - length < 3000) {
            match DecodedImage::from_bytes(&encoded[..length]) {
                // Between two pictures of an animation nothing is missing of the first.
                // Nor is it between a picture and what a PNG says behind it.
                Ok(image) if ["animated.gif", "animated.png", "turned_1_II_LONG.png"].contains(&name.as_str()) => {
                    assert_eq!(image, whole, "{name}, {length}")
                }
                Ok(image) => {
                    assert!(encoded.len() - length <= end, "{name}: {length} of {} bytes are no image", encoded.len());
                    assert_eq!(image, whole, "{name}, {length}");
                }
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::Image);
                    let marker = encoded.len() - length <= end && !name.ends_with(".webp");
                    assert!(!marker, "{name}: {length} of {} bytes: {error}", encoded.len());
                }
            }
        }
        let more = [&encoded[..], &[0, 0xff, 0xd8, 0xff, 0xda, 0, 8, 0], b"a film"].concat();
        assert_eq!(DecodedImage::from_bytes(&more).unwrap(), whole, "{name} with more behind it");
    }
}

/// Data that is missing although the file's end is there, and a download of which the rest is zeros.
#[test]
fn jpegs_whose_middle_is_missing_are_errors() {
    for name in ["2x2_1x1_1x1_one_scan", "2x2_1x1_1x1_progressive", "1x1_2x1_2x1_scan_each", "grey_one_scan"] {
        let encoded = std::fs::read(fixtures::path(&format!("jpeg/{name}.jpg"))).unwrap();
        let end = encoded.len() - 2;
        for missing in [30, 60, 120] {
            let ended = [&encoded[..end - missing], &[0xff, 0xd9]].concat();
            let said = reason(&ended);
            // Between the scans of a progressive file it may be a header that is cut.
            assert!(said.contains("data") || name.contains("progressive"), "{name}, {missing}: {said}");
            let zeros = [&encoded[..end - missing], &vec![0; missing + 2][..]].concat();
            for zeros in [&zeros[..], &[&zeros[..], &[0; 4000]].concat()] {
                assert!(
                    DecodedImage::from_bytes(zeros).is_err(),
                    "{name}, {missing}, {} zeros",
                    zeros.len() - end + missing
                );
            }
        }
    }
}

#[test]
fn cases_are_read_or_refused_as_they_should_be() {
    for name in ["jpeg_noninterleaved_420.jpg", "jpeg_luma_half.jpg"] {
        let image = DecodedImage::from_bytes(&std::fs::read(case(name)).unwrap()).unwrap();
        // The pictures are bright; misread, they are nearly black or of other colours.
        let mean = image.rgb.iter().map(|v| f64::from(*v)).sum::<f64>() / image.rgb.len() as f64;
        assert!(mean > 100.0, "{name}: {mean}");
    }
    let read = |name| DecodedImage::from_bytes(&std::fs::read(case(name)).unwrap()).unwrap();
    let (transparent, white) = (read("png_transparent.png"), read("png_same_on_white.png"));
    assert!(transparent.rgb.iter().zip(&white.rgb).all(|(a, b)| a.abs_diff(*b) <= 1));
    let cut = std::fs::read(case("jpeg_cut_half.jpg")).unwrap();
    assert!(reason(&cut).contains("the file ends in the middle"), "{}", reason(&cut));
    for name in ["webp_zero_vp8.webp", "webp_one.webp", "webp_fuzz.webp"] {
        let said = reason(&std::fs::read(case(name)).unwrap());
        assert!(said.contains("malformed"), "{name}: {said}");
    }
}

/// Broken images of every kind among whole ones are named and left out; without the switch the first one is an error that names
/// it.
#[test]
fn an_image_that_its_decoder_panics_on_is_left_out_as_any_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    let (images, vision) = (folder.path().join("images"), folder.path().join("vision"));
    std::fs::create_dir(&images).unwrap();
    let broken = ["jpeg_cut_half.jpg", "webp_fuzz.webp", "webp_one.webp", "webp_zero_vp8.webp"];
    for name in broken.iter().chain(&["jpeg_luma_half.jpg", "jpeg_noninterleaved_420.jpg"]) {
        std::fs::copy(case(name), images.join(name)).unwrap();
    }
    export_vision(&checkpoint(), &grid_vision(64, 2), 1, &vision).unwrap();
    let command = |out: &str, more: &[&str]| {
        let mut command = programs::command("mmnas");
        command.args(["extract", "--vision"]).arg(&vision).arg("--images").arg(&images);
        command.arg("--out").arg(folder.path().join(out)).args(more).output().unwrap()
    };
    let output = command("strict", &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("jpeg_cut_half.jpg"), "{told}");
    assert_ne!(output.status.code(), Some(101), "{told}");
    let output = command("out", &["--skip-broken", "--json"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["images"], 2, "{report}");
    for name in broken {
        assert!(report.to_string().contains(name), "{name}: {report}");
    }
    let stage = VisionStage::load(&vision, &mmnas_runtime::LoadOptions::default()).unwrap();
    let error = stage.regions(&case("webp_fuzz.webp")).unwrap_err();
    assert!(error.code() == ErrorCode::Image && error.to_string().contains("webp_fuzz.webp"), "{error}");
}
