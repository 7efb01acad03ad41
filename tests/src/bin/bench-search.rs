//! Speed of the steps of a search: pairs of ways to do a thing, timed in turns. `make bench`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use mmnas_bundle::manifest::Dimensions;
use mmnas_search::nn::relation;
use mmnas_search::task::vqa::batch::VqaBatch;
use mmnas_search::task::vqa::loss::loss;
use mmnas_search::{MatmulPrecision, device, rng};
use mmnas_tests::bench::comparison::{Comparison, compare};
use mmnas_tests::bench::machine;
use mmnas_tests::bench::steps::Steps;
use mmnas_tests::bench::synthetic::{batch, padded};
use rand::RngExt as _;
use serde_json::json;
use tch::{Device, Kind, Tensor};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Compares ways of computing the steps of a search, on random numbers.
#[derive(Parser, Clone)]
struct Options {
    /// Where to compute: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Folder of libtorch_cuda.so, where it lies neither beside libtorch_cpu.so nor on the loader's path
    #[arg(long)]
    libraries: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Tiny sizes: whether it runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Only this comparison
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Runs of each way that count
    #[arg(long, default_value_t = 11)]
    repetitions: u64,
    /// Threads of the processor; libtorch's choice where it is not given
    #[arg(long)]
    threads: Option<i32>,
    /// H
    #[arg(long, default_value_t = 256)]
    hidden: usize,
    /// Samples a step
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Regions of the largest image
    #[arg(long, default_value_t = 100)]
    regions: i64,
    /// Tokens of the longest text
    #[arg(long, default_value_t = 14)]
    tokens: i64,
    /// Regions of a common image
    #[arg(long, default_value_t = 36)]
    real_regions: i64,
    /// Tokens of a common text
    #[arg(long, default_value_t = 7)]
    real_tokens: i64,
    /// Blocks of the encoder
    #[arg(long, default_value_t = 12)]
    encoder: usize,
    /// Blocks of the decoder
    #[arg(long, default_value_t = 18)]
    decoder: usize,
    /// Measures the memory of one kind of step in this process and prints it
    #[arg(long, value_enum, hide = true)]
    memory_of: Option<Step>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Inputs as long as they are, against padded ones
    Padding,
    /// Architecture step against weight step
    Architecture,
    /// The relations' projections, one by one and stacked
    Relations,
    /// bfloat16 against 32 bits; without --only, on a GPU alone
    Precision,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Step {
    Weight,
    Architecture,
}

impl Options {
    /// With the sizes of a smoke test, where that is what is asked for.
    fn sized(self) -> Options {
        let tiny = Options {
            repetitions: 2,
            hidden: 64,
            batch: 2,
            regions: 6,
            tokens: 4,
            real_regions: 3,
            real_tokens: 2,
            encoder: 1,
            decoder: 2,
            ..self.clone()
        };
        if self.quick { tiny } else { self }
    }

    fn dimensions(&self) -> Dimensions {
        let (feature, vocabulary, outputs) = if self.quick { (8, 20, 3) } else { (2048, 20_000, 3129) };
        Dimensions {
            hidden: self.hidden,
            feature,
            embedding: 300,
            vocabulary,
            outputs,
            attflat: 512,
            head: 64,
            relation: 64,
            embeddings: None,
        }
    }

    fn steps(&self, device: Device) -> Steps {
        tch::manual_seed(1);
        Steps::new(self.encoder, self.decoder, &self.dimensions(), device)
    }

