//! The runtime beside the padded forward pass in libtorch, as the published code writes it and as this project trains by it:
//! whole calls, kept states, retrieval in batches, and the time to the first answer; pictures for several bundles with one vision
//! stage, and calls of many threads. `make bench` runs it.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use mmnas_bundle::manifest::{Dimensions, Form, Precision, TaskName, Variant};
use mmnas_bundle::{RegionFeatures, npz};
use mmnas_export::ExportSettings;
use mmnas_runtime::{ImageState, LoadOptions, Model, TextState};
use mmnas_search::bundle::golden::{record, seeded_inputs};
use mmnas_search::rng;
use mmnas_search::space::presets as architectures;
use mmnas_tests::bench::comparison::{Comparison, Spread};
use mmnas_tests::bench::floor::{Machine, Multiplications};
use mmnas_tests::bench::libtorch_side::{LibtorchSide, Padded, Pass, serve};
use mmnas_tests::bench::{machine, shared_vision};
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::{official, official_full};
use mmnas_tests::programs;
use rand::RngExt as _;
use serde_json::{Value, json};

#[derive(Parser, Clone)]
#[command(
    about = "Calls of the runtime beside the padded forward pass in libtorch, in turns, at H 512 with synthetic weights; with --sharing what bundles with one vision stage share."
)]
struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Tiny sizes: whether it runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Only this task: vqa, itm or vgd
    #[arg(long)]
    task: Option<String>,
    /// Runs of each way that count
    #[arg(long, default_value_t = 20)]
    repetitions: usize,
    /// Images and texts of the retrieval, of which every pair is scored (published: 1,000 × 200); the padded side is sampled
    #[arg(long, value_names = ["IMAGES", "TEXTS"], num_args = 2, default_values_t = [100, 10])]
    retrieval: Vec<usize>,
    /// Threads of either side
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Only pictures for several bundles with one vision stage, and calls of many threads
    #[arg(long)]
    sharing: bool,
    /// Generated pictures of that
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pictures: u32,
    /// Print how much memory the committed bundles take: own or shared
    #[arg(long, hide = true)]
    growth: Option<String>,
    /// Be the padded side
    #[arg(long, hide = true)]
    libtorch: bool,
}

/// Calls as people make them; the paddings are the published ones.
const CALLS: [Padded; 3] = [
    Padded { task: TaskName::Vqa, regions: (36, 100), tokens: (7, 14) },
    Padded { task: TaskName::Itm, regions: (36, 36), tokens: (12, 50) },
    Padded { task: TaskName::Vgd, regions: (100, 100), tokens: (5, 15) },
];
/// Pairs of a padded batch.
const PADDED_BATCH: usize = 32;
/// Threads of either side that have nothing to do wait in a loop for some milliseconds.
const PAUSE: Duration = Duration::from_millis(15);

/// The padded passes, in the order of the columns.
const PASSES: [(Pass, &str); 2] = [(Pass::Published, "as published"), (Pass::Network, "this project's")];

/// One measured way: what, in which form, milliseconds, times as fast as each of the padded passes, the floor.
struct Row {
    what: String,
    form: Option<Form>,
    milliseconds: Spread,
    times: Vec<Spread>,
    floor: Option<f64>,
}

/// How many times as long as `own` each of the padded passes took, round by round.
fn times_as_fast(padded: &[Vec<f64>; 2], own: &[f64]) -> Vec<Spread> {
    let over = |padded: &Vec<f64>| Spread::of(padded.iter().zip(own).map(|(padded, own)| padded / own).collect());
    padded.iter().map(over).collect()
}

