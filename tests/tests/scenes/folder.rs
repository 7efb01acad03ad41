//! The folder that is written.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::FeatureStore;
use mmnas_bundle::boxes::{self, BoxXyxy};
use mmnas_bundle::samples::{PhraseSample, VqaSample, read_json_lines};
use mmnas_search::scenes::*;

use crate::SEED;

fn write_on(threads: usize, images: u32, out: &Path) -> Written {
    let settings = Settings { seed: SEED, images, test: 10, side: 96, questions: 8, phrases: 4 };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| write(&settings, out, || {})).unwrap()
}

/// All files of a folder, by their names in it.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn any_number_of_threads_gives_the_same_bytes_and_a_larger_set_the_same_images() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let first = write_on(1, 40, &at("one"));
    assert_eq!(first, write_on(4, 40, &at("four")));
    assert_eq!(first.captions, 5 * 50);
    let (one, four) = (content(&at("one")), content(&at("four")));
    assert_eq!(one.keys().collect::<Vec<_>>(), four.keys().collect::<Vec<_>>());
    assert_eq!(one.len(), 50 + 7 + 2 * 2);
    for (name, bytes) in &one {
        assert!(*bytes == four[name], "{name}");
    }
    write_on(2, 20, &at("smaller"));
    let smaller = content(&at("smaller"));
    // Its test images are training images of the larger set.
    for number in 0..30 {
        let name = format!("images/{number:05}.png");
        assert!(smaller[&name] == one[&name], "{name}");
    }
    let lines = |files: &BTreeMap<String, Vec<u8>>, name: &str| String::from_utf8(files[name].clone()).unwrap();
    for task in ["vqa", "itm", "vgd"] {
        let (train, test) = (format!("train.{task}.jsonl"), format!("test.{task}.jsonl"));
        assert!(lines(&one, &train).starts_with(&(lines(&smaller, &train) + &lines(&smaller, &test))));
    }
    let open = |folder: &str, part: &str| FeatureStore::open(&at(folder).join("features").join(part)).unwrap();
    let (large, small) = (open("one", "train"), [open("smaller", "train"), open("smaller", "test")]);
    for number in 0..30usize {
        let name = format!("{number:05}.png");
        assert_eq!(large.get(&name).unwrap(), small[number / 20].get(&name).unwrap());
    }
}

#[test]
fn features_and_lines_are_as_stated() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("scenes");
    let written = write_on(2, 30, &out);
    let objects: Vec<serde_json::Value> = read_json_lines(&out.join("objects.jsonl")).unwrap();
    assert_eq!(objects.len(), 40);
    let (mut questions, mut phrases) = (0, 0);
    for (part, numbers) in [("train", 0..30), ("test", 30..40)] {
        let store = FeatureStore::open(&out.join("features").join(part)).unwrap();
        assert_eq!((store.feature(), store.len()), (8 * 8 * 3 + 5, numbers.len()));
        assert_eq!(store.vision_sha256(), form_sha256());
        for number in numbers {
            let name = format!("{number:05}.png");
            let regions = store.get(&name).unwrap();
            let line = &objects[number];
            assert_eq!(line["image"], name.as_str());
            let own: Vec<BoxXyxy> = line["objects"]
                .as_array()
                .unwrap()
                .iter()
                .map(|o| serde_json::from_value(o["box_xyxy"].clone()).unwrap())
                .collect();
            assert_eq!(regions.size, (96, 96));
            assert_eq!(regions.boxes.len(), 2 * own.len() + 3);
            for b in &own {
                assert!(regions.boxes.contains(b));
                let jittered = |r: &BoxXyxy| JITTER.contains(&boxes::iou(b, r));
                assert!(regions.boxes.iter().any(jittered), "image {number}: {b:?} in {:?}", regions.boxes);
            }
            for (b, row) in regions.boxes.iter().zip(regions.features.chunks_exact(store.feature())) {
                assert!(
                    0.0 <= b[0] && b[0] < b[2] && b[2] < 96.0 && 0.0 <= b[1] && b[1] < b[3] && b[3] < 96.0,
                    "{b:?}"
                );
                assert!(row[..192].iter().all(|v| (-1.0..=1.0).contains(v)));
                assert_eq!(row[192..], boxes::box_features(b, 96, 96));
            }
        }
        let file = |task: &str| out.join(format!("{part}.{task}.jsonl"));
        questions += read_json_lines::<VqaSample>(&file("vqa")).unwrap().len();
        for question in read_json_lines::<serde_json::Value>(&file("vqa")).unwrap() {
            let expected = match question["answer"].as_str().unwrap() {
                "yes" | "no" => "yes/no",
                answer if answer.parse::<u32>().is_ok() => "number",
                _ => "other",
            };
            assert_eq!(question["answer_type"], expected);
        }
        for line in read_json_lines::<serde_json::Value>(&file("itm")).unwrap() {
            assert_eq!(line["captions"].as_array().unwrap().len(), CAPTIONS);
        }
        for phrase in read_json_lines::<PhraseSample>(&file("vgd")).unwrap() {
            assert!(store.get(&phrase.image).unwrap().boxes.contains(&phrase.box_xyxy));
            phrases += 1;
        }
    }
    assert_eq!((questions, phrases), (written.questions, written.phrases));
}

#[test]
fn settings_out_of_range_are_errors_and_leave_nothing() {
    let root = tempfile::tempdir().unwrap();
    let good = Settings { seed: 1, images: 1, test: 1, side: 64, questions: 1, phrases: 1 };
    let bad = [
        ("side", Settings { side: 63, ..good.clone() }),
        ("side", Settings { side: 2049, ..good.clone() }),
        ("images", Settings { images: 0, ..good.clone() }),
        ("test", Settings { test: 0, ..good.clone() }),
        ("questions", Settings { questions: 0, ..good.clone() }),
        ("phrases", Settings { phrases: 65, ..good.clone() }),
    ];
    let out = root.path().join("scenes");
    for (field, settings) in bad {
        let error = write(&settings, &out, || {}).unwrap_err().to_string();
        assert!(error.contains(&format!(": {field}: expected")), "{error}");
        assert!(!out.exists());
    }
    write(&good, &out, || {}).unwrap();
    assert!(write(&good, &out, || {}).is_err());
}
