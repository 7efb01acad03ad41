//! Whether a device computes what the published code did: the fixtures' comparisons on it. `make gpu-check`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mmnas_search::{MatmulPrecision, SamplingMode, device};
use mmnas_tests::agreement::{self, Pair};
use mmnas_tests::bench::machine;
use tch::Device;

/// The largest `‖ours − theirs‖ / ‖theirs‖` in 32 bits; of alphas' gradients over the terms that cancel out in them.
const TOLERANCE: f64 = 1e-4;
/// The same in bfloat16, whose numbers have a relative error of up to 2e-3.
const TOLERANCE_BFLOAT16: f64 = 2e-2;

/// Compares networks and architecture steps on a device with the fixtures of the published code. Where the fixtures lie
/// elsewhere than when this was built, MMNAS_FIXTURES names their folder.
#[derive(Parser)]
struct Options {
    /// Where to compute: cpu, cuda or cuda:N
    #[arg(long, default_value = "cuda")]
    device: String,
    /// Folder of libtorch_cuda.so, where it lies neither beside libtorch_cpu.so nor on the loader's path
    #[arg(long)]
    libraries: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let device = match device::select(&options.device, options.libraries.as_deref()) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("gpu-check: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("machine: {}", machine::describe(device));
    println!("{:<56} {:>10} {:>10}", "relative difference", "found", "allowed");
    let mut all = true;
    for (pairs, tolerance) in [(pairs(device), TOLERANCE), (bfloat16(device), TOLERANCE_BFLOAT16)] {
        for (what, difference) in worst_of_blocks(&pairs) {
            let agrees = difference <= tolerance;
            all &= agrees;
            println!("{what:<56} {difference:>10.1e} {tolerance:>10.0e}{}", if agrees { "" } else { "  DIFFERS" });
        }
    }
    println!("{}", if all { "all agree" } else { "not all agree" });
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The largest relative difference of pairs whose names differ in the number of their block alone.
fn worst_of_blocks(pairs: &[Pair]) -> BTreeMap<String, f64> {
    let mut worst = BTreeMap::new();
    for pair in pairs {
        let block = |what: &str| what.bytes().all(|c| c.is_ascii_digit());
        let name = pair.what.rsplit_once('.').filter(|(_, last)| block(last)).map_or(&*pair.what, |(name, _)| name);
        let largest = worst.entry(name.to_owned()).or_insert(0.0_f64);
        let difference = pair.relative_to_terms();
        // A NaN is the largest of all.
        *largest = if difference.is_nan() { f64::INFINITY } else { largest.max(difference) };
    }
    worst
}

fn pairs(device: Device) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for folder in ["official", "official_full"] {
        pairs.push(agreement::net_vqa(folder, device, MatmulPrecision::Float32));
        pairs.push(agreement::net_itm(folder, device));
        pairs.extend(agreement::net_vgd(folder, device));
    }
    for mode in [SamplingMode::Full, SamplingMode::Two] {
        let all = [agreement::super_vqa, agreement::super_itm, agreement::super_vgd];
        for supernet in all.map(|supernet| supernet(mode, device)) {
            pairs.push(supernet.loss);
            pairs.extend(supernet.gradients);
            pairs.extend(supernet.alpha_after);
        }
    }
    pairs
}

fn bfloat16(device: Device) -> Vec<Pair> {
    let mut pair = agreement::net_vqa("official_full", device, MatmulPrecision::Bfloat16);
    pair.what += ", bfloat16";
    vec![pair]
}
