//! Vision stages: regions of a grid and of detectors, features by RoIAlign, odd image files, stages that models share.

mod decoding;
mod encoders;
mod extraction;
mod shared;

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use mmnas_bundle::VisionBundle;
use mmnas_bundle::manifest::{
    Channels, Corners, Detector, DetectorInput, DetectorOutput, Dtype, Fit, Layout, RegionSource,
};
use mmnas_export::efficientnet::Level;
use mmnas_export::{Proposals, RegionSettings, VisionSettings};
use mmnas_runtime::{ErrorCode, LoadOptions, VisionStage};
use mmnas_search::bundle::vision::export_vision;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::exported::grid_vision;
use mmnas_tests::python;

fn checkpoint() -> PathBuf {
    workspace_root().join(".native/efficientnet/efficientnet_lite0.pth")
}

fn detectors(folder: &Path) {
    python::run("make_detectors.py", &[folder]);
}

/// How `plain.onnx` is fed and read.
fn plain() -> Detector {
    Detector {
        graph: String::new(),
        input: DetectorInput {
            name: "pixels".to_owned(),
            width: 64,
            height: 64,
            layout: Layout::Nhwc,
            dtype: Dtype::U8,
            channels: Channels::Rgb,
            fit: Fit::Stretch,
            mean: [0.0; 3],
            scale: [1.0; 3],
        },
        output: DetectorOutput::Boxes {
            boxes: "boxes".to_owned(),
            scores: "scores".to_owned(),
            corners: Corners::Xyxy,
            relative: true,
        },
        max_iou: 0.5,
        min_score: 0.4,
    }
}

/// How `yolox.onnx` is fed and read.
fn yolox() -> Detector {
    let mut detector = Detector::yolox("", 64);
    detector.output = DetectorOutput::Yolox { name: "output".to_owned(), strides: vec![16, 32] };
    detector.min_score = 0.3;
    detector
}

fn stage(folder: &Path, name: &str, detector: Detector, grid: Option<usize>, classifier: bool) -> VisionStage {
    stage_with_classes(folder, name, detector, (grid, 0), classifier)
}

fn stage_with_classes(
    folder: &Path,
    name: &str,
    detector: Detector,
    (grid, classes): (Option<usize>, usize),
    classifier: bool,
) -> VisionStage {
    let graph = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
    let proposals = Some(Proposals { graph, detector, count: 6 });
    let settings = VisionSettings {
        side: 64,
        levels: Level::RESOLUTIONS.to_vec(),
        classifier,
        regions: RegionSettings { boxes: false, classes, grid, proposals },
    };
    let out = folder.join(format!("vision-{name}-{}-{classes}", grid.unwrap_or(0)));
    export_vision(&checkpoint(), &settings, 1, &out).unwrap();
    VisionStage::load(&out, &LoadOptions::default()).unwrap()
}

/// Black, with a bright rectangle of one colour.
fn picture(file: &Path, size: (u32, u32), bright: [u32; 4], colour: [u8; 3]) {
    let [x1, y1, x2, y2] = bright;
    let inside = |x: u32, y: u32| (x1..x2).contains(&x) && (y1..y2).contains(&y);
    let image = RgbImage::from_fn(size.0, size.1, |x, y| Rgb(if inside(x, y) { colour } else { [0; 3] }));
    image.save(file).unwrap();
}

