//! How calls behave: many at a time, ended before they are done, from memory, within limits, on providers that are not there.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::{BundleFiles, RegionFeatures};
use mmnas_export::ExportSettings;
use mmnas_runtime::{
    Answer, AsyncModel, BatchSettings, CancelToken, Error, ErrorCode, ImageState, Limits, LoadOptions, Model,
    PixelBuffer, PixelFormat, Provider, TextState, Timed, verify,
};
use mmnas_search::bundle::golden::{record, seeded_inputs};
use mmnas_search::rng;
use mmnas_search::space::presets as architectures;
use mmnas_tests::exported::{bundle_for_pixels, formula_network, weights_of, write};
use mmnas_tests::fixtures::official;
use rand::RngExt as _;

const ANSWERS: usize = 17;

/// A question answering network of the formula's weights, H 64.
fn bundle(out: &Path) {
    bundle_with(out, ExportSettings::default());
}

fn bundle_with(out: &Path, settings: ExportSettings) {
    let architecture = architectures::preset("mmnas-vqa").unwrap();
    let network = formula_network(TaskName::Vqa, &architecture, &official(64, ANSWERS));
    let golden = record(&network, TaskName::Vqa, &seeded_inputs(&network, 5, 6, 3)).unwrap();
    write((TaskName::Vqa, &network), &architecture, &weights_of(&network), &golden, settings, out);
}

fn regions(model: &Model, count: usize, seed: u64) -> RegionFeatures {
    let mut rng = rng(seed, "regions", 0);
    let features = (0..count * model.manifest().dimensions.feature).map(|_| rng.random_range(-1.0..1.0f32)).collect();
    let mut boxes = Vec::with_capacity(count);
    for _ in 0..count {
        let (x, y) = (rng.random_range(0.0..300.0f32), rng.random_range(0.0..200.0f32));
        boxes.push([x, y, x + 60.0, y + 40.0]);
    }
    RegionFeatures { features, boxes, size: (400, 300) }
}

/// Everything that a call gives, bit by bit.
fn bits(answers: &[Answer]) -> Vec<(usize, u32)> {
    answers.iter().map(|answer| (answer.index, answer.logit.to_bits())).collect()
}

#[test]
fn many_threads_at_once_get_what_one_gets() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let call = |seed: u64| {
        let image = model.encode_regions(&regions(&model, 4 + seed as usize % 9, seed)).unwrap();
        bits(&model.answer(&image, &"what is ".repeat(1 + seed as usize % 5), ANSWERS).unwrap())
    };
    let expected: Vec<_> = (0..24).map(call).collect();
    std::thread::scope(|scope| {
        for first in 0..8 {
            let (expected, call) = (&expected, &call);
            scope.spawn(move || {
                for turn in 0..48 {
                    let seed = (first * 7 + turn) % 24;
                    assert_eq!(call(seed as u64), expected[seed], "thread {first}, turn {turn}");
                }
            });
        }
    });
}

#[test]
fn a_bundle_in_memory_is_the_bundle_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    bundle(&path);
    from_memory(&path);
    // With weights in files of their own.
    let beside = folder.path().join("beside");
    bundle_with(&beside, ExportSettings { external_over: 1000, ..ExportSettings::default() });
    assert!(beside.join("fusion.onnx.data").exists());
    from_memory(&beside);
}

fn from_memory(path: &Path) {
    let mut files = BundleFiles::new();
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        let content = std::fs::read(entry.path()).unwrap();
        files.insert(entry.file_name().into_string().unwrap(), Cow::Owned(content));
    }
    let from_folder = Model::load(path, &LoadOptions::default()).unwrap();
    let from_memory = Model::from_files(files.clone(), &LoadOptions::default()).unwrap();
    let answer = |model: &Model| {
        let image = model.encode_regions(&regions(model, 9, 1)).unwrap();
        bits(&model.answer(&image, "what is it", 5).unwrap())
    };
    assert_eq!(answer(&from_memory), answer(&from_folder));
    from_memory.warm_up().unwrap();

    let error = |files: BundleFiles<'_>| Model::from_files(files, &LoadOptions::default()).unwrap_err();
    let without = |name: &str| {
        let mut files = files.clone();
        files.remove(name);
        files
    };
    assert!(error(without("manifest.json")).to_string().contains("manifest.json"));
    assert!(error(without("fusion.onnx")).to_string().contains("fusion.onnx"));
    let mut cut = files.clone();
    cut.insert("text.onnx".to_owned(), Cow::Borrowed(b"short"));
    assert_eq!(error(cut).code(), ErrorCode::InvalidBundle);
    let mut changed = files;
    let content = changed.get_mut("text.onnx").unwrap().to_mut();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    assert!(matches!(error(changed), Error::Bundle(mmnas_bundle::Error::Hash { .. })));
}

/// So many regions that attention over them takes long.
const MANY: usize = 1500;

