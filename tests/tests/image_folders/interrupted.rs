//! Long commands that a signal ends: what they keep, that they go on from there, and that nothing half written is left.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// A folder of `count` images by as many names.
fn images(place: &Place, count: usize) -> PathBuf {
    let folder = place.path("images");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..count {
        symlink(scene(SCENES[number % SCENES.len()]), folder.join(format!("{number:04}.png"))).unwrap();
    }
    folder
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(signal: &str, running: &Child) {
    let sent = Command::new("kill").args([signal, &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Whether it has come so far that it catches signals.
fn listens(running: &Child) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", running.id())).into_iter().flatten().flatten();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(name).any(|name| name.trim() == "mmnas-signals")
}

/// Its exit code and what it told; it printed nothing.
fn ended(mut running: Child) -> (Option<i32>, String) {
    let (mut out, mut err) = (String::new(), String::new());
    running.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    running.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(out, "", "{err}");
    (running.wait().unwrap().code(), err)
}

fn wait_until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(120), "nothing has happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The first number of "stopped: 312 of 900 images are kept; the same command goes on".
fn kept(told: &str, of: usize, unit: &str) -> usize {
    let line = told.lines().find_map(|line| line.strip_prefix("mmnas: stopped: ")).unwrap_or_else(|| panic!("{told}"));
    let end = format!(" of {of} {unit} are kept; the same command goes on");
    line.strip_suffix(&end).unwrap_or_else(|| panic!("{line}")).parse().unwrap()
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(file).collect()
}

#[test]
fn an_interrupted_index_keeps_what_it_has_encoded() {
    let place = Place::new();
    let (itm, images) = (bundle("itm"), images(&place, 500));
    let texts = place.path("texts.txt");
    let words = ["circle", "square", "triangle", "red", "blue", "green", "large", "small"];
    let lines = (0..4096).map(|k: usize| [k / 512 % 8, k / 64 % 8, k / 8 % 8, k % 8].map(|w| words[w]).join(" "));
    std::fs::write(&texts, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let search =
        |index: &Path, query: &[OsString]| json(&[args!["index", "search", itm, index].as_slice(), query].concat()).0;
    for (signal, code, source, path, (count, unit)) in
        [("-INT", 130, "--images", &images, (500, "images")), ("-TERM", 143, "--texts", &texts, (4096, "texts"))]
    {
        let index = place.path(format!("index-{unit}"));
        let add = |index: &Path| with(&args!["index", "add", itm, index, source, path, "--json"]);
        let running = start(add(&index));
        // Texts are soon enough to be on disk for the first time; images are in the middle of it.
        let file = if unit == "texts" { "states.1" } else { "index.json" };
        wait_until(|| index.join(file).metadata().is_ok_and(|meta| meta.len() > 0));
        std::thread::sleep(Duration::from_millis(if unit == "texts" { 0 } else { 1000 }));
        send(signal, &running);
        let (found, told) = ended(running);
        assert_eq!(found, Some(code), "{told}");
        let kept = kept(&told, count, unit);
        assert!((1..count).contains(&kept), "{told}");
        let (info, _) = json(&args!["index", "info", itm, index]);
        assert_eq!((&info["states"], &info["deleted_bytes"]), (&kept.into(), &0.into()));
        // The same command goes on, and finds what one that was not interrupted finds.
        let again = output(&mut add(&index)).unwrap();
        let again: Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!((&again["added"], &again["states"]), (&(count - kept).into(), &count.into()));
        let whole = place.path(format!("whole-{unit}"));
        assert_eq!(output(&mut add(&whole)).unwrap().code, Some(0));
        let image = scene(SCENES[0]);
        let query = if unit == "images" {
            args!["--text", "a red circle", "--top", "500"]
        } else {
            // Of all of them: a shortlist is drawn from a graph that threads build in no fixed order.
            args!["--image", image, "--top", "500"]
        };
        assert_eq!(search(&index, &query), search(&whole, &query));
    }
}

/// Starts an extraction and sends `signal` when some batches are done; gives its exit code and what it told.
fn interrupted(mut command: Command, signal: &str) -> (Option<i32>, String) {
    command.arg("-vv");
    let mut running = start(command);
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let batches = lines.by_ref().map(Result::unwrap).filter(|line| line.contains("extracted")).take(6).count();
    assert_eq!(batches, 6, "it ended before");
    send(signal, &running);
    let told: Vec<String> = lines.map(Result::unwrap).collect();
    (running.wait().unwrap().code(), told.join("\n"))
}

#[test]
fn an_interrupted_extraction_goes_on_and_writes_the_same_bytes() {
    let place = Place::new();
    let (vision, images) = (place.vision(), images(&place, 1300));
    // Two that cannot be decoded, one of them in a batch that is done before the signal.
    for name in ["0020.png", "0700.png"] {
        std::fs::remove_file(images.join(name)).unwrap();
        std::fs::write(images.join(name), "none").unwrap();
    }
    let extract = |out: &Path, more: &[OsString]| {
        let fixed = args!["extract", "--vision", vision, "--images", images, "--out", out, "--skip-broken", "--json"];
        with(&[fixed.as_slice(), more].concat())
    };
    let whole = place.path("whole");
    assert_eq!(output(&mut extract(&whole, &[])).unwrap().code, Some(0));
    let out = place.path("out");
    let mut before = 0;
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let (found, told) = interrupted(extract(&out, &[]), signal);
        assert_eq!(found, Some(code), "{told}");
        let kept = kept(&told, 1300, "images");
        assert!(kept > before && kept < 1298 && !out.exists(), "{told}");
        before = kept;
    }
    let again: Value = serde_json::from_str(&output(&mut extract(&out, &[])).unwrap().stdout).unwrap();
    assert_eq!((&again["resumed"], &again["images"], &again["files"]), (&before.into(), &1298.into(), &2.into()));
    assert!(contents(&out) == contents(&whole), "other files than of an extraction that was not interrupted");

    // One file an image: none is half written.
    let (whole, out) = (place.path("whole-npz"), place.path("npz"));
    assert_eq!(output(&mut extract(&whole, &args!["--npz"])).unwrap().code, Some(0));
    let (found, told) = interrupted(extract(&out, &args!["--npz"]), "-TERM");
    assert_eq!(found, Some(143), "{told}");
    let kept = kept(&told, 1300, "images");
    let mut partial = contents(&place.path(".npz.partial"));
    partial.retain(|name, _| name.ends_with(".npz"));
    assert_eq!(partial.len(), kept);
    assert_eq!(output(&mut extract(&out, &args!["--npz"])).unwrap().code, Some(0));
    assert!(contents(&out) == contents(&whole));
}

#[test]
fn an_interrupted_command_leaves_nothing_half_written() {
    let place = Place::new();
    let (vqa, scenes) = (bundle("vqa"), bundle("scenes"));
    let samples = place.path("samples.jsonl");
    let sample = |k: usize| {
        let image = SCENES[k % SCENES.len()];
        format!("{{\"image\": \"{image}\", \"question\": \"is it red?\", \"answer\": \"no\", \"question_id\": {k}}}\n")
    };
    std::fs::write(&samples, (0..200_000).map(sample).collect::<String>()).unwrap();
    let out = place.path("out.json");
    let given = args!["--samples", samples, "--images", scenes, "--json", "--no-hashes"];
    for (signal, code, command) in [
        ("-INT", 130, with(&[args!["predict", vqa, "--out", out], given.clone()].concat())),
        ("-TERM", 143, with(&[args!["evaluate", vqa], given.clone()].concat())),
    ] {
        let running = start(command);
        wait_until(|| listens(&running));
        std::thread::sleep(Duration::from_millis(300));
        send(signal, &running);
        let (found, told) = ended(running);
        let name = if signal == "-INT" { "SIGINT" } else { "SIGTERM" };
        assert_eq!((found, told.trim()), (Some(code), format!("mmnas: ended by {name}").as_str()));
    }
    assert_eq!(contents(place.0.path()).into_keys().collect::<Vec<_>>(), ["samples.jsonl"]);
}
