//! The same pictures for three bundles that have one vision stage: each bundle by itself, and the pixels looked at once. And calls of
//! many threads, one by one and gathered into batches.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mmnas_runtime::{BatchSettings, Batcher, ImageRegions, ImageState, LoadOptions, Model, Result};
use tch::Device;

use super::comparison::{Comparison, compare};
use super::machine;
use crate::c_consumer::workspace_root;

/// Threads that ask at the same time.
const ASKING: usize = 16;
/// Questions of a run.
const QUESTIONS: usize = 320;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Generated pictures.
    pub pictures: u32,
    /// Runs of each way that count.
    pub repetitions: u64,
    /// Threads of an operator.
    pub threads: usize,
}

/// What was measured.
pub struct Measured {
    /// The second way of each is the one that takes longer.
    pub comparisons: Vec<Comparison>,
    /// MB that the second and third bundle add to the first, with sessions of their own and with a shared one.
    pub megabytes: (f64, f64),
}

fn bundles() -> [PathBuf; 3] {
    ["vqa", "itm", "vgd"].map(|task| workspace_root().join("runtime/bundles").join(task))
}

fn load(bundle: &Path, threads: usize, check_hashes: bool) -> Model {
    let threads = std::num::NonZeroUsize::new(threads);
    let options = LoadOptions { threads, check_hashes, ..LoadOptions::default() };
    Model::load(bundle, &options).unwrap_or_else(|e| panic!("{}: {e}", bundle.display()))
}

fn whole<T>(results: Vec<Result<T>>) -> Vec<T> {
    results.into_iter().map(|result| result.unwrap_or_else(|e| panic!("{e}"))).collect()
}

/// Prints the MB that this process's memory grows by when the committed bundles are loaded after the first of them. Loads that
/// compare no hashes share nothing.
pub fn print_growth(shared: bool, threads: usize) {
    let [first, others @ ..] = bundles();
    let load = |bundle: &PathBuf| {
        let model = load(bundle, threads, shared);
        model.warm_up().unwrap_or_else(|e| panic!("{e}"));
        model
    };
    let first = load(&first);
    let (before, _) = machine::memory(Device::Cpu);
    let models: Vec<Model> = others.iter().map(load).collect();
    println!("{}", machine::memory(Device::Cpu).0 - before);
    drop((first, models));
}

/// What [`print_growth`] prints in a process of its own.
fn growth(way: &str, threads: usize) -> f64 {
    let program = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    let mut command = Command::new(program);
    command.args(["--growth", way, "--threads", &threads.to_string()]);
    let output = command.output().unwrap_or_else(|e| panic!("{e}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|e| panic!("{e}"))
}

/// Measures all.
pub fn measure(settings: Settings) -> Measured {
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let out = folder.path().join("scenes");
    let written = mmnas_search::scenes::dataset::Settings {
        seed: 1,
        images: 1,
        test: settings.pictures.saturating_sub(1).max(1),
        side: 224,
        questions: 1,
        phrases: 1,
    };
    mmnas_search::scenes::dataset::write(&written, &out, || ()).unwrap_or_else(|e| panic!("{e}"));
    let names = mmnas_runtime::image_files(&out.join("images")).unwrap_or_else(|e| panic!("{e}"));
    let files: Vec<PathBuf> = names.iter().map(|name| out.join("images").join(name)).collect();
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    let models = bundles().map(|bundle| load(&bundle, settings.threads, true));
    let [first, ..] = &models;
    assert!(models.iter().all(|model| model.sees_as(first)), "the bundles have different vision stages");

    let mut each = |_: u64| {
        for model in &models {
            whole(files.iter().map(|file| model.encode_file(file)).collect());
        }
        Ok(())
    };
    let mut once = |_: u64| {
        for file in &files {
            let regions = first.regions_of_file(file).unwrap_or_else(|e| panic!("{e}"));
            whole(models.iter().map(|model| model.encode_image_regions(&regions)).collect());
        }
        Ok(())
    };
    let mut in_batches = |_: u64| {
        let regions = whole(first.regions_of_files(&files));
        let regions: Vec<&ImageRegions> = regions.iter().collect();
        for model in &models {
            whole(model.encode_images_regions(&regions));
        }
        Ok(())
    };
    let mut batches_of_each = |_: u64| {
        for model in &models {
            whole(model.encode_files(&files));
        }
        Ok(())
    };
    let name = format!("{} pictures for three bundles", files.len());
    let runs = settings.repetitions;
    let mut comparisons = vec![
        pair(&name, runs, ("looked at once", &mut once), ("by each bundle", &mut each)),
        pair(&name, runs, ("once, in batches", &mut in_batches), ("by each bundle", &mut each)),
        pair(&name, runs, ("by each, in batches", &mut batches_of_each), ("by each bundle", &mut each)),
    ];

    let image = first.encode_file(files[0]).unwrap_or_else(|e| panic!("{e}"));
    let batch = BatchSettings { max_batch: ASKING, max_wait: Duration::from_millis(1), queue: 256 };
    let batcher = Batcher::new(first, batch).unwrap_or_else(|e| panic!("{e}"));
    let mut gathered = |_: u64| ask(&image, |image, text| batcher.answer(image, text, 3).map(drop));
    let mut one_by_one = |_: u64| ask(&image, |image, text| first.answer(image, text, 3).map(drop));
    let name = format!("{QUESTIONS} questions of {ASKING} threads");
    comparisons.push(pair(&name, runs, ("gathered into batches", &mut gathered), ("one by one", &mut one_by_one)));
    let megabytes = (growth("own", settings.threads), growth("shared", settings.threads));
    Measured { comparisons, megabytes }
}

/// A way by its name.
type Way<'a> = (&'a str, &'a mut dyn FnMut(u64) -> mmnas_search::Result<()>);

fn pair(name: &str, repetitions: u64, fast: Way<'_>, slow: Way<'_>) -> Comparison {
    compare(name, repetitions, fast, slow).unwrap_or_else(|e| panic!("{e}"))
}

/// Lets threads ask until all questions are answered.
fn ask(image: &ImageState, answer: impl Fn(&ImageState, &str) -> Result<()> + Sync) -> mmnas_search::Result<()> {
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let k = next.fetch_add(1, Ordering::Relaxed);
            if k >= QUESTIONS {
                return;
            }
            let question = ["what colour is the large circle?", "how many squares are there?"][k % 2];
            answer(image, question).unwrap_or_else(|e| panic!("{e}"));
        }
    };
    std::thread::scope(|scope| (0..ASKING).for_each(|_| drop(scope.spawn(run))));
    Ok(())
}
