//! What a figure was measured on, and the memory of this process.

use std::process::Command;

use tch::Device;

/// Processor, threads and, for CUDA, the GPU, in a line.
pub fn describe(device: Device) -> String {
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let line = format!("{processor}, {} threads", tch::get_num_threads());
    match device {
        Device::Cuda(index) => {
            let gpu = nvidia_smi(index, "name,driver_version")
                .unwrap_or_else(|| "a GPU that nvidia-smi does not name".into());
            format!("{line}; {gpu}")
        }
        _ => line,
    }
}

fn nvidia_smi(index: usize, fields: &str) -> Option<String> {
    let query = format!("--query-gpu={fields}");
    let arguments = [query.as_str(), "--format=csv,noheader,nounits", "-i", &index.to_string()];
    let output = Command::new("nvidia-smi").args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The value of the first `key: value` line of a file.
fn field(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What this process holds now and the most that it held since [`forget_peak`] or its start, in MB: resident memory, or on
/// a GPU what is taken of its memory. The GPU's allocator gives nothing back, so there both are the most.
pub fn memory(device: Device) -> (f64, f64) {
    if let Device::Cuda(index) = device {
        let used = nvidia_smi(index, "memory.used").and_then(|mb| mb.parse().ok()).unwrap_or(f64::NAN);
        return (used, used);
    }
    let megabytes = |key: &str| {
        let kilobytes = field("/proc/self/status", key).and_then(|v| v.trim_end_matches(" kB").parse::<f64>().ok());
        kilobytes.map_or(f64::NAN, |kb| kb / 1024.0)
    };
    (megabytes("VmRSS"), megabytes("VmHWM"))
}

/// Lets the peak of resident memory begin anew. Where the system does not allow it, the peak stays that since the start.
pub fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Waits until the device has done what it was told.
pub fn synchronize(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}
