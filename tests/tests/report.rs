//! The report of a run, on a folder that the test writes: parsed as XML, it holds every block, image and number, nothing
//! from elsewhere and nothing that a file smuggled in.

#[path = "report/front.rs"]
mod front;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use mmnas_search::report::{ReportOptions, report};
use mmnas_search::task::example::{Example, RankedCandidate};
use mmnas_tests::programs;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::json;

const EVIL: &str = "<script>alert('x')</script> & \"quotes\" http\u{1}";

struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    fn new() -> Run {
        let run = Run { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(run.path("run")).unwrap();
        std::fs::create_dir(run.path("images")).unwrap();
        run.write(
            "inputs.json",
            r#"{"task": "vqa", "samples_sha256": "a", "vision_sha256": "b", "architecture": null}"#,
        );
        run.write(
            "recipe.toml",
            &format!("seed = 7\n# {}\n[search.weights]\nepochs = 10\n", EVIL.trim_end_matches('\u{1}')),
        );
        run
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path("run").join(name), text).unwrap();
    }

    /// Three encoder and four decoder blocks of an open set of operations, `epochs` epochs with all notes.
    fn search(&self, epochs: usize) {
        let encoder = ["self_att_64", "feed_forward", "sep_conv_3"];
        let decoder = ["self_att_16", "rel_self_att_64", "guided_att_64", "feed_forward_2", EVIL];
        self.write(
            "space.json",
            &json!({"encoder": [encoder, encoder, encoder], "decoder": [decoder, decoder, decoder, decoder]})
                .to_string(),
        );
        let record = |epoch: usize| {
            let p = [0.2 + 0.3 * epoch as f64 / epochs as f64, 0.3, 0.2];
            let q = [p[0], 0.1, 0.2, 0.1, 0.1];
            json!({
                "epoch": epoch, "learning_rate": 4e-4, "loss": 3.0 / (epoch + 1) as f64, "validation": 0.5 + 0.4 * epoch as f64 / epochs as f64,
                "seconds": 60.0, "entropy": 0.9, "agreement": 0.8, "strategy": "gradient full", "architecture": EVIL,
                "metrics": {"recall@1 image→text": 0.4, "recall@5 image→text": 0.7, "accuracy yes/no": 0.8, EVIL: 12.5},
                "shares": {"self_att_16": 0.5, "feed_forward": 0.25, EVIL: 0.25},
                "probabilities": [p, p, p, q, q, q, q],
            })
            .to_string()
        };
        self.write("log.jsonl", &(0..epochs).map(|epoch| record(epoch) + "\n").collect::<String>());
        let architecture = r#"{"epoch0": {"enc": [["self_att_64"], ["feed_forward"], ["self_att_64"]],
            "dec": [["rel_self_att_64"], ["guided_att_64"], ["feed_forward"], ["guided_att_64"]]}}"#;
        self.write("architecture.json", architecture);
    }

    /// Six wrong and two right examples; images of 640 × 480 for two, broken or missing for others.
    fn examples(&self) {
        image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x / 3) as u8, (y / 2) as u8, 90]))
            .save(self.path("images/photo.jpg"))
            .unwrap();
        std::fs::write(self.path("images/broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
        let example = |k: usize, image: &str| Example {
            image: image.into(),
            text: format!("{EVIL} {k}?"),
            expected: EVIL.into(),
            found: "a dog".into(),
            right: k >= 6,
            score: Some(0.625),
            expected_box: Some([10.0, 20.0, 200.0, 240.0]),
            found_box: Some([-50.0, 30.0, 4000.0, 260.0]),
            candidates: vec![RankedCandidate { image: "photo.jpg".into(), text: EVIL.into(), score: 0.5, right: true }],
        };
        let images = [
            "photo.jpg",
            "broken.png",
            EVIL,
            "../run/recipe.toml",
            "photo.jpg",
            "missing.png",
            "photo.jpg",
            "none.png",
        ];
        let lines =
            images.iter().enumerate().map(|(k, image)| serde_json::to_string(&example(k, image)).unwrap() + "\n");
        self.write("examples.jsonl", &lines.collect::<String>());
    }

    fn report(&self, options: ReportOptions) -> String {
        let files = report(&self.path("run"), &options).unwrap();
        std::fs::read_to_string(&files[0]).unwrap()
    }
}

fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).unwrap_or_else(|e| panic!("{e}"))
}

fn elements<'a>(document: &'a Document<'_>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.tag_name().name() == name)
}

