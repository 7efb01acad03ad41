//! The front of the small search: made, killed and gone on with, named, drawn, merged; and what is refused.

use std::path::Path;
use std::process::{Command, Stdio};

use mmnas_bundle::latency::costs::{NetworkCosts, Quantity};
use mmnas_bundle::latency::probes::{Part, Stack};
use mmnas_bundle::latency::table::{Environment, LATENCY_FORMAT, LatencyTable, Measurement};
use mmnas_bundle::manifest::{Dimensions, Form, Format, TaskName};
use mmnas_bundle::{Architecture, Operation};
use mmnas_search::space::front::{Front, FrontPoint};
use mmnas_search::train::shared_scorer::shared_scorer;
use mmnas_search::{Checkpoint, Pool, RunFolder};
use mmnas_tests::alone::alone;
use mmnas_tests::c_consumer::Output;
use mmnas_tests::programs::{command, run};
use mmnas_tests::small_run::{copy_folder, recipe};
use serde_json::Value;

use crate::SMALL;

/// A table of times that no machine's noise touches.
fn table() -> LatencyTable {
    use Operation::{FeedForward, GuidedAttention, RelationSelfAttention, SelfAttention};
    let Form { variant, precision } = Form::ORT_FP32;
    let each = |operation: Operation| match operation {
        FeedForward => 0.25,
        RelationSelfAttention => 1.5,
        _ => 1.0,
    };
    let mut measurements = Vec::new();
    let mut add = |stack, part, milliseconds| {
        let (spread, runs, bytes, memory, millijoules) = (0.0, 9, 1 << 20, None, None);
        measurements.push(Measurement {
            stack,
            part,
            variant,
            precision,
            milliseconds,
            spread,
            runs,
            bytes,
            memory,
            millijoules,
        });
    };
    for (stack, operations) in [
        (Stack::Text, &[SelfAttention, FeedForward][..]),
        (Stack::Image, &[SelfAttention, RelationSelfAttention, FeedForward]),
        (Stack::Fusion, &Operation::DECODER),
    ] {
        add(stack, Part::Fixed, 0.5);
        for &operation in operations {
            let after = (stack == Stack::Fusion && operation != GuidedAttention).then_some(GuidedAttention);
            for count in [1, 4] {
                let milliseconds = 0.5 + count as f64 * each(operation) + after.map_or(0.0, each);
                add(stack, Part::Blocks { operation, count, after }, milliseconds);
            }
        }
    }
    for (stack, operation) in [(Stack::Text, GuidedAttention), (Stack::Image, RelationSelfAttention)] {
        add(stack, Part::Shared { operation, count: 2 }, 0.75);
    }
    let recipe = recipe(&[]);
    let (model, hidden) = (&recipe.model, recipe.retrain.hidden);
    let dimensions = Dimensions {
        hidden,
        feature: 16,
        embedding: model.embedding,
        vocabulary: 20,
        outputs: 13,
        attflat: model.attflat,
        head: model.head,
        relation: model.relation,
        embeddings: None,
    };
    let environment = Environment {
        device: "a board".to_owned(),
        flags: Vec::new(),
        provider: "cpu".to_owned(),
        threads: 1,
        onnxruntime: "1".to_owned(),
        system: "linux".to_owned(),
    };
    let (format, probes_sha256, task) = (Format::current(LATENCY_FORMAT), String::new(), TaskName::Vqa);
    let checks = Vec::new();
    LatencyTable { format, probes_sha256, task, dimensions, tokens: 4, regions: 5, checks, environment, measurements }
}

fn write_table(file: &Path, table: &LatencyTable) {
    std::fs::write(file, serde_json::to_string(table).unwrap()).unwrap();
}

/// `pareto` on the small search, with the table in `folder`.
fn pareto(folder: &Path, out: &str) -> Command {
    let mut pareto = command("mmnas-search");
    pareto.arg("pareto").arg(SMALL.0.path("search")).arg("--features").arg(SMALL.0.path("features"));
    pareto.arg("--latency").arg(folder.join("latency.json")).arg("--out").arg(folder.join(out));
    let found = SMALL.0.path("search/architecture.json").display().to_string();
    pareto.arg("--baselines").arg(format!("mcan:1,found={found}"));
    pareto.args(["--population", "8", "--generations", "8", "--samples-compared", "30", "--random", "4"]);
    pareto
}

fn ended(command: &mut Command) -> Output {
    mmnas_tests::c_consumer::output(command).unwrap_or_else(|e| panic!("{e}"))
}

/// What goes wrong, with the samples of the search.
fn refused(command: &mut Command) -> String {
    let output = ended(command.arg("--samples").arg(SMALL.0.path("small.jsonl")));
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    output.stderr
}