#[test]
fn detectors_find_what_they_are_made_for() {
    let folder = tempfile::tempdir().unwrap();
    detectors(folder.path());
    let file = folder.path().join("a.png");
    // 128 × 256 pixels: a cell of the 4 × 4 grid is 32 × 64.
    picture(&file, (128, 256), [32, 64, 64, 128], [0, 255, 0]);
    let plain = stage(folder.path(), "plain", plain(), None, false);
    let regions = plain.regions(&file).unwrap();
    assert_eq!(regions.boxes, [[32.0, 64.0, 63.0, 127.0]]);
    assert_eq!((regions.size, regions.features.len()), ((128, 256), 512));
    // Nothing bright: the whole image.
    let dark = folder.path().join("dark.png");
    picture(&dark, (128, 256), [0; 4], [0; 3]);
    assert_eq!(plain.regions(&dark).unwrap().boxes.len(), 1);
    // With a grid its cells come first.
    let both = stage(folder.path(), "plain", self::plain(), Some(2), true);
    let of_both = both.regions(&file).unwrap();
    assert_eq!(of_both.boxes.len(), 5);
    assert_eq!(of_both.boxes[4], regions.boxes[0]);
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(x, y)| (x - y).abs() <= 1e-3 * y.abs().max(1.0));
    assert!(near(&of_both.features[4 * 512..], &regions.features), "a region's features rest on it alone");
    assert_eq!(both.class_logits(&file).unwrap().len(), 1000);
    assert_eq!(plain.class_logits(&file).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert!(matches!(both.vision().regions, RegionSource::Proposals { grid: Some(_), .. }));
    assert_ne!(both.sha256(), plain.sha256());

    // A letterbox: 100 × 200 pixels become 32 × 64. The detector reads blue first.
    let tall = folder.path().join("tall.png");
    picture(&tall, (100, 200), [0, 50, 50, 100], [0, 0, 255]);
    let yolox = stage(folder.path(), "yolox", yolox(), None, false);
    let found = yolox.regions(&tall).unwrap().boxes;
    // Of the letterbox's right half, padded with grey, nothing lies in the image.
    let best = found[0];
    for (value, expected) in best.iter().zip([0.0, 50.0, 49.0, 99.0]) {
        assert!((value - expected).abs() < 1e-3, "{found:?}");
    }
    picture(&tall, (100, 200), [0, 50, 50, 100], [255, 0, 0]);
    assert_ne!(yolox.regions(&tall).unwrap().boxes[0], best, "red is not what it looks for");
}

/// Features that end with what the detector says of classes: square roots of its scores, zeros for the cells of a grid.
#[test]
fn the_scores_of_a_detectors_classes_are_features() {
    let folder = tempfile::tempdir().unwrap();
    detectors(folder.path());
    let file = folder.path().join("a.png");
    // A cell of the plain detector's grid: red 102 of 255, green 204.
    picture(&file, (64, 64), [16, 16, 32, 32], [102, 204, 0]);
    let classes_of = |name: &str, detector: Detector, grid: Option<usize>| {
        let stage = stage_with_classes(folder.path(), name, detector, (grid, 2), false);
        let regions = stage.regions(&file).unwrap();
        let last = |row: &[f32]| [row[512], row[513]];
        (regions.boxes.len(), regions.features.chunks_exact(514).map(last).collect::<Vec<_>>(), stage)
    };
    let near = |found: [f32; 2], scores: [f32; 2]| found.iter().zip(scores).all(|(f, s)| (f - s.sqrt()).abs() < 5e-3);
    let (count, of_regions, _) = classes_of("plain", plain(), Some(2));
    assert_eq!(count, 5);
    assert!(of_regions[..4].iter().all(|cell| *cell == [0.0; 2]), "{of_regions:?}");
    assert!(near(of_regions[4], [0.4, 0.8]), "{of_regions:?}");
    // YOLOX's are the probability of an object times those of the classes, 0.25 and 1; the object here is what is blue.
    picture(&file, (64, 64), [16, 16, 32, 32], [0, 0, 204]);
    let (_, of_regions, stage) = classes_of("yolox", yolox(), None);
    assert!(near(of_regions[0], [0.2, 0.8]), "{of_regions:?}");
    // Nothing is found: the whole image, of which the detector says nothing.
    picture(&file, (64, 64), [0; 4], [0; 3]);
    let dark = stage.regions(&file).unwrap();
    assert_eq!((dark.boxes.len(), &dark.features[512..]), (1, [0.0; 2].as_slice()));
    // Another number of classes than the detector has.
    let wrong = stage_with_classes(folder.path(), "plain", plain(), (None, 3), false);
    let error = wrong.regions(&file).unwrap_err().to_string();
    assert!(error.contains("class_scores: expected 3 classes, found 2 classes"), "{error}");
}

