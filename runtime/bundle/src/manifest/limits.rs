//! How large numbers in a manifest may be.

use std::path::Path;

use crate::error::{Error, Result};

/// Most regions of one image.
///
/// The relations of n regions take n² × 64 numbers while an image is encoded: 1 GiB for these, and a count that a
/// stranger chose shall not take all of a machine's memory.
pub const MAX_REGIONS: usize = 2_048;

/// Largest side of a graph's input, in pixels.
pub(super) const MAX_SIDE: u32 = 4096;

/// Any count of elements above this is taken for damage.
const MAX_SIZE: usize = 1 << 24;

pub(crate) fn check_size(file: &Path, field: &str, value: usize) -> Result<()> {
    if value == 0 || value > MAX_SIZE {
        return Err(Error::invalid(file, field, format!("1 to {MAX_SIZE}"), value));
    }
    Ok(())
}
