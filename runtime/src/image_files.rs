//! Image files of a folder, by name.

use std::path::{Component, Path, PathBuf};

use crate::{Error, Result};

const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "gif"];

/// The image files in `folder` and below, told by their extensions (any case): names relative to `folder` with `/`,
/// sorted. Links to folders are not followed. No image at all is an error.
pub fn image_files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    collect(folder, "", &mut names)?;
    if names.is_empty() {
        let expected = format!("at least one image file ({})", EXTENSIONS.join(", "));
        return Err(Error::argument("images", expected, format!("none in {}", folder.display())));
    }
    names.sort();
    Ok(names)
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in folder.read_dir().map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::read(&path))?;
        let is_image = is_image(&path);
        if !kind.is_dir() && !is_image {
            continue;
        }
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            return Err(Error::argument("images", "file names in UTF-8", format!("{path:?}")));
        };
        let name = format!("{prefix}{name}");
        if kind.is_dir() {
            collect(&path, &format!("{name}/"), names)?;
        } else if path.metadata().map_or(kind.is_symlink(), |meta| meta.is_file()) {
            // A link to nothing too: whoever decodes it says so, or leaves it out.
            names.push(name);
        }
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// The file `name` in `folder`; an error where the name would leave it.
pub(crate) fn inside(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    if name.is_empty() || !path.components().all(|c| matches!(c, Component::Normal(_))) {
        return Err(Error::argument("samples: image", "a relative path inside the images folder", format!("{name:?}")));
    }
    Ok(folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_below_and_sorted() {
        let root = tempfile::tempdir().unwrap();
        assert!(image_files(root.path()).is_err());
        std::fs::create_dir_all(root.path().join("b/c")).unwrap();
        for name in ["z.PNG", "b/c/1.jpeg", "b/2.gif", "b/notes.txt", "a.json"] {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        assert_eq!(image_files(root.path()).unwrap(), ["b/2.gif", "b/c/1.jpeg", "z.PNG"]);
    }

    #[test]
    fn names_of_samples_stay_inside_the_folder() {
        for bad in ["", "/etc/passwd", "../x.png", "a/../../x.png"] {
            assert!(inside(Path::new("images"), bad).is_err(), "{bad:?}");
        }
        assert_eq!(inside(Path::new("images"), "a/b.png").unwrap(), Path::new("images/a/b.png"));
    }
}
