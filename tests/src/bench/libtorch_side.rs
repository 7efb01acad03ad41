//! The padded forward pass in libtorch, in a process of its own: its threads and ONNX Runtime's would wait in loops beside
//! one another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use mmnas_bundle::manifest::{Dimensions, TaskName};
use mmnas_search::bundle::golden::seeded_inputs;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::space::presets as architectures;
use mmnas_search::{ArchPath, Inputs, Network};

use crate::bench::floor::Machine;
use crate::bench::published_pass::{LoadedInputs, PublishedPass};
use crate::exported::formula_network;

/// Before a number of pairs, asks for [`Pass::Published`].
const PUBLISHED: &str = "published ";

/// What the published code computes for one pair: regions and tokens with their padding, and how many are there.
#[derive(Debug, Clone, Copy)]
pub struct Padded {
    /// The task.
    pub task: TaskName,
    /// Regions that are there and with padding.
    pub regions: (usize, usize),
    /// Tokens that are there and with padding.
    pub tokens: (usize, usize),
}

/// Which forward pass computes the padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// As the published code writes it ([`PublishedPass`]).
    Published,
    /// This project's [`Network`], by which it trains: the same results by fewer steps.
    Network,
}

/// `items` pairs, padded.
pub fn inputs(network: &Network, padded: &Padded, items: i64) -> Inputs {
    let batch = seeded_inputs(network, padded.tokens.1, padded.regions.1, 3);
    let copies = |tensor: &tch::Tensor| {
        let one = tensor.narrow(0, 0, 1);
        let mut sizes = vec![1; one.dim()];
        sizes[0] = items;
        one.repeat(sizes)
    };
    let count = |n: usize| vec![n as i64; items as usize];
    Inputs {
        tokens: copies(&batch.tokens),
        features: copies(&batch.features),
        boxes: copies(&batch.boxes),
        token_count: count(padded.tokens.0),
        region_count: count(padded.regions.0),
    }
}

/// The child: for every line of the standard input, which is a number of pairs, runs them as one batch and prints its
/// milliseconds, as the published code does them where `published ` stands before the number; for the line `machine`, what
/// the machine does.
pub fn serve(padded: &Padded, d: &Dimensions, threads: usize) {
    tch::set_num_threads(threads as i32);
    let _guard = tch::no_grad_guard();
    let architecture = architectures::preset(&format!("mmnas-{}", padded.task)).unwrap_or_else(|e| panic!("{e}"));
    let network = formula_network(padded.task, &architecture, d);
    let published = PublishedPass::new(padded.task, &architecture, &network);
    let path = ArchPath::single(&vec![0; architecture.encoder.len() + architecture.decoder.len()]);
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if line == "machine" {
            let machine = Machine::measure();
            println!("{} {}", machine.gflops, machine.gigabytes);
        } else {
            let of_published = line.strip_prefix(PUBLISHED);
            let inputs = inputs(&network, padded, of_published.unwrap_or(&line).parse().unwrap_or(1));
            let loaded = of_published.map(|_| LoadedInputs::new(&inputs));
            let start = Instant::now();
            match &loaded {
                Some(loaded) => drop(published.forward(loaded)),
                None => drop(network.forward(&inputs, &path, Dropout(0.0))),
            }
            println!("{}", start.elapsed().as_secs_f64() * 1e3);
        }
        let _ = std::io::stdout().flush();
    }
}

/// The parent's end.
pub struct LibtorchSide {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl LibtorchSide {
    /// Starts this program again with `arguments`, which make it call [`serve`].
    pub fn start(arguments: &[String]) -> LibtorchSide {
        let program = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
        let mut command = Command::new(program);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{e}"));
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { panic!("a child without pipes") };
        LibtorchSide { child, input, output: BufReader::new(output) }
    }

    fn ask(&mut self, line: &str) -> Vec<f64> {
        let mut answer = String::new();
        writeln!(self.input, "{line}")
            .and_then(|()| self.output.read_line(&mut answer))
            .unwrap_or_else(|e| panic!("{e}"));
        answer.split_whitespace().map(|v| v.parse().unwrap_or_else(|e| panic!("{answer}: {e}"))).collect()
    }

    /// Milliseconds of a batch of pairs.
    pub fn milliseconds(&mut self, pass: Pass, pairs: usize) -> f64 {
        let before = if pass == Pass::Published { PUBLISHED } else { "" };
        self.ask(&format!("{before}{pairs}"))[0]
    }

    /// What the machine does.
    pub fn machine(&mut self) -> Machine {
        let numbers = self.ask("machine");
        Machine { gflops: numbers[0], gigabytes: numbers[1] }
    }
}

impl Drop for LibtorchSide {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}