#[test]
fn a_detector_that_is_not_what_its_contract_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    detectors(folder.path());
    let load = |name: &str, detector: Detector| {
        let graph = std::fs::read(folder.path().join(format!("{name}.onnx"))).unwrap();
        let settings = VisionSettings {
            side: 64,
            levels: Level::RESOLUTIONS.to_vec(),
            classifier: false,
            regions: RegionSettings {
                proposals: Some(Proposals { graph, detector, count: 6 }),
                ..RegionSettings::default()
            },
        };
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("vision");
        match export_vision(&checkpoint(), &settings, 1, &out) {
            Err(error) => error.to_string(),
            Ok(()) => VisionStage::load(&out, &LoadOptions::default()).map(|_| ()).unwrap_err().to_string(),
        }
    };
    assert!(load("plain", yolox()).contains("detector.inputs.images: expected"));
    std::fs::write(folder.path().join("none.onnx"), "no graph").unwrap();
    assert!(load("none", plain()).contains("detector: expected an ONNX file"));
    let mut other = plain();
    other.input.width = 32;
    assert!(load("plain", other).contains("inputs.pixels: expected u8 [1, 64, 32, 3]"));
    let mut other = plain();
    other.input.layout = Layout::Nchw;
    assert!(load("plain", other).contains("inputs.pixels"));
    let mut other = plain();
    other.max_iou = f32::NAN;
    assert!(load("plain", other).contains("vision.regions.detector.max_iou"));
    let mut other = yolox();
    other.output = DetectorOutput::Yolox { name: "output".to_owned(), strides: vec![0] };
    assert!(load("yolox", other).contains("output.strides"));
    // Fewer cells than the strides say: seen when it runs.
    let mut other = yolox();
    other.output = DetectorOutput::Yolox { name: "output".to_owned(), strides: vec![8, 16] };
    let stage = stage(folder.path(), "yolox", other, None, false);
    let file = folder.path().join("a.png");
    picture(&file, (64, 64), [0; 4], [0; 3]);
    assert!(stage.regions(&file).unwrap_err().to_string().contains("expected f32 [1, 80, …], found [1, 20, 7]"));
}

fn images(folder: &Path, count: u32) -> PathBuf {
    let images = folder.join("images");
    std::fs::create_dir_all(images.join("more")).unwrap();
    for number in 0..count {
        let name = if number % 3 == 0 { format!("more/{number:04}.png") } else { format!("{number:04}.png") };
        picture(&images.join(name), (40, 30), [number % 30, 0, 40, 30], [200, number as u8, 40]);
    }
    images
}

