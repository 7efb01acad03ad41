//! The command line.

mod commands;
mod failure;
mod image_arguments;
mod images;
mod output;
mod progress;
mod samples;
mod signals;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use mmnas_runtime::bundle::manifest::Form;
use mmnas_runtime::{ErrorCode, LoadOptions, Provider};

use crate::cli::commands::{answer, evaluate, extract, ground, index, info, predict, profile, rank, run, verify};
use crate::cli::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  mmnas answer bundle photo.png \"what color is the circle?\"
  mmnas answer bundle photo.png \"what shape is it?\" \"is it red?\" --top 1 --json
  mmnas ground bundle photo.png \"the red square\" --draw boxes.png
  mmnas rank bundle --text \"a dog on a beach\" photos/*.jpg
  mmnas index add bundle photos.index --images photos
  mmnas index search bundle photos.index --text \"a dog on a beach\" --shortlist 100
  mmnas verify bundle --time
  mmnas info bundle
  mmnas extract --vision vision --images data/train --out features
  mmnas evaluate bundle --samples test.jsonl --images data/test
  mmnas predict bundle --samples test-dev.jsonl --features features --out answers.json
  mmnas profile probes --out latency.json

ONNX Runtime 1.28 or newer is taken from --ort-library, else from the environment
variable MMNAS_ORT_DYLIB, else from the folder of this program, else from the system.

Exit codes: 0 done, 1 error, 2 wrong usage, 3 verification failed, a damaged file included,
4 no usable ONNX Runtime,
130 ended by SIGINT (Ctrl-C), 143 by SIGTERM. `extract`, `index add` and `profile` then keep what
they have done and say so; other commands leave nothing half written. A second signal ends at once.";

/// Runs exported multimodal networks on ONNX Runtime
#[derive(Parser)]
#[command(name = "mmnas", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Global {
    /// The ONNX Runtime library, or a folder that holds it
    #[arg(long, global = true, value_name = "PATH")]
    ort_library: Option<PathBuf>,
    /// Threads that one operator may use [default: all processors]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Which graphs of the bundle run: ort or portable operators in fp32, fp16 or int8, as in ort-int8
    /// [default: 32 bits, fused operators where there are such; verify, profile: all]
    #[arg(long, global = true, value_name = "FORM")]
    variant: Option<Form>,
    /// Do not compare the files' hashes with the manifest's; their lengths are compared all the same
    #[arg(long, global = true)]
    no_hashes: bool,
    /// Take region features of another vision stage than the one whose features the bundle's network was trained on, too
    #[arg(long, global = true)]
    any_features: bool,
    /// What may run them: cpu, cuda or tensorrt; of several the first that can be had, so that cuda,cpu prefers
    /// a GPU and cuda requires one
    #[arg(long, global = true, value_name = "NAMES", default_value = "cpu", value_delimiter = ',')]
    provider: Vec<Provider>,
    /// Which of the machine's GPUs
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    device: u16,
    /// Most memory that weights and intermediate results may take, in MiB [default: no limit]
    #[arg(long, global = true, value_name = "MIB")]
    memory: Option<u32>,
    /// An existing folder where TensorRT keeps the engines that it builds
    #[arg(long, global = true, value_name = "DIR")]
    engine_cache: Option<PathBuf>,
    /// Let TensorRT compute in 16 bits where a graph says 32
    #[arg(long, global = true)]
    tensorrt_fp16: bool,
    /// Tell what happens on the standard error output; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Global {
    fn load_options(&self) -> LoadOptions {
        LoadOptions {
            ort_library: self.ort_library.clone(),
            threads: self.threads,
            form: self.variant,
            check_hashes: !self.no_hashes,
            any_features: self.any_features,
            providers: self.provider.clone(),
            device: i32::from(self.device),
            memory_limit: self.memory.map(|mib| u64::from(mib) << 20),
            engine_cache: self.engine_cache.clone(),
            tensorrt_in_16_bits: self.tensorrt_fp16,
            ..LoadOptions::default()
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Answer questions about an image
    Answer(answer::Arguments),
    /// Find what phrases mean in an image
    Ground(ground::Arguments),
    /// Rank images for a text, or texts for an image
    Rank(rank::Arguments),
    /// Keep images or texts on disk and find in them what belongs to a text or an image
    #[command(subcommand)]
    Index(index::Command),
    /// Compare a bundle's outputs with those recorded when it was written
    Verify(verify::Arguments),
    /// Tell what a bundle is and holds
    Info(info::Arguments),
    /// Write the region features of many images, to train with
    Extract(extract::Arguments),
    /// Measure the accuracy and the speed of a bundle on samples
    Evaluate(evaluate::Arguments),
    /// Answer questions whose answers are kept back, for the server of VQA-v2
    Predict(predict::Arguments),
    /// Measure what the parts of networks take on this machine, to predict and to search by
    Profile(profile::Arguments),
    /// Run any ONNX graph once, on the tensors of a file
    Run(run::Arguments),
}

/// The exit code where a bundle does not give what was recorded, or its files are not those of its manifest.
const NOT_VERIFIED: u8 = 3;

/// Runs the program with its arguments.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.global.verbose);
    let signals = signals::Signals::listen();
    let options = cli.global.load_options();
    let outcome = match &cli.command {
        Command::Answer(arguments) => answer::run(arguments, &options, &signals),
        Command::Ground(arguments) => ground::run(arguments, &options, &signals),
        Command::Rank(arguments) => rank::run(arguments, &options, &signals),
        Command::Index(command) => index::run(command, &options, &signals),
        Command::Verify(arguments) => verify::run(arguments, &options),
        Command::Info(arguments) => info::run(arguments),
        Command::Extract(arguments) => extract::run(arguments, &options, &signals),
        Command::Evaluate(arguments) => evaluate::run(arguments, &options),
        Command::Predict(arguments) => predict::run(arguments, &options, &signals),
        Command::Profile(arguments) => profile::run(arguments, &options, &signals),
        Command::Run(arguments) => run::run(arguments, &options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Stopped(kept)) => {
            output::line(&kept);
            signals.exit_code().map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(Failure::Library(error)) => {
            output::error(&error);
            ExitCode::from(match error.code() {
                ErrorCode::VerificationFailed => NOT_VERIFIED,
                ErrorCode::OnnxRuntimeMissing => 4,
                ErrorCode::Cancelled => signals.exit_code().unwrap_or(1),
                _ => 1,
            })
        }
        Err(Failure::Damaged(error)) => {
            output::error(&error);
            ExitCode::from(NOT_VERIFIED)
        }
        // Whoever reads the output has enough of it.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn start_log(verbose: u8) {
    let level = match verbose {
        0 => {
            // What this program warns of, such as another provider than the first that was asked for; ONNX Runtime's own
            // warnings are of its insides.
            let ours = tracing_subscriber::EnvFilter::new(format!("warn,{}=off", mmnas_runtime::ONNX_RUNTIME_TARGET));
            let lines = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
            return lines.with_env_filter(ours).with_writer(std::io::stderr).init();
        }
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for arguments in [["mmnas", "--threads", "2", "verify", "b"], ["mmnas", "verify", "b", "--threads", "2"]] {
            assert_eq!(Cli::parse_from(arguments).global.threads, NonZeroUsize::new(2));
        }
        assert!(Cli::try_parse_from(["mmnas", "answer", "b", "i", "q", "--top", "0"]).is_err());
        assert!(Cli::try_parse_from(["mmnas", "answer", "b", "i"]).is_err());
    }
}