    /// Counts of regions and tokens of a batch that is full.
    fn full(&self) -> Vec<(i64, i64)> {
        vec![(self.regions, self.tokens); self.batch]
    }
}

fn main() -> ExitCode {
    let options = Options::parse().sized();
    let outcome = match options.memory_of {
        Some(step) => print_memory(&options, step),
        None => run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-search: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    let device = device::select(&options.device, options.libraries.as_deref())?;
    if let Some(threads) = options.threads {
        tch::set_num_threads(threads);
    }
    let wanted = |part: Part| match options.only {
        Some(only) => only == part,
        None => part != Part::Precision || device.is_cuda(),
    };
    tch::manual_seed(1);
    let mut comparisons = Vec::new();
    if wanted(Part::Padding) {
        comparisons.extend(padding(options, device)?);
    }
    if wanted(Part::Architecture) {
        comparisons.push(architecture(options, device)?);
    }
    if wanted(Part::Relations) {
        comparisons.push(relations(options, device)?);
    }
    if wanted(Part::Precision) {
        comparisons.extend(precision(options, device)?);
    }
    let (machine, o) = (machine::describe(device), options);
    if o.json {
        let sizes = json!({
            "hidden": o.hidden, "batch": o.batch, "regions": o.regions, "tokens": o.tokens, "encoder": o.encoder,
            "decoder": o.decoder, "repetitions": o.repetitions,
        });
        let comparisons: Vec<_> = comparisons.iter().map(Comparison::json).collect();
        println!("{:#}", json!({ "machine": machine, "sizes": sizes, "comparisons": comparisons }));
    } else {
        println!("machine: {machine}");
        println!(
            "sizes:   H {}, batch {}, {} + {} blocks; medians of {} runs in turns (least to most)\n",
            o.hidden, o.batch, o.encoder, o.decoder, o.repetitions
        );
        comparisons.iter().for_each(|comparison| println!("{}", comparison.text()));
    }
    Ok(())
}

/// A weight step on batches as long as their longest sample, against the same with padding up to the full lengths.
fn padding(o: &Options, device: Device) -> Outcome<Vec<Comparison>> {
    let mut rng = rng(1, "bench lengths", 0);
    let mut between = |most: i64| rng.random_range((most / 10).max(1)..=most);
    let common = vec![(o.real_regions, o.real_tokens); o.batch];
    let ragged: Vec<(i64, i64)> = (0..o.batch).map(|_| (between(o.regions), between(o.tokens))).collect();
    let mut shuffled: Vec<(i64, i64)> = ragged.clone();
    shuffled.sort_unstable();
    let mean = ragged.iter().map(|c| c.0).sum::<i64>() as f64 / o.batch as f64;
    let common_name = format!("weight step, {} regions and {} tokens", o.real_regions, o.real_tokens);
    let ragged_name = format!("weight step, {} to {} regions (mean {mean:.0})", shuffled[0].0, shuffled[o.batch - 1].0);
    let of = |(name, counts): (String, &[(i64, i64)])| {
        let real = batch(&o.dimensions(), counts, device);
        let wide = padded(&real, o.regions, o.tokens);
        let (mut first, mut second) = (o.steps(device), o.steps(device));
        let (a, b) = (first.logits(&real, 0), second.logits(&wide, 0));
        let padded_name = format!("padded to {} and {}", o.regions, o.tokens);
        let mut as_it_is = |number| first.weight_step(&real, number);
        let mut padded = |number| second.weight_step(&wide, number);
        let comparison =
            compare(&name, o.repetitions, ("as long as the longest", &mut as_it_is), (&padded_name, &mut padded))?;
        Ok(with_differences(comparison, (&a, &b), &real))
    };
    [(common_name, &common[..]), (ragged_name, &ragged[..])].into_iter().map(of).collect()
}

/// An architecture step against a weight step on the same batch, with the same operations on.
fn architecture(o: &Options, device: Device) -> Outcome<Comparison> {
    let batch = batch(&o.dimensions(), &o.full(), device);
    // Two supernets, so that both ways can be called in turns; they have the same weights.
    let (mut moving, fixed) = (o.steps(device), o.steps(device));
    let mut weight = |number| moving.weight_step(&batch, number);
    let mut architecture = |number| fixed.architecture_step(&batch, number);
    let name = format!("architecture step (full), {} regions and {} tokens", o.regions, o.tokens);
    let ways =
        (("weight step", &mut weight as &mut dyn FnMut(u64) -> _), ("architecture step", &mut architecture as _));
    let mut comparison = compare(&name, o.repetitions, ways.0, ways.1)?;
    let (before, weight) = child_memory(Step::Weight)?;
    let (_, architecture) = child_memory(Step::Architecture)?;
    for (what, value) in [
        ("memory before the first step, MB", before),
        ("peak memory in weight steps, MB", weight),
        ("peak memory in architecture steps, MB", architecture),
        ("peak of architecture over weight steps", architecture / weight),
    ] {
        comparison = comparison.with(what, value);
    }
    Ok(comparison)
}

/// Memory before the steps and at their peak, measured by this program in a process of its own.
fn child_memory(step: Step) -> Outcome<(f64, f64)> {
    let name = if step == Step::Weight { "weight" } else { "architecture" };
    let output = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--memory-of", name])
        .output()?;
    let values: Option<(f64, f64)> = serde_json::from_slice(&output.stdout).ok();
    values.ok_or_else(|| format!("memory of the {name} steps: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Weight steps, as many paths as there are repetitions, so that the optimiser's moments are there; then, for the
/// architecture step, the peak begins anew and as many of those follow.
fn print_memory(o: &Options, step: Step) -> Outcome<()> {
    let device = device::select(&o.device, o.libraries.as_deref())?;
    let mut steps = o.steps(device);
    let batch = batch(&o.dimensions(), &o.full(), device);
    let (before, _) = machine::memory(device);
    for number in 0..o.repetitions {
        steps.weight_step(&batch, number)?;
    }
    if step == Step::Architecture {
        machine::forget_peak();
        for number in 0..o.repetitions {
            steps.architecture_step(&batch, number)?;
        }
    }
    println!("{}", json!([before, machine::memory(device).1]));
    Ok(())
}

/// The biases of as many operations as the decoder has blocks, forward and backward.
fn relations(o: &Options, device: Device) -> Outcome<Comparison> {
    let d = o.dimensions();
    let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, device)).set_requires_grad(true);
    let (relation, heads) = (d.relation as i64, d.heads() as i64);
    let (weight, bias) = (normal(&[relation, 4]), normal(&[relation]));
    let own: Vec<(Tensor, Tensor)> = (0..o.decoder).map(|_| (normal(&[heads, relation]), normal(&[heads]))).collect();
    let own: Vec<relation::Projection<'_>> = own.iter().map(|(w, b)| (w, b)).collect();
    let batch = batch(&d, &o.full(), device);
    let leaves: Vec<&Tensor> = own.iter().flat_map(|(w, b)| [*w, *b]).chain([&weight, &bias]).collect();
    let run = |stacked: bool| {
        let states = relation::states((&weight, &bias), &relation::relations(&batch.inputs.boxes, None));
        let biases: Vec<Tensor> = if stacked {
            relation::biases(&states, &own)
        } else {
            own.iter().flat_map(|own| relation::biases(&states, &[*own])).collect()
        };
        let sums: Vec<Tensor> = biases.iter().map(|bias| bias.sum(Kind::Float)).collect();
        Tensor::f_run_backward(&[Tensor::stack(&sums, 0).sum(Kind::Float)], &leaves, false, false)?;
        machine::synchronize(device);
        Ok(())
    };
    let name = format!("relation biases of {} operations, {} regions, with gradients", o.decoder, o.regions);
    let (mut separate, mut stacked) = (|_| run(false), |_| run(true));
    Ok(compare(&name, o.repetitions, ("a product an operation", &mut separate), ("one product", &mut stacked))?)
}

/// Both steps in 32 bits and in bfloat16.
fn precision(o: &Options, device: Device) -> Outcome<Vec<Comparison>> {
    let batch = batch(&o.dimensions(), &o.full(), device);
    let (mut full, mut half) = (o.steps(device), o.steps(device));
    half.set_precision(MatmulPrecision::Bfloat16);
    let (a, b) = (full.logits(&batch, 0), half.logits(&batch, 0));
    let names = ("32 bits", "bfloat16");
    let weight = compare(
        "weight step by precision",
        o.repetitions,
        (names.0, &mut |number| full.weight_step(&batch, number)),
        (names.1, &mut |number| half.weight_step(&batch, number)),
    )?;
    let architecture = compare(
        "architecture step by precision",
        o.repetitions,
        (names.0, &mut |number| full.architecture_step(&batch, number)),
        (names.1, &mut |number| half.architecture_step(&batch, number)),
    )?;
    Ok(vec![with_differences(weight, (&a, &b), &batch), architecture])
}

/// Adds how far logits that were computed both ways, without dropout, and their losses lie apart.
fn with_differences(comparison: Comparison, (a, b): (&Tensor, &Tensor), batch: &VqaBatch) -> Comparison {
    let loss = |logits: &Tensor| loss(logits, &batch.target).double_value(&[]);
    let losses = (loss(a) - loss(b)).abs() / loss(a);
    let largest = (a - b).abs().max() / a.abs().max();
    comparison
        .with("relative difference of the losses", losses)
        .with("largest difference of a logit, of the largest", largest.double_value(&[]))
}