fn dimensions(options: &Options, task: TaskName) -> Dimensions {
    let outputs = if task == TaskName::Vqa { 3129 } else { 1 };
    if options.quick { official(64, outputs) } else { official_full(outputs) }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let calls = CALLS.iter().filter(|c| options.task.as_ref().is_none_or(|wanted| *wanted == c.task.to_string()));
    if options.libtorch {
        calls.for_each(|call| serve(call, &dimensions(&options, call.task), options.threads));
        return ExitCode::SUCCESS;
    }
    if let Some(way) = &options.growth {
        shared_vision::print_growth(way == "shared", options.threads);
        return ExitCode::SUCCESS;
    }
    let about = machine::describe(tch::Device::Cpu);
    let mut reports = Vec::new();
    let sharing = (options.sharing || options.task.is_none()).then(|| {
        let pictures = if options.quick { options.pictures.min(3) } else { options.pictures };
        let repetitions = if options.quick { 1 } else { options.repetitions.clamp(1, 3) as u64 };
        shared_vision::measure(shared_vision::Settings { pictures, repetitions, threads: options.threads })
    });
    if let Some(sharing) = sharing.as_ref().filter(|_| !options.json) {
        print_sharing(sharing, &about, options.threads);
    }
    for call in calls.filter(|_| !options.sharing) {
        let (peak, padded, rows) = bench(&options, call);
        if options.json {
            reports.push(report(call, peak, padded, &rows));
        } else {
            print(&options, &about, (call, peak, padded), &rows);
        }
    }
    if options.json {
        let sharing = sharing.map(|sharing| {
            let (own, shared) = sharing.megabytes;
            let comparisons: Vec<Value> = sharing.comparisons.iter().map(Comparison::json).collect();
            json!({ "comparisons": comparisons, "megabytes": { "own": own, "shared": shared } })
        });
        println!("{:#}", json!({ "machine": about, "threads": options.threads, "calls": reports, "sharing": sharing }));
    }
    ExitCode::SUCCESS
}

fn print_sharing(sharing: &shared_vision::Measured, about: &str, threads: usize) {
    println!("\nthe committed bundles, which have one vision stage; {about}, {threads} in use");
    sharing.comparisons.iter().for_each(|comparison| print!("{}", comparison.text()));
    let (own, shared) = sharing.megabytes;
    println!("two more bundles take {own:.1} MB with vision stages of their own, {shared:.1} MB with a shared one");
}

fn regions(count: usize, width: usize, seed: u64) -> RegionFeatures {
    let mut rng = rng(seed, "regions", 0);
    let features = (0..count * width).map(|_| rng.random_range(-1.0..1.0f32)).collect();
    let mut corner = || (rng.random_range(0.0..300.0f32), rng.random_range(0.0..200.0f32));
    let boxes = (0..count).map(|_| corner()).map(|(x, y)| [x, y, x + 60.0, y + 40.0]).collect();
    RegionFeatures { features, boxes, size: (400, 300) }
}

fn milliseconds<T>(run: impl FnOnce() -> mmnas_runtime::Result<T>) -> f64 {
    let start = Instant::now();
    let result = run();
    let spent = start.elapsed().as_secs_f64() * 1e3;
    result.unwrap_or_else(|e| panic!("{e}"));
    spent
}

/// A loaded form of the network with what its calls read.
struct Loaded {
    form: Form,
    model: Model,
    regions: RegionFeatures,
    text: String,
    kept: (ImageState, TextState),
}

impl Loaded {
    fn new(bundle: &Path, form: Form, call: &Padded, threads: usize) -> Loaded {
        let threads = std::num::NonZeroUsize::new(threads);
        let options = LoadOptions { form: Some(form), threads, ..LoadOptions::default() };
        let model = Model::load(bundle, &options).unwrap_or_else(|e| panic!("{e}"));
        let regions = regions(call.regions.0, model.manifest().dimensions.feature, 1);
        let text = vec!["word"; call.tokens.0].join(" ");
        let kept = (
            model.encode_regions(&regions).unwrap_or_else(|e| panic!("{e}")),
            model.encode_text(&text).unwrap_or_else(|e| panic!("{e}")),
        );
        Loaded { form, model, regions, text, kept }
    }

