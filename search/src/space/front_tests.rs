//! Fronts for tests, and tests of their file.

use mmnas_bundle::latency::costs::Quantity;
use mmnas_bundle::latency::table::Environment;
use mmnas_bundle::manifest::{Form, Format, TaskName};
use serde_json::{Value, json};

use crate::recipe::limited_part::LimitedPart;
use crate::space::front::{Cost, FRONT_FORMAT, Front, FrontPoint, FrontReference, FrontSettings, FrontSource};
use crate::space::presets::preset;

/// A front with these milliseconds and accuracies, of MCAN with 1, 2, … layers.
pub(crate) fn front(name: &str, points: &[(f64, f64)]) -> Front {
    let settings =
        FrontSettings { population: 4, generations: 2, mutation: 0.1, samples_compared: 9, random: 0, seed: 7 };
    let source = FrontSource {
        name: name.to_owned(),
        recipe: Value::Null,
        samples_sha256: "a".to_owned(),
        vision_sha256: name.to_owned(),
        latency_sha256: "c".to_owned(),
        hidden: 64,
        tokens: 7,
        regions: 36,
        settings,
        samples: 9,
        scored: 12,
        added: 0.0,
    };
    let point = |(k, &(milliseconds, accuracy)): (usize, &(f64, f64))| FrontPoint {
        architecture: preset(&format!("mcan:{}", k + 1)).unwrap(),
        cost: Cost::Milliseconds(milliseconds),
        accuracy,
        from: None,
    };
    Front {
        format: Format::current(FRONT_FORMAT),
        version: "0.1.0".to_owned(),
        task: TaskName::Vqa,
        form: Form::ORT_FP32,
        of: LimitedPart::KnownImage,
        quantity: Quantity::Milliseconds,
        environment: Environment {
            device: "a board".to_owned(),
            flags: Vec::new(),
            provider: "cpu".to_owned(),
            threads: 1,
            onnxruntime: "1".to_owned(),
            system: "linux".to_owned(),
        },
        sources: vec![source],
        points: points.iter().enumerate().map(point).collect(),
        baselines: Vec::new(),
        random: Vec::new(),
    }
}

#[test]
fn what_is_written_is_read_again_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("front.json");
    let mut written = front("run", &[(1.0 / 3.0, 0.1 + 0.2), (2.0, 0.5)]);
    let architecture = preset("mcan").unwrap();
    for (name, accuracy) in [("mcan", None), ("random 1", Some(0.25))] {
        let reference = FrontReference {
            name: name.to_owned(),
            architecture: architecture.clone(),
            cost: Cost::Milliseconds(9.5),
            accuracy,
            from: None,
        };
        written.baselines.push(reference);
    }
    written.write(&file).unwrap();
    assert_eq!(Front::read(&file).unwrap(), written);
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(
        (&json["points"][1]["milliseconds"], &json["form"], &json["of"]),
        (&json!(2.0), &json!("ort-fp32"), &json!("known-image"))
    );
    assert_eq!(json["points"][0]["architecture"]["enc"][0][0], "self_att_64");
    let error = written.write(&file).unwrap_err().to_string();
    assert!(error.contains("front.json: already exists"), "{error}");
    let megabytes = Cost::of(Quantity::Megabytes, 3.0).plus(1.0);
    assert_eq!(serde_json::to_value(megabytes).unwrap(), json!({ "megabytes": 4.0 }));
    for quantity in Quantity::ALL {
        assert_eq!(Cost::of(quantity, 1.5).quantity(), quantity);
    }
}

#[test]
fn a_bad_front_is_an_error_that_names_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.json");
    let good = serde_json::to_value(front("run", &[(1.0, 0.3), (2.0, 0.5), (3.0, 0.6)])).unwrap();
    let reference = json!({ "name": "mcan", "architecture": good["points"][0]["architecture"], "milliseconds": 1.0, "accuracy": 0.5 });
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: [(Change<'_>, &str); 16] = [
        (&|f| f["format"]["name"] = json!("mmnas-latency"), "format.name: expected \"mmnas-front\""),
        (&|f| f["format"]["major"] = json!(99), "newer than 1.x"),
        (&|f| f["points"] = json!([]), "points: expected at least one"),
        (&|f| f["sources"] = json!([]), "sources: expected at least one"),
        (&|f| f["points"][1]["milliseconds"] = Value::Null, "line"),
        (&|f| f["points"][1]["milliseconds"] = json!(0.0), "points[1].milliseconds: expected a number above 0"),
        (&|f| f["points"][1]["milliseconds"] = json!(-1.0), "points[1].milliseconds"),
        (&|f| f["points"][1]["milliseconds"] = json!(4.0), "points[2].milliseconds: expected more than 4"),
        (&|f| f["points"][1]["accuracy"] = json!(1.5), "points[1].accuracy: expected a number from 0 to 1"),
        (&|f| f["points"][1]["accuracy"] = json!(0.3), "points[1].accuracy: expected more than 0.3"),
        (
            &|f| f["points"][1]["from"] = json!("elsewhere"),
            "points[1].from: expected the name of a source, found elsewhere",
        ),
        (&|f| f["quantity"] = json!("megabytes"), "points[0]: expected megabytes, found milliseconds"),
        (&|f| f["points"][1]["architecture"] = json!({}), "line"),
        (&|f| f["form"] = json!("ort-fp8"), "ort-fp8"),
        (&|f| f["of"] = json!("pictures"), "pictures"),
        (
            &|f| {
                f["baselines"] =
                    json!([reference, { "name": "x", "architecture": reference["architecture"], "milliseconds": -2.0 }])
            },
            "baselines[1].milliseconds",
        ),
    ];
    for (change, words) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        std::fs::write(&file, bad.to_string()).unwrap();
        let error = Front::read(&file).unwrap_err().to_string();
        assert!(error.contains("bad.json") && error.contains(words), "{words}: {error}");
    }
    // What JSON cannot hold is not written either.
    let nan = front("run", &[(f64::NAN, 0.5)]);
    let error = nan.write(&folder.path().join("nan.json")).unwrap_err().to_string();
    assert!(error.contains("points[0].milliseconds") && !folder.path().join("nan.json").exists(), "{error}");
    assert!(front("run", &[(1.0, f64::NAN)]).check(&file).unwrap_err().to_string().contains("points[0].accuracy"));
}
