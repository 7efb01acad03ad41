//! A second writer is told who the first one is.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use mmnas_bundle::Writer;
use mmnas_runtime::Error;

use super::*;

/// Where the other process of the test below is told what to open: a bundle and an index.
const OPENS: [&str; 2] = ["MMNAS_TEST_BUNDLE", "MMNAS_TEST_INDEX"];

fn busy(opened: mmnas_runtime::Result<ImageIndex>) -> (Writer, String) {
    let error = opened.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Exists);
    let Error::Bundle(mmnas_bundle::Error::Busy { by, .. }) = error else { panic!("{error}") };
    (by, error.to_string())
}

#[test]
fn a_second_writer_of_an_index_is_told_who_the_first_one_is() {
    // As the other process: it writes until it is told to end.
    if let [Some(bundle), Some(index)] = OPENS.map(std::env::var_os) {
        let model = Model::load(Path::new(&bundle), &LoadOptions::default()).unwrap();
        let _index = ImageIndex::open(&model, Path::new(&index), Access::Write).unwrap();
        println!("\nwrites");
        std::io::stdout().flush().unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let place = Place::new();
    let (model, path) = (place.model(), place.path("index"));
    let open = |access| ImageIndex::open(&model, &path, access);
    let first = filled(&model, &path, 1);
    let (by, message) = busy(open(Access::Write));
    assert_eq!(by, Writer::ThisProcess);
    assert_eq!(message, format!("{}: is being written by this process itself", path.display()));
    assert_eq!(open(Access::Read).unwrap().len(), 1);
    drop(first);
    drop(open(Access::Write).unwrap());

    let name = "writers::a_second_writer_of_an_index_is_told_who_the_first_one_is";
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", name, "--nocapture"]).env(OPENS[0], place.path("bundle")).env(OPENS[1], &path);
    let mut other = other.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
    assert!(lines.any(|line| line == "writes"), "the other process does not write");
    let (by, message) = busy(open(Access::Write));
    assert_eq!(by, Writer::AnotherProcess);
    assert_eq!(message, format!("{}: is being written by another process", path.display()));
    assert_eq!(open(Access::Read).unwrap().len(), 1);
    drop(other.stdin.take());
    // Read to its end: a process whose output nobody takes does not end well.
    lines.for_each(drop);
    assert!(other.wait().unwrap().success());
    drop(open(Access::Write).unwrap());
}