    /// From region features and words to the result.
    fn whole(&self) -> f64 {
        milliseconds(|| {
            let image = self.model.encode_regions(&self.regions)?;
            self.fuse(&image, &self.model.encode_text(&self.text)?)
        })
    }

    /// A question about a known image; for ITM both sides are known.
    fn kept(&self) -> f64 {
        milliseconds(|| match self.model.manifest().task {
            TaskName::Itm => self.fuse(&self.kept.0, &self.kept.1),
            _ => self.fuse(&self.kept.0, &self.model.encode_text(&self.text)?),
        })
    }

    fn fuse(&self, image: &ImageState, text: &TextState) -> mmnas_runtime::Result<()> {
        match self.model.manifest().task {
            TaskName::Vqa => self.model.answer_text(image, text, 3).map(drop),
            TaskName::Itm => self.model.match_pairs(&[(image, text)]).map(drop),
            TaskName::Vgd => self.model.ground_text(image, text, 3).map(drop),
        }
    }
}

fn bench(options: &Options, call: &Padded) -> (Machine, [Spread; 2], Vec<Row>) {
    let task = call.task;
    let mut arguments = vec!["--libtorch".to_owned(), "--task".to_owned(), task.to_string()];
    arguments.extend(["--threads".to_owned(), options.threads.to_string()]);
    arguments.extend(options.quick.then(|| "--quick".to_owned()));
    let mut libtorch = LibtorchSide::start(&arguments);
    let d = dimensions(options, task);
    let architecture = architectures::preset(&format!("mmnas-{task}")).unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let (bundle, inside) = (folder.path().join("bundle"), folder.path().join("inside"));
    {
        tch::set_num_threads(1);
        let network = formula_network(task, &architecture, &d);
        let golden = record(&network, task, &seeded_inputs(&network, 5, 6, 3)).unwrap_or_else(|e| panic!("{e}"));
        let weights = weights_of(&network);
        write((task, &network), &architecture, &weights, &golden, ExportSettings::default(), &bundle);
        if task == TaskName::Vqa {
            // With the weights in the graphs, as ONNX files usually are.
            let settings = ExportSettings { external_over: u64::MAX, ..ExportSettings::default() };
            write((task, &network), &architecture, &weights, &golden, settings, &inside);
        }
    }
    let int8 = Form { variant: Variant::Ort, precision: Precision::Int8 };
    let forms = [Form::ORT_FP32, int8].map(|form| Loaded::new(&bundle, form, call, options.threads));
    let peak = libtorch.machine();
    let all = Multiplications::of(task, &architecture, &d, call.regions.0, call.tokens.0);
    let bytes = |form: Form, stages: &[&str]| -> f64 {
        let manifest = forms[0].model.manifest();
        let graphs = manifest.stages.named().into_iter().filter(|(name, _)| stages.contains(name));
        graphs.filter_map(|(_, stage)| stage.graph(form)).map(|graph| manifest.graph_bytes(graph) as f64).sum()
    };
    // Of the embedding only the words' rows are read.
    let embedding = 4.0 * (d.vocabulary * d.embedding) as f64;
    let whole_floor = peak.milliseconds(
        all.text + all.image + all.fusion,
        bytes(Form::ORT_FP32, &["text", "image", "fusion"]) - embedding,
    );
    let kept_text = if task == TaskName::Itm { 0.0 } else { all.text };
    let kept_bytes = bytes(Form::ORT_FP32, &["fusion"])
        + if task == TaskName::Itm { 0.0 } else { bytes(Form::ORT_FP32, &["text"]) - embedding };
    let kept_floor = peak.milliseconds(kept_text + all.fusion, kept_bytes);

    let mut padded = [const { Vec::new() }; 2];
    let mut times = vec![Vec::new(); 4];
    // The first round is a warm-up.
    for round in 0..=options.repetitions {
        let of_padded = PASSES.map(|(pass, _)| {
            std::thread::sleep(PAUSE);
            libtorch.milliseconds(pass, 1);
            libtorch.milliseconds(pass, 1)
        });
        let mut found = Vec::new();
        for loaded in &forms {
            for run in [Loaded::whole, Loaded::kept] {
                std::thread::sleep(PAUSE);
                // Twice, the second counts: whoever comes after a larger network finds caches full of that.
                run(loaded);
                found.push(run(loaded));
            }
        }
        if round > 0 {
            padded.iter_mut().zip(of_padded).for_each(|(padded, of_padded)| padded.push(of_padded));
            times.iter_mut().zip(found).for_each(|(times, found)| times.push(found));
        }
    }
    let known = if task == TaskName::Itm { "known image and text" } else { "known image" };
    let mut rows = Vec::new();
    for (k, loaded) in forms.iter().enumerate() {
        for (part, (what, floor)) in [("whole call", whole_floor), (known, kept_floor)].into_iter().enumerate() {
            let own = &times[2 * k + part];
            rows.push(Row {
                what: what.to_owned(),
                form: Some(loaded.form),
                milliseconds: Spread::of(own.clone()),
                times: times_as_fast(&padded, own),
                floor: (loaded.form == Form::ORT_FP32).then_some(floor),
            });
        }
    }
    if task == TaskName::Itm {
        rows.extend(retrieval(options, call, &forms, &mut libtorch, (peak, all.fusion)));
    }
    if task == TaskName::Vqa {
        rows.extend(first_answers(options, [&bundle, &inside], folder.path(), &forms[0]));
    }
    (peak, padded.map(Spread::of), rows)
}

