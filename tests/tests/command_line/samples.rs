//! Files of samples: training and evaluation read the same samples out of them, or say the same of what is wrong.

use mmnas_bundle::{FeatureWriter, RegionFeatures};
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::Task as _;
use mmnas_search::task::itm::data::ItmData;
use mmnas_search::task::vgd::data::VgdData;
use serde_json::{Value, json};

use super::{Place, bundle, fails, mmnas, scene, workspace_root};
use mmnas_tests::programs::run;

/// The scenes of the repository, which the files of `tests/fixtures/cases` are about.
const SCENES: [&str; 8] =
    ["08001.png", "08005.png", "08007.png", "08012.png", "08018.png", "08024.png", "08031.png", "08032.png"];

fn case(name: &str) -> String {
    workspace_root().join("tests/fixtures/cases").join(name).display().to_string()
}

fn recipe() -> Recipe {
    let file = workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
    Recipe::read(&file, &["text.max_tokens=50".to_owned()]).unwrap()
}

/// Region features of the scenes, as wide as `width`; enough to load samples with.
fn write_features(place: &Place, width: usize, size: (u32, u32)) -> String {
    let regions = |k: usize| RegionFeatures {
        features: (0..2 * width).map(|i| ((i + 7 * k) as f32 * 0.37).sin()).collect(),
        boxes: vec![[0.0, 0.0, 40.0, 40.0], [100.0, 90.0, 180.0, 170.0]],
        size,
    };
    std::fs::create_dir(place.path("features")).unwrap();
    let mut writer = FeatureWriter::new(&place.path("features"), width, "vision".to_owned());
    writer.write_shard(SCENES.iter().enumerate().map(|(k, name)| ((*name).to_owned(), regions(k))).collect()).unwrap();
    writer.finish().unwrap();
    place.name("features")
}

fn evaluation(task: &str, samples: &str, more: &[&str]) -> (Value, String) {
    let (bundle, scenes) = (bundle(task), bundle("scenes"));
    let arguments = ["evaluate", &bundle, "--samples", samples, "--images", &scenes, "--json"];
    let output = mmnas(&[&arguments[..], more].concat());
    assert!(output.code == Some(0), "{samples}: {}", output.stderr);
    (serde_json::from_str(&output.stdout).unwrap(), output.stderr)
}

/// What an evaluation says but its times.
fn figures(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    fields.retain(|name, _| !name.starts_with("milliseconds"));
    report
}

#[test]
fn captions_by_line_are_those_of_one_line_an_image() {
    let place = Place::new();
    let rows = std::fs::read_to_string(case("itm_rows.jsonl")).unwrap();
    // The same with other names of the same images, an empty line and the mark of some editors.
    let names =
        rows.lines().enumerate().map(|(k, line)| line.replace("\"08", ["\"./08", "\".//08", "\"08"][k % 3]) + "\n\n");
    let other = place.file("other.jsonl", &format!("\u{feff}{}", names.collect::<String>()));
    let files = [case("itm_base.jsonl"), case("itm_rows.jsonl"), other];
    let reports = files.each_ref().map(|file| figures(evaluation("itm", file, &[]).0));
    assert_eq!((&reports[0]["images"], &reports[0]["captions"]), (&json!(8), &json!(40)));
    assert!(reports[0]["text_to_image"]["at_1"].as_f64().unwrap() > 0.9, "{}", reports[0]);
    assert_eq!(reports[1], reports[0]);
    assert_eq!(reports[2], reports[0]);
    // Training has the same samples of the same images too.
    let features = write_features(&place, 4, (224, 224));
    let loaded = files.each_ref().map(|file| {
        let data = ItmData::load(&DataFiles::new(file, &features), &recipe(), tch::Device::Cpu).unwrap();
        let common = data.data();
        let captions: Vec<(String, Vec<i64>)> = (0..common.samples_of_images().iter().flatten().count())
            .map(|k| (common.image_name(common.image_of(k)).to_owned(), data.tokens(k).to_vec()))
            .collect();
        (common.images(), common.samples_of_images().to_vec(), captions)
    });
    assert_eq!((loaded[0].0, loaded[0].2.len()), (8, 40));
    assert_eq!(loaded[1], loaded[0]);
    assert_eq!(loaded[2], loaded[0]);
}

