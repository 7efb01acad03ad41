//! How many questions a second the service answers, and how long each takes, with batches and without. `make bench` runs it.

use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use clap::Parser;
use mmnas_bundle::VisionBundle;
use mmnas_bundle::manifest::{Dimensions, TaskName};
use mmnas_search::bundle::golden::record_stages;
use mmnas_search::bundle::vision;
use mmnas_search::space::presets as architectures;
use mmnas_tests::bench::machine;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::exported::{formula_network, grid_vision, write_with_vision};
use mmnas_tests::fixtures::official;
use mmnas_tests::service::Service;
use serde_json::{Value, json};

#[derive(Parser, Clone)]
#[command(
    about = "Sends questions about a known photograph to the example of a service, at H 512 with synthetic weights, with batches and without."
)]
struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Tiny sizes: whether it runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Clients that ask at the same time, each again when it has its answer
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// Seconds of each way
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Which graphs run
    #[arg(long, default_value = "ort-fp32")]
    variant: String,
}

struct Load {
    name: &'static str,
    requests: usize,
    failed: usize,
    per_second: f64,
    p50: f64,
    p99: f64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let path = |name: &str| folder.path().join(name);
    let checkpoint = workspace_root().join(".native/efficientnet/efficientnet_lite0.pth");
    vision::export_vision(&checkpoint, &grid_vision(192, 6), 1, &path("vision")).unwrap_or_else(|e| panic!("{e}"));
    let d = Dimensions { hidden: if options.quick { 64 } else { 512 }, feature: 512, ..official(64, 17) };
    let architecture = architectures::preset("mmnas-vqa").unwrap_or_else(|e| panic!("{e}"));
    let about = machine::describe(tch::Device::Cpu);
    tch::set_num_threads(1);
    {
        let network = formula_network(TaskName::Vqa, &architecture, &d);
        let golden = record_stages(&network, TaskName::Vqa, 5, 36, 3).unwrap_or_else(|e| panic!("{e}"));
        let vision = VisionBundle::open(&path("vision")).unwrap_or_else(|e| panic!("{e}"));
        write_with_vision((TaskName::Vqa, &network), &architecture, &golden, Some(&vision), &path("bundle"));
    }
    let image = image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([x as u8, y as u8, (x + y) as u8]));
    image.save(path("photograph.png")).unwrap_or_else(|e| panic!("{e}"));
    let photograph = std::fs::read(path("photograph.png")).unwrap_or_else(|e| panic!("{e}"));

    let ways: [(&'static str, &[&str]); 2] =
        [("one by one", &["--batch", "1", "--wait", "0"]), ("in batches", &["--batch", "16", "--wait", "4"])];
    let mut loads = Vec::new();
    for (name, arguments) in ways {
        let arguments = [arguments, &["--variant", &options.variant]].concat();
        let service = Service::start(&path("bundle"), &arguments);
        let (_, image) = service.post("/images", &photograph);
        let ask =
            |k: usize| json!({ "image": image["image"], "text": "what is it that we see here ".repeat(1 + k % 2) });
        // A warm-up.
        (0..10).for_each(|k| drop(service.json("/ask", &ask(k))));
        loads.push(load(name, &service, &ask, &options));
    }
    let gain = loads[1].per_second / loads[0].per_second;
    if options.json {
        let load = |l: &Load| {
            json!({
                "way": l.name, "requests": l.requests, "failed": l.failed, "requests_per_second": l.per_second,
                "p50_milliseconds": l.p50, "p99_milliseconds": l.p99,
            })
        };
        let loads: Vec<Value> = loads.iter().map(load).collect();
        println!(
            "{:#}",
            json!({ "machine": about, "clients": options.clients, "loads": loads, "times_the_throughput": gain })
        );
    } else {
        println!(
            "\nservice, a known photograph of 36 regions, {} clients, {}; {about}",
            options.clients, options.variant
        );
        println!("{:<12} {:>9} {:>7} {:>11} {:>8} {:>8}", "", "requests", "failed", "requests/s", "p50 ms", "p99 ms");
        for l in &loads {
            println!(
                "{:<12} {:>9} {:>7} {:>11.1} {:>8.1} {:>8.1}",
                l.name, l.requests, l.failed, l.per_second, l.p50, l.p99
            );
        }
        println!("batches: {gain:.2} times the throughput");
    }
    if loads.iter().all(|l| l.failed == 0) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn load(name: &'static str, service: &Service, ask: &(impl Fn(usize) -> Value + Sync), options: &Options) -> Load {
    let time = if options.quick { Duration::from_millis(300) } else { Duration::from_secs(options.seconds) };
    let barrier = Barrier::new(options.clients);
    let begin = Instant::now();
    let client = |client: usize| {
        let (mut times, mut failed) = (Vec::new(), 0);
        barrier.wait();
        let start = Instant::now();
        while start.elapsed() < time {
            let sent = Instant::now();
            match service.try_json("/ask", &ask(client + times.len())) {
                Ok((200, _)) => times.push(sent.elapsed().as_secs_f64() * 1e3),
                _ => failed += 1,
            }
        }
        (times, failed)
    };
    let found: Vec<(Vec<f64>, usize)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..options.clients).map(|k| scope.spawn(move || client(k))).collect();
        clients.into_iter().map(|c| c.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let spent = begin.elapsed().as_secs_f64();
    let failed = found.iter().map(|(_, failed)| failed).sum();
    let mut times: Vec<f64> = found.into_iter().flat_map(|(times, _)| times).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)));
    Load {
        name,
        requests: times.len(),
        failed,
        per_second: times.len() as f64 / spent,
        p50: at(0.5).copied().unwrap_or(f64::NAN),
        p99: at(0.99).copied().unwrap_or(f64::NAN),
    }
}
