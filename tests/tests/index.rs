//! Indexes on disk: they give what the states in memory give, survive whatever stops them, and refuse what is not theirs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mmnas_bundle::manifest::{Dimensions, TaskName};
use mmnas_bundle::{Architecture, FeatureWriter, RegionFeatures};
use mmnas_export::ExportSettings;
use mmnas_runtime::{
    Access, Candidates, EmbeddingFormat, ErrorCode, Hit, ImageIndex, ImageState, IndexKind, LoadOptions, Model,
    TextIndex, TextState,
};
use mmnas_search::recorded::{record, seeded_inputs};
use mmnas_search::rng;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::official;
use mmnas_tests::{programs, python};
use rand::RngExt as _;
use rayon::prelude::*;

const JOINT: usize = 32;
const TEXTS: [&str; 4] = ["a dog", "two", "the red car of the man", "what is it"];

/// Text, a block on the image's side, and RSA after the first GA, so that image states have relation biases.
fn architecture() -> Architecture {
    let json =
        r#"{"epoch0": {"enc": [["self_att_64"]], "dec": [["self_att_64"], ["guided_att_64"], ["rel_self_att_64"]]}}"#;
    Architecture::from_published_json(json, Path::new("test")).unwrap()
}

fn bundle(out: &Path, d: &Dimensions, architecture: &Architecture) {
    let network = formula_network(TaskName::Itm, architecture, d);
    let golden = record(&network, TaskName::Itm, &seeded_inputs(&network, 5, 6, 3)).unwrap();
    let settings = ExportSettings::default();
    write((TaskName::Itm, &network), architecture, &weights_of(&network), &golden, settings, out);
}

fn small() -> Dimensions {
    Dimensions { joint: Some(JOINT), ..official(64, 1) }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        bundle(&folder.path().join("bundle"), &small(), &architecture());
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn model(&self) -> Model {
        Model::load(&self.path("bundle"), &LoadOptions::default()).unwrap()
    }
}

fn regions(count: usize, width: usize, seed: u64) -> RegionFeatures {
    let mut rng = rng(seed, "regions", 0);
    let features = (0..count * width).map(|_| rng.random_range(-1.0..1.0f32)).collect();
    let mut boxes = Vec::new();
    for _ in 0..count {
        let (x, y) = (rng.random_range(0.0..300.0f32), rng.random_range(0.0..200.0f32));
        boxes.push([x, y, x + rng.random_range(5.0..99.0f32), y + rng.random_range(5.0..99.0f32)]);
    }
    RegionFeatures { features, boxes, size: (400, 300) }
}

fn image(model: &Model, seed: u64) -> ImageState {
    model.encode_regions(&regions(3 + seed as usize % 6, 64, seed)).unwrap()
}

fn texts(model: &Model) -> Vec<TextState> {
    TEXTS.iter().map(|text| model.encode_text(text).unwrap()).collect()
}

fn keys(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.key.as_str()).collect()
}

