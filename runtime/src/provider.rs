use std::fmt;
use std::str::FromStr;

use ort::ep::{ArenaExtendStrategy, CUDA, ExecutionProviderDispatch, TensorRT};

use crate::LoadOptions;

/// What runs the graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// NVIDIA's CUDA; what it cannot run, the processor runs.
    Cuda,
    /// NVIDIA's TensorRT; what it cannot run, CUDA runs.
    TensorRt,
}

impl Provider {
    const ALL: [Provider; 3] = [Provider::Cpu, Provider::Cuda, Provider::TensorRt];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
        }
    }

    /// As a session takes it. A provider that cannot be had is an error there and no silent step back to the processor.
    pub(crate) fn dispatches(self, options: &LoadOptions) -> Vec<ExecutionProviderDispatch> {
        let cuda = || {
            // TensorFloat-32 keeps 10 bits of a number: what is called fp32 is to be that.
            let mut cuda = CUDA::default().with_device_id(options.device).with_tf32(false);
            if let Some(limit) = options.memory_limit {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                cuda = cuda.with_memory_limit(limit).with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested);
            }
            cuda.build().error_on_failure()
        };
        match self {
            Provider::Cpu => Vec::new(),
            Provider::Cuda => vec![cuda()],
            Provider::TensorRt => {
                let mut tensorrt =
                    TensorRT::default().with_device_id(options.device).with_fp16(options.tensorrt_in_16_bits);
                if let Some(folder) = &options.engine_cache {
                    let folder = folder.display().to_string();
                    tensorrt = tensorrt.with_engine_cache(true).with_engine_cache_path(&folder);
                    tensorrt = tensorrt.with_timing_cache(true).with_timing_cache_path(folder);
                }
                vec![tensorrt.build().error_on_failure(), cuda()]
            }
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no provider has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected cpu, cuda or tensorrt, found {found:?}")]
pub struct ProviderError {
    found: String,
}

impl FromStr for Provider {
    type Err = ProviderError;

    fn from_str(name: &str) -> Result<Provider, ProviderError> {
        let found = || ProviderError { found: name.chars().take(80).collect() };
        Provider::ALL.into_iter().find(|provider| provider.name() == name).ok_or_else(found)
    }
}
