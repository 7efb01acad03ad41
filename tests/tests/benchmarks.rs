//! The benchmark and the check for GPUs run; how fast is not for a test to say.

use std::process::{Command, Output};

use serde_json::Value;

fn output(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"))
}

fn bench(arguments: &[&str]) -> Output {
    output(env!("CARGO_BIN_EXE_bench-search"), &[&["--quick"], arguments].concat())
}

/// Every number in `value`; each must be finite and, unless it is a difference, above 0.
fn numbers(name: &str, value: &Value, found: &mut usize) {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            assert!(number.is_finite() && (number > 0.0 || name.contains("difference")), "{name}: {number}");
            *found += 1;
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| numbers(key, value, found)),
        Value::Array(list) => list.iter().for_each(|value| numbers(name, value, found)),
        // JSON has no other form for what is not a number.
        Value::Null => panic!("{name} is not a number"),
        _ => {}
    }
}

#[test]
fn the_benchmark_prints_finite_numbers() {
    for (arguments, comparisons) in [(&["--json"][..], 4), (&["--json", "--only", "precision"], 2)] {
        let output = bench(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["machine"].as_str().unwrap().contains(" threads"));
        let list = report["comparisons"].as_array().unwrap();
        assert_eq!(list.len(), comparisons);
        for comparison in list {
            let mut found = 0;
            numbers("", comparison, &mut found);
            // Median, least and most of two ways and their ratio.
            assert!(found >= 9, "{comparison}");
            if let Some(difference) = comparison["figures"]["relative difference of the losses"].as_f64() {
                let precision = comparison["name"].as_str().unwrap().contains("precision");
                assert!(difference <= if precision { 2e-2 } else { 1e-5 }, "{comparison}");
            }
        }
    }
    let text = bench(&["--only", "relations"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("second over first"));
}

#[test]
fn a_device_that_is_not_there_is_one_line_and_exit_code_1() {
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_bench-search"), ["--device", "gpu"]),
        (env!("CARGO_BIN_EXE_gpu-check"), ["--device", "cuda:4096"]),
    ] {
        let output = output(program, &arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        // Without a GPU the library is missing, or finds none; with one the number is too high.
        assert!(message.contains(&format!("device {}: expected ", arguments[1])), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_check_passes_on_the_processor() {
    let output = output(env!("CARGO_BIN_EXE_gpu-check"), &["--device", "cpu"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for what in ["official, net_vqa, logits", "super_vgd, two.alpha_after", "super_vqa, full.gate_grad", "bfloat16"] {
        assert!(text.contains(what), "{text}");
    }
    assert!(text.ends_with("all agree\n") && !text.contains("DIFFERS"));
}

#[test]
fn the_exports_benchmark_measures_every_form_and_every_way_in_8_bits() {
    for (arguments, contenders) in [(&[][..], 6), (&["--int8"][..], 4)] {
        let quick = ["--quick", "--json", "--repetitions", "2", "--threads", "1"];
        let output = output(env!("CARGO_BIN_EXE_bench-export"), &[&quick[..], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let calls = report["calls"].as_array().unwrap();
        assert_eq!(calls.len(), 3);
        for call in calls {
            let forms = call["forms"].as_array().unwrap();
            assert_eq!(forms.len(), contenders);
            for form in forms {
                assert!(form["milliseconds"]["median"].as_f64().unwrap() > 0.0, "{form}");
                assert!(form["difference"].as_f64().unwrap() < 0.2 && form["bytes"].as_u64().unwrap() > 0, "{form}");
            }
        }
    }
}

#[test]
fn the_runtimes_benchmarks_measure_every_call_and_the_service() {
    let quick = ["--quick", "--json", "--repetitions", "2", "--threads", "1", "--retrieval", "6", "2"];
    let output_of = |program: &str, arguments: &[&str]| -> Value {
        let output = output(program, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let report = output_of(env!("CARGO_BIN_EXE_bench-runtime"), &quick);
    let calls = report["calls"].as_array().unwrap();
    // Whole and kept in two forms; for VQA six first answers beside, for ITM retrieval in two forms, seen in two ways.
    assert_eq!(calls.iter().map(|call| call["rows"].as_array().unwrap().len()).collect::<Vec<_>>(), [10, 8, 4]);
    for call in calls {
        let mut found = 0;
        numbers("", call, &mut found);
        assert!(found >= 30, "{call}");
    }
    let sharing = report["sharing"]["comparisons"].as_array().unwrap();
    assert_eq!(sharing.len(), 4);
    for comparison in sharing {
        let mut found = 0;
        numbers("", comparison, &mut found);
        assert!(found >= 9, "{comparison}");
    }
    let report = output_of(env!("CARGO_BIN_EXE_bench-service"), &["--quick", "--json", "--clients", "4"]);
    for load in report["loads"].as_array().unwrap() {
        assert!(load["requests"].as_u64().unwrap() > 4 && load["failed"].as_u64() == Some(0), "{load}");
        assert!(load["p99_milliseconds"].as_f64() >= load["p50_milliseconds"].as_f64(), "{load}");
    }
}

#[test]
fn predictions_are_set_beside_networks_and_kept_tables_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("kept").display().to_string();
    let bench = || output(env!("CARGO_BIN_EXE_bench-latency"), &["--quick", "--json", "--keep", &keep]);
    let first = bench();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    // Three tasks in two forms.
    assert_eq!(rows.len(), 6);
    for row in rows {
        assert_eq!(row["networks"].as_array().map(Vec::len), Some(3), "{row}");
        assert!(row["mean_error"].as_f64().is_some_and(|error| error >= 0.0 && error.is_finite()), "{row}");
    }
    // Nothing is measured anew, and nothing but the tables lies there.
    assert_eq!(bench().stdout, first.stdout);
    assert_eq!(std::fs::read_dir(&keep).unwrap().count(), 3);
}
