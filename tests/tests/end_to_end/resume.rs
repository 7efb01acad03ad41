//! A run that ends at any step and goes on gives, on the CPU, the bits of the run that was not interrupted.

use mmnas_search::Pool;
use std::path::Path;

use mmnas_bundle::Architecture;
use mmnas_search::task::Task as _;
use mmnas_search::train::{retrain, search};
use mmnas_search::{Error, RunFolder, RunInputs, TensorMap, load_tensors};
use mmnas_tests::alone::alone;
use mmnas_tests::small_run::recipe;
use mmnas_tests::stopping::{Stopping, was_stopped};

use crate::{SMALL, search_command};

pub(crate) fn assert_same_bits(a: &Path, b: &Path) {
    let tensors = |folder: &Path| -> TensorMap { load_tensors(&folder.join("checkpoint.safetensors")).unwrap().0 };
    let (a, b) = (tensors(a), tensors(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, tensor) in &a {
        assert!(tensor.equal(&b[name]), "{name} differs");
    }
}

const ARCHITECTURE: &str = r#"{"epoch0": {"enc": [["self_att_64"]], "dec": [["rel_self_att_64"], ["guided_att_64"]]}}"#;

fn architecture(json: &str) -> Architecture {
    Architecture::from_published_json(json, Path::new("test")).unwrap()
}

#[test]
fn a_search_that_is_stopped_resumes_to_the_same_alpha_and_weights() {
    let samples = &SMALL.0;
    let _alone = alone();
    for strategy in [
        r#"{ kind = "gradient", mode = "full" }"#,
        r#"{ kind = "gradient", mode = "two" }"#,
        r#"{ kind = "gumbel", temperature = [5.0, 0.5] }"#,
        r#"{ kind = "evolution", population = 4, generations = 2, mutation = 0.2, samples = 20 }"#,
    ] {
        let recipe = recipe(&["search.weights.checkpoint_steps=3", &format!("search.strategy={strategy}")]);
        let data = samples.data(&recipe);
        let folder = tempfile::tempdir().unwrap();
        let run = |name: &str, resume: bool, stop: Option<u64>| {
            let path = folder.path().join(name);
            let run = RunFolder::open(&path, &recipe, &data.data().run_inputs("vqa", None), resume).unwrap();
            match stop {
                Some(step) => {
                    let stopping = Stopping::before(&data, step, recipe.seed);
                    assert!(was_stopped(search::search(&recipe, &Pool::standard(), &stopping, &run, None)));
                    (None, path)
                }
                None => {
                    (Some(search::search(&recipe, &Pool::standard(), &data, &run, None).unwrap().architecture), path)
                }
            }
        };
        let (found, whole) = run("whole", false, None);
        // Before the first checkpoint, between two, on the last step of an epoch, in the second epoch.
        for stop in [1, 5, 9, 14] {
            let name = format!("part-{stop}");
            run(&name, false, Some(stop));
            let (resumed, part) = run(&name, true, None);
            assert_eq!(resumed, found);
            assert_same_bits(&whole, &part);
        }
    }
}

#[test]
fn a_retraining_that_is_stopped_resumes_to_the_same_weights() {
    resumes_to_the_same_weights(&[], &[3, 6, 25]);
}

#[test]
fn with_a_mean_of_the_weights_and_a_part_of_the_data_it_does_too() {
    let more = ["retrain.average=0.9", "retrain.epoch_samples=120"];
    resumes_to_the_same_weights(&more, &[3, 9]);
}

fn resumes_to_the_same_weights(more: &[&str], stops: &[u64]) {
    let set = ["retrain.epochs=2", "retrain.checkpoint_steps=4", "retrain.decay_epochs=[1]"];
    let recipe = recipe(&[&set, more].concat());
    let data = SMALL.0.data(&recipe);
    let _alone = alone();
    let architecture = architecture(ARCHITECTURE);
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, resume: bool, stop: Option<u64>| {
        let path = folder.path().join(name);
        let run = RunFolder::open(&path, &recipe, &data.data().run_inputs("vqa", Some(&architecture)), resume).unwrap();
        match stop {
            Some(step) => {
                let stopping = Stopping::before(&data, step, recipe.seed);
                let ended = retrain::retrain(&recipe, &Pool::standard(), &architecture, &stopping, &run);
                assert!(was_stopped(ended));
            }
            None => drop(retrain::retrain(&recipe, &Pool::standard(), &architecture, &data, &run).unwrap()),
        }
        path
    };
    let whole = run("whole", false, None);
    let (kept, checkpoint) = (whole.join("network.safetensors"), whole.join("checkpoint.safetensors"));
    let tensors = |file: &Path| load_tensors(file).unwrap().0;
    let of_training = tensors(&checkpoint);
    let name = "lstm.weight_hh_l0";
    assert_eq!(of_training.contains_key(&format!("average.{name}")), recipe.retrain.average.is_some());
    if recipe.retrain.average.is_some() {
        assert!(!tensors(&kept)[name].equal(&of_training[&format!("network.{name}")]), "the mean is kept");
    }
    for &stop in stops {
        let name = format!("part-{stop}");
        run(&name, false, Some(stop));
        let part = run(&name, true, None);
        assert_same_bits(&whole, &part);
        let weights = |folder: &Path| std::fs::read(folder.join("network.safetensors")).unwrap();
        assert!(weights(&whole) == weights(&part), "network.safetensors differs");
    }
}

#[test]
fn a_run_is_neither_overwritten_nor_resumed_as_another() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = |json: &str| RunInputs {
        task: "vqa".into(),
        samples_sha256: "a".into(),
        vision_sha256: "b".into(),
        features_sha256: "c".into(),
        architecture: Some(architecture(json)),
        latency_sha256: None,
    };
    let open = |recipe: &_, json: &str, resume| RunFolder::open(folder.path(), recipe, &inputs(json), resume);
    open(&recipe(&[]), ARCHITECTURE, false).unwrap();
    open(&recipe(&[]), ARCHITECTURE, true).unwrap();
    let again = open(&recipe(&[]), ARCHITECTURE, false).unwrap_err();
    assert!(matches!(again, Error::RunExists { .. }), "{again}");
    let other = open(&recipe(&["seed=2"]), ARCHITECTURE, true).unwrap_err().to_string();
    assert!(other.contains("seed = 2") && other.contains("seed = 1"), "{other}");
    // A folder with a user's own files is no place for a run.
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("labels.json"), "mine").unwrap();
    let error = RunFolder::open(foreign.path(), &recipe(&[]), &inputs(ARCHITECTURE), true).unwrap_err().to_string();
    assert!(error.contains("labels.json") && !foreign.path().join("recipe.toml").exists(), "{error}");
    // SA and GA have parameters of the same names and shapes: only the record tells them apart.
    let other =
        open(&recipe(&[]), &ARCHITECTURE.replace("guided_att_64", "self_att_64"), true).unwrap_err().to_string();
    assert!(other.contains("guided_att_64") && other.contains("found \"self_att_64"), "{other}");
}

