//! What a call cannot be faster than: its products at the machine's peak, its weights at the memory's.

use std::time::Instant;

use mmnas_bundle::manifest::{Dimensions, TaskName};
use mmnas_bundle::{Architecture, Operation};
use tch::{Device, Kind, Tensor};

/// What this machine does with the threads that libtorch has.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Floating-point operations a second in a product of large matrices, in 10⁹.
    pub gflops: f64,
    /// Bytes a second that reading a large array takes in, in 10⁹.
    pub gigabytes: f64,
}

impl Machine {
    /// The best of some tries.
    pub fn measure() -> Machine {
        let _guard = tch::no_grad_guard();
        let n = 1536i64;
        let (a, b) =
            (Tensor::rand([n, n], (Kind::Float, Device::Cpu)), Tensor::rand([n, n], (Kind::Float, Device::Cpu)));
        let large = Tensor::ones([96 << 20], (Kind::Float, Device::Cpu));
        let best = |run: &dyn Fn()| {
            (0..6).fold(f64::INFINITY, |best: f64, _| {
                let start = Instant::now();
                run();
                best.min(start.elapsed().as_secs_f64())
            })
        };
        let product = best(&|| drop(a.matmul(&b)));
        let reading = best(&|| drop(large.sum(Kind::Float)));
        Machine {
            gflops: 2.0 * (n as f64).powi(3) / product / 1e9,
            gigabytes: 4.0 * large.numel() as f64 / reading / 1e9,
        }
    }

    /// Milliseconds of so many multiplications with additions and so many bytes of weights, whichever takes longer.
    pub fn milliseconds(&self, multiplications: f64, bytes: f64) -> f64 {
        (2.0 * multiplications / self.gflops).max(bytes / self.gigabytes) / 1e6
    }
}

/// Multiplications of the stages.
#[derive(Debug, Clone, Copy)]
pub struct Multiplications {
    /// Of the text stage.
    pub text: f64,
    /// Of the image stage.
    pub image: f64,
    /// Of the fusion stage.
    pub fusion: f64,
}

impl Multiplications {
    /// Of one pair of a text and an image. Only operations of the paper's space are known.
    pub fn of(task: TaskName, architecture: &Architecture, d: &Dimensions, regions: usize, tokens: usize) -> Self {
        let (h, t, n) = (d.hidden as f64, tokens as f64, regions as f64);
        let att_flat = |n: f64| n * h * d.attflat as f64 + n * d.attflat as f64 + n * h + 2.0 * h * h;
        let own = |operation: &Operation, n: f64| match operation {
            Operation::SelfAttention | Operation::RelationSelfAttention => 4.0 * n * h * h + 2.0 * n * n * h,
            Operation::GuidedAttention => 2.0 * n * h * h + 2.0 * n * t * h,
            Operation::FeedForward => 8.0 * n * h * h,
            other => panic!("{other}: no operation of the paper's space"),
        };
        let guided = architecture.decoder.iter().filter(|op| **op == Operation::GuidedAttention).count() as f64;
        let related = architecture.decoder.iter().filter(|op| **op == Operation::RelationSelfAttention).count() as f64;
        let encoder: f64 = architecture.encoder.iter().map(|op| own(op, t)).sum();
        let lstm = t * 4.0 * h * (d.embedding as f64 + h);
        let relations =
            if related > 0.0 { n * n * d.relation as f64 * (4.0 + related * d.heads() as f64) } else { 0.0 };
        let (before, after) = architecture.decoder.split_at(architecture.image_blocks());
        let blocks = |operations: &[Operation]| operations.iter().map(|op| own(op, n)).sum::<f64>();
        let head = match task {
            TaskName::Vqa | TaskName::Itm => att_flat(n) + 2.0 * h * d.outputs as f64,
            TaskName::Vgd => n * (2.0 * h * h + 2.0 * h * 5.0),
        };
        Multiplications {
            text: lstm + encoder + att_flat(t) + guided * 2.0 * t * h * h,
            image: n * d.feature as f64 * h + relations + blocks(before),
            fusion: blocks(after) + head,
        }
    }
}
