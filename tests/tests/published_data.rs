//! Published files, converted and packed on the command line, are what a run is trained on.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mmnas_bundle::FeatureStore;
use mmnas_bundle::manifest::TaskName;
use mmnas_search::data::convert::pack::{PUBLISHED_SOURCE, source_sha256};
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::Task as _;
use mmnas_search::task::itm::data::ItmData;
use mmnas_search::task::vgd::data::VgdData;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::exported::bundle_for_pixels;
use mmnas_tests::fixtures;
use mmnas_tests::programs::run;
use ndarray::{Array2, arr0};
use ndarray_npy::NpzWriter;
use serde_json::{Value, json};

const IMAGES: u64 = 20;

/// The recipe of easy-VQA, where an answer must occur this often.
fn recipe(min_answer_count: usize) -> Recipe {
    let file = workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
    Recipe::read(&file, &[format!("vqa.min_answer_count={min_answer_count}")]).unwrap()
}

/// Questions `1000 · part + k` about the images `first` and following, half of them answered "yes" by seven of ten.
fn write_part(folder: &Path, (questions, annotations): (&str, &str), part: u64, first: u64) {
    let question =
        |k: u64| json!({"question_id": 1000 * part + k, "image_id": first + k, "question": "Is it the dog?"});
    let annotation = |k: u64| {
        let (most, least) = if k.is_multiple_of(2) { ("yes", "no") } else { ("no", "yes") };
        let answers: Vec<Value> = (0..10).map(|n| json!({"answer": if n < 7 { most } else { least }})).collect();
        json!({"question_id": 1000 * part + k, "image_id": first + k, "answer_type": "yes/no",
            "multiple_choice_answer": most, "answers": answers})
    };
    let write = |name: &str, value: Value| std::fs::write(folder.join(name), value.to_string()).unwrap();
    write(questions, json!({"questions": (0..IMAGES).map(question).collect::<Vec<_>>()}));
    write(annotations, json!({"annotations": (0..IMAGES).map(annotation).collect::<Vec<_>>()}));
}

fn write_features(folder: &Path, set: &str, first: u64) {
    std::fs::create_dir(folder).unwrap();
    for id in first..first + IMAGES {
        let n = 2 + (id % 3) as usize;
        let x = Array2::from_shape_fn((8, n), |(k, region)| ((id as usize + 3 * k + region) % 7) as f32);
        let boxes = Array2::from_shape_fn((n, 4), |(region, k)| (10 * region + 20 * (k / 2)) as f32);
        let file = std::fs::File::create(folder.join(format!("COCO_{set}_{id:012}.jpg.npz"))).unwrap();
        let mut npz = NpzWriter::new(file);
        npz.add_array("x", &x).unwrap();
        npz.add_array("bbox", &boxes).unwrap();
        npz.add_array("image_h", &arr0(200i64)).unwrap();
        npz.add_array("image_w", &arr0(300i64)).unwrap();
        npz.finish().unwrap();
    }
}