#[test]
fn a_deadline_ends_a_call_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let many = regions(&model, MANY, 2);
    let start = Instant::now();
    model.encode_regions(&many).unwrap();
    let whole = start.elapsed();
    let limit = whole / 4;
    let start = Instant::now();
    let error = model.limited(Limits::none().within(limit)).encode_regions(&many).unwrap_err();
    assert!(matches!(error, Error::DeadlineExceeded), "{error}");
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
    assert!(start.elapsed() >= limit);
    // The model goes on, and a deadline far away ends nothing.
    let patient = model.limited(Limits::none().within(Duration::from_secs(3600)));
    let image = patient.encode_regions(&regions(&model, 5, 1)).unwrap();
    assert_eq!(model.answer(&image, "what", 3).unwrap(), patient.answer(&image, "what", 3).unwrap());
    let late = model.limited(Limits::none().until(Instant::now()));
    assert!(matches!(late.answer(&image, "what", 3), Err(Error::DeadlineExceeded)));
}

/// Every call of a model's task that takes limits, by name, on an image file, the same image encoded and a text.
fn ended(model: &Model, file: &Path, image: &ImageState, text: &TextState) -> Vec<(&'static str, Option<Error>)> {
    let pixels = [7; 12 * 9 * 3];
    let buffer = PixelBuffer { data: &pixels, width: 12, height: 9, stride: 36, format: PixelFormat::Rgb };
    let content = std::fs::read(file).unwrap();
    let (images, texts) = ([image.clone()], [text.clone()]);
    let pairs = [(image, text)];
    let mut found = vec![
        ("warm_up", model.warm_up().err()),
        ("encode_image_file", model.encode_image_file(file).err()),
        ("encode_file", model.encode_file(file).err()),
        ("encode_image_bytes", model.encode_image_bytes(&content).err()),
        ("encode_pixel_buffer", model.encode_pixel_buffer(&buffer).err()),
        ("encode_regions", model.encode_regions(&regions(model, 3, 1)).err()),
        ("encode_text", model.encode_text("what").err()),
        ("encode_texts", model.encode_texts(&["what", "is"]).err()),
        ("encode_texts of none", model.encode_texts(&[]).err()),
        ("explain", model.explain(image, "what").err()),
    ];
    found.extend(match model.manifest().task {
        TaskName::Vqa => vec![
            ("answer", model.answer(image, "what", 1).err()),
            ("answer_text", model.answer_text(image, text, 1).err()),
            ("answer_pairs", model.answer_pairs(&pairs, 1).err()),
            ("answer_pairs of none", model.answer_pairs(&[], 1).err()),
        ],
        TaskName::Itm => vec![
            ("match_pairs", model.match_pairs(&pairs).err()),
            ("match_pairs of none", model.match_pairs(&[]).err()),
            ("rank_images", model.rank_images(text, &images, 1).err()),
            ("rank_texts", model.rank_texts(image, &texts, 1).err()),
        ],
        TaskName::Vgd => vec![
            ("ground", model.ground(image, "what", 1).err()),
            ("ground_text", model.ground_text(image, text, 1).err()),
            ("ground_pairs", model.ground_pairs(&pairs, 1).err()),
            ("ground_pairs of none", model.ground_pairs(&[], 1).err()),
        ],
    });
    found
}

#[test]
fn no_time_at_all_ends_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.png");
    image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8, y as u8, 9])).save(&file).unwrap();
    for task in [TaskName::Vqa, TaskName::Itm, TaskName::Vgd] {
        let model = Model::load(&bundle_for_pixels(folder.path(), task, None), &LoadOptions::default()).unwrap();
        let (image, text) = (model.encode_image_file(&file).unwrap(), model.encode_text("what is it").unwrap());
        for _ in 0..200 {
            let limited = model.limited(Limits::none().within(Duration::ZERO));
            for (name, error) in ended(&limited, &file, &image, &text) {
                assert!(matches!(error, Some(Error::DeadlineExceeded)), "{task}: {name}: {error:?}");
            }
        }
        for (name, error) in ended(&model, &file, &image, &text) {
            assert!(error.is_none(), "{task}: {name}: {error:?}");
        }
    }
}

#[test]
fn a_request_without_time_does_not_wait_for_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let image = model.encode_regions(&regions(&model, 5, 1)).unwrap();
    let settings = BatchSettings { max_batch: 8, max_wait: Duration::from_secs(30), queue: 8 };
    let handle = AsyncModel::new(model.limited(Limits::none().within(Duration::ZERO)), settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let start = Instant::now();
    for _ in 0..200 {
        let found = runtime.block_on(handle.answer(image.clone(), "what".to_owned(), 1));
        assert!(matches!(found, Err(Error::DeadlineExceeded)), "{found:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_token_ends_the_calls_that_run_with_it() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let image = model.encode_regions(&regions(&model, 20, 1)).unwrap();
    let text = model.encode_text("what is it").unwrap();
    let pairs: Vec<(&ImageState, &TextState)> = vec![(&image, &text); 1_000_000];
    let token = CancelToken::new();
    let limited = model.limited(Limits::none().cancelled_by(&token));
    let (started, starts) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            started.send(()).unwrap();
            limited.answer_pairs(&pairs, 1)
        });
        starts.recv().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let cancelled = Instant::now();
        token.cancel();
        // A million pairs take minutes.
        assert!(matches!(call.join().unwrap(), Err(Error::Cancelled)));
        assert!(cancelled.elapsed() < Duration::from_secs(20), "{:?}", cancelled.elapsed());
    });
    assert!(matches!(limited.encode_text("what"), Err(Error::Cancelled)));
    assert!(model.encode_text("what").is_ok());
}

