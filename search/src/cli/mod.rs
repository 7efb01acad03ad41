//! The command line: one file per subcommand.

mod compare;
mod convert;
mod data;
mod derive;
mod encoder_arguments;
mod export;
mod fronts;
mod import;
mod measure;
mod output;
mod pack;
mod pareto;
mod predict;
mod probes;
mod report;
mod requantise;
mod retrain;
mod scenes;
mod search;
mod slow_bar;
mod split;
mod table;
mod vision;
mod write;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use data::{DataArguments, FileArguments, RunArguments, WithTask};

/// Searches a multimodal network, trains what it found, exports it as an ONNX bundle.
#[derive(Parser)]
#[command(
    name = "mmnas-search",
    version,
    after_help = "\
Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage, 3 a bundle was
written without the graphs that failed verification (export, import, requantise).

The whole way, on a data set of JSON lines:
  mmnas-search vision --weights efficientnet_lite0.pth --out vision
  mmnas extract --vision vision --images photos --out features
  mmnas-search search --recipe recipe.toml --samples train.jsonl --features features --out search
  mmnas-search retrain --recipe recipe.toml --architecture search/architecture.json \\
      --samples train.jsonl --features features --out retrain
  mmnas-search export retrain --vision vision --out bundle"
)]
struct Cli {
    /// Threads that one operation of libtorch may take on the processor; 1 where several runs share its cores
    /// [default: all, or OMP_NUM_THREADS]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    fn set_threads(&self) {
        if let Some(threads) = self.threads {
            tch::set_num_threads(threads.into());
        }
    }
}

#[derive(Subcommand)]
enum Command {
    Convert(convert::Arguments),
    Scenes(scenes::Arguments),
    Pack(pack::Arguments),
    Split(split::Arguments),
    Vision(vision::Arguments),
    Search(search::Arguments),
    Retrain(retrain::Arguments),
    Compare(compare::Arguments),
    Table(table::Arguments),
    Probes(probes::Arguments),
    Predict(predict::Arguments),
    Derive(derive::Arguments),
    Pareto(pareto::Arguments),
    Fronts(fronts::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Requantise(requantise::Arguments),
    Report(report::Arguments),
}

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.set_threads();
    mmnas_search::progress::show();
    let result = match cli.command {
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Scenes(arguments) => scenes::run(&arguments),
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Split(arguments) => split::run(&arguments),
        Command::Vision(arguments) => vision::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Retrain(arguments) => retrain::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Table(arguments) => table::run(&arguments),
        Command::Probes(arguments) => probes::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Derive(arguments) => derive::run(&arguments),
        Command::Pareto(arguments) => pareto::run(&arguments),
        Command::Fronts(arguments) => fronts::run(&arguments),
        Command::Export(arguments) => return ended(export::run(&arguments)),
        Command::Import(arguments) => return ended(import::run(&arguments)),
        Command::Requantise(arguments) => return ended(requantise::run(&arguments)),
        Command::Report(arguments) => report::run(&arguments),
    };
    ended(result.map(|()| ExitCode::SUCCESS))
}

fn ended(result: mmnas_search::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn threads_are_libtorchs() {
        for threads in [2, 1] {
            let number = threads.to_string();
            let cli = Cli::try_parse_from(["mmnas-search", "table", "compare.json", "--threads", &number]).unwrap();
            cli.set_threads();
            assert_eq!(tch::get_num_threads(), threads);
        }
        assert!(Cli::try_parse_from(["mmnas-search", "table", "compare.json", "--threads", "0"]).is_err());
    }
}
