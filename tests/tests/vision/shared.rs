//! One vision stage for several models, its regions out and in again, and many pictures at once.

use std::num::NonZeroUsize;

use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::{RegionFeatures, npz};
use mmnas_runtime::{CancelToken, ImageRegions, ImageState, Limits, Model, PixelBuffer, PixelFormat};
use mmnas_tests::exported::bundle_for_pixels;

use super::*;

const TASKS: [TaskName; 3] = [TaskName::Vqa, TaskName::Itm, TaskName::Vgd];

fn load(bundle: &Path) -> Model {
    Model::load(bundle, &LoadOptions::default()).unwrap()
}

fn picture(folder: &Path, seed: u8) -> PathBuf {
    let file = folder.join(format!("{seed}.png"));
    let (width, height) = (60 + u32::from(seed), 90);
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, seed.wrapping_mul(40)]));
    image.save(&file).unwrap();
    file
}

/// Numbers that all of an image goes into.
fn numbers(model: &Model, image: &ImageState) -> Vec<f32> {
    let text = "what is it";
    match model.manifest().task {
        TaskName::Vqa => model.answer(image, text, 17).unwrap().iter().map(|answer| answer.logit).collect(),
        TaskName::Vgd => model.ground(image, text, 3).unwrap().iter().map(|found| found.score).collect(),
        TaskName::Itm => {
            let text = model.encode_text(text).unwrap();
            model.match_pairs(&[(image, &text)]).unwrap().iter().map(|found| found.logit).collect()
        }
    }
}

fn near(found: &[f32], expected: &[f32], what: &str) {
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * b.abs().max(1.0);
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{what}: {found:?} {expected:?}");
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn models_with_one_vision_stage_hold_it_once_and_take_its_regions_from_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = picture(folder.path(), 1);
    let bundles = TASKS.map(|task| bundle_for_pixels(folder.path(), task, None));
    let models = bundles.each_ref().map(|bundle| load(bundle));
    let [first, others @ ..] = &models;
    assert!(others.iter().all(|other| other.shares_vision_with(first) && other.sees_as(first)));
    let stage = VisionStage::load(&folder.path().join("vision"), &LoadOptions::default()).unwrap();
    let regions = first.regions_of_file(&file).unwrap();
    assert_eq!((first.vision_sha256(), regions.vision_sha256()), (Some(stage.sha256()), Some(stage.sha256())));
    assert_eq!(*regions.features(), stage.regions(&file).unwrap());
    for model in &models {
        let own = numbers(model, &model.encode_file(&file).unwrap());
        assert_eq!(numbers(model, &model.encode_image_regions(&regions).unwrap()), own);
        // As a program would that has stored them.
        assert_eq!(numbers(model, &model.encode_regions(regions.features()).unwrap()), own);
    }
    // The stage outlives the model that has loaded it.
    let [first, second, third] = models;
    let before = numbers(&second, &second.encode_file(&file).unwrap());
    drop((first, third));
    assert_eq!(numbers(&second, &second.encode_file(&file).unwrap()), before);
    assert!(load(&bundles[0]).shares_vision_with(&second));
    // Other threads are another session, and the same regions.
    let threads = NonZeroUsize::new(1 + std::thread::available_parallelism().unwrap().get());
    let own = Model::load(&bundles[0], &LoadOptions { threads, ..LoadOptions::default() }).unwrap();
    assert!(own.sees_as(&second) && !own.shares_vision_with(&second));
}

#[test]
fn a_stage_that_is_loaded_already_is_checked_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = bundle_for_pixels(folder.path(), TaskName::Vqa, None);
    let model = load(&bundle);
    let graph = &model.manifest().vision.as_ref().unwrap().stage.graphs[0].file;
    let damaged = folder.path().join("damaged");
    copied(&bundle, &damaged);
    let mut bytes = std::fs::read(damaged.join(graph)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(damaged.join(graph), bytes).unwrap();
    let error = Model::load(&damaged, &LoadOptions::default()).unwrap_err();
    assert!(error.code() == ErrorCode::InvalidBundle && error.to_string().contains(graph.as_str()), "{error}");
    // What was not compared may be anything: it is nobody else's.
    let unchecked = LoadOptions { check_hashes: false, ..LoadOptions::default() };
    let unknown = Model::load(&bundle, &unchecked).unwrap();
    assert!(
        !unknown.shares_vision_with(&model) && !Model::load(&bundle, &unchecked).unwrap().shares_vision_with(&unknown)
    );
}

