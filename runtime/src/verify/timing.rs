//! How long one item takes.

use std::time::{Duration, Instant};

use crate::engine::machine::{cpuinfo, processor};
use crate::engine::stage::{StageRunner, Tensors};
use crate::engine::stopwatch::Stopwatch;
use crate::engine::tensor::{Data, Tensor};
use crate::error::Result;

/// Runs that do not count, so that memory is allocated and caches are warm.
const WARM_UP: usize = 3;
/// Runs that count at least and at most.
const RUNS: (usize, usize) = (5, 50);
/// No more runs are begun after this long.
const ENOUGH: Duration = Duration::from_millis(500);

/// The first item of a batch alone.
pub(crate) fn first_item(batch: &Tensors) -> Tensors {
    let first = |(name, tensor): (&String, &Tensor)| {
        let mut shape = tensor.shape().to_vec();
        let items = shape.first().copied().unwrap_or(1).max(1);
        if let Some(size) = shape.first_mut() {
            *size = 1;
        }
        let data = match tensor.data() {
            Data::F32(v) => Data::F32(v[..v.len() / items].to_vec()),
            Data::I64(v) => Data::I64(v[..v.len() / items].to_vec()),
            Data::U8(v) => Data::U8(v[..v.len() / items].to_vec()),
        };
        Some((name.clone(), Tensor::new(shape, data)?))
    };
    batch.iter().filter_map(first).collect()
}

/// Median milliseconds of a stage on `inputs`.
pub(crate) fn median_milliseconds(runner: &StageRunner, inputs: &Tensors, stopwatch: Stopwatch) -> Result<f64> {
    for _ in 0..WARM_UP {
        runner.run(&[inputs])?;
    }
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < RUNS.0 || times.len() < RUNS.1 && begin.elapsed() < ENOUGH {
        let (done, time) = stopwatch.time(|| runner.run(&[inputs]));
        done?;
        times.push(time.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// This machine: processor and threads.
pub(crate) fn machine(threads: usize) -> String {
    let cpuinfo = cpuinfo();
    format!("{}, {threads} {}", processor(&cpuinfo), if threads == 1 { "thread" } else { "threads" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_item_is_cut_from_every_tensor() {
        let batch = Tensors::from([
            ("a".to_owned(), Tensor::new(vec![3, 2], Data::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap()),
            ("n".to_owned(), Tensor::new(vec![3], Data::I64(vec![7, 8, 9])).unwrap()),
        ]);
        let item = first_item(&batch);
        assert_eq!(item["a"], Tensor::new(vec![1, 2], Data::F32(vec![1.0, 2.0])).unwrap());
        assert_eq!(item["n"], Tensor::count(7));
    }
}
