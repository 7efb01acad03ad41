//! Vision stages over encoders in ONNX that are somebody else's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::{Rgb, RgbImage};
use mmnas_bundle::VisionBundle;
use mmnas_export::RegionSettings;
use mmnas_export::encoder::encoder_map::MapOptions;
use mmnas_export::encoder::preprocessor::Preprocessing;
use mmnas_runtime::{LoadOptions, VisionStage};
use mmnas_search::bundle::encoder::{EncoderOptions, SourceOptions, export_encoder};
use mmnas_search::nn::tensors::{TensorMap, load_tensors, save_tensors};
use mmnas_tests::{programs, python};

static ENCODERS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    python::run("make_encoders.py", &[folder.path()]);
    folder
});

fn encoder(name: &str) -> PathBuf {
    ENCODERS.path().join(format!("{name}.onnx"))
}

/// `mmnas-search vision --onnx` with these options: its last line, or its error.
fn vision(name: &str, options: &str, out: &Path) -> Result<String, String> {
    let (model, out) = (encoder(name).display().to_string(), out.display().to_string());
    let mut arguments = vec!["vision", "--onnx", &model, "--out", &out];
    arguments.extend(options.split_whitespace());
    let told = programs::run("mmnas-search", &arguments);
    if told.code == Some(0) { Ok(told.stderr + &told.stdout) } else { Err(told.stderr) }
}

const NORMAL: &str = "--mean 0.5,0.4,0.3 --std 0.5,0.2,0.25";

/// Each is compared with the model run on its own before it appears, so what is left is what it says of itself.
#[test]
fn encoders_of_every_kind_become_vision_stages() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (name, options, words, feature, batch)) in [
        ("vit", "--grid 2", "last_hidden_state: 24 features of 4 × 4 places", 24, "batch"),
        ("vit", "--grid 3 --boxes --bgr", "3 × 3 cells", 29, "batch"),
        ("registers", "--segments --proposals 8 --boxes", "24 features of 4 × 4 places", 29, "batch"),
        ("resnet", "--output stage1,stage2 --grid 4", "stage2: 16 features of 8 × 8 places", 24, "1"),
        ("nhwc", "--side 48", "12 features of 6 × 6 places", 12, "batch"),
        ("one", "", "one image at a time", 6, "1"),
        ("wide", "--grid 2 --boxes", "96 × 64 pixels", 11, "1"),
        ("wide", "--segments --boxes", "96 × 64 pixels", 11, "1"),
        ("finder", "--found boxes,classes,features --centres --relative", "up to 36 boxes of its own", 5, "1"),
        ("finder", "--found boxes,classes,features --centres --relative --boxes --classes 3", "5 features", 13, "1"),
        ("loose", "--found boxes,scores,found --boxes", "5 features of every box", 10, "1"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = folder.path().join(number.to_string());
        let told = vision(name, &format!("{NORMAL} {options}"), &out).unwrap();
        assert!(told.contains(words), "{name} {options}: {told}");
        let bundle = VisionBundle::open(&out).unwrap();
        assert_eq!(bundle.vision().feature, feature, "{name} {options}");
        let pixels = serde_json::to_value(&bundle.vision().stage.inputs).unwrap();
        let of_pixels = pixels.as_array().unwrap().iter().find(|input| input["name"] == "pixels").unwrap();
        assert_eq!(of_pixels["shape"][0].to_string().trim_matches('"'), batch, "{name} {options}");
        VisionStage::load(&out, &LoadOptions::default()).unwrap();
    }
    // A head that no feature needs is left behind.
    let graph = std::fs::read(folder.path().join("3/vision.onnx")).unwrap();
    assert!(!String::from_utf8_lossy(&graph).contains("model/head"));
    assert_eq!(python::run("check_encoder_stages.py", &[folder.path()]), "11");
}

