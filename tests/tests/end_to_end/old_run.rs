//! A run that an older program began is gone on with by this one, and threads change nothing of what resuming gives.

use std::path::Path;
use std::process::{Command, Stdio};

use mmnas_search::load_tensors;
use mmnas_tests::fixtures;
use mmnas_tests::small_run::copy_folder;

/// The search of the fixture in `out`, gone on with where it is there.
fn search(out: &Path, threads: &str) -> Command {
    let mut command = mmnas_tests::programs::command("mmnas-search");
    let of = |name: &str| fixtures::path(&format!("old_run/{name}"));
    command.arg("search").arg("--resume").arg("--recipe").arg(of("run/recipe.toml")).arg("--out").arg(out);
    command.arg("--samples").arg(of("samples.jsonl")).arg("--features").arg(of("features"));
    command.env("OMP_NUM_THREADS", threads).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_run_that_an_older_program_began_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy_folder(&fixtures::path("old_run/run"), &run);
    assert!(search(&run, "1").status().unwrap().success());
    let found = load_tensors(&run.join("checkpoint.safetensors")).unwrap().0;
    let ended = load_tensors(&fixtures::path("old_run/ended.safetensors")).unwrap().0;
    assert!(ended.len() > 80, "{} tensors", ended.len());
    let mut equal = 0;
    // It adds the same to every score before a softmax, which cancels it: its gradient is rounding alone, and Adam makes
    // steps of a rounding's sign.
    let cancelled = |name: &str| name.contains("attflat_") && name.ends_with(".mlp.linear.bias");
    assert_eq!(ended.keys().filter(|name| cancelled(name)).count(), 2);
    for (name, tensor) in ended.iter().filter(|(name, _)| !cancelled(name)) {
        equal += usize::from(tensor.equal(&found[name]));
        // Processors add in different orders; the fixture's own gives the same bits.
        let difference = fixtures::relative_norm(&found[name], tensor);
        assert!(tensor.equal(&found[name]) || difference < 1e-4, "{name} differs by {difference}");
    }
    println!("{equal} of {} tensors have the same bits", ended.len());
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 4, "{log}");
}

/// A thread that has made no parallel step yet must not take over the loader's number of threads.
#[test]
fn with_two_threads_a_killed_search_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, part) = (folder.path().join("whole"), folder.path().join("part"));
    assert!(search(&whole, "2").status().unwrap().success());
    let mut running = search(&part, "2").spawn().unwrap();
    let log = part.join("log.jsonl");
    let epochs = || std::fs::read_to_string(&log).map_or(0, |log| log.lines().count());
    while epochs() < 2 {
        assert!(running.try_wait().unwrap().is_none(), "the run is long enough to be killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(search(&part, "2").status().unwrap().success());
    super::resume::assert_same_bits(&whole, &part);
}
