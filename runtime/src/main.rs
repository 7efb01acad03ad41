//! `mmnas`: runs, checks and measures an exported network.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