/// A process that is killed with SIGKILL, wherever it is, and the run that is resumed after it.
#[test]
fn a_search_that_is_killed_resumes_to_the_same_alpha_and_weights() {
    let folder = tempfile::tempdir().unwrap();
    let command = |out: &Path| {
        let mut command = search_command(out);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command
    };
    let whole = folder.path().join("whole");
    assert!(command(&whole).status().unwrap().success());
    let part = folder.path().join("part");
    // Killed again and again, at moments that have nothing to do with steps, each time a little further on.
    for kill in 0..3 {
        let mut running = command(&part).spawn().unwrap();
        let checkpoint = part.join("checkpoint.safetensors");
        let written = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
        let before = written(&checkpoint);
        let mut ended = false;
        for _ in 0..2_000 {
            ended = running.try_wait().unwrap().is_some();
            if ended || written(&checkpoint) != before {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(!ended, "the run is long enough to be killed");
        std::thread::sleep(std::time::Duration::from_millis(61 * kill));
        running.kill().unwrap();
        running.wait().unwrap();
    }
    assert!(command(&part).status().unwrap().success());
    assert_same_bits(&whole, &part);
}

/// What `make gpu-check` does on a GPU.
#[test]
fn the_check_of_a_device_passes_on_the_processor() {
    let _alone = alone();
    let root = mmnas_tests::c_consumer::workspace_root();
    let mut check = std::process::Command::new(root.join("tests/resume-check.sh"));
    check.arg(mmnas_tests::programs::program("mmnas-search").unwrap()).arg(root.join("search/experiments")).arg("cpu");
    // Threads that wait for each other take minutes where something else runs too.
    check.env("OMP_NUM_THREADS", "1");
    let output = check.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("killed and resumed on cpu: the same log").count(), 2, "{said}");
}
