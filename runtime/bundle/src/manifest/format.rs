//! Names and versions of the formats.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// File name of the manifest in a bundle's folder.
pub const MANIFEST: &str = "manifest.json";
/// File name of the description of a vision stage that stands alone.
pub const VISION: &str = "vision.json";
/// The format name that a bundle's manifest carries.
pub const BUNDLE_FORMAT: &str = "mmnas-bundle";
/// The format name that a vision stage's description carries.
pub const VISION_FORMAT: &str = "mmnas-vision";
/// The newest major version that this crate reads and the one it writes.
pub const MAJOR: u32 = 1;
/// The minor version that this crate writes.
///
/// Readers accept any minor version and ignore fields that they do not know.
pub const MINOR: u32 = 7;

/// Name and version of a file format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Of a bundle [`BUNDLE_FORMAT`], of a vision stage [`VISION_FORMAT`]; other files have their own.
    pub name: String,
    /// A reader refuses a major version that it does not know.
    pub major: u32,
    /// Additions that an older reader may ignore.
    pub minor: u32,
}

impl Format {
    /// The current version of the format `name`.
    pub fn current(name: &str) -> Format {
        Format { name: name.to_owned(), major: MAJOR, minor: MINOR }
    }
}

/// Parses JSON, its `format` first.
///
/// So a future version is reported as such and not as a field that is missing. `file` names the text in errors.
///
/// # Errors
/// JSON of another form; a format of another name than `name`, or of a later major version.
pub fn parse<T: for<'de> Deserialize<'de>>(text: &str, file: &Path, name: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct Header {
        format: Format,
    }
    let header: Header = serde_json::from_str(text).map_err(|e| Error::json(file, &e))?;
    if header.format.name != name {
        return Err(Error::invalid(file, "format.name", format!("{name:?}"), format!("{:?}", header.format.name)));
    }
    if header.format.major > MAJOR {
        let found = format!("{}.{}", header.format.major, header.format.minor);
        return Err(Error::FutureVersion { file: file.to_path_buf(), found, supported: MAJOR });
    }
    if header.format.major < 1 {
        return Err(Error::invalid(file, "format.major", MAJOR, header.format.major));
    }
    serde_json::from_str(text).map_err(|e| Error::json(file, &e))
}
