//! An index whose program is killed, or whose disk is full.

use super::*;

/// Features of images, for the command line.
fn write_features(place: &Place, images: u64) {
    let folder = place.path("features");
    std::fs::create_dir(&folder).unwrap();
    let mut writer = FeatureWriter::new(&folder, 64, "synthetic".into());
    writer.write_shard((0..images).map(|n| (format!("{n:04}.jpg"), regions(4, 64, n))).collect()).unwrap();
    writer.finish().unwrap();
}

fn add(place: &Place) -> Command {
    let mut command = programs::command("mmnas");
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
    let output = programs::with_files_of_at_most(1500 * each, &add(&place)).output().unwrap();
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
