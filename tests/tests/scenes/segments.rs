//! The pieces of generated scenes that a detector without training finds.

use mmnas_bundle::boxes;
use mmnas_bundle::manifest::RegionSource;
use mmnas_export::efficientnet::Level;
use mmnas_export::{RegionSettings, VisionSettings, segments};
use mmnas_runtime::{LoadOptions, VisionStage};
use mmnas_search::bundle::vision::export_vision;
use mmnas_search::scenes::dataset::{Settings, write};
use mmnas_tests::c_consumer::workspace_root;

use crate::{SEED, scenes};

#[test]
fn objects_of_scenes_are_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let settings = VisionSettings {
        side: 64,
        levels: vec![Level::Stride2, Level::Stride4],
        classifier: false,
        regions: RegionSettings { boxes: true, classes: 0, grid: Some(1), proposals: Some(segments(8).unwrap()) },
    };
    let out = folder.path().join("vision");
    let checkpoint = workspace_root().join(".native/efficientnet/efficientnet_lite0.pth");
    export_vision(&checkpoint, &settings, 1, &out).unwrap();
    let stage = VisionStage::load(&out, &LoadOptions::default()).unwrap();
    assert!(matches!(stage.vision().regions, RegionSource::Proposals { count: 8, .. }));
    let data = folder.path().join("data");
    let settings = Settings { seed: SEED, images: 50, test: 10, side: 224, questions: 1, phrases: 1 };
    write(&settings, &data, || {}).unwrap();
    let (mut objects, mut found, mut pieces, mut pictures) = (0, 0, 0, 0);
    for (number, scene) in scenes(60) {
        let regions = stage.regions(&data.join(format!("images/{number:05}.png"))).unwrap();
        // The whole image comes first.
        let boxes = &regions.boxes[1..];
        pieces += boxes.len();
        pictures += scene.objects.len();
        for object in &scene.objects {
            let own = object.pixel_box(224);
            objects += 1;
            found += usize::from(boxes.iter().any(|piece| boxes::iou(piece, &own) >= 0.5));
        }
    }
    assert!(objects > 150 && found * 100 >= objects * 96, "{found} of {objects}");
    assert!(pieces * 100 <= pictures * 115, "{pieces} pieces of {pictures} objects");
}