/// Means of cells times a number for each channel, computed here from the image.
#[test]
fn what_an_encoder_reads_is_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let image = RgbImage::from_fn(32, 32, |x, y| Rgb([8 * x as u8, 4 * y as u8, 200 - (x * y / 8) as u8]));
    let file = folder.path().join("a.png");
    image.save(&file).unwrap();
    for (options, order) in [("", [0, 1, 2]), ("--bgr", [2, 1, 0])] {
        let out = folder.path().join(format!("stage{options}"));
        vision("bytes", options, &out).unwrap();
        let regions = VisionStage::load(&out, &LoadOptions::default()).unwrap().regions(&file).unwrap();
        for (cell, features) in regions.features.chunks_exact(3).enumerate() {
            let (left, top) = (8 * (cell as u32 % 4), 8 * (cell as u32 / 4));
            for (channel, (feature, by)) in features.iter().zip([0.01, 0.001, 0.0001]).enumerate() {
                let pixels = (0..64).map(|k| f64::from(image.get_pixel(left + k % 8, top + k / 8)[order[channel]]));
                let mean = pixels.sum::<f64>() / 64.0;
                assert!((f64::from(*feature) - mean * by).abs() < 1e-6, "{options} cell {cell}: {features:?}");
            }
        }
    }
    // Several images, one at a time.
    let stage = folder.path().join("stage");
    image::imageops::flip_vertical(&image).save(folder.path().join("b.png")).unwrap();
    let out = folder.path().join("features");
    let [stage, images, out] = [&stage, &folder.path().to_path_buf(), &out].map(|path| path.display().to_string());
    let told = programs::run("mmnas", &["extract", "--vision", &stage, "--images", &images, "--out", &out]);
    assert!(told.code == Some(0) && told.stdout.contains("2 images"), "{}{}", told.stdout, told.stderr);
}

/// The bright cell of an image is the region; of a black one the best cell, or the whole where none is found.
#[test]
fn boxes_that_a_model_finds_are_regions_with_its_features() {
    let folder = tempfile::tempdir().unwrap();
    let picture = |name: &str, bright: bool| {
        let inside = |x: u32, y: u32| bright && (32..48).contains(&x) && (16..24).contains(&y);
        let image = RgbImage::from_fn(64, 32, |x, y| Rgb(if inside(x, y) { [255, 255, 255] } else { [0; 3] }));
        let file = folder.path().join(name);
        image.save(&file).unwrap();
        file
    };
    let (bright, black) = (picture("bright.png", true), picture("black.png", false));
    let normal = "--mean 0.5,0.5,0.5 --std 0.1,0.1,0.1 --min-score 0.6 --proposals 3";
    for (name, found) in [("finder", "boxes,classes,features --centres --relative"), ("loose", "boxes,scores,found")] {
        let out = folder.path().join(name);
        vision(name, &format!("{normal} --found {found}"), &out).unwrap();
        let stage = VisionStage::load(&out, &LoadOptions::default()).unwrap();
        let regions = stage.regions(&bright).unwrap();
        // Half as wide to the model: its cell 2, 2.
        assert_eq!(regions.boxes, [[32.0, 16.0, 47.0, 23.0]], "{name}");
        assert!(regions.features.iter().any(|v| *v != 0.0), "{name}");
        let regions = stage.regions(&black).unwrap();
        if name == "finder" {
            assert_eq!((regions.boxes.len(), regions.features.len()), (1, 5));
            assert!(regions.features.iter().any(|v| *v != 0.0));
        } else {
            assert_eq!((regions.boxes, regions.features), (vec![[0.0, 0.0, 63.0, 31.0]], vec![0.0; 5]));
        }
    }
}

#[test]
fn a_processor_s_file_says_the_same_as_options() {
    let folder = tempfile::tempdir().unwrap();
    let processor = folder.path().join("preprocessor_config.json");
    std::fs::write(
        &processor,
        r#"{"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.2, 0.25], "size": {"height": 48, "width": 48}}"#,
    )
    .unwrap();
    let [by_file, by_option] = ["file", "option"].map(|name| folder.path().join(name));
    vision("nhwc", &format!("--preprocessor {}", processor.display()), &by_file).unwrap();
    vision("nhwc", &format!("{NORMAL} --side 48"), &by_option).unwrap();
    let graph = |folder: &Path| std::fs::read(folder.join("vision.onnx")).unwrap();
    assert_eq!(graph(&by_file), graph(&by_option));
}

