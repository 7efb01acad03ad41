//! A front on the page of its search, and as a picture alone.

use mmnas_search::report::{ReportOptions, report};
use serde_json::json;

use super::{EVIL, Run, assert_self_contained, class, elements, inside, parse, words};

#[test]
fn a_front_has_a_picture_and_a_table() {
    let run = Run::new();
    run.search(2);
    let architecture = json!({"enc": [["self_att_64"]], "dec": [["guided_att_64"]]});
    let network = |milliseconds: f64, accuracy: f64| json!({ "architecture": architecture, "milliseconds": milliseconds, "accuracy": accuracy });
    let named = |name: &str, mut network: serde_json::Value| {
        network["name"] = json!(name);
        network
    };
    let settings =
        json!({"population": 4, "generations": 2, "mutation": 0.1, "samples_compared": 9, "random": 1, "seed": 7});
    let source = json!({
        "name": "run", "recipe": {}, "samples_sha256": "a", "vision_sha256": "b", "latency_sha256": "c", "hidden": 64, "tokens": 7,
        "regions": 36, "settings": settings, "samples": 9, "scored": 12,
    });
    let front = |task: &str| {
        json!({
            "format": {"name": "mmnas-front", "major": 1, "minor": 6}, "version": "0.1.0", "task": task, "form": "ort-int8", "of": "all",
            "quantity": "milliseconds", "sources": [source], "points": [network(1.5, 0.25), network(3.25, 0.625)],
            "environment": {"device": EVIL, "flags": [], "provider": "cpu", "threads": 2, "onnxruntime": "1", "system": "linux"},
            "baselines": [named(EVIL, network(2.0, 0.5))], "random": [named("random 1", network(2.5, 0.125))],
        })
    };
    let file = run.path("front.json");
    std::fs::write(&file, front("vqa").to_string()).unwrap();
    let options = || ReportOptions { front: Some(file.clone()), ..ReportOptions::default() };
    let text = run.report(options());
    let page = parse(&text);
    assert_self_contained(&text, &page);
    let section = elements(&page, "section").find(|node| node.attribute("id") == Some("front")).unwrap();
    let rows: Vec<Vec<String>> = section
        .descendants()
        .filter(|node| node.tag_name().name() == "tr")
        .map(|row| row.children().map(words).collect())
        .collect();
    assert_eq!(rows[0], ["point", "ms", "accuracy", "operations"]);
    assert_eq!(rows[2], ["2", "3.25", "62.50 %", "enc SA, dec GA"]);
    assert_eq!((rows.len(), rows[3][2].as_str()), (4, "50.00 %"));
    let told = words(section);
    for wanted in [
        "Of 12 scored",
        "ort-int8 on <script>",
        "2 threads",
        "front.json:1",
        "Random architectures (1): 2.50 to 2.50 ms",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let (svg, read) = (run.path("front.svg"), mmnas_search::space::front::Front::read(&file).unwrap());
    mmnas_search::report::front::write_picture(&read, &svg).unwrap();
    let text = std::fs::read_to_string(&svg).unwrap();
    let picture = parse(&text);
    assert_self_contained(&text, &picture);
    inside(&picture);
    assert_eq!(
        (class(&picture, "edge").count(), class(&picture, "drawn").count()),
        (3, 2),
        "one of them in the legend"
    );

    std::fs::write(&file, front("itm").to_string()).unwrap();
    let error = report(&run.path("run"), &options()).unwrap_err().to_string();
    assert!(error.contains("front.json: task: expected vqa, the run's, found itm"), "{error}");
}
