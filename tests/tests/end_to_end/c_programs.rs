//! The C example, compiled by the system's compiler, linked both ways, run on a PNG.

use mmnas_tests::c_consumer::{Library, Linkage, Output, run, workspace_root};
use mmnas_tests::programs::onnxruntime;

use crate::{SMALL, learnt_sample, load};

fn example(name: &str, linkage: Linkage, arguments: &[&str], onnxruntime: &std::path::Path) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let source = workspace_root().join("ffi/examples").join(name);
    let program = Library::build().unwrap().compile(&source, linkage, folder.path(), &[]).unwrap();
    run(&program, arguments, [("MMNAS_ORT_DYLIB", onnxruntime)]).unwrap()
}

#[test]
fn a_c_program_answers_linked_both_ways() {
    let sample = learnt_sample(&load());
    let (bundle, image) = (SMALL.1.display().to_string(), SMALL.0.image(&sample.image).display().to_string());
    for linkage in [Linkage::Shared, Linkage::Static] {
        let output = example("answer.c", linkage, &[&bundle, &image, &sample.question], &onnxruntime());
        assert_eq!(output.code, Some(0), "{linkage:?}: {}", output.stderr);
        let first = output.stdout.lines().next().unwrap_or_default();
        assert!(first.ends_with(&format!("%  {}", sample.answer)), "{linkage:?}, {}: {}", sample.answer, output.stdout);
        assert_eq!(output.stdout.lines().count(), 3);
        assert!(output.stderr.is_empty(), "{}", output.stderr);
    }
}

#[test]
fn python_answers_by_plain_foreign_functions() {
    let model = load();
    let sample = learnt_sample(&model);
    let image = SMALL.0.image(&sample.image);
    let expected = model.answer(&model.encode_image_file(&image).unwrap(), &sample.question, 3).unwrap();
    let mut python = std::process::Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    python.arg(workspace_root().join("ffi/examples/answer.py")).arg(Library::build().unwrap().shared());
    python.arg(&SMALL.1).arg(&image).arg(&sample.question).env("MMNAS_ORT_DYLIB", onnxruntime());
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<String> = expected.iter().map(|a| format!("{:5.1} %  {}", 100.0 * a.probability, a.label)).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), lines);
}

#[test]
fn a_c_program_tells_what_is_wrong() {
    let sample = &SMALL.0.samples[0];
    let (bundle, image) = (SMALL.1.display().to_string(), SMALL.0.image(&sample.image).display().to_string());
    let text = SMALL.0.path("small.jsonl").display().to_string();
    let nowhere = SMALL.0.path("nowhere").display().to_string();
    let library = onnxruntime();
    let missing = std::path::Path::new("/nonexistent/libonnxruntime.so");
    let cases: [(&[&str], &std::path::Path, &str); 4] = [
        (&[&nowhere, &image, "what?"], &library, "MMNAS_STATUS_IO: "),
        (&[&bundle, &text, "what?"], &library, "MMNAS_STATUS_IMAGE: "),
        (&[&bundle, &image, "?"], &library, "MMNAS_STATUS_EMPTY_TEXT: "),
        (&[&bundle, &image, "what?"], missing, "MMNAS_STATUS_ONNX_RUNTIME_MISSING: "),
    ];
    for (arguments, library, expected) in cases {
        let output = example("answer.c", Linkage::Shared, arguments, library);
        assert_eq!(output.code, Some(1), "{arguments:?}");
        assert!(output.stderr.contains(expected), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stderr.trim().lines().count(), 1, "{}", output.stderr);
    }
}
