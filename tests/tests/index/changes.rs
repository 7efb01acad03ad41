//! States that are replaced, deleted, refused.

use super::*;

#[test]
fn states_are_replaced_deleted_and_their_room_is_given_back() {
    let place = Place::new();
    let model = place.model();
    let path = place.path("index");
    let mut index = filled(&model, &path, 30);
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
    let mut reader = ImageIndex::open(&model, &path, Access::Read).unwrap();
    assert_eq!(reader.put("x", &image(&model, 1)).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(reader.commit().unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn what_is_not_its_own_or_damaged_is_refused() {
    let place = Place::new();
    let model = place.model();
    let path = place.path("index");
    drop(filled(&model, &path, 5));
    assert_eq!(ImageIndex::create(&model, &path).unwrap_err().code(), ErrorCode::Exists);
    assert!(TextIndex::open(&model, &path, Access::Read).unwrap_err().to_string().contains("kind"));
    let other = place.path("other");
    bundle(&other, &Dimensions { embeddings: None, ..small() }, &architecture());
    let other = Model::load(&other, &LoadOptions::default()).unwrap();
    let error = ImageIndex::open(&other, &path, Access::Write).unwrap_err();
    assert!(error.to_string().contains("model: expected an index of this model"), "{error}");
    let mut without = ImageIndex::create(&other, &place.path("without")).unwrap();
    without.put("0", &image(&other, 0)).unwrap();
    without.commit().unwrap();
    let query = texts(&other);
    assert_eq!(without.rank(&query, 1, Candidates::All).unwrap()[0].len(), 1);
    let error = without.rank(&query, 1, Candidates::Shortlist(5)).unwrap_err();
    assert!(error.to_string().contains("dual encoder"), "{error}");
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