fn class<'a>(document: &'a Document<'_>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    let has = move |node: &Node<'_, '_>| node.attribute("class").is_some_and(|c| c.split(' ').any(|c| c == name));
    document.descendants().filter(has)
}

fn words(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
}

/// Nothing runs, nothing is loaded from elsewhere, no number is none.
fn assert_self_contained(text: &str, document: &Document<'_>) {
    for name in ["script", "link", "iframe", "object", "foreignObject"] {
        assert_eq!(elements(document, name).count(), 0, "{name}");
    }
    for node in document.descendants() {
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on"), "{name}");
            let inside = value.starts_with('#') || value.starts_with("data:image/");
            assert!(!matches!(name, "href" | "src") || inside, "{name}={value:.80}");
        }
    }
    let style: String = elements(document, "style").map(words).collect();
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert!(!text.contains("NaN") && !text.contains("inf\""));
    let addresses = text.matches("://").count();
    assert_eq!(addresses, text.matches("http://www.w3.org/2000/svg").count(), "no address but the SVG namespace");
}

#[test]
fn the_page_shows_all_that_was_recorded() {
    let run = Run::new();
    run.search(6);
    run.examples();
    let text = run.report(ReportOptions { images: Some(run.path("images")), ..ReportOptions::default() });
    let page = parse(&text);
    assert_self_contained(&text, &page);
    let headings: Vec<String> = elements(&page, "h3").map(words).collect();
    let charts = ["training loss", "validation, best ringed", "recall image→text", "accuracy yes/no", "learning rate"];
    let blocks = (1..=3).map(|k| format!("encoder {k}")).chain((1..=4).map(|k| format!("decoder {k}")));
    let notes = ["entropy of alpha", "agreement with", "operations that lead"].map(str::to_owned);
    for wanted in charts.map(str::to_owned).into_iter().chain(notes).chain(blocks.clone()) {
        assert_eq!(headings.iter().filter(|h| h.starts_with(&wanted)).count(), 1, "{wanted}: {headings:?}");
    }
    let titles: Vec<String> = elements(&page, "title").map(words).collect();
    for (block, operation) in
        blocks.zip(["self_att_64", "feed_forward", "self_att_64", "rel_self_att_64", "guided_att_64", "feed_forward"])
    {
        assert!(titles.iter().any(|t| t.starts_with(&format!("{block}: {operation},"))), "{block} is in the picture");
    }
    // Values under the pointer and beside the lines, facts.
    assert!(titles.iter().any(|t| t == "epoch 5\n@5 70.0 %\n@1 40.0 %"), "{titles:?}");
    let all = words(page.root());
    for wanted in
        ["gradient full", "6 of 10", "4 min 0 s to go", "83.33 %", "epoch 5", "question answering", "@5 70.0 %"]
    {
        assert!(all.contains(wanted), "{wanted}");
    }
    assert!(all.contains("<script>alert('x')</script> & \"quotes\" http\u{fffd}"), "what is escaped is still shown");
    assert!(text.len() < 600_000, "{} bytes", text.len());
}

#[test]
fn examples_are_cards_with_their_images_and_boxes() {
    let run = Run::new();
    run.search(2);
    run.examples();
    let text = run.report(ReportOptions { images: Some(run.path("images")), examples: 6, ..ReportOptions::default() });
    let page = parse(&text);
    // Two right ones, so four of the six wrong ones: 0, 1, 3, 4.
    let cards: Vec<Node<'_, '_>> = elements(&page, "article").collect();
    let right = |card: &Node<'_, '_>| words(*card).contains("✓ right");
    assert_eq!(cards.iter().map(right).collect::<Vec<_>>(), [false, false, false, false, true, true]);
    let asked: Vec<char> =
        class(&page, "asked").map(|node| words(node).trim_end_matches('?').chars().last().unwrap()).collect();
    assert_eq!(asked, ['0', '1', '3', '4', '6', '7']);
    let placeholders: Vec<String> = class(&page, "placeholder").map(words).collect();
    for (name, why) in
        [("broken.png", "cannot be read"), ("../run/recipe.toml", "not a name inside"), ("none.png", "not found")]
    {
        assert!(placeholders.iter().any(|p| p.contains(name) && p.contains(why)), "{name}: {placeholders:?}");
    }
    assert_eq!(placeholders.len(), 3);
    // Each card's candidate has the photo too.
    let images: Vec<Node<'_, '_>> = elements(&page, "image").collect();
    assert_eq!(images.len(), 3 + 6);
    let image = images[0];
    let (_, data) = image.attribute("href").unwrap().split_once("base64,").unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let copy = image::load_from_memory(&bytes).unwrap().to_rgb8();
    assert_eq!(copy.dimensions(), (320, 240));
    let pixel = copy.get_pixel(160, 120).0;
    assert!(pixel.iter().zip([107u8, 120, 90]).all(|(a, b)| a.abs_diff(b) < 12), "{pixel:?}");
    assert_eq!(image.parent().unwrap().attribute("viewBox"), Some("0 0 640 480"), "boxes are in pixels of the image");
    let corners =
        |node: Node<'_, '_>| ["x", "y", "width", "height"].map(|name| node.attribute(name).unwrap().to_owned());
    assert_eq!(class(&page, "expected-box").map(corners).next().unwrap(), ["10", "20", "190", "220"]);
    assert_eq!(class(&page, "found-box").map(corners).next().unwrap(), ["0", "30", "640", "230"]);
}

