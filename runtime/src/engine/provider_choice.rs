//! Which provider runs the graphs: the first that can be had of those that are asked for, in their order.

use ort::ep::{ArenaExtendStrategy, CUDA, ExecutionProviderDispatch, TensorRT};
use ort::session::Session;

use crate::engine::onnxruntime::Shared;
use crate::engine::options::LoadOptions;
use crate::engine::provider::Provider;
use crate::error::{Error, Result, one_line};

/// The first provider of the options that ONNX Runtime has here.
///
/// # Errors
/// [`Error::Provider`]: none of them, with a reason each.
pub(crate) fn first_available(shared: &Shared, options: &LoadOptions) -> Result<Provider> {
    let mut reasons = Vec::new();
    for &provider in &options.providers {
        let tried = Session::builder(&shared.environment)
            .and_then(|builder| Ok(builder.with_execution_providers(dispatches(provider, options))?));
        match tried {
            Ok(_) => {
                if !reasons.is_empty() {
                    tracing::warn!("{provider} runs the graphs, because {}", reasons.join("; "));
                }
                return Ok(provider);
            }
            Err(error) => reasons.push(format!("{provider}: {}", one_line(&error.to_string()))),
        }
    }
    Err(Error::Provider { reasons })
}

/// A provider as a session takes it.
///
/// One that cannot be had is an error there and no silent step back to the processor.
pub(crate) fn dispatches(provider: Provider, options: &LoadOptions) -> Vec<ExecutionProviderDispatch> {
    let cuda = || {
        // TensorFloat-32 keeps 10 bits of a number: what is called fp32 is to be that.
        let mut cuda = CUDA::default().with_device_id(options.device).with_tf32(false);
        if let Some(limit) = options.memory_limit {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            cuda = cuda.with_memory_limit(limit).with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested);
        }
        cuda.build().error_on_failure()
    };
    match provider {
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