#[test]
fn boxes_that_no_region_can_mean_are_the_same_error_on_both_sides() {
    let place = Place::new();
    let features = write_features(&place, 4, (224, 224));
    for (name, told) in [
        ("norm.jsonl", "norm.jsonl: line 1: box_xyxy: expected corners in pixels of the image, found [0.14285"),
        ("out.jsonl", "out.jsonl: line 1: box_xyxy: expected a box that is at least partly in its image, found [332.0"),
    ] {
        let files = DataFiles::new(case(name), &features);
        let error = VgdData::load(&files, &recipe(), tch::Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        let output = mmnas(&["evaluate", &bundle("vgd"), "--samples", &case(name), "--images", &bundle("scenes")]);
        assert_eq!((output.code, output.stderr), (Some(1), format!("mmnas: {error}\n")));
        // None of them is left.
        let skipped =
            ["evaluate", &bundle("vgd"), "--samples", &case(name), "--images", &bundle("scenes"), "--skip-broken"];
        fails(&skipped, 1, "expected at least one sample, found none; 32 broken samples left out: ");
    }
    // Boxes elsewhere in the image, which no flaw tells.
    let line =
        |name: &&str| format!("{{\"image\": \"{name}\", \"phrase\": \"a star\", \"box_xyxy\": [220, 0, 223, 3]}}\n");
    let samples = place.file("corner.jsonl", &SCENES.iter().map(line).collect::<String>());
    let (report, told) = evaluation("vgd", &samples, &[]);
    assert_eq!((&report["reachable"], &report["correct"]), (&json!(0), &json!(0)));
    assert!(told.contains("no region reaches an intersection over union of 0.5"), "{told}");
}

#[test]
fn captions_of_the_same_words_count_for_their_own_image_and_are_told() {
    let place = Place::new();
    let line = |image: &str, caption: &str| format!("{{\"image\": \"{image}\", \"captions\": [\"{caption}\"]}}\n");
    let (same, other) = ("a picture of some objects", "A picture of some objects.");
    let text = [line(SCENES[0], same), line(SCENES[1], other), line(SCENES[2], "three red circles")];
    let (report, _) = evaluation("itm", &place.file("same.jsonl", &text.concat()), &[]);
    assert_eq!(report["shared_captions"], 2);
    // As published a caption has one image: of two equal ones none stands before the other.
    assert_eq!(report["image_to_text"]["at_1"].as_f64().unwrap().min(0.34), report["image_to_text"]["at_1"]);
    let better = |way: &str| {
        let of = |report: &Value| report[way]["at_1"].as_f64().unwrap();
        of(&report["same_words"]) >= of(&report)
    };
    assert!(better("image_to_text") && better("text_to_image"), "{report}");
    let (unique, _) = evaluation("itm", &case("itm_base.jsonl"), &[]);
    assert_eq!((&unique["shared_captions"], unique.get("same_words")), (&json!(0), None));
}

#[test]
fn evaluation_leaves_out_what_is_broken_and_says_so() {
    let place = Place::new();
    std::fs::create_dir(place.path("images")).unwrap();
    std::fs::copy(scene("08018.png"), place.path("images/a.png")).unwrap();
    let png = std::fs::read(scene("08018.png")).unwrap();
    std::fs::write(place.path("images/cut.png"), &png[..png.len() / 2]).unwrap();
    let line = |image: &str, question: &str, answer: &str| {
        format!("{{\"image\": \"{image}\", \"question\": \"{question}\", \"answer\": \"{answer}\"}}\n")
    };
    let good = line("./a.png", "is there a circle?", "no");
    let broken = [
        line("cut.png", "is there a circle?", "no"),
        line("none.png", "is there a circle?", "no"),
        line("a.png", "?!", "no"),
        line("a.png", "is there a circle?", ""),
        line("../a.png", "is there a circle?", "no"),
        "nonsense\n".to_owned(),
    ];
    let samples = place.file("samples.jsonl", &[&broken[..], std::slice::from_ref(&good)].concat().concat());
    let (vqa, images) = (bundle("vqa"), place.name("images"));
    let evaluate = ["evaluate", &vqa, "--samples", &samples, "--images", &images];
    let output = mmnas(&[&evaluate[..], &["--skip-broken", "--json"]].concat());
    assert!(output.code == Some(0), "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&report["questions"], &report["left_out"]["count"]), (&json!(1), &json!(6)));
    let first = report["left_out"]["first"].as_array().unwrap();
    for (error, part) in first.iter().zip([
        "line 1: image",
        "line 2: image",
        "line 3: text: expected at least one word",
        "line 4: answer: expected an answer",
        "line 5: image",
    ]) {
        assert!(error.as_str().unwrap().contains(part), "{error}");
    }
    assert!(output.stderr.contains("6 broken samples left out: ") && output.stderr.contains("and 1 more"));
    assert!(mmnas(&[&evaluate[..], &["--skip-broken"]].concat()).stdout.contains("broken samples left out"));
    // Else each is an error with its line, and what lies behind a limit is not read.
    for (k, (text, part)) in
        broken.iter().zip(["cut.png", "none.png", "text: ", "answer: ", "\"../a.png\"", ""]).enumerate()
    {
        let file = place.file("one.jsonl", &format!("{good}\n{text}"));
        fails(&["evaluate", &vqa, "--samples", &file, "--images", &images], 1, "one.jsonl: line 3");
        fails(&["evaluate", &vqa, "--samples", &file, "--images", &images], 1, part);
        assert_eq!(
            mmnas(&["evaluate", &vqa, "--samples", &file, "--images", &images, "--limit", "1"]).code,
            Some(0),
            "{k}"
        );
    }
}

#[test]
fn a_question_that_is_asked_twice_is_named_with_both_lines() {
    let place = Place::new();
    let line = |id: u64| format!("{{\"image\": \"08018.png\", \"question\": \"is it red?\", \"question_id\": {id}}}\n");
    let samples = place.file("samples.jsonl", &[line(7), line(8), "\n".to_owned(), line(7)].concat());
    let (vqa, scenes, out) = (bundle("vqa"), bundle("scenes"), place.name("out.json"));
    let predict = ["predict", &vqa, "--samples", &samples, "--images", &scenes, "--out", &out];
    let told = "line 4: question_id: expected a number that no other question has, found 7, as in line 1";
    fails(&predict, 1, told);
    assert!(!place.path("out.json").exists());
    place.file("samples.jsonl", &[line(7), line(8)].concat());
    assert_eq!(mmnas(&predict).code, Some(0));
}

/// A training that cannot learn ends before its folder is there; one that learns little says how little.
#[test]
fn a_training_that_cannot_learn_is_told_before_it_begins() {
    let place = Place::new();
    let features = write_features(&place, 4, (224, 224));
    let recipe = workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml").display().to_string();
    let run_of = |command: &str, task: &str, samples: &str, more: &[&str]| {
        let out = place.name("run");
        let mut arguments = vec![command, "--task", task, "--recipe", &recipe, "--samples", samples];
        arguments.extend(["--features", &features, "--out", &out]);
        arguments.extend([
            "--set",
            "vqa.min_answer_count=1",
            "--set",
            "retrain.epochs=1",
            "--set",
            "retrain.hidden=64",
        ]);
        arguments.extend(more);
        if command == "retrain" {
            arguments.extend(["--architecture", "mcan:1"]);
        }
        run("mmnas-search", &arguments)
    };
    let phrases = |box_xyxy: &str| {
        let line =
            |name: &&str| format!("{{\"image\": \"{name}\", \"phrase\": \"a star\", \"box_xyxy\": {box_xyxy}}}\n");
        SCENES.iter().map(line).collect::<String>()
    };
    let corner = place.file("corner.jsonl", &phrases("[200, 0, 223, 9]"));
    let captions = SCENES.map(|name| format!("{{\"image\": \"{name}\", \"captions\": [\"a picture\"]}}\n"));
    let captions = place.file("captions.jsonl", &captions.concat());
    let questions = |answers: &[&str]| {
        let line = |(k, name): (usize, &&str)| {
            let answer = answers[k % answers.len()];
            format!("{{\"image\": \"{name}\", \"question\": \"what is it?\", \"answer\": \"{answer}\"}}\n")
        };
        SCENES.iter().enumerate().map(line).collect::<String>()
    };
    let yes = place.file("yes.jsonl", &questions(&["yes"]));
    let labels = place.file("labels.json", "\u{feff}[\"unseen\", \"star\"]");
    for command in ["search", "retrain"] {
        for (task, samples, more, told) in [
            ("vgd", &corner, &[][..], "corner.jsonl: box_xyxy: expected a phrase with a region"),
            ("itm", &captions, &[], "captions.jsonl: captions: expected different captions"),
            ("vqa", &yes, &[], "yes.jsonl: answer: expected at least two different answers"),
            ("vqa", &yes, &["--labels", &labels], "labels.json: answer: expected the answer of at least one sample"),
        ] {
            let output = run_of(command, task, samples, more);
            assert_eq!(output.code, Some(1), "{command} {task}: {}", output.stderr);
            assert!(output.stderr.contains(told), "{command} {task}: {}", output.stderr);
            assert!(!place.path("run").exists(), "{command} {task}");
        }
    }
    let labels = place.file("labels.json", "\u{feff}[\"unseen\", \"star\", \"ring\"]");
    let some = place.file("some.jsonl", &questions(&["star", "ring"]));
    let output = run_of("retrain", "vqa", &some, &["--labels", &labels]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("1 of 3 labels never occur in training: unseen"), "{}", output.stderr);
}
