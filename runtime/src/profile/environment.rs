//! Where and with what probes are measured.

use mmnas_bundle::latency::table::Environment;

use crate::engine::machine::{cpuinfo, processor};
use crate::engine::onnxruntime::onnxruntime;
use crate::engine::provider::Provider;

/// Features of processors that decide which code runs, in the order in which they are told.
const FLAGS: [&str; 12] = [
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
];

/// This machine and process; ONNX Runtime is loaded.
pub(super) fn here(provider: Provider, threads: usize) -> Environment {
    let cpuinfo = cpuinfo();
    let gpus = if provider == Provider::Cpu { Vec::new() } else { gpus() };
    // Which of several GPUs a number means is not told here, so kinds that differ are all named.
    let device = if gpus.is_empty() { processor(&cpuinfo).to_owned() } else { gpus.join(" or ") };
    Environment {
        device,
        flags: flags(&cpuinfo),
        provider: provider.to_string(),
        threads,
        onnxruntime: onnxruntime().map_or_else(|| "unknown".to_owned(), |(_, version)| version),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// Those of [`FLAGS`] in the text of `/proc/cpuinfo`.
fn flags(cpuinfo: &str) -> Vec<String> {
    let listed = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let listed = listed.filter(|(key, _)| matches!(key.trim(), "flags" | "Features")).map(|(_, flags)| flags).next();
    let known = |flag: &&str| listed.is_some_and(|flags| flags.split_whitespace().any(|found| found == *flag));
    FLAGS.into_iter().filter(known).map(str::to_owned).collect()
}

/// The kinds of NVIDIA's GPUs in this machine, each once.
fn gpus() -> Vec<String> {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let texts = folders.filter_map(|folder| std::fs::read_to_string(folder.path().join("information")).ok());
    let mut names: Vec<String> = texts.filter_map(|text| gpu_of(&text).map(str::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A GPU's name in what its driver tells.
fn gpu_of(information: &str) -> Option<&str> {
    information.lines().find_map(|line| line.strip_prefix("Model:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_in_their_order() {
        let x86 = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu fma avx avx2 avx512f avx512_vnni avx512bw\n\
                   vmx flags\t: vnmi\nbogomips\t: 1\n";
        assert_eq!(flags(x86), ["avx2", "fma", "avx512f", "avx512_vnni"]);
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd evtstrm sve asimddp i8mm\n";
        assert_eq!(flags(arm), ["asimd", "asimddp", "i8mm", "sve"]);
        assert!(flags("").is_empty());
    }

    #[test]
    fn a_gpu_is_called_as_its_driver_calls_it() {
        assert_eq!(gpu_of("Model: \t\t NVIDIA H200\nIRQ:   \t\t 5\n"), Some("NVIDIA H200"));
        assert_eq!(gpu_of("IRQ: 5\n"), None);
    }

    #[test]
    fn the_environment_tells_of_this_process() {
        let here = here(Provider::Cpu, 3);
        assert_eq!((here.provider.as_str(), here.threads), ("cpu", 3));
        assert!(!here.device.is_empty() && here.system.ends_with(std::env::consts::ARCH));
    }
}
