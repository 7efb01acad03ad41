//! Folders of images as people have them: what is read, what is passed over and told, and work that a signal interrupts.
#![cfg(unix)]

mod interrupted;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use mmnas_search::bundle::vision::export_vision;
use mmnas_tests::c_consumer::{Output, output, workspace_root};
use mmnas_tests::exported::grid_vision;
use mmnas_tests::programs::command;
use mmnas_tests::skipped::skip;
use serde_json::Value;

const SCENES: [&str; 4] = ["08001.png", "08005.png", "08007.png", "08012.png"];

fn bundle(task: &str) -> PathBuf {
    workspace_root().join("runtime/bundles").join(task)
}

fn scene(name: &str) -> PathBuf {
    bundle("scenes").join(name)
}

/// A folder for one test.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// A vision stage of 2 × 2 regions an image.
    fn vision(&self) -> PathBuf {
        let (checkpoint, out) =
            (workspace_root().join(".native/efficientnet/efficientnet_lite0.pth"), self.path("vision"));
        export_vision(&checkpoint, &grid_vision(64, 2), 1, &out).unwrap();
        out
    }
}

/// Arguments of any kind of text or path.
macro_rules! args {
    ($($argument:expr),* $(,)?) => {
        Vec::from([$(AsRef::<OsStr>::as_ref(&$argument).to_owned()),*])
    };
}
pub(crate) use args;

fn mmnas(arguments: &[OsString]) -> Output {
    output(with(arguments).env_remove("RUST_LOG")).unwrap_or_else(|e| panic!("{e}"))
}

fn with(arguments: &[OsString]) -> Command {
    let mut command = command("mmnas");
    command.args(arguments);
    command
}

/// What a command that succeeds prints with `--json`, and what it tells.
fn json(arguments: &[OsString]) -> (Value, String) {
    let output = mmnas(&[arguments, args!["--json"].as_slice()].concat());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    (serde_json::from_str(&output.stdout).unwrap(), output.stderr)
}

fn fails(arguments: &[OsString], told: &str) {
    let output = mmnas(arguments);
    assert!(output.code == Some(1) && output.stderr.contains(told), "{told}: {:?} {}", output.code, output.stderr);
}

/// Kinds with their numbers, and the names of those that may have been meant as images.
fn passed_over(told: &Value) -> Vec<(String, u64, Vec<String>)> {
    let kind = |kind: &Value| {
        let names = if kind["notable"] == true { kind["names"].as_array().unwrap().clone() } else { Vec::new() };
        let names = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        (kind["kind"].as_str().unwrap().to_owned(), kind["count"].as_u64().unwrap(), names)
    };
    told["passed_over"].as_array().unwrap().iter().map(kind).collect()
}

fn expected(kinds: &[(&str, u64, &[&str])]) -> Vec<(String, u64, Vec<String>)> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    kinds.iter().map(|(kind, count, named)| ((*kind).to_owned(), *count, names(named))).collect()
}

