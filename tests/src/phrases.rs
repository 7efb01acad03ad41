//! Made-up regions and the phrases that mean them.

use mmnas_bundle::boxes::{self, BoxXyxy};
use mmnas_bundle::samples::{PhraseSample, to_json_lines};
use mmnas_bundle::{FeatureWriter, RegionFeatures};
use mmnas_search::rng;
use rand::RngExt as _;

/// What a region may be.
const KINDS: [&str; 6] = ["dog", "cat", "red car", "blue car", "tall tree", "house"];
/// Width of the synthetic features.
pub const FEATURE: usize = 16;

/// 120 images of 3 to 6 regions of different kinds, a phrase for each region; the box that is meant is the region's,
/// moved by a tenth of its size.
pub fn write_data(folder: &std::path::Path) {
    write_regions(folder, |is_kind, noise| f32::from(u8::from(is_kind)) + noise);
}

/// The same with other features: from whether one stands for the region's kind, and a noise.
pub fn write_regions(folder: &std::path::Path, feature: impl Fn(bool, f32) -> f32) {
    let mut rng = rng(5, "grounding", 0);
    let (mut images, mut samples) = (Vec::new(), Vec::new());
    for number in 0..120 {
        let name = format!("{number}.png");
        let first = rng.random_range(0..KINDS.len());
        let count = rng.random_range(3..=KINDS.len());
        let (mut features, mut regions) = (Vec::new(), Vec::new());
        for kind in (0..count).map(|k| (first + k) % KINDS.len()) {
            features.extend((0..FEATURE).map(|k| feature(k == kind, rng.random_range(-0.1..0.1f32))));
            let (x, y) = (rng.random_range(10.0..150.0f32), rng.random_range(10.0..150.0f32));
            let (w, h) = (rng.random_range(30.0..80.0f32), rng.random_range(30.0..80.0f32));
            let region: BoxXyxy = [x, y, x + w, y + h];
            regions.push(region);
            let box_xyxy = boxes::clip(&[x + 0.1 * w, y + 0.1 * h, x + 1.1 * w, y + 1.1 * h], 240, 240);
            samples.push(PhraseSample { image: name.clone(), phrase: format!("the {}", KINDS[kind]), box_xyxy });
        }
        images.push((name, RegionFeatures { features, boxes: regions, size: (240, 240) }));
    }
    std::fs::create_dir(folder.join("features")).unwrap();
    let mut writer = FeatureWriter::new(&folder.join("features"), FEATURE, "synthetic".into());
    writer.write_shard(images).unwrap();
    writer.finish().unwrap();
    std::fs::write(folder.join("phrases.jsonl"), to_json_lines(&samples).unwrap()).unwrap();
}