#[test]
fn odd_images_behave() {
    let folder = tempfile::tempdir().unwrap();
    let vision = folder.path().join("vision");
    export_vision(&checkpoint(), &grid_vision(64, 2), 1, &vision).unwrap();
    let stage = VisionStage::load(&vision, &LoadOptions::default()).unwrap();
    let path = |name: &str| folder.path().join(name);
    let near = |a: &[f32], b: &[f32], bound: f32| {
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| x * x).sum::<f32>().sqrt();
        norm(&mut a.iter().zip(b).map(|(x, y)| x - y)) <= bound * norm(&mut b.iter().copied())
    };
    // One pixel, one line of 20,000 pixels; one pixel more is an error.
    RgbImage::from_pixel(1, 1, Rgb([200, 100, 50])).save(path("one.png")).unwrap();
    RgbImage::from_pixel(20_000, 1, Rgb([200, 100, 50])).save(path("line.png")).unwrap();
    RgbImage::from_pixel(20_001, 1, Rgb([200, 100, 50])).save(path("long.png")).unwrap();
    let one = stage.regions(&path("one.png")).unwrap();
    let line = stage.regions(&path("line.png")).unwrap();
    assert_eq!((one.size, line.size), ((1, 1), (20_000, 1)));
    assert!(near(&one.features, &line.features, 1e-3));
    assert_eq!(stage.regions(&path("long.png")).unwrap_err().code(), ErrorCode::Image);
    // 16 bits a channel, grey, grey with transparency, a palette: as the same picture in 8 bits.
    let rgb = RgbImage::from_fn(64, 64, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, 90]));
    rgb.save(path("8.png")).unwrap();
    let wide = image::DynamicImage::ImageRgb8(rgb.clone());
    wide.to_rgb16().save(path("16.png")).unwrap();
    wide.to_rgba16().save(path("16a.png")).unwrap();
    let expected = stage.regions(&path("8.png")).unwrap();
    for name in ["16.png", "16a.png"] {
        assert!(near(&stage.regions(&path(name)).unwrap().features, &expected.features, 1e-3), "{name}");
    }
    wide.to_luma8().save(path("grey.png")).unwrap();
    wide.to_luma_alpha16().save(path("grey16.png")).unwrap();
    let grey = stage.regions(&path("grey.png")).unwrap();
    assert!(near(&stage.regions(&path("grey16.png")).unwrap().features, &grey.features, 2e-2));
    // CMYK, as Photoshop writes JPEG: a picture and no error.
    std::fs::write(path("cmyk.jpg"), include_bytes!("../../fixtures/cmyk.jpg")).unwrap();
    let cmyk = stage.regions(&path("cmyk.jpg")).unwrap();
    RgbImage::from_pixel(32, 32, Rgb([200, 60, 30])).save(path("plain.png")).unwrap();
    let plain = stage.regions(&path("plain.png")).unwrap();
    assert!(near(&cmyk.features, &plain.features, 0.1), "its colours are those of the picture");
    // A file of 2 kB that would become 1.2 GB.
    std::fs::write(path("bomb.png"), bomb(20_000, 20_000)).unwrap();
    let error = stage.regions(&path("bomb.png")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Image, "{error}");
    assert!(error.to_string().contains("bomb.png"), "{error}");
}

/// The head of a PNG of these sizes, without pixels.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let small = tempfile::tempdir().unwrap();
    let file = small.path().join("a.png");
    RgbImage::new(1, 1).save(&file).unwrap();
    let mut png = std::fs::read(file).unwrap();
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = !png[12..29].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1)))
    });
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

#[test]
fn a_vision_stage_with_a_detector_is_verified_in_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    detectors(folder.path());
    let stage = stage(folder.path(), "yolox", yolox(), Some(2), true);
    let bundle = VisionBundle::open(&folder.path().join("vision-yolox-2-0")).unwrap();
    assert_eq!(bundle.vision(), stage.vision());
    let (task, d) = (mmnas_bundle::manifest::TaskName::Vgd, mmnas_tests::fixtures::official(64, 1));
    let d = mmnas_bundle::manifest::Dimensions { feature: 512, ..d };
    let architecture = mmnas_search::space::presets::preset("mmnas-vgd").unwrap();
    let network = mmnas_tests::exported::formula_network(task, &architecture, &d);
    let golden = mmnas_search::bundle::golden::record_stages(&network, task, 5, 6, 3).unwrap();
    let out = folder.path().join("bundle");
    mmnas_tests::exported::write_with_vision((task, &network), &architecture, &golden, Some(&bundle), &out);
    let report = mmnas_runtime::verify(&out, &LoadOptions::default(), mmnas_runtime::Timed::No).unwrap();
    assert!(report.passed(), "{report:#?}");
    assert!(report.checks.iter().any(|check| check.stage == "vision" && check.worst < 1e-3));
    let model = mmnas_runtime::Model::load(&out, &LoadOptions::default()).unwrap();
    let file = folder.path().join("a.png");
    picture(&file, (100, 200), [0, 50, 50, 100], [0, 0, 255]);
    let image = model.encode_image_file(&file).unwrap();
    assert_eq!(image.boxes(), stage.regions(&file).unwrap().boxes);
    let found = model.ground(&image, "the blue one", 3).unwrap();
    assert_eq!(found.len(), 3.min(image.boxes().len()));
    // The same picture from a camera's buffer.
    let rgb = image::open(&file).unwrap().to_rgb8();
    let buffer = mmnas_runtime::PixelBuffer {
        data: rgb.as_raw(),
        width: 100,
        height: 200,
        stride: 300,
        format: mmnas_runtime::PixelFormat::Rgb,
    };
    let from_buffer = model.encode_pixel_buffer(&buffer).unwrap();
    assert_eq!(model.ground(&from_buffer, "the blue one", 3).unwrap(), found);
}

