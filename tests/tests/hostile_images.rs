//! Twenty thousand damaged image files of every format: an image or an error, never a crash, a hang or runaway memory. A program of
//! its own, since the memory of the whole process is measured.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mmnas_runtime::{DecodedImage, ErrorCode};
use mmnas_search::rng;
use mmnas_tests::bench::machine;
use mmnas_tests::fixtures;
use mmnas_tests::mutation::damaged;
use rand::RngExt as _;
use tch::Device;

const IMAGES: u64 = 20_000;
/// Far more than any of them takes.
const HANG: Duration = Duration::from_secs(20);
/// MB that decoding a damaged file of some hundred bytes may take at most, over what the process held before: the largest picture
/// that is decoded, twice.
const RUNAWAY: f64 = 1200.0;

#[test]
fn twenty_thousand_damaged_images_are_errors_or_images() {
    let corpus = fixtures::path("../fuzz/corpus/image");
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(seeds.len() >= 25, "{}", seeds.len());
    machine::forget_peak();
    let (before, _) = machine::memory(Device::Cpu);
    let (mut read, mut panicked) = (0, 0);
    for number in 0..IMAGES {
        let rng = &mut rng(19, "image damage", number);
        let seed = rng.random_range(0..seeds.len());
        let content = damaged(&seeds[seed], rng);
        let start = Instant::now();
        match DecodedImage::from_bytes(&content) {
            Ok(image) => {
                read += 1;
                assert!(image.width > 0 && image.rgb.len() == image.width as usize * image.height as usize * 3);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(error.code() == ErrorCode::Image && text.len() < 2000, "{number}: {text}");
                panicked += u64::from(text.contains("panicked"));
            }
        }
        assert!(start.elapsed() < HANG, "{number}: {} took {:?}", files[seed].display(), start.elapsed());
    }
    let (_, peak) = machine::memory(Device::Cpu);
    println!(
        "{read} of {IMAGES} were read, {panicked} decoders panicked; memory {before:.0} MB before, {peak:.0} MB at most"
    );
    assert!(read > 1000 && peak - before < RUNAWAY, "{read} read, {before} MB before, {peak} MB at most");
}
