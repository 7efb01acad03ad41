//! What the exporter writes, read by other people's readers: the official ONNX checker, Triton's schema, and ONNX Runtime
//! with its warnings heard.

use std::path::Path;

use mmnas_bundle::manifest::{Form, TaskName};
use mmnas_bundle::{Bundle, FileRecord};
use mmnas_export::{ExportSettings, Int8Scheme, TritonSettings, write_triton};
use mmnas_search::bundle::golden::record_stages;
use mmnas_search::bundle::vision;
use mmnas_search::rng;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::exported::{all_forms, formula_network, grid_vision, random_architecture, weights_of, write};
use mmnas_tests::fixtures::official;
use mmnas_tests::{programs, python};

/// Bundles of all tasks with the operations of the paper and with all, in every form, with weights inside and beside.
fn bundles(folder: &Path) -> usize {
    let mut graphs = 0;
    let blocks = ExportSettings { int8: Int8Scheme::PerBlock, ..all_forms() };
    let beside = ExportSettings { external_over: 1000, ..all_forms() };
    let all = [all_forms(), blocks, beside];
    for (number, settings) in all.into_iter().cycle().take(9).enumerate() {
        let task = [TaskName::Vqa, TaskName::Itm, TaskName::Vgd][number % 3];
        let d = official(128, if task == TaskName::Vqa { 17 } else { 1 });
        let architecture = random_architecture(&mut rng(15, "files", number as u64), number >= 3, &d);
        let network = formula_network(task, &architecture, &d);
        let recorded = record_stages(&network, task, 14, 12, 1).unwrap();
        let out = folder.join(number.to_string());
        write((task, &network), &architecture, &weights_of(&network), &recorded, settings, &out);
        graphs += 6 * 3 + 3;
    }
    graphs
}

#[test]
fn the_official_checker_accepts_every_graph() {
    let folder = tempfile::tempdir().unwrap();
    let graphs = bundles(folder.path());
    let checkpoint = workspace_root().join(".native/efficientnet/efficientnet_lite0.pth");
    vision::export_vision(&checkpoint, &grid_vision(64, 2), 1, &folder.path().join("vision")).unwrap();
    assert_eq!(python::run("check_onnx.py", &[folder.path()]), (graphs + 1).to_string());
}

#[test]
fn onnx_runtime_has_no_warning_when_it_loads_them() {
    let folder = tempfile::tempdir().unwrap();
    bundles(folder.path());
    for number in 0..9 {
        let bundle = folder.path().join(number.to_string()).display().to_string();
        let output = programs::run("mmnas", &["-vv", "verify", &bundle]);
        assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
        assert_eq!(complaints(&output.stderr), Vec::<&str>::new());
    }
    // That a warning would be heard: a graph that ONNX Runtime has to complain about.
    let (bundle, graph) = (folder.path().join("0"), "text.onnx");
    python::run("add_unused_weight.py", &[&bundle.join(graph)]);
    let file = bundle.join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    manifest["files"][graph] =
        serde_json::to_value(FileRecord::of(&std::fs::read(bundle.join(graph)).unwrap())).unwrap();
    std::fs::write(file, manifest.to_string()).unwrap();
    let output = programs::run("mmnas", &["-vv", "verify", &bundle.display().to_string()]);
    assert!(complaints(&output.stderr).iter().any(|line| line.contains("unused")), "{}", output.stderr);
}

/// Warnings and errors, through our log or past it.
fn complaints(log: &str) -> Vec<&str> {
    let marks = ["WARN", "ERROR", "[W:", "[E:"];
    log.lines().filter(|line| marks.iter().any(|mark| line.contains(mark))).collect()
}

#[test]
fn triton_repositories_follow_the_published_schema() {
    let folder = tempfile::tempdir().unwrap();
    bundles(folder.path());
    for number in 0..9 {
        let bundle = Bundle::open(&folder.path().join(number.to_string()), true).unwrap();
        let form: Form = "portable-fp16".parse().unwrap();
        let settings = TritonSettings { form, name: "net".to_owned(), max_batch: 16 };
        let out = folder.path().join(format!("triton-{number}"));
        write_triton(&bundle, &settings, &out).unwrap();
        assert_eq!(python::run("check_triton.py", &[&out]), "4");
        let again = write_triton(&bundle, &settings, &out).unwrap_err().to_string();
        assert!(again.contains("already exists"), "{again}");
        let none = TritonSettings { max_batch: 0, ..settings.clone() };
        let error = write_triton(&bundle, &none, &folder.path().join("never")).unwrap_err().to_string();
        assert!(error.contains("max_batch_size"), "{error}");
        for name in ["", "../net", "a b", ".net"] {
            let settings = TritonSettings { name: name.to_owned(), ..settings.clone() };
            let error = write_triton(&bundle, &settings, &folder.path().join("never")).unwrap_err().to_string();
            assert!(error.contains("name"), "{error}");
        }
    }
}