#[test]
fn a_front_is_made_named_drawn_and_merged() {
    let place = tempfile::tempdir().unwrap();
    let (folder, samples) = (place.path(), SMALL.0.path("small.jsonl"));
    let text = |name: &str| folder.join(name).display().to_string();
    write_table(&folder.join("latency.json"), &table());

    // Killed as soon as something is kept: the same command goes on to the front of the whole run.
    let mut child = pareto(folder, "killed.json").arg("--samples").arg(&samples).stderr(Stdio::null()).spawn().unwrap();
    let partial = folder.join("killed.json.partial");
    while !partial.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if partial.exists() {
        let other = refused(pareto(folder, "killed.json").args(["--seed", "99"]));
        assert!(other.contains("killed.json.partial") && other.contains("seed") && other.contains("99"), "{other}");
        assert_eq!(ended(pareto(folder, "killed.json").arg("--samples").arg(&samples)).code, Some(0));
    }
    let mut whole = pareto(folder, "front.json");
    let told = ended(whole.arg("--samples").arg(&samples).arg("--picture").arg(folder.join("front.svg")).arg("--json"));
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("killed.json"), read("front.json"));
    assert!(!partial.exists() && !folder.join("front.json.partial").exists());
    assert!(told.stderr.contains("mcan:1 is not in the supernet's space"), "{}", told.stderr);

    // Every number is what the supernet and the table give.
    let front = Front::read(&folder.join("front.json")).unwrap();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (told["points"].as_u64(), told["scored"].as_u64()),
        (Some(front.points.len() as u64), Some(front.sources[0].scored as u64))
    );
    assert_eq!(front.sources[0].samples, 30);
    let found = &front.baselines[1];
    let reaches =
        |point: &FrontPoint| point.cost.amount() <= found.cost.amount() && Some(point.accuracy) >= found.accuracy;
    assert!(front.points.iter().any(reaches), "{front:?}");
    let (recipe, file) = (recipe(&[]), Path::new("latency.json"));
    let data = SMALL.0.data(&recipe);
    // A supernet begins with weights from the generator that trainings draw from.
    let _alone = alone();
    let scorer = shared_scorer(&recipe, &Pool::standard(), &data, &RunFolder::at(&SMALL.0.path("search"))).unwrap();
    let costs = NetworkCosts::of(&table(), file, Form::ORT_FP32, Quantity::Milliseconds).unwrap();
    let space = recipe.space(&Pool::standard()).unwrap();
    let check = |architecture: &Architecture, amount: f64, accuracy: f64| {
        let score = scorer.score(&space.choices_of(architecture).unwrap(), &scorer.to_compare[..30]).unwrap();
        assert_eq!(
            (score, costs.predict(architecture, file).unwrap().known_image()),
            (accuracy, amount),
            "{architecture}"
        );
    };
    front.points.iter().for_each(|point| check(&point.architecture, point.cost.amount(), point.accuracy));
    assert_eq!((front.baselines.len(), front.random.len()), (2, 4));
    assert_eq!((front.baselines[0].accuracy, front.baselines[1].name.as_str()), (None, "found"));
    for one in front.random.iter().chain(&front.baselines[1..]) {
        check(&one.architecture, one.cost.amount(), one.accuracy.unwrap());
    }
    assert!(read("front.svg").contains("predicted ms (known image)"));

    // A point is an architecture by name.
    let last = format!("{}:{}", text("front.json"), front.points.len());
    let mut retrain = command("mmnas-search");
    retrain.arg("retrain").arg("--recipe").arg(SMALL.0.path("search/recipe.toml")).args(["--set", "retrain.epochs=1"]);
    retrain.args(["--architecture", &last, "--out", &text("retrain")]);
    let output = ended(retrain.arg("--samples").arg(&samples).arg("--features").arg(SMALL.0.path("features")));
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stdout.contains(&front.points[front.points.len() - 1].architecture.to_string()),
        "{}",
        output.stdout
    );
    let beyond =
        run("mmnas-search", &["predict", &format!("{}:99", text("front.json")), "--latency", &text("latency.json")]);
    assert!(
        beyond.code == Some(1) && beyond.stderr.contains(&format!("1 to {}", front.points.len())),
        "{}",
        beyond.stderr
    );

    // The page shows it; two fronts merge, and points of the merged one have names too.
    let search = SMALL.0.path("search").display().to_string();
    let page = run("mmnas-search", &["report", &search, "--out", &text("page.html"), "--front", &text("front.json")]);
    assert_eq!(page.code, Some(0), "{}", page.stderr);
    assert!(read("page.html").contains("<section id=\"front\">") && read("page.html").contains("front.json:1"));
    let dear = format!("dear={}", text("killed.json"));
    let (front_file, merged) = (text("front.json"), text("merged.json"));
    let merge = ["fronts", &dear, &front_file, "--add", "dear=2.5", "--out", &merged];
    let output = run("mmnas-search", &merge);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let found = Front::read(&folder.join("merged.json")).unwrap();
    assert!(found.points.iter().all(|point| point.from.as_deref() == Some("front")), "{found:?}");
    let again = run("mmnas-search", &merge);
    assert!(again.code == Some(1) && again.stderr.contains("merged.json: already exists"), "{}", again.stderr);
    let unknown = run("mmnas-search", &["fronts", &front_file, "--add", "x=1", "--out", &text("none.json")]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("one of front, found \"x\""), "{}", unknown.stderr);
    let first = run("mmnas-search", &["predict", &format!("{merged}:1"), "--latency", &text("latency.json")]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
}