/// Every text with every image, kept, in batches; milliseconds a pair.
fn retrieval(
    options: &Options,
    call: &Padded,
    forms: &[Loaded],
    libtorch: &mut LibtorchSide,
    (peak, multiplications): (Machine, f64),
) -> Vec<Row> {
    let (images, texts) = (options.retrieval[0], options.retrieval[1]);
    let mut rows = Vec::new();
    for loaded in forms {
        let model = &loaded.model;
        let width = model.manifest().dimensions.feature;
        let encode = |seed: usize| model.encode_regions(&regions(call.regions.0, width, seed as u64));
        let images: Vec<ImageState> =
            (0..images).map(encode).collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}"));
        let (mut own, mut single, mut batched) = (Vec::new(), [const { Vec::new() }; 2], [const { Vec::new() }; 2]);
        for _ in 0..texts {
            for (k, (pass, _)) in PASSES.into_iter().enumerate() {
                std::thread::sleep(PAUSE);
                libtorch.milliseconds(pass, 1);
                single[k].push(libtorch.milliseconds(pass, 1));
                batched[k].push(libtorch.milliseconds(pass, PADDED_BATCH) / PADDED_BATCH as f64);
            }
            std::thread::sleep(PAUSE);
            let spent = milliseconds(|| {
                let text = model.encode_text(&loaded.text)?;
                model.rank_images(&text, &images, 10)
            });
            own.push(spent / images.len() as f64);
        }
        let row = |what: String, padded: [Vec<f64>; 2], floor: bool| Row {
            what,
            form: Some(loaded.form),
            milliseconds: Spread::of(own.clone()),
            times: times_as_fast(&padded, &own),
            floor: (floor && loaded.form == Form::ORT_FP32).then(|| peak.milliseconds(multiplications, 0.0)),
        };
        rows.push(row(format!("a pair of {} × {texts}", images.len()), single, true));
        rows.push(row(format!("  to padded by {PADDED_BATCH}"), batched, false));
    }
    rows
}