/// Runs `mmnas-search`, which must end well; returns what it printed on both outputs.
fn search(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> (String, String) {
    let arguments: Vec<String> = arguments.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
    let output = run("mmnas-search", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    (output.stdout, output.stderr)
}

/// `vqa` and `features` in a folder, made by the programs.
fn prepare(folder: &Path) -> (PathBuf, PathBuf) {
    let (data, vqa, features) = (folder.join("data"), folder.join("vqa"), folder.join("features"));
    std::fs::create_dir(&data).unwrap();
    let files =
        |part| (format!("v2_OpenEnded_mscoco_{part}_questions.json"), format!("v2_mscoco_{part}_annotations.json"));
    for (part, (questions, annotations)) in [files("train2014"), files("val2014")].iter().enumerate() {
        write_part(&data, (questions, annotations), part as u64, 100 * part as u64);
    }
    let (train, val) = (folder.join("train2014"), folder.join("val2014"));
    write_features(&train, "train2014", 0);
    write_features(&val, "val2014", 100);
    let (line, _) = search(&[&"convert", &"vqa-v2", &data, &"--out", &vqa]);
    assert!(line.contains("train.jsonl 20, val.jsonl 20; 7 words, 2 labels"), "{line}");
    let (line, _) = search(&[&"pack", &train, &val, &"--out", &features, &"--max-regions", &"3"]);
    assert!(line.contains("40 images") && line.contains("8 features"), "{line}");
    (vqa, features)
}

#[test]
fn converted_and_packed_files_are_one_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let (vqa, features) = prepare(folder.path());
    let files = DataFiles {
        validation: Some(vqa.join("val.jsonl")),
        tokenizer: Some(vqa.join("tokenizer.json")),
        labels: Some(vqa.join("labels.json")),
        ..DataFiles::new(vqa.join("train.jsonl"), features)
    };
    let data = VqaData::load(&files, &recipe(9), tch::Device::Cpu).unwrap();
    assert_eq!(data.labels(), ["yes", "no"]);
    assert_eq!((data.annotators(1).len(), data.answer_type(1)), (10, Some("yes/no")));
    let batch = data.batch(&[0, 1, 22]).unwrap();
    assert_eq!(Vec::<Vec<f32>>::try_from(&batch.target).unwrap(), [[1.0, 0.9], [0.9, 1.0], [1.0, 0.9]]);
    // Images 0, 1 and 102 have 2, 3 and 2 regions; image 102's second feature row starts with (102 + 1) mod 7.
    assert_eq!(batch.inputs.region_count, [2, 3, 2]);
    assert_eq!(batch.inputs.features.double_value(&[2, 1, 0]), 5.0);
    assert_eq!(Vec::<i64>::try_from(batch.inputs.tokens.get(0)).unwrap(), [3, 4, 5, 6]);
}

#[test]
fn a_run_on_packed_features_becomes_a_bundle_without_a_vision_stage() {
    let folder = tempfile::tempdir().unwrap();
    let (vqa, features) = prepare(folder.path());
    let path = |name: &str| folder.path().join(name);
    let train = std::fs::read_to_string(vqa.join("train.jsonl")).unwrap();
    std::fs::write(path("more.jsonl"), format!("{train}not a sample\n").replace("\"image\":\"3\"", "\"image\":\"x\""))
        .unwrap();
    std::fs::write(path("architecture.json"), r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"]]}}"#)
        .unwrap();
    let recipe = mmnas_tests::c_consumer::workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
    let set = ["retrain.hidden=64", "retrain.epochs=1", "retrain.decay_epochs=[]"];
    let (more, run_folder, bundle) = (path("more.jsonl"), path("run"), path("bundle"));
    let (architecture, tokenizer, labels) =
        (path("architecture.json"), vqa.join("tokenizer.json"), vqa.join("labels.json"));
    let (train, val) = (vqa.join("train.jsonl"), vqa.join("val.jsonl"));
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"retrain", &"--recipe", &recipe, &"--samples", &more, &"--samples", &train, &"--validation", &val];
    arguments.extend::<[&dyn AsRef<std::ffi::OsStr>; 9]>([
        &"--features",
        &features,
        &"--tokenizer",
        &tokenizer,
        &"--labels",
        &labels,
        &"--skip-broken",
        &"--architecture",
        &architecture,
    ]);
    arguments.extend::<[&dyn AsRef<std::ffi::OsStr>; 2]>([&"--out", &run_folder]);
    for set in &set {
        arguments.extend::<[&dyn AsRef<std::ffi::OsStr>; 2]>([&"--set", set]);
    }
    let (_, notes) = search(&arguments);
    let note = notes.lines().find(|line| line.contains("left out")).unwrap();
    assert!(note.contains("2 broken samples left out") && note.contains("line 4: image"), "{note}");
    assert!(note.contains("line 21"), "{note}");
    search(&[&"export", &run_folder, &"--out", &bundle]);
    // It says which features it reads, and those of another source, which are as wide, are no such.
    let other = path("other");
    search(&[&"pack", &path("train2014"), &path("val2014"), &"--source", &"another", &"--out", &other]);
    let text = |path: &Path| path.display().to_string();
    let [of_bundle, of_samples, own, other] = [&bundle, &val, &features, &other].map(|path| text(path));
    let evaluate = |features: &str, more: &[&str]| {
        run("mmnas", &[&["evaluate", &of_bundle, "--samples", &of_samples, "--features", features], more].concat())
    };
    let told = |output: &mmnas_tests::c_consumer::Output| (output.code, output.stderr.trim().to_owned());
    assert_eq!(told(&evaluate(&own, &[])), (Some(0), String::new()));
    let (code, refused) = told(&evaluate(&other, &[]));
    let hashes = [PUBLISHED_SOURCE, "another"].map(source_sha256);
    assert!(code == Some(1) && hashes.iter().all(|hash| refused.contains(hash)), "{refused}");
    assert_eq!(told(&evaluate(&other, &["--any-features"])), (Some(0), String::new()));
    // A bundle of an earlier version does not know.
    let manifest = bundle.join("manifest.json");
    let known = std::fs::read_to_string(&manifest).unwrap();
    let mut unknown: Value = serde_json::from_str(&known).unwrap();
    assert_eq!(unknown.as_object_mut().unwrap().remove("features_sha256"), Some(hashes[0].clone().into()));
    std::fs::write(&manifest, unknown.to_string()).unwrap();
    let (code, note) = told(&evaluate(&other, &[]));
    assert!(code == Some(0) && note.contains("does not say which features its network was trained on"), "{note}");
    std::fs::write(&manifest, known).unwrap();
    let bundle = mmnas_bundle::Bundle::open(&bundle, true).unwrap();
    assert!(bundle.manifest().vision.is_none());
    let data: Vec<&String> = bundle.manifest().provenance.data.keys().collect();
    assert_eq!(data, ["labels.json", "more.jsonl", "tokenizer.json", "train.jsonl", "val.jsonl"]);
    assert_eq!(
        std::fs::read_to_string(run_folder.join("tokenizer.json")).unwrap(),
        std::fs::read_to_string(tokenizer).unwrap()
    );
}

/// Runs `mmnas`, which must end well; returns what it printed as JSON.
fn runtime(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Value {
    let arguments: Vec<String> = arguments.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--json"]).collect();
    let output = run("mmnas", &arguments);
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

fn write_text(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

/// The published files of captions of images with these numbers, five each.
fn write_captions(folder: &Path, splits: &[(&str, &[u64])]) {
    for (split, ids) in splits {
        let captions: String = ids.iter().flat_map(|id| (0..5).map(move |k| format!("a dog {id} {k}\n"))).collect();
        write_text(&folder.join(format!("{split}_caps.txt")), &captions);
        let ids: String = ids.iter().map(|id| format!("{id}\n")).collect();
        write_text(&folder.join(format!("{split}_ids.txt")), &ids);
    }
}

/// Small pictures, each of another colour, under the names that the data sets' archives have.
fn write_pictures(folder: &Path) {
    let coco = |set: &str, id: u64| format!("{set}/COCO_{set}_{id:012}.jpg");
    let names = (0..IMAGES).map(|id| coco("train2014", id)).chain((100..100 + IMAGES).map(|id| coco("val2014", id)));
    let others =
        ["flickr30k-images/1000092795.jpg", "flickr30k-images/10002456.jpg", "flickr30k-images/1000268201.jpg"];
    let easy = (1000..1003).map(|k| format!("easy/{k}.png"));
    for (k, name) in names.chain(others.map(str::to_owned)).chain(easy).enumerate() {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let colour = image::Rgb([(5 * k) as u8, (255 - 3 * k) as u8, 128]);
        image::RgbImage::from_pixel(30, 20, colour).save_with_format(file, image::ImageFormat::Png).unwrap();
    }
}

/// A converted set and an extraction of its images meet without anything being edited: in training and in evaluation, on packed
/// features, on those that went through .npz files, and on the pictures themselves.
#[test]
fn every_published_format_meets_an_extraction_of_its_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let pictures = path("pictures");
    write_pictures(&pictures);
    let bundles =
        [TaskName::Vqa, TaskName::Itm, TaskName::Vgd].map(|task| bundle_for_pixels(folder.path(), task, None));
    let (vision, features, npz, packed) = (path("vision"), path("features"), path("npz"), path("packed"));
    let extract: [&dyn AsRef<std::ffi::OsStr>; 6] =
        [&"extract", &"--vision", &vision, &"--images", &pictures, &"--out"];
    runtime(&[&extract[..], &[&features]].concat());
    runtime(&[&extract[..], &[&npz, &"--npz"]].concat());
    search(&[&"pack", &npz, &"--out", &packed]);
    let stores = [&features, &packed].map(|folder| FeatureStore::open(folder).unwrap());
    // The same images of the same vision stage, either way.
    assert_eq!((stores[0].names(), stores[0].vision_sha256()), (stores[1].names(), stores[1].vision_sha256()));

    let files =
        |part| (format!("v2_OpenEnded_mscoco_{part}_questions.json"), format!("v2_mscoco_{part}_annotations.json"));
    std::fs::create_dir(path("vqa-v2")).unwrap();
    for (part, (questions, annotations)) in [files("train2014"), files("val2014")].iter().enumerate() {
        write_part(&path("vqa-v2"), (questions, annotations), part as u64, 100 * part as u64);
    }
    write_captions(&path("flickr30k/f30k_precomp"), &[("train", &[0]), ("dev", &[1]), ("test", &[2])]);
    let of_flickr = [(0, "1000092795.jpg"), (1, "10002456.jpg"), (2, "1000268201.jpg")];
    let of_flickr = of_flickr.map(|(id, name)| json!({"filename": name, "imgid": id}));
    write_text(&path("flickr30k/dataset_flickr30k.json"), &json!({"images": of_flickr}).to_string());
    write_captions(&path("coco-retrieval/coco_precomp"), &[("train", &[9, 3]), ("dev", &[101]), ("test", &[102, 7])]);
    let phrase = |id: u64| json!({"image_id": id, "tokens": ["the", "dog"], "bbox": [1, 2, 20, 10]});
    write_text(&path("refcoco/train.json"), &json!([phrase(9), phrase(19)]).to_string());
    write_text(&path("refcoco/val.json"), &json!([phrase(4)]).to_string());
    let easy = json!([["what is it?", "dog", 1000], ["is it red?", "no", 1002]]).to_string();
    ["train", "test"].iter().for_each(|part| write_text(&path(&format!("easy-vqa/{part}/questions.json")), &easy));

    for (format, task, file, first) in [
        ("vqa-v2", TaskName::Vqa, "val.jsonl", "val2014/COCO_val2014_000000000100.jpg"),
        ("vqa-v2", TaskName::Vqa, "train.jsonl", "train2014/COCO_train2014_000000000000.jpg"),
        ("flickr30k", TaskName::Itm, "test.jsonl", "flickr30k-images/1000268201.jpg"),
        ("coco-retrieval", TaskName::Itm, "test.jsonl", "val2014/COCO_val2014_000000000102.jpg"),
        ("refcoco", TaskName::Vgd, "train.jsonl", "train2014/COCO_train2014_000000000009.jpg"),
        ("easy-vqa", TaskName::Vqa, "test.jsonl", "easy/1000.png"),
    ] {
        let converted = path(&format!("{format}-converted"));
        if !converted.exists() {
            search(&[&"convert", &format, &path(format), &"--out", &converted]);
        }
        let samples = converted.join(file);
        let line = std::fs::read_to_string(&samples).unwrap().lines().next().unwrap().to_owned();
        let name = serde_json::from_str::<Value>(&line).unwrap()["image"].as_str().unwrap().to_owned();
        for (store, features) in stores.iter().zip([&features, &packed]) {
            assert_eq!(store.find(&name).unwrap(), Some(first), "{format} {file}");
            let files = DataFiles::new(&samples, features);
            let (recipe, device) = (recipe(1), tch::Device::Cpu);
            let images = match task {
                TaskName::Vqa => VqaData::load(&files, &recipe, device).map(|data| data.data().images()),
                TaskName::Itm => ItmData::load(&files, &recipe, device).map(|data| data.data().images()),
                TaskName::Vgd => VgdData::load(&files, &recipe, device).map(|data| data.data().images()),
            };
            assert!(images.unwrap() > 0, "{format} {file}");
        }
        let bundle = bundles.iter().find(|bundle| bundle.ends_with(format!("bundle-{task}"))).unwrap();
        let evaluate = |option: &str, folder: &Path| {
            let mut told = runtime(&[&"evaluate", bundle, &"--samples", &samples, &option, &folder]);
            told.as_object_mut().unwrap().retain(|name, _| !name.starts_with("milliseconds"));
            told
        };
        let expected = evaluate("--features", &features);
        assert_eq!(evaluate("--features", &packed), expected, "{format} {file}");
        let on_pictures = evaluate("--images", &pictures);
        for measure in ["correct", "mean_recall", "images", "phrases"] {
            assert_eq!(on_pictures[measure], expected[measure], "{format} {file} {measure}");
        }
    }
}

/// Files of one image as published extractors leave them, beside each other in a folder and as a table.
#[test]
fn published_files_of_regions_are_packed() {
    let folder = tempfile::tempdir().unwrap();
    let (npz, packed) = (folder.path().join("npz"), folder.path().join("packed"));
    std::fs::create_dir(&npz).unwrap();
    for name in ["n_by_d.npz", "float16.npz"] {
        std::fs::copy(fixtures::path("cases").join(name), npz.join(name)).unwrap();
    }
    let (line, _) = search(&[&"pack", &npz, &"--out", &packed]);
    assert!(line.contains("2 images, 72 regions of 64 features"), "{line}");
    let store = FeatureStore::open(&packed).unwrap();
    let near = |found: &[f32], expected: [f32; 2]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
    let n_by_d = store.get("n_by_d").unwrap();
    assert_eq!((n_by_d.boxes.len(), n_by_d.features.len(), n_by_d.size.1), (36, 36 * 64, 224));
    assert!(near(&n_by_d.features, [0.511_821_6, 0.950_463_7]) && near(&n_by_d.boxes[0], [8.194_705, 3.305_527_2]));
    // The file has all first features of its regions first.
    let halves = store.get("float16").unwrap();
    assert!(
        near(&[halves.features[0], halves.features[64]], [0.636_718_75, 0.269_775_4]),
        "{:?}",
        &halves.features[..2]
    );

    let base64 =
        |values: &[f32]| STANDARD.encode(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    let (boxes, features) = (base64(n_by_d.boxes.as_flattened()), base64(&n_by_d.features));
    let row = |id: u64| format!("{id}\t{}\t{}\t36\t{boxes}\t{features}\n", n_by_d.size.0, n_by_d.size.1);
    let (table, from_table) = (folder.path().join("table.tsv"), folder.path().join("from-table"));
    std::fs::write(&table, row(9) + &row(42)).unwrap();
    search(&[&"pack", &table, &"--out", &from_table]);
    let store = FeatureStore::open(&from_table).unwrap();
    assert_eq!((store.get("COCO_val2014_000000000042.jpg").unwrap(), store.len()), (n_by_d, 2));
}
