//! `extract`: features of a folder of images.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mmnas_bundle::FeatureStore;
use mmnas_bundle::npz::{self, NpzFeatures};
use mmnas_runtime::{ErrorCode, ExtractReport, ExtractSettings, FeatureLayout, LoadOptions, extract, image_files};
use mmnas_search::bundle::vision::export_vision;
use mmnas_tests::exported::grid_vision;
use mmnas_tests::programs;

use super::{checkpoint, images};

#[test]
fn extraction_resumes_where_it_was_killed_and_writes_the_published_layout() {
    let folder = tempfile::tempdir().unwrap();
    let images = images(folder.path(), 2300);
    let vision = folder.path().join("vision");
    export_vision(&checkpoint(), &grid_vision(64, 2), 1, &vision).unwrap();
    let whole = folder.path().join("whole");
    let settings = |layout| ExtractSettings { batch: 16.try_into().unwrap(), layout, skip_broken: false };
    let options = LoadOptions::default();
    let packed = settings(FeatureLayout::Packed);
    let report = extract(&vision, &images, &whole, &packed, &options, &mut |_| {}).unwrap();
    assert_eq!((report.images, report.resumed, report.files, report.regions), (2300, 0, 3, 4));

    let out = folder.path().join("out");
    let command = || {
        let mut command = programs::command("mmnas");
        let paths = [("--vision", &vision), ("--images", &images), ("--out", &out)];
        command.arg("extract").args(paths.iter().flat_map(|(name, path)| [name.as_ref(), path.as_os_str()]));
        command
    };
    let partial = folder.path().join(".out.partial");
    let mut running = command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..6_000 {
        if partial.join("features-00000.safetensors").exists() && partial.join("unfinished.json").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(!out.exists());
    let again = command().arg("--json").output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert!(report["resumed"].as_u64().unwrap() >= 1024, "{report}");
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        entries.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&out), names(&whole));
    for name in names(&whole) {
        let content = |folder: &Path| std::fs::read(folder.join(&name)).unwrap();
        assert!(content(&out) == content(&whole), "{name}");
    }

    let some = folder.path().join("some");
    std::fs::create_dir(&some).unwrap();
    for name in ["0001.png", "0002.png"] {
        std::fs::copy(images.join(name), some.join(name)).unwrap();
    }
    let published = folder.path().join("published");
    let report = extract(&vision, &some, &published, &settings(FeatureLayout::Npz), &options, &mut |_| {}).unwrap();
    assert_eq!(report.files, 2);
    let store = FeatureStore::open(&whole).unwrap();
    for name in ["0001.png", "0002.png"] {
        let NpzFeatures { regions, feature, vision_sha256 } =
            npz::read(&published.join(format!("{name}.npz")), 100).unwrap();
        assert_eq!(vision_sha256.as_deref(), Some(store.vision_sha256()));
        let expected = store.get(name).unwrap();
        assert_eq!((feature, &regions.boxes, regions.size), (512, &expected.boxes, expected.size));
        // What else is in a batch moves a convolution's rounding.
        for (found, expected) in regions.features.iter().zip(&expected.features) {
            assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} {expected}");
        }
    }
}

/// A folder of photographs in which some files are none: an error that names the first, or features of the others.
#[test]
fn images_that_cannot_be_decoded_are_left_out_where_they_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let images = images(folder.path(), 1100);
    // In the first batch, a whole batch, and one in the second shard.
    let names = image_files(&images).unwrap();
    let broken: Vec<String> = [3].into_iter().chain(32..48).chain([1050]).map(|k: usize| names[k].clone()).collect();
    for name in &broken {
        std::fs::write(images.join(name), b"\x89PNG, or so it says").unwrap();
    }
    let vision = folder.path().join("vision");
    export_vision(&checkpoint(), &grid_vision(64, 2), 1, &vision).unwrap();
    let run = |out: &Path, layout, skip_broken| {
        let settings = ExtractSettings { batch: 16.try_into().unwrap(), layout, skip_broken };
        extract(&vision, &images, out, &settings, &LoadOptions::default(), &mut |_| {})
    };
    let out = folder.path().join("out");
    let error = run(&out, FeatureLayout::Packed, false).unwrap_err();
    assert!(error.code() == ErrorCode::Image && error.to_string().contains(&broken[0]), "{error}");
    assert!(!out.exists());
    let report = run(&out, FeatureLayout::Packed, true).unwrap();
    let left_out = |report: &ExtractReport| report.left_out.iter().map(|i| i.image.clone()).collect::<Vec<_>>();
    assert_eq!((report.images, report.files, left_out(&report)), (1100 - 18, 2, broken.clone()));
    let store = FeatureStore::open(&out).unwrap();
    assert_eq!(store.names().len(), 1100 - 18);
    let report = run(&folder.path().join("npz"), FeatureLayout::Npz, true).unwrap();
    assert_eq!((report.images, left_out(&report)), (1100 - 18, broken.clone()));
    let found = npz::read(&folder.path().join("npz").join(format!("{}.npz", names[48])), 100).unwrap();
    assert_eq!(found.regions.boxes, store.get(&names[48]).unwrap().boxes);

    // What was left out is tried again when an extraction is resumed, and is an error there without the switch.
    let partial = folder.path().join(".resumed.partial");
    let resumed = folder.path().join("resumed");
    let settings = ExtractSettings { batch: 16.try_into().unwrap(), layout: FeatureLayout::Packed, skip_broken: true };
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        extract(&vision, &images, &resumed, &settings, &LoadOptions::default(), &mut |at| {
            assert!(at.done < 1030, "ended here");
        })
    }));
    assert!(ended.is_err() && partial.join("features-00000.safetensors").exists());
    let error = run(&resumed, FeatureLayout::Packed, false).unwrap_err();
    assert!(error.to_string().contains(&broken[0]), "{error}");
    let report = run(&resumed, FeatureLayout::Packed, true).unwrap();
    assert_eq!((report.images, report.resumed, left_out(&report)), (1100 - 18, 1024 - 17, broken.clone()));
    assert_eq!(FeatureStore::open(&resumed).unwrap().names().len(), 1100 - 18);

    // Nothing but broken ones is an error, and so is a command without the switch.
    let none = folder.path().join("none");
    std::fs::create_dir(&none).unwrap();
    std::fs::copy(images.join(&broken[0]), none.join("broken.png")).unwrap();
    let command = |images: &Path, more: &[&str]| {
        let mut command = programs::command("mmnas");
        command.args(["extract", "--vision"]).arg(&vision);
        let output = command.arg("--images").arg(images).arg("--out").arg(folder.path().join("of-command")).args(more);
        output.output().unwrap()
    };
    for more in [&[] as &[&str], &["--skip-broken"]] {
        let output = command(&none, more);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains("broken.png"), "{told}");
    }
    std::fs::copy(images.join(&names[4]), none.join("whole.png")).unwrap();
    let output = command(&none, &["--skip-broken"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.starts_with("mmnas: left out broken.png: "), "{told}");
}
