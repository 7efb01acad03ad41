//! What runs the graphs: the processor, CUDA or TensorRT.

use std::fmt;
use std::str::FromStr;

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