/// Any levels of the backbone, on a grid and on boxes, are what libtorch gives for them.
#[test]
fn levels_of_the_backbone_are_verified_in_a_bundle() {
    use Level::{Head, Stride2, Stride4, Stride16, Stride32};
    let folder = tempfile::tempdir().unwrap();
    detectors(folder.path());
    let mut sizes = Vec::new();
    for (name, levels, width) in [
        ("shallow", vec![Stride2, Stride4, Stride16], 152),
        ("deep", vec![Stride16, Stride32, Head], 1712),
        ("head", vec![Head], 1280),
    ] {
        for (boxes, by_detector) in [(false, false), (true, false), (true, true), (false, true)] {
            let graph = std::fs::read(folder.path().join("plain.onnx")).unwrap();
            let proposals = by_detector.then(|| Proposals { graph, detector: plain(), count: 6 });
            // What the detector says of classes comes last.
            let classes = if boxes && by_detector { 3 } else { 0 };
            let (grid, levels) = (Some(2), levels.clone());
            let settings = VisionSettings {
                side: 64,
                levels,
                classifier: false,
                regions: RegionSettings { boxes, classes, grid, proposals },
            };
            let path = |what: &str| folder.path().join(format!("{what}-{name}-{boxes}-{by_detector}"));
            export_vision(&checkpoint(), &settings, 1, &path("vision")).unwrap();
            let vision = VisionBundle::open(&path("vision")).unwrap();
            let width = width + if boxes { mmnas_export::BOX_FEATURES } else { 0 } + classes;
            assert_eq!(vision.vision().feature, width);
            let d = mmnas_bundle::manifest::Dimensions { feature: width, ..mmnas_tests::fixtures::official(64, 1) };
            let architecture = mmnas_search::space::presets::preset("mcan:1").unwrap();
            let task = mmnas_bundle::manifest::TaskName::Vgd;
            let network = mmnas_tests::exported::formula_network(task, &architecture, &d);
            let golden = mmnas_search::bundle::golden::record_stages(&network, task, 5, 6, 3).unwrap();
            let parts = (task, &network);
            mmnas_tests::exported::write_with_vision(parts, &architecture, &golden, Some(&vision), &path("bundle"));
            let report =
                mmnas_runtime::verify(&path("bundle"), &LoadOptions::default(), mmnas_runtime::Timed::No).unwrap();
            assert!(report.passed(), "{name} {boxes} {by_detector}: {report:#?}");
            let of_vision = report.checks.iter().find(|check| check.stage == "vision").unwrap();
            assert!(of_vision.worst < 1e-3, "{name} {boxes} {by_detector}: {of_vision:?}");
            sizes.push(path("vision").join("vision.onnx").metadata().unwrap().len());
        }
    }
    assert!(sizes[0] * 4 < sizes[4], "layers beyond the deepest level are left out: {sizes:?}");
    let unsorted = VisionSettings { levels: vec![Stride4, Stride2], ..grid_vision(64, 2) };
    let error = export_vision(&checkpoint(), &unsorted, 1, &folder.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("levels") && error.contains("4, 2"), "{error}");
    let mut none = grid_vision(64, 2);
    none.regions.classes = 80;
    let error = export_vision(&checkpoint(), &none, 1, &folder.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("classes") && error.contains("80"), "{error}");
}