#[test]
fn a_provider_that_is_missing_is_an_error_or_the_next_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    bundle(&path);
    let load = |providers: &[Provider]| {
        Model::load(&path, &LoadOptions { providers: providers.to_vec(), ..LoadOptions::default() })
    };
    assert_eq!(load(&[Provider::Cpu]).unwrap().provider(), Provider::Cpu);
    match load(&[Provider::Cuda]) {
        // A machine that has it.
        Ok(model) => assert_eq!(model.provider(), Provider::Cuda),
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::Provider);
            assert!(error.to_string().starts_with("no provider can be had: cuda: "), "{error}");
            let both = load(&[Provider::TensorRt, Provider::Cuda]).unwrap_err().to_string();
            assert!(both.contains("tensorrt: ") && both.contains("; cuda: "), "{both}");
            let model = load(&[Provider::TensorRt, Provider::Cuda, Provider::Cpu]).unwrap();
            assert_eq!(model.provider(), Provider::Cpu);
            let options = LoadOptions { providers: vec![Provider::Cuda, Provider::Cpu], ..LoadOptions::default() };
            assert_eq!(verify(&path, &options, Timed::No).unwrap().provider, "cpu");
        }
    }
    assert_eq!(load(&[]).unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_memory_limit_ends_a_call_and_not_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    bundle(&path);
    let load = |mib: u64| Model::load(&path, &LoadOptions { memory_limit: Some(mib << 20), ..LoadOptions::default() });
    let model = load(200).unwrap();
    let image = model.encode_regions(&regions(&model, 36, 1)).unwrap();
    let free = Model::load(&path, &LoadOptions::default()).unwrap();
    let image_of_free = free.encode_regions(&regions(&free, 36, 1)).unwrap();
    let expected = bits(&free.answer(&image_of_free, "what", 3).unwrap());
    assert_eq!(bits(&model.answer(&image, "what", 3).unwrap()), expected);
    let error = model.encode_regions(&regions(&model, MANY, 2)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Inference, "{error}");
    assert_eq!(bits(&model.answer(&image, "what", 3).unwrap()), expected);
    assert!(free.encode_regions(&regions(&free, MANY, 2)).is_ok());
    assert_eq!(load(100).unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn threads_of_every_kind_give_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    bundle(&path);
    let one = std::num::NonZeroUsize::MIN;
    let two = one.saturating_add(1);
    let answer = |options: LoadOptions| {
        let model = Model::load(&path, &options).unwrap();
        model.warm_up().unwrap();
        let image = model.encode_regions(&regions(&model, 7, 1)).unwrap();
        model.answer(&image, "what", 3).unwrap()
    };
    let expected = answer(LoadOptions::default());
    for options in [
        LoadOptions { threads: Some(one), ..LoadOptions::default() },
        LoadOptions { spinning: Some(false), ..LoadOptions::default() },
        LoadOptions { operators_at_once: two, threads: Some(two), ..LoadOptions::default() },
    ] {
        for (found, expected) in answer(options).iter().zip(&expected) {
            assert_eq!(found.index, expected.index);
            assert!((found.logit - expected.logit).abs() < 1e-4, "{found:?} {expected:?}");
        }
    }
}

#[test]
fn a_question_of_10_megabytes_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let image = model.encode_regions(&regions(&model, 5, 1)).unwrap();
    let long = "what ".repeat(2 << 20);
    let start = Instant::now();
    let found = model.answer(&image, &long, 3).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let words = model.manifest().text.max_tokens;
    assert_eq!(bits(&found), bits(&model.answer(&image, &"what ".repeat(words), 3).unwrap()));
    assert_eq!(model.encode_text(&"?".repeat(10 << 20)).unwrap_err().code(), ErrorCode::EmptyText);
}

#[test]
fn published_features_are_an_image_too() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let own = regions(&model, 7, 1);
    let file = folder.path().join("image.NPZ");
    mmnas_bundle::npz::write(&file, &own, model.manifest().dimensions.feature, None).unwrap();
    let answer = |image: &ImageState| bits(&model.answer(image, "what is it", 3).unwrap());
    let from_file = answer(&model.encode_file(&file).unwrap());
    assert_eq!(from_file, answer(&model.encode_regions(&own).unwrap()));
}

#[test]
fn a_bundle_without_vision_takes_no_pixels() {
    let folder = tempfile::tempdir().unwrap();
    bundle(&folder.path().join("bundle"));
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let buffer = PixelBuffer { data: &[0; 12], width: 2, height: 2, stride: 6, format: PixelFormat::Bgr };
    assert_eq!(model.encode_pixel_buffer(&buffer).unwrap_err().code(), ErrorCode::WrongTask);
}