#[test]
fn a_front_of_other_things_is_refused_before_anything_is_scored() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let file = folder.join("latency.json");
    write_table(&file, &table());
    std::fs::write(folder.join("there.json"), "mine").unwrap();
    assert!(refused(&mut pareto(folder, "there.json")).contains("there.json: already exists"));
    assert_eq!(std::fs::read_to_string(folder.join("there.json")).unwrap(), "mine");
    let picture = folder.join("there.json");
    assert!(refused(pareto(folder, "new.json").arg("--picture").arg(picture)).contains("there.json: already exists"));
    assert!(refused(pareto(folder, "new.json").args(["--variant", "ort-int8"])).contains("ort-int8"));
    assert!(refused(pareto(folder, "new.json").args(["--quantity", "memory"])).contains("memory"));
    assert!(refused(pareto(folder, "new.json").args(["--baselines", "mcam"])).contains("\"mcam\""));
    assert!(refused(pareto(folder, "new.json").args(["--of", "pixels"])).contains("vision stage"));
    let usage = ended(pareto(folder, "new.json").args(["--of", "pixel"]));
    assert!(usage.code == Some(2) && usage.stderr.contains("known-image"), "{}", usage.stderr);

    // Other data than the search's.
    let lines = std::fs::read_to_string(SMALL.0.path("small.jsonl")).unwrap();
    let other = folder.join("other.jsonl");
    std::fs::write(&other, lines.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let output = ended(pareto(folder, "new.json").arg("--samples").arg(&other));
    assert!(
        output.code == Some(1) && output.stderr.contains("inputs.json") && output.stderr.contains("samples_sha256"),
        "{}",
        output.stderr
    );

    let changed = |change: &dyn Fn(&mut LatencyTable)| {
        let mut other = table();
        change(&mut other);
        write_table(&file, &other);
        refused(&mut pareto(folder, "new.json"))
    };
    assert!(changed(&|t| t.task = TaskName::Vgd).contains("latency.json: task: expected vqa, as searched, found vgd"));
    assert!(changed(&|t| t.dimensions.hidden *= 2).contains("latency.json: dimensions.hidden"));
    let unmeasured =
        |m: &Measurement| matches!(m.part, Part::Blocks { operation: Operation::RelationSelfAttention, .. });
    let error = changed(&|t| t.measurements.retain(|m| m.stack != Stack::Fusion || !unmeasured(m)));
    assert!(error.contains("latency.json") && error.contains("rel_self_att_64 in the fusion stage"), "{error}");

    // A retraining has no supernet; a search that goes on has one that is not done.
    write_table(&file, &table());
    let of_run = |run: &Path| {
        let mut pareto = command("mmnas-search");
        pareto.arg("pareto").arg(run).arg("--features").arg(SMALL.0.path("features"));
        refused(pareto.arg("--latency").arg(&file).arg("--out").arg(folder.join("new.json")))
    };
    assert!(of_run(&SMALL.0.path("retrain")).contains("inputs.json: architecture: expected null, as a search has"));
    assert!(of_run(&folder.join("no-run")).contains("no-run"));
    let unfinished = folder.join("unfinished");
    copy_folder(&SMALL.0.path("search"), &unfinished);
    let checkpoint = unfinished.join("checkpoint.safetensors");
    let mut state: Checkpoint<Value> = Checkpoint::load(&checkpoint).unwrap();
    state.state["concluded"] = false.into();
    state.save(&checkpoint).unwrap();
    let error = of_run(&unfinished);
    assert!(error.contains("concluded: expected a search that has ended"), "{error}");
    assert!(!folder.join("new.json").exists() && !folder.join("new.json.partial").exists());
}