/// A folder with four images (`a.jfif`, a link to a folder of two, one without ending) and much else.
fn mixed(place: &Place) -> PathBuf {
    let (photos, other) = (place.path("photos"), place.path("other"));
    for folder in [&photos, &other] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::copy(scene(SCENES[0]), photos.join("a.jfif")).unwrap();
    std::fs::copy(scene(SCENES[1]), photos.join("no-ending")).unwrap();
    for name in &SCENES[2..] {
        std::fs::copy(scene(name), other.join(name)).unwrap();
    }
    symlink(&other, photos.join("linked")).unwrap();
    symlink(".", photos.join("circle")).unwrap();
    std::fs::write(photos.join("photo.heic"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    std::fs::write(photos.join("b.avif"), b"\0\0\0\x18ftypavif\0\0\0\0avifmif1").unwrap();
    for name in ["notes.txt", "captions.txt", "list.json"] {
        std::fs::write(photos.join(name), "{}").unwrap();
    }
    let made = Command::new("mkfifo").arg(photos.join("pipe.png")).status().unwrap();
    assert!(made.success());
    photos
}

const PASSED: [(&str, u64, &[&str]); 6] = [
    ("AVIF", 1, &["b.avif"]),
    ("HEIC", 1, &["photo.heic"]),
    ("link that leads back", 1, &["circle"]),
    ("pipe or device", 1, &["pipe.png"]),
    (".json", 1, &[]),
    (".txt", 2, &[]),
];
const LINE: &str = "passed over 7 files: 1 AVIF (b.avif), 1 HEIC (photo.heic), 1 link that leads back (circle), \
                    1 pipe or device (pipe.png), 1 .json (list.json), 2 .txt (captions.txt, …)";

#[test]
fn what_is_passed_over_in_a_folder_is_named_by_every_command() {
    let place = Place::new();
    let (photos, itm) = (mixed(&place), bundle("itm"));
    let index = place.path("index");
    let (told, errors) = json(&args!["index", "add", &itm, &index, "--images", &photos]);
    assert_eq!((&told["added"], passed_over(&told)), (&4.into(), expected(&PASSED)));
    assert_eq!(errors, format!("mmnas: {}: {LINE}\n", photos.display()));
    let (found, _) = json(&args!["index", "search", &itm, &index, "--text", "a circle"]);
    let mut keys: Vec<&str> =
        found["results"][0]["hits"].as_array().unwrap().iter().filter_map(|h| h["key"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a.jfif", "linked/08007.png", "linked/08012.png", "no-ending"]);

    let (told, errors) = json(&args!["rank", &itm, "--text", "a circle", &photos, &scene(SCENES[0])]);
    assert_eq!((told["ranked"].as_array().unwrap().len(), passed_over(&told)), (5, expected(&PASSED)));
    assert!(errors.contains(LINE), "{errors}");

    let (vision, features) = (place.vision(), place.path("features"));
    let (told, errors) = json(&args!["extract", "--vision", &vision, "--images", &photos, "--out", &features]);
    assert_eq!((&told["images"], passed_over(&told)), (&4.into(), expected(&PASSED)));
    assert!(errors.contains(LINE), "{errors}");

    // Where there is no image what else is there is the reason.
    let none = place.path("none");
    std::fs::create_dir(&none).unwrap();
    std::fs::copy(photos.join("photo.heic"), none.join("photo.heic")).unwrap();
    fails(&args!["rank", &itm, "--text", "a circle", &none], "passed over 1 file: 1 HEIC (photo.heic)");
}

#[test]
fn every_command_takes_the_same_images() {
    let place = Place::new();
    let (vqa, itm, vgd) = (bundle("vqa"), bundle("itm"), bundle("vgd"));
    let [plain, odd] = [OsString::from("no-ending"), OsStr::from_bytes(b"caf\xe9.png").to_owned()];
    let texts = place.path("texts.txt");
    std::fs::write(&texts, "a circle\na red square\n").unwrap();
    let captions = place.path("captions");
    json(&args!["index", "add", &itm, &captions, "--texts", &texts]);
    let folder = place.path("photos");
    std::fs::create_dir(&folder).unwrap();
    let link = place.path("link");
    symlink(scene(SCENES[0]), &link).unwrap();
    let files: Vec<PathBuf> = [&plain, &odd].into_iter().map(|name| folder.join(name)).chain([link]).collect();
    for file in &files[..2] {
        std::fs::copy(scene(SCENES[0]), file).unwrap();
    }
    let mut scores = Vec::new();
    for file in &files {
        json(&args!["answer", &vqa, file, "what color is the large object?"]);
        json(&args!["ground", &vgd, file, "the circle"]);
        json(&args!["index", "search", &itm, &captions, "--image", file]);
        let (of_image, _) = json(&args!["rank", &itm, "--image", file, "a circle"]);
        let (of_text, _) = json(&args!["rank", &itm, "--text", "a circle", file]);
        assert_eq!(of_image["ranked"][0]["score"], of_text["ranked"][0]["score"]);
        scores.push(of_text["ranked"][0]["score"].clone());
    }
    assert!(scores.iter().all(|score| *score == scores[0]), "{scores:?}");
    let picture = place.path("best.png");
    json(&args!["rank", &itm, "--text", "a circle", &files[1], "--draw", &picture]);
    assert!(picture.exists());
    // In a folder a name has to be one that can be written down.
    let index = place.path("index");
    let commands = [
        args!["index", "add", &itm, &index, "--images", &folder],
        args!["rank", &itm, "--text", "a circle", &folder],
        args!["index", "search", &itm, &captions, "--image", &folder],
    ];
    for command in commands {
        fails(&command, "images: expected file names in UTF-8, found ");
        let (told, errors) = json(&[command, args!["--skip-broken"]].concat());
        assert_eq!(passed_over(&told), expected(&[("with a name that is no UTF-8", 1, &["caf\u{fffd}.png"])]));
        assert!(errors.contains("1 with a name that is no UTF-8 (caf\u{fffd}.png)"), "{errors}");
    }
    // An image alone is one as well; two of one name are not told apart by their keys.
    let single: PathBuf = place.path("single");
    let (told, _) = json(&args!["index", "add", &itm, &single, "--images", &files[0], "--images", &scene(SCENES[1])]);
    assert_eq!(told["added"], 2);
    let twice = args!["index", "add", itm, single, "--images", files[0], "--images", folder];
    fails(&[twice, args!["--skip-broken"]].concat(), "expected images with different names in their folders");
    fails(&args!["index", "add", &itm, &single, "--images", &files[1]], "--images: expected file names in UTF-8");
}

#[test]
fn what_must_not_be_read_is_left_out_and_named() {
    let place = Place::new();
    let (photos, itm) = (place.path("photos"), bundle("itm"));
    std::fs::create_dir_all(photos.join("locked")).unwrap();
    for name in ["a.png", "b.png", "unknown", "locked/c.png"] {
        std::fs::copy(scene(SCENES[0]), photos.join(name)).unwrap();
    }
    let forbid = |name: &str| std::fs::set_permissions(photos.join(name), PermissionsExt::from_mode(0o000)).unwrap();
    let allow = |name: &str| std::fs::set_permissions(photos.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    ["b.png", "unknown", "locked"].into_iter().for_each(forbid);
    if std::fs::read(photos.join("b.png")).is_ok() {
        allow("locked");
        return skip("files that must not be read", "this user may read every file");
    }
    let index = place.path("index");
    let add = args!["index", "add", &itm, &index, "--images", &photos];
    fails(&add, "locked: cannot read: Permission denied");
    let (told, errors) = json(&[add.clone(), args!["--skip-broken"]].concat());
    assert_eq!((&told["added"], &told["left_out"][0]["image"]), (&1.into(), &"b.png".into()));
    let kinds = [("folder that must not be read", 1, &["locked"][..]), ("unreadable", 1, &["unknown"])];
    assert_eq!(passed_over(&told), expected(&kinds));
    assert!(errors.contains("left out b.png: ") && errors.contains("1 unreadable (unknown)"), "{errors}");
    allow("locked");
    fails(&add, "b.png: cannot read: Permission denied");
}