#[test]
fn an_index_ranks_as_the_states_in_memory_do() {
    let place = Place::new();
    let model = place.model();
    let images: Vec<ImageState> = (0..70).map(|seed| image(&model, seed)).collect();
    let mut index = ImageIndex::create(&model, &place.path("index")).unwrap();
    for (number, state) in images.iter().enumerate() {
        index.put(&format!("{number:03}.jpg"), state).unwrap();
    }
    assert_eq!(index.len(), 0, "nothing counts before the commit");
    index.commit().unwrap();
    drop(index);
    // Another load of the same bundle.
    let model = place.model();
    let images: Vec<ImageState> = (0..70).map(|seed| image(&model, seed)).collect();
    let index = ImageIndex::open(&model, &place.path("index"), Access::Read).unwrap();
    assert_eq!((index.len(), index.embedding_width()), (70, Some(JOINT)));
    let texts = texts(&model);
    let found = index.rank(&texts, 70, Candidates::All).unwrap();
    for (text, hits) in texts.iter().zip(&found) {
        let pairs: Vec<_> = images.iter().map(|image| (image, text)).collect();
        let scores = model.match_pairs(&pairs).unwrap();
        let scale = scores.iter().fold(1e-3f32, |most, score| most.max(score.logit.abs()));
        assert_eq!(hits.len(), 70);
        assert!(hits.windows(2).all(|pair| pair[0].score.logit >= pair[1].score.logit));
        for hit in hits {
            let expected = scores[hit.key[..3].parse::<usize>().unwrap()].logit;
            // Regions in 16 bits have 11 bits of precision.
            assert!((hit.score.logit - expected).abs() <= 4e-3 * scale, "{hit:?} {expected}");
        }
    }
    // A shortlist of all is all; of some, those that are nearest of all embeddings.
    let all = index.rank(&texts, 70, Candidates::Shortlist(70)).unwrap();
    assert_eq!(
        all.iter().map(|hits| keys(hits)).collect::<Vec<_>>(),
        found.iter().map(|h| keys(h)).collect::<Vec<_>>()
    );
    let mut text_index = TextIndex::create(&model, &place.path("texts")).unwrap();
    TEXTS.iter().zip(&texts).for_each(|(key, state)| text_index.put(key, state).unwrap());
    text_index.commit().unwrap();
    for (text, hits) in TEXTS.iter().zip(index.rank(&texts, 70, Candidates::Shortlist(10)).unwrap()) {
        let query = text_index.embedding(text).unwrap().unwrap();
        let mut nearest: Vec<(f32, String)> = Vec::new();
        for key in index.keys() {
            let embedding = index.embedding(key).unwrap().unwrap();
            let length: f32 = embedding.iter().map(|v| v * v).sum();
            assert!((length - 1.0).abs() < 5e-3, "{length}");
            nearest.push((query.iter().zip(&embedding).map(|(a, b)| a * b).sum(), key.to_owned()));
        }
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        let expected: std::collections::BTreeSet<&str> = nearest[..10].iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys(&hits).into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
    }
    // The other way: texts for an image.
    let of_texts = text_index.rank(&images[..1], 4, Candidates::All).unwrap();
    let pairs: Vec<_> = texts.iter().map(|text| (&images[0], text)).collect();
    let scores = model.match_pairs(&pairs).unwrap();
    for hit in &of_texts[0] {
        let expected = scores[TEXTS.iter().position(|text| *text == hit.key).unwrap()].logit;
        assert!((hit.score.logit - expected).abs() <= 4e-3 * expected.abs().max(0.1), "{hit:?} {expected}");
    }
    assert_eq!(index.rank(&texts, 0, Candidates::All).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(index.rank(&texts, 1, Candidates::Shortlist(0)).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert!(index.get("nothing").unwrap().is_none());
}

#[test]
fn an_image_takes_at_most_40_kilobytes_at_the_published_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let d = Dimensions { hidden: 512, joint: Some(256), ..official(64, 1) };
    let json = r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"], ["rel_self_att_64"]]}}"#;
    bundle(&folder.path().join("bundle"), &d, &Architecture::from_published_json(json, Path::new("test")).unwrap());
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let mut index = ImageIndex::create(&model, &folder.path().join("index")).unwrap();
    for number in 0..20 {
        let state = model.encode_regions(&regions(36, 64, number)).unwrap();
        index.put(&format!("a folder/of some length/{number}.jpg"), &state).unwrap();
    }
    index.commit().unwrap();
    let files = std::fs::read_dir(folder.path().join("index")).unwrap();
    let sizes: Vec<_> = files.map(Result::unwrap).map(|e| (e.file_name(), e.metadata().unwrap().len())).collect();
    let kept: u64 = sizes.iter().filter(|(name, _)| name != "index.json").map(|(_, bytes)| bytes).sum();
    assert!(kept / 20 <= 40_000, "{sizes:?}");
    println!("{} bytes an image", kept / 20);
}

#[test]
fn states_are_replaced_deleted_and_their_room_is_given_back() {
    let place = Place::new();
    let model = place.model();
    let path = place.path("index");
    let mut index = ImageIndex::create(&model, &path).unwrap();
    for seed in 0..30 {
        index.put(&seed.to_string(), &image(&model, seed)).unwrap();
    }
    index.commit().unwrap();
    let reader = ImageIndex::open(&model, &path, Access::Read).unwrap();
    // A shortlist that is there follows what is committed.
    assert_eq!(index.rank(&texts(&model), 30, Candidates::Shortlist(30)).unwrap()[0].len(), 30);
    for seed in 0..30 {
        match seed % 3 {
            0 => index.delete(&seed.to_string()).unwrap(),
            1 => index.put(&seed.to_string(), &image(&model, 100 + seed)).unwrap(),
            _ => {}
        }
    }
    index.delete("nothing").unwrap();
    // As nothing, and longer than a record can be.
    index.delete(&"x".repeat(70_000)).unwrap();
    assert_eq!(index.put(&"x".repeat(70_000), &image(&model, 1)).unwrap_err().code(), ErrorCode::InvalidArgument);
    index.commit().unwrap();
    let expected = |seed: u64| image(&model, if seed % 3 == 1 { 100 + seed } else { seed });
    let check = |index: &ImageIndex| {
        assert_eq!(index.len(), 20);
        for seed in (0..30).filter(|seed| seed % 3 != 0) {
            let found = index.get(&seed.to_string()).unwrap().unwrap();
            assert_eq!(found.boxes(), expected(seed).boxes());
        }
        let texts = texts(&model);
        let ranked = index.rank(&texts, 20, Candidates::Shortlist(20)).unwrap();
        assert!(ranked.iter().all(|hits| hits.len() == 20));
        ranked
    };
    let before = check(&index);
    let (bytes, garbage) = index.bytes();
    assert!(garbage > bytes / 3, "{garbage} of {bytes}");
    index.compact().unwrap();
    assert_eq!(index.bytes(), (bytes - garbage, 0));
    assert_eq!(check(&index), before);
    // Whoever opened the index before sees what was there then.
    assert_eq!(reader.len(), 30);
    assert_eq!(reader.get("0").unwrap().unwrap().boxes(), image(&model, 0).boxes());
    index.put("new", &image(&model, 7)).unwrap();
    index.commit().unwrap();
    drop(index);
    let index = ImageIndex::open(&model, &path, Access::Write).unwrap();
    assert_eq!(index.len(), 21);
    let second = ImageIndex::open(&model, &path, Access::Write).unwrap_err();
    assert!(second.to_string().contains("another process"), "{second}");
    let mut reader = ImageIndex::open(&model, &path, Access::Read).unwrap();
    assert_eq!(reader.put("x", &image(&model, 1)).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(reader.commit().unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn what_is_not_its_own_or_damaged_is_refused() {
    let place = Place::new();
    let model = place.model();
    let path = place.path("index");
    let mut index = ImageIndex::create(&model, &path).unwrap();
    for seed in 0..5 {
        index.put(&seed.to_string(), &image(&model, seed)).unwrap();
    }
    index.commit().unwrap();
    drop(index);
    assert_eq!(ImageIndex::create(&model, &path).unwrap_err().code(), ErrorCode::Exists);
    assert!(TextIndex::open(&model, &path, Access::Read).unwrap_err().to_string().contains("kind"));
    let other = place.path("other");
    bundle(&other, &Dimensions { joint: None, ..small() }, &architecture());
    let other = Model::load(&other, &LoadOptions::default()).unwrap();
    let error = ImageIndex::open(&other, &path, Access::Write).unwrap_err();
    assert!(error.to_string().contains("model: expected an index of this model"), "{error}");
    let mut without = ImageIndex::create(&other, &place.path("without")).unwrap();
    without.put("0", &image(&other, 0)).unwrap();
    without.commit().unwrap();
    let query = texts(&other);
    assert_eq!(without.rank(&query, 1, Candidates::All).unwrap()[0].len(), 1);
    let error = without.rank(&query, 1, Candidates::Shortlist(5)).unwrap_err();
    assert!(error.to_string().contains("joint embedding"), "{error}");
    let state = image(&model, 1);
    assert_eq!(without.put("1", &state).unwrap_err().code(), ErrorCode::InvalidArgument);

    let damaged = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let copy = tempfile::tempdir().unwrap();
        for file in ["index.json", "states.1", "keys.1"] {
            std::fs::copy(path.join(file), copy.path().join(file)).unwrap();
        }
        let mut content = std::fs::read(copy.path().join(name)).unwrap();
        change(&mut content);
        std::fs::write(copy.path().join(name), content).unwrap();
        let index = ImageIndex::open(&model, copy.path(), Access::Read)?;
        index.rank(&texts(&model), 5, Candidates::All)?;
        index.rank(&texts(&model), 5, Candidates::Shortlist(5))
    };
    assert!(damaged("index.json", &|_| {}).is_ok());
    for name in ["states.1", "keys.1", "index.json"] {
        let error = damaged(name, &|content| content.truncate(content.len() - 1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidBundle, "{name}: {error}");
    }
    for name in ["states.1", "keys.1"] {
        let error = damaged(name, &|content| {
            let middle = content.len() / 2;
            content[middle] ^= 4;
        });
        assert_eq!(error.unwrap_err().code(), ErrorCode::InvalidBundle, "{name}");
    }
    let newer = |content: &mut Vec<u8>| {
        *content = String::from_utf8(content.clone()).unwrap().replace("\"major\": 1", "\"major\": 2").into_bytes();
    };
    assert_eq!(damaged("index.json", &newer).unwrap_err().code(), ErrorCode::FutureVersion);
    // Headers that a stranger may have written: an error or an index, and never more.
    let header = std::fs::read(path.join("index.json")).unwrap();
    let mut random = rng(3, "damage", 0);
    let copy = tempfile::tempdir().unwrap();
    for file in ["states.1", "keys.1"] {
        std::fs::copy(path.join(file), copy.path().join(file)).unwrap();
    }
    for _ in 0..2_000 {
        let mut content = header.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..content.len());
            content[at] = random.random_range(b' '..b'~');
        }
        std::fs::write(copy.path().join("index.json"), content).unwrap();
        let _ = ImageIndex::open(&model, copy.path(), Access::Read).map(|index| index.get("1"));
    }
}

/// Features of images, for the command line.
fn write_features(place: &Place, images: u64) {
    let folder = place.path("features");
    std::fs::create_dir(&folder).unwrap();
    let mut writer = FeatureWriter::new(&folder, 64, "made up".into());
    writer.write_shard((0..images).map(|n| (format!("{n:04}.jpg"), regions(4, 64, n))).collect()).unwrap();
    writer.finish().unwrap();
}

fn add(place: &Place) -> Command {
    let mut command = Command::new(programs::program("mmnas").unwrap());
    command.env("MMNAS_ORT_DYLIB", programs::onnxruntime());
    command.args(["index", "add", &place.text("bundle"), &place.text("index"), "--features", &place.text("features")]);
    command
}

#[test]
fn killed_while_it_adds_an_index_is_as_the_last_commit_left_it() {
    let place = Place::new();
    write_features(&place, 2500);
    let model = place.model();
    let mut seen = Vec::new();
    for wait in [150, 300, 500, 700, 900] {
        let mut running = add(&place).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        running.kill().unwrap();
        running.wait().unwrap();
        if !place.path("index").exists() {
            continue;
        }
        let index = ImageIndex::open(&model, &place.path("index"), Access::Read).unwrap();
        // Commands commit 1,024 states at a time.
        assert!(index.len().is_multiple_of(1024) || index.len() == 2500, "{}", index.len());
        for key in index.keys().step_by(97) {
            index.get(key).unwrap().unwrap();
        }
        seen.push(index.len());
    }
    println!("states after each kill: {seen:?}");
    let output = add(&place).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let index = ImageIndex::open(&model, &place.path("index"), Access::Read).unwrap();
    assert_eq!(index.len(), 2500);
    let whole = index.bytes();
    assert_eq!(whole.1, 0, "nothing was encoded twice");
    for number in (0..2500).step_by(211) {
        let found = index.get(&format!("{number:04}.jpg")).unwrap().unwrap();
        assert_eq!(found.boxes(), regions(4, 64, number).boxes);
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_committed() {
    let place = Place::new();
    write_features(&place, 2500);
    let each = {
        let model = place.model();
        let mut index = ImageIndex::create(&model, &place.path("measure")).unwrap();
        index.put("0", &model.encode_regions(&regions(4, 64, 0)).unwrap()).unwrap();
        index.commit().unwrap();
        index.bytes().0
    };
    // No file may grow beyond 1,500 states, which a process meets as it meets a full disk: write fails.
    let program = add(&place);
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", 1500 * each / 512)).arg("sh");
    limited.arg(program.get_program()).args(program.get_args()).env("MMNAS_ORT_DYLIB", programs::onnxruntime());
    let output = limited.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("states.1") && error.contains("File too large"), "{error}");
    let index = ImageIndex::open(&place.model(), &place.path("index"), Access::Read).unwrap();
    // The commit before, and what was written since.
    assert!((1024..=1500).contains(&index.len()), "{}", index.len());
    for key in index.keys() {
        index.get(key).unwrap().unwrap();
    }
    let output = add(&place).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let index = ImageIndex::open(&place.model(), &place.path("index"), Access::Read).unwrap();
    assert_eq!(index.len(), 2500);
}

#[test]
fn a_text_that_stands_twice_in_a_file_is_encoded_once() {
    let place = Place::new();
    std::fs::write(place.path("texts.txt"), "a dog\n\n two \na dog\n").unwrap();
    let add = || {
        let (bundle, index, file) = (place.text("bundle"), place.text("texts"), place.text("texts.txt"));
        let done = programs::run("mmnas", &["index", "add", &bundle, &index, "--texts", &file, "--json"]);
        serde_json::from_str::<serde_json::Value>(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", done.stderr))
    };
    for _ in 0..2 {
        let told = add();
        assert_eq!((told["states"].as_u64(), told["deleted_bytes"].as_u64()), (Some(2), Some(0)), "{told}");
    }
}

#[test]
fn searches_from_the_threads_that_build_a_shortlist_do_not_wait_for_themselves() {
    let place = Place::new();
    let model = place.model();
    let mut index = ImageIndex::create(&model, &place.path("index")).unwrap();
    let state = image(&model, 1);
    (0..3000).for_each(|number| index.put(&number.to_string(), &state).unwrap());
    index.commit().unwrap();
    let query = texts(&model);
    let search = |_: usize| index.rank(&query[..1], 1, Candidates::Shortlist(3)).unwrap()[0].len();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send((0..16).into_par_iter().map(search).sum::<usize>()));
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(16));
    });
}

