//! A limit to the memory of a process's graphs: an arena that their sessions share.
#![allow(unsafe_code)]

use std::ptr;

use ort::AsPointer as _;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

/// Grow by what is asked for, so that all of the limit can be used.
///
/// The other way grows by powers of two.
const SAME_AS_REQUESTED: i32 = 1;
/// Let ONNX Runtime choose.
const DEFAULT: i32 = -1;

/// Gives the environment an arena of at most `bytes` for sessions that use its allocators.
///
/// It can have one.
pub(super) fn register(environment: &Environment, bytes: usize) -> ort::Result<()> {
    let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)?;
    let mut settings = ptr::null_mut();
    // SAFETY: the arena's settings are made here, read by the second call, and released once; the environment and the
    // description of the memory live until this function returns, and ONNX Runtime copies what it needs of them.
    unsafe {
        let api = ort::api();
        ort::Error::result_from_status((api.CreateArenaCfg)(
            bytes,
            SAME_AS_REQUESTED,
            DEFAULT,
            DEFAULT,
            &mut settings,
        ))?;
        let registered = (api.CreateAndRegisterAllocator)(environment.ptr().cast_mut(), memory.ptr(), settings);
        (api.ReleaseArenaCfg)(settings);
        ort::Error::result_from_status(registered)
    }
}
