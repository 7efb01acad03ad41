//! Images in files, folders and memory: found, told by content, decoded.

pub(crate) mod decode;
pub(crate) mod image_content;
pub(crate) mod image_files;
pub(crate) mod image_folder;
pub(crate) mod passed_over;