#[test]
fn pictures_alone_are_whole_svg_files() {
    let run = Run::new();
    run.search(6);
    let (svg, alpha) = (run.path("a.svg"), run.path("alpha.svg"));
    let options = ReportOptions { svg: Some(svg.clone()), alpha_svg: Some(alpha.clone()), ..ReportOptions::default() };
    let files = report(&run.path("run"), &options).unwrap();
    assert_eq!(files, [run.path("run/report.html"), svg.clone(), alpha.clone()]);
    for (file, wanted) in [
        (
            &svg,
            vec!["encoder", "decoder", "question", "image regions", "AttFlat", "RSA", "answers", "the encoded text"],
        ),
        (&alpha, vec!["encoder 3", "decoder 4", "SConv3 separable convolution 3", "GA guided attention", "50 %"]),
    ] {
        let text = std::fs::read_to_string(file).unwrap();
        let picture = parse(&text);
        assert_self_contained(&text, &picture);
        assert_eq!(picture.root_element().tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
        assert!(text.contains("prefers-color-scheme:dark"));
        let all: Vec<String> = elements(&picture, "text").map(words).collect();
        for wanted in wanted {
            assert!(all.iter().any(|t| t == wanted), "{wanted}: {all:?}");
        }
        inside(&picture);
    }
    let text = std::fs::read_to_string(&svg).unwrap();
    let picture = parse(&text);
    // A head for each of the two guided blocks and a dot where the encoded text leaves the encoder.
    assert_eq!(class(&picture, "guide-head").count(), 3);
    assert_eq!(class(&picture, "ink").count(), 7 + 4, "seven blocks, four in the legend");
}

/// All rectangles and texts begin inside the picture.
fn inside(picture: &Document<'_>) {
    let number =
        |node: Node<'_, '_>, name: &str| node.attribute(name).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    let root = picture.root_element();
    let (width, height) = (number(root, "width"), number(root, "height"));
    for node in picture.descendants().filter(|n| matches!(n.tag_name().name(), "rect" | "text")) {
        let shift = node.ancestors().filter_map(|a| a.attribute("transform")).next().map_or((0.0, 0.0), |t| {
            let (x, y) = t.trim_start_matches("translate(").trim_end_matches(')').split_once(' ').unwrap();
            (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
        });
        let (x, y) = (number(node, "x") + shift.0, number(node, "y") + shift.1);
        let (right, bottom) = (x + number(node, "width"), y + number(node, "height"));
        assert!(x >= 0.0 && y >= 0.0 && right <= width && bottom <= height, "{node:?} at {x}, {y}");
    }
}

#[test]
fn finals_are_listed_the_best_first() {
    let run = Run::new();
    run.search(6);
    assert!(!run.report(ReportOptions::default()).contains("alpha part"));
    let result = |operation: &str, rate: f64, score: f64| {
        let architecture = json!({"enc": [["self_att_64"]], "dec": [[operation]]});
        json!({"architecture": architecture, "hidden": 64, "rate": rate, "score": score, "seconds": 61.2})
    };
    let results =
        [result("guided_att_64", 1.0, 0.5), result("feed_forward", 2.5, 0.75), result("guided_att_64", 2.5, 0.25)];
    run.write("finals.json", &json!({"planned": 5, "results": results}).to_string());
    let text = run.report(ReportOptions::default());
    let page = parse(&text);
    assert_self_contained(&text, &page);
    let section = elements(&page, "section").find(|section| section.attribute("id") == Some("finals")).unwrap();
    let rows: Vec<String> = section.descendants().filter(|node| node.has_tag_name("tr")).map(words).collect();
    assert!(words(section).contains("3 of 5 trainings") && words(section).contains("leads so far"));
    assert_eq!(rows.len(), 4, "{rows:?}");
    for (row, expected) in
        rows[1..].iter().zip(["75.00 %2.5061enc SA, dec FFN", "50.00 %1.0061enc SA, dec GA", "25.00 %2.5061"])
    {
        let row: String = row.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(row.replace(' ', "").starts_with(&expected.replace(' ', "")), "{row}");
    }
    run.write("finals.json", r#"{"planned": 1, "results": [{}]}"#);
    let error = report(&run.path("run"), &ReportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("finals.json") && error.contains("architecture"), "{error}");
}

#[test]
fn what_is_missing_is_left_out() {
    let run = Run::new();
    let text = run.report(ReportOptions::default());
    assert!(text.contains("No epoch has ended yet.") && text.contains("0 of 10"), "a run that has just started");
    parse(&text);
    let options = ReportOptions { svg: Some(run.path("a.svg")), ..ReportOptions::default() };
    let error = report(&run.path("run"), &options).unwrap_err().to_string();
    assert!(error.contains("architecture.json"), "{error}");

    // Only the fixed keys, then notes of other types than they should have; the published pool where no space is named.
    let bare = json!({"epoch": 0, "learning_rate": 1e-3, "loss": 2.5, "validation": 0.5, "seconds": 3.0});
    run.write("log.jsonl", &format!("{bare}\n"));
    let text = run.report(ReportOptions::default());
    assert_self_contained(&text, &parse(&text));
    let options = ReportOptions { alpha_svg: Some(run.path("a.svg")), ..ReportOptions::default() };
    let error = report(&run.path("run"), &options).unwrap_err().to_string();
    assert!(error.contains("log.jsonl: probabilities"), "{error}");
    let mut odd = bare.clone();
    for (key, value) in
        [("metrics", json!([1])), ("entropy", json!("low")), ("shares", json!(3)), ("strategy", json!({}))]
    {
        odd[key] = value;
    }
    odd["probabilities"] = json!([[0.5, 0.5], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]]);
    run.write("log.jsonl", &format!("{bare}\n{odd}\n{bare}\n"));
    let text = run.report(ReportOptions::default());
    let page = parse(&text);
    assert_self_contained(&text, &page);
    let titles: Vec<String> = elements(&page, "title").map(words).collect();
    assert!(titles.iter().any(|t| t == "epoch 1\nFFN 40.0 %\nGA 30.0 %\nRSA 20.0 %\nSA 10.0 %"), "{titles:?}");

    run.write("log.jsonl", "{\"epoch\": 0}\n");
    let error = report(&run.path("run"), &ReportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("log.jsonl") && error.contains("line 1"), "{error}");
    let error = report(&run.path("images"), &ReportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("inputs.json"), "not a run's folder: {error}");
}

#[test]
fn a_retraining_shows_its_network() {
    let run = Run::new();
    let architecture = json!({"enc": [["self_att_64"]], "dec": [["guided_att_64"]]});
    run.write(
        "inputs.json",
        &json!({"task": "vgd", "samples_sha256": "a", "vision_sha256": "b", "architecture": architecture}).to_string(),
    );
    run.write("network.json", r#"{"parameters": 1061007, "provenance": {"version": "0.1.0-test"}}"#);
    let record = |epoch: usize| {
        json!({"epoch": epoch, "learning_rate": 1e-3, "loss": 1.0, "validation": 0.5, "seconds": 3.0}).to_string()
    };
    run.write("log.jsonl", &(0..3000).map(|epoch| record(epoch) + "\n").collect::<String>());
    let text = run.report(ReportOptions::default());
    let page = parse(&text);
    assert_self_contained(&text, &page);
    let all = words(page.root());
    for wanted in ["Retraining: run", "1,061,007", "0.1.0-test", "visual grounding", "2 h 30 min", "enc SA, dec GA"] {
        assert!(all.contains(wanted), "{wanted}");
    }
    assert!(text.len() < 1_000_000, "{} bytes: long runs are thinned", text.len());
}

#[test]
fn the_program_writes_where_it_is_told() {
    let run = Run::new();
    run.search(2);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (folder, out, svg) = (text(&run.path("run")), text(&run.path("o.html")), text(&run.path("o.svg")));
    let output = programs::run("mmnas-search", &["report", &folder, "--out", &out, "--svg", &svg, "--examples", "3"]);
    assert!(output.code == Some(0), "{}", output.stderr);
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), [out.as_str(), svg.as_str()]);
    assert!(run.path("o.html").exists() && run.path("o.svg").exists() && !run.path("run/report.html").exists());
}