/// From the start of `mmnas answer` to its end, on region features, the files in the system's cache.
fn first_answers(options: &Options, [bundle, inside]: [&Path; 2], folder: &Path, loaded: &Loaded) -> Vec<Row> {
    let image = folder.join("image.npz");
    let width = loaded.model.manifest().dimensions.feature;
    npz::write(&image, &loaded.regions, width, None).unwrap_or_else(|e| panic!("{e}"));
    let program = programs::program("mmnas").unwrap_or_else(|e| panic!("{e}"));
    let ways: [(&str, &Path, &[&str]); 6] = [
        ("start to first answer", bundle, &["--variant", "ort-fp32"]),
        ("  without hashes", bundle, &["--variant", "ort-fp32", "--no-hashes"]),
        ("  weights in the graphs", inside, &["--variant", "ort-fp32"]),
        ("start to first answer", bundle, &["--variant", "ort-int8"]),
        ("  without hashes", bundle, &["--variant", "ort-int8", "--no-hashes"]),
        ("  weights in the graphs", inside, &["--variant", "ort-int8"]),
    ];
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..=options.repetitions.min(7) {
        for (times, (_, bundle, arguments)) in times.iter_mut().zip(ways) {
            std::thread::sleep(PAUSE);
            let start = Instant::now();
            let mut command = Command::new(&program);
            command.env("MMNAS_ORT_DYLIB", programs::onnxruntime()).arg("answer").arg(bundle).arg(&image);
            command.arg(&loaded.text).args(["--threads", &options.threads.to_string()]).args(arguments);
            let output = command.output().unwrap_or_else(|e| panic!("{e}"));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let whole = Spread::of(times[0].clone()).median;
    let row = |((what, _, arguments), times): ((&str, &Path, &[&str]), Vec<f64>)| Row {
        what: what.to_owned(),
        form: arguments[1].parse().ok(),
        times: vec![Spread::of(times.iter().map(|ms| whole / ms).collect())],
        milliseconds: Spread::of(times),
        floor: None,
    };
    ways.into_iter().zip(times).map(row).collect()
}

fn print(options: &Options, about: &str, (call, peak, padded): (&Padded, Machine, [Spread; 2]), rows: &[Row]) {
    println!(
        "\n{}, {} of {} regions, {} of {} words; {about}, {} in use: {:.0} GFLOP/s, {:.1} GB/s",
        call.task,
        call.regions.0,
        call.regions.1,
        call.tokens.0,
        call.tokens.1,
        options.threads,
        peak.gflops,
        peak.gigabytes
    );
    println!("{:<24} {:<10} {:>8} {:>20} {:>29} {:>9}", "", "form", "ms", "", "times as fast as padded,", "");
    let [(_, published), (_, network)] = PASSES;
    println!("{:<35} {:>8} {:>20} {published:>14} {network:>14} {:>9}", "", "", "(least to most)", "floor ms");
    for ((_, name), padded) in PASSES.iter().zip(padded) {
        println!("{:<35} {:>8.2}", format!("padded, libtorch, {name}"), padded.median);
    }
    for row in rows {
        let form = row.form.map_or_else(String::new, |form| form.to_string());
        let spread = format!("({:.2} to {:.2})", row.milliseconds.least, row.milliseconds.most);
        let times: Vec<String> = row.times.iter().map(|times| format!("{:>14.2}", times.median)).collect();
        let floor = row.floor.map_or_else(String::new, |floor| format!("{floor:.2}"));
        println!(
            "{:<24} {form:<10} {:>8.2} {spread:>20} {:<29} {floor:>9}",
            row.what,
            row.milliseconds.median,
            times.join(" ")
        );
    }
}

fn report(call: &Padded, peak: Machine, [published, network]: [Spread; 2], rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let mut value = json!({
            "what": row.what.trim(),
            "form": row.form.map(|form| form.to_string()),
            "milliseconds": row.milliseconds.json(),
            "times_as_fast": row.times[0].json(),
        });
        let of_network = row.times.get(1).map(|times| ("times_as_fast_as_network", times.json()));
        let floor = row.floor.map(|floor| ("floor_milliseconds", json!(floor)));
        for (name, number) in of_network.into_iter().chain(floor) {
            value[name] = number;
        }
        value
    };
    json!({
        "task": call.task,
        "gflops": peak.gflops,
        "gigabytes_per_second": peak.gigabytes,
        "padded_milliseconds": published.json(),
        "padded_network_milliseconds": network.json(),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
