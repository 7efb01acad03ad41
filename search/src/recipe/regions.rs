//! `[regions]`: which regions of an image are used.

use serde::{Deserialize, Serialize};

use crate::recipe::wrong::Wrong;

/// Regions of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionSettings {
    /// Most regions of an image; the rest are left out, 1 to 4096.
    ///
    /// Published: 100; 36 in image-text matching.
    pub max: usize,
}

impl RegionSettings {
    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        if self.max == 0 || self.max > 4096 {
            return Err(("regions.max", "1 to 4096", self.max.to_string()));
        }
        Ok(())
    }
}