#[test]
fn regions_of_another_vision_stage_are_refused() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = picture(folder.path(), 1);
    let bundle = bundle_for_pixels(folder.path(), TaskName::Vqa, None);
    let model = load(&bundle);
    let regions = model.regions_of_file(&file).unwrap();
    // Other graphs.
    export_vision(&checkpoint(), &grid_vision(96, 3), 1, &elsewhere.path().join("vision")).unwrap();
    let other = load(&bundle_for_pixels(elsewhere.path(), TaskName::Vgd, None));
    assert!(!other.sees_as(&model) && !other.shares_vision_with(&model));
    let error = other.encode_image_regions(&regions).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let expected = format!(
        "regions: expected those of the model's vision stage, {}, found {}",
        other.vision_sha256().unwrap(),
        model.vision_sha256().unwrap()
    );
    assert_eq!(error.to_string(), expected);
    // Ready features go on saying of which stage they are.
    let ready = folder.path().join("ready.npz");
    npz::write(&ready, regions.features(), model.manifest().dimensions.feature, model.vision_sha256()).unwrap();
    let ready = model.regions_of_file(&ready).unwrap();
    assert_eq!(ready.vision_sha256(), model.vision_sha256());
    model.encode_image_regions(&ready).unwrap();
    let error = other.encode_image_regions(&ready).unwrap_err().to_string();
    assert!(error.contains("ready.npz"), "{error}");
    // The same graphs, other boxes.
    let elongated = folder.path().join("elongated");
    copied(&bundle, &elongated);
    let manifest = elongated.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["vision"]["regions"]["rows"] = 1.into();
    json["vision"]["regions"]["columns"] = 4.into();
    std::fs::write(&manifest, json.to_string()).unwrap();
    let elongated = load(&elongated);
    assert_eq!(elongated.vision_sha256(), model.vision_sha256());
    assert!(!elongated.sees_as(&model) && !elongated.shares_vision_with(&model));
    let error = elongated.encode_image_regions(&regions).unwrap_err().to_string();
    assert!(error.contains("the same settings too"), "{error}");
}

#[test]
fn many_pictures_at_once_are_what_each_is_alone_and_errors_stay_with_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.png");
    std::fs::write(&broken, b"no picture").unwrap();
    let width = 512;
    // Features with so many regions that they do not fit into a batch with others, and fewer.
    let ready = |count: usize| {
        let file = folder.path().join(format!("{count}.npz"));
        let features = (0..count * width).map(|k| ((k * 7 + count) % 13) as f32 / 13.0 - 0.5).collect();
        let boxes = (0..count).map(|k| [k as f32, 5.0, k as f32 + 20.0, 40.0]).collect();
        npz::write(&file, &RegionFeatures { features, boxes, size: (1000, 100) }, width, None).unwrap();
        file
    };
    let mut files: Vec<PathBuf> = (0..40).map(|seed| picture(folder.path(), seed)).collect();
    files.splice(3..3, [broken, folder.path().join("none.png"), ready(1), ready(900), ready(37)]);
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    for task in TASKS {
        let model = load(&bundle_for_pixels(folder.path(), task, None));
        let states = model.encode_files(&files);
        let regions = model.regions_of_files(&files);
        assert_eq!((states.len(), regions.len()), (files.len(), files.len()));
        for ((file, state), regions) in files.iter().zip(&states).zip(&regions) {
            let alone = model.encode_file(file);
            let what = file.display().to_string();
            match (alone, state, regions) {
                (Ok(alone), Ok(state), Ok(regions)) => {
                    near(&numbers(&model, state), &numbers(&model, &alone), &what);
                    assert_eq!((state.size(), state.boxes()), (alone.size(), alone.boxes()));
                    let encoded = model.encode_image_regions(regions).unwrap();
                    near(&numbers(&model, &encoded), &numbers(&model, &alone), &what);
                }
                (Err(alone), Err(state), Err(regions)) => {
                    assert_eq!((state.to_string(), regions.to_string()), (alone.to_string(), alone.to_string()));
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        assert_eq!(states.iter().filter(|state| state.is_err()).count(), 2);
        let whole: Vec<&ImageRegions> = regions.iter().flatten().collect();
        let encoded = model.encode_images_regions(&whole);
        for (encoded, state) in encoded.iter().zip(states.iter().flatten()) {
            near(&numbers(&model, encoded.as_ref().unwrap()), &numbers(&model, state), "regions");
        }
        assert!(model.encode_files(&[]).is_empty());
        // Pixels and contents of files alike.
        let rgb = image::open(files[0]).unwrap().into_rgb8();
        let (data, (side, height)) = (rgb.as_raw().as_slice(), rgb.dimensions());
        let pixels = PixelBuffer { data, width: side, height, stride: 3 * side as usize, format: PixelFormat::Rgb };
        let short = PixelBuffer { data: &data[1..], ..pixels };
        let content = std::fs::read(files[0]).unwrap();
        let expected = numbers(&model, &model.encode_file(files[0]).unwrap());
        let of_pixels = model.encode_pixel_buffers(&[short, pixels]);
        assert_eq!(of_pixels[0].as_ref().unwrap_err().code(), ErrorCode::InvalidArgument);
        near(&numbers(&model, of_pixels[1].as_ref().unwrap()), &expected, "pixels");
        let of_bytes = model.encode_images_bytes(&[&content, &content[..20]]);
        near(&numbers(&model, of_bytes[0].as_ref().unwrap()), &expected, "bytes");
        assert_eq!(of_bytes[1].as_ref().unwrap_err().code(), ErrorCode::Image);
        assert!(
            model.regions_of_pixel_buffers(&[pixels])[0].is_ok()
                && model.regions_of_images_bytes(&[&content])[0].is_ok()
        );
        // What ends a call ends each.
        let token = CancelToken::new();
        token.cancel();
        let ended = model.limited(Limits::none().cancelled_by(&token)).encode_files(&files[..2]);
        assert!(ended.iter().all(|state| state.as_ref().unwrap_err().code() == ErrorCode::Cancelled));
    }
}
