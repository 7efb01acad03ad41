//! `mmnas`: answers questions about images with an exported network, and checks, measures and feeds such networks.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