#[test]
fn other_programs_read_the_embeddings() {
    let place = Place::new();
    let model = place.model();
    let mut images = ImageIndex::create(&model, &place.path("images")).unwrap();
    for seed in 0..40 {
        images.put(&format!("é {seed}.jpg"), &image(&model, seed)).unwrap();
    }
    images.commit().unwrap();
    std::fs::write(place.path("texts.txt"), TEXTS.join("\n") + "\n\n").unwrap();
    let (bundle, texts) = (place.text("bundle"), place.text("texts"));
    let done =
        programs::run("mmnas", &["index", "add", &bundle, &texts, "--texts", &place.text("texts.txt"), "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let done = programs::run("mmnas", &["index", "export", &bundle, &texts, "--out", &place.text("texts.parquet")]);
    assert!(done.stdout.ends_with("4 embeddings\n"), "{} {}", done.stdout, done.stderr);
    let out = place.path("images.parquet");
    assert_eq!(images.export_embeddings(&out, EmbeddingFormat::Parquet).unwrap(), 40);
    assert_eq!(images.export_embeddings(&out, EmbeddingFormat::Npy).unwrap_err().code(), ErrorCode::Exists);
    images.export_embeddings(&place.path("images.npy"), EmbeddingFormat::Npy).unwrap();
    let npy = python::run("check_npy.py", &[&place.path("images.npy")]);
    assert_eq!(npy.lines().count(), 40);
    for line in npy.lines() {
        let row: Vec<serde_json::Value> = serde_json::from_str(line).unwrap();
        let expected = images.embedding(row[0].as_str().unwrap()).unwrap().unwrap();
        let found: Vec<f32> = row[1..].iter().map(|v| v.as_f64().unwrap() as f32).collect();
        assert_eq!(found, expected);
    }

    let text_index = TextIndex::open(&model, &place.path("texts"), Access::Read).unwrap();
    let database = place.path("database");
    let printed = python::run_vector_database(&[&out, &place.path("texts.parquet"), &database]);
    assert_eq!(printed.lines().count(), 4);
    for line in printed.lines() {
        let found: serde_json::Value = serde_json::from_str(line).unwrap();
        let query = text_index.embedding(found["key"].as_str().unwrap()).unwrap().unwrap();
        let cosine = |key: &str| -> f64 {
            let embedding = images.embedding(key).unwrap().unwrap();
            query.iter().zip(&embedding).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let mut exact: Vec<f64> = images.keys().map(cosine).collect();
        exact.sort_by(|a, b| b.total_cmp(a));
        let nearest = found["nearest"].as_array().unwrap();
        assert_eq!(nearest.len(), 5);
        for (hit, exact) in nearest.iter().zip(exact) {
            assert!((hit[1].as_f64().unwrap() - exact).abs() < 1e-5, "{hit} {exact}");
            assert!((cosine(hit[0].as_str().unwrap()) - exact).abs() < 1e-5, "{hit} {exact}");
        }
    }
    assert_eq!(IndexKind::of(&place.path("texts")).unwrap(), IndexKind::Text);
    // What an operator does with an index.
    let index = |arguments: &[&str]| programs::run("mmnas", &[&["index"], arguments].concat());
    let images_of = place.text("images");
    drop(images);
    let deleted = index(&["delete", &bundle, &images_of, "é 3.jpg", "é 4.jpg", "nothing"]);
    assert!(deleted.stdout.contains("2 deleted, 38 states"), "{} {}", deleted.stdout, deleted.stderr);
    let figures = |output: &str| -> serde_json::Value { serde_json::from_str(output).unwrap() };
    let info = figures(&index(&["info", &bundle, &images_of, "--json"]).stdout);
    assert!(info["deleted_bytes"].as_u64() > Some(0) && info["embedding"] == JOINT, "{info}");
    let compacted = figures(&index(&["compact", &bundle, &images_of, "--json"]).stdout);
    assert_eq!((compacted["states"].as_u64(), compacted["deleted_bytes"].as_u64()), (Some(38), Some(0)));
    let wrong = index(&["export", &bundle, &images_of, "--out", &place.text("a.csv")]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains(".npy or .parquet"), "{}", wrong.stderr);
    let found =
        programs::run("mmnas", &["index", "search", &bundle, &place.text("images"), "--text", "a dog", "--top", "3"]);
    assert_eq!(found.stdout.lines().count(), 3, "{} {}", found.stdout, found.stderr);
}
