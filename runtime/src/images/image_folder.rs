//! A folder whose images samples name.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mmnas_bundle::ImageNames;
use mmnas_bundle::samples::image_name;
use walkdir::WalkDir;

use crate::error::{Error, Result};
use crate::images::image_files;

/// The files of a folder, found by what samples call their images: see [`mmnas_bundle::image_names`].
#[derive(Debug)]
pub struct ImageFolder<'a> {
    folder: &'a Path,
    /// What lies in the folder and below.
    ///
    /// Listed when the first sample does not name a file as it is called.
    names: OnceLock<ImageNames>,
}

impl<'a> ImageFolder<'a> {
    pub(crate) fn new(folder: &'a Path) -> ImageFolder<'a> {
        ImageFolder { folder, names: OnceLock::new() }
    }

    /// The name, relative to the folder, of the file that [`ImageFolder::find`] gives.
    ///
    /// # Errors
    /// As [`ImageFolder::find`].
    pub(crate) fn own_name(&self, name: &str) -> Result<String> {
        let file = self.find(name)?;
        Ok(file.strip_prefix(self.folder).unwrap_or(&file).to_string_lossy().into_owned())
    }

    /// The file of the image that a sample calls `name`.
    ///
    /// Where none fits it is the path of that name.
    ///
    /// # Errors
    /// A name that leaves the folder, or fits several files equally well; a folder that cannot be listed.
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf> {
        let name = &*image_name(name);
        let exact = image_files::inside(self.folder, name)?;
        // A link to nothing is there; whoever reads it says what is wrong with it.
        if exact.is_file() || (exact.is_symlink() && !exact.is_dir()) {
            return Ok(exact);
        }
        let names = match self.names.get() {
            Some(names) => names,
            None => {
                let listed = ImageNames::new(listed(self.folder)?);
                self.names.get_or_init(|| listed)
            }
        };
        Ok(names.find(name, self.folder)?.map_or(exact, |place| self.folder.join(names.name(place))))
    }
}

/// The names of all files in `folder` and below, relative to it with `/`.
///
/// Links are followed. Names that are no UTF-8 are none that a sample could give, and what a link that leads back or to
/// nothing stands for is no file.
fn listed(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in WalkDir::new(folder).min_depth(1).follow_links(true) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => names.extend(image_files::relative(entry.path(), folder).ok()),
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_path_buf();
                if !path.is_symlink() {
                    return Err(Error::read(&path)(error.into()));
                }
            }
        }
    }
    // Folders come in the system's order.
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_what_samples_call_its_image() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("val2014/9")).unwrap();
        for name in ["val2014/COCO_val2014_000000000009.jpg", "1000092795.jpg", "cat_1.jpg", "dog_1.jpg", "b.png.npz"] {
            std::fs::write(at(name), "").unwrap();
        }
        let folder = ImageFolder::new(root.path());
        for (name, file) in [
            ("9", "val2014/COCO_val2014_000000000009.jpg"),
            ("val2014/9", "val2014/COCO_val2014_000000000009.jpg"),
            ("1000092795", "1000092795.jpg"),
            ("dog_1.jpg", "dog_1.jpg"),
            ("b.png", "b.png.npz"),
            ("b.png.npz", "b.png.npz"),
            ("c.png", "c.png"),
        ] {
            assert_eq!(folder.find(name).unwrap(), at(file), "{name}");
        }
        let error = folder.find("1").unwrap_err().to_string();
        assert!(error.contains("\"cat_1.jpg\", \"dog_1.jpg\""), "{error}");
        assert!(folder.find("../x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_ends() {
        let root = tempfile::tempdir().unwrap();
        let (inner, outer) = (root.path().join("images"), root.path().join("others"));
        for folder in [&inner, &outer] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(outer.join("x_7.jpg"), "").unwrap();
        std::os::unix::fs::symlink(&outer, inner.join("linked")).unwrap();
        std::os::unix::fs::symlink(&inner, outer.join("back")).unwrap();
        assert_eq!(ImageFolder::new(&inner).find("7").unwrap(), inner.join("linked/x_7.jpg"));
    }
}