#[test]
fn what_cannot_be_used_shows_its_inputs_and_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("none");
    for (name, options, words) in [
        ("vit", "", ["--preprocessor", "pixel_values f32 [?, 3, 32, 32]"]),
        ("vit", "--bgr", ["--preprocessor", "pixel_values f32 [?, 3, 32, 32]"]),
        ("vit", "--mean 0,0,0 --std 1,1,0", ["std", "other than 0"]),
        ("vit", "--mean 0,0 --std 1,1", ["--mean", "three numbers"]),
        ("vit", "--mean 0,0,0 --std 1,1,1 --side 64", ["--side", "pixel_values f32 [?, 3, 32, 32]"]),
        ("vit", "--mean 0,0,0 --std 1,1,1 --output pooler_output", ["pooler_output", "tokens"]),
        ("vit", "--mean 0,0,0 --std 1,1,1 --output nothing", ["\"nothing\"", "last_hidden_state f32 [?, 17, 24]"]),
        ("vit", "--mean 0,0,0 --std 1,1,1 --tokens-before 2", ["after 2", "17"]),
        ("nhwc", NORMAL, ["--side", "x f32 [?, ?, ?, 3]"]),
        ("bytes", NORMAL, ["reads bytes", "x u8 [1, 32, 32, 3]"]),
        ("old", NORMAL, ["opset 10", "map f32 [1, 6, 4, 4]"]),
        ("four", NORMAL, ["one image", "x f32 [4, 3, 32, 32]"]),
        ("two_inputs", NORMAL, ["found 2", "more f32 [1, 6, 4, 4]"]),
        ("text", NORMAL, ["an image", "ids i64 [1, 16]"]),
        ("logits", NORMAL, ["--output", "logits f32 [1, 6]"]),
        ("finder", "--mean 0,0,0 --std 1,1,1 --found classes,boxes,features", ["classes: ", "[n, 4] of one image"]),
        ("finder", "--mean 0,0,0 --std 1,1,1 --found classes,classes,features", ["each value once", "classes"]),
        ("finder", "--mean 0,0,0 --std 1,1,1 --found boxes,classes", ["--found", "three values"]),
        (
            "finder",
            "--mean 0,0,0 --std 1,1,1 --found boxes,classes,features --max-iou 2",
            ["vision stage: max_iou", "0 to 1"],
        ),
        ("finder", "--mean 0,0,0 --std 1,1,1 --found boxes,classes,features --proposals 0", ["proposals", "1 to"]),
        (
            "loose",
            "--mean 0,0,0 --std 1,1,1 --found boxes,scores,found --classes 3",
            ["scores of 3 classes", "scores f32 [?]"],
        ),
        ("ambiguous", NORMAL, ["map is one; other is one", "--output"]),
    ] {
        let error = vision(name, options, &out).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{name} {options}: {error}");
        assert!(!out.exists(), "{name} {options}");
    }
    let cut = folder.path().join("cut.onnx");
    let whole = std::fs::read(encoder("vit")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let (cut, at) = (cut.display().to_string(), out.display().to_string());
    let told =
        programs::run("mmnas-search", &["vision", "--onnx", &cut, "--mean", "0,0,0", "--std", "1,1,1", "--out", &at]);
    assert!(told.code == Some(1) && told.stderr.contains("an ONNX model"), "{}", told.stderr);
}

/// A graph that gives something else than the model on its own does not appear.
#[test]
fn a_stage_that_differs_from_its_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = |graph: &Path, inputs: &TensorMap| {
        let place = tempfile::tempdir().unwrap();
        let [fed, given] = ["in", "out"].map(|name| place.path().join(name));
        save_tensors(&fed, inputs, HashMap::new()).unwrap();
        let paths = [graph, &fed, &given].map(|path| path.display().to_string());
        let told = programs::run("mmnas", &["run", &paths[0], "--inputs", &paths[1], "--out", &paths[2]]);
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        let mut outputs = load_tensors(&given).unwrap().0;
        if let Some(features) = outputs.remove("features") {
            outputs.insert("features".to_owned(), features * 1.001);
        }
        Ok(outputs)
    };
    let regions = RegionSettings { grid: Some(2), ..RegionSettings::default() };
    let source = SourceOptions::Maps(MapOptions::default(), regions);
    let options = EncoderOptions { preprocessing: Some(Preprocessing::default()), bgr: false, side: None, source };
    let out = folder.path().join("stage");
    let error = export_encoder(&encoder("vit"), &options, (1, &run), &out).unwrap_err().to_string();
    assert!(error.contains("on its own") && error.contains("a difference of"), "{error}");
    assert!(!out.exists());
}
