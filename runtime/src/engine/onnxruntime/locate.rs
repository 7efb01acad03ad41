//! Where an ONNX Runtime library may lie.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::engine::onnxruntime::mapped;

/// The environment variable that names the library or a folder that holds it.
const VARIABLE: &str = "MMNAS_ORT_DYLIB";

/// Something to try, with words for the error that lists what was tried.
pub(super) enum LibraryPlace {
    /// A file to load.
    File {
        /// Where, for people.
        place: String,
        /// The file.
        file: PathBuf,
    },
    /// A name that the system's loader looks up.
    SystemName {
        /// Where, for people.
        place: String,
        /// The name.
        name: PathBuf,
    },
    /// A place that holds no library.
    Missing {
        /// Where and why, for people.
        place: String,
    },
}

/// The library's file name on this system, without a version: `libonnxruntime.so`.
pub(super) fn library_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// The files to try for `path`, the best name first.
///
/// That is the path itself, or the libraries in it where it is a folder.
pub(super) fn files_of(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() { libraries_in(path) } else { vec![path.to_path_buf()] }
}

/// What to try, in order.
///
/// Where the caller or the environment names a library, nothing else is tried: whoever asks for one file shall not
/// silently get another.
pub(super) fn candidates(option: Option<&Path>) -> Vec<LibraryPlace> {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    match (option, variable) {
        (Some(path), _) => named("the option", path),
        (None, Some(path)) => named(VARIABLE, &path),
        (None, None) => {
            let mut found = Vec::new();
            for folder in own_folders() {
                found.extend(named("beside our own file", &folder));
            }
            found.extend(system());
            found
        }
    }
}

fn named(who: &str, path: &Path) -> Vec<LibraryPlace> {
    // A bare name would be looked up elsewhere than the caller means: the loader knows no current folder.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let files = files_of(&path);
    if files.is_empty() {
        return vec![LibraryPlace::Missing {
            place: format!("{who}, {}: no {} in it", path.display(), library_name()),
        }];
    }
    let candidate = |file: PathBuf| LibraryPlace::File { place: format!("{who}, {}", file.display()), file };
    files.into_iter().map(candidate).collect()
}

/// The folders of this code's file and of the program, each once.
fn own_folders() -> Vec<PathBuf> {
    let files = [mapped::own_file(), std::env::current_exe().ok()];
    let mut folders: Vec<PathBuf> =
        files.into_iter().flatten().filter_map(|file| Some(file.parent()?.to_path_buf())).collect();
    folders.dedup();
    folders
}

fn system() -> Vec<LibraryPlace> {
    // For a bare name the binding looks beside the program first, and panics where the program's path is unknown.
    if std::env::current_exe().is_err() {
        return vec![LibraryPlace::Missing { place: "the system: the program's own path is unknown".to_owned() }];
    }
    let mut names = vec![library_name().to_owned()];
    if cfg!(target_os = "linux") {
        names.push(format!("{}.1", library_name()));
    }
    let candidate = |name: String| LibraryPlace::SystemName { place: format!("the system, {name}"), name: name.into() };
    names.into_iter().map(candidate).collect()
}

/// `libonnxruntime.so`, `libonnxruntime.so.1`, `libonnxruntime.so.1.*` (the highest version first), where they exist.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let (plain, major) = (library_name().to_owned(), format!("{}.1", library_name()));
    let mut versions: Vec<(Vec<u64>, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if let Some(version) = name.to_str().and_then(|n| n.strip_prefix(&major)).and_then(|n| n.strip_prefix('.')) {
            versions.push((version.split('.').map(|part| part.parse().unwrap_or(0)).collect(), entry.path()));
        }
    }
    versions.sort_by(|a, b| b.cmp(a));
    let fixed = [plain, major].into_iter().map(|name| folder.join(name)).filter(|file| file.exists());
    fixed.chain(versions.into_iter().map(|(_, path)| path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_version_come_first_then_the_highest() {
        let folder = tempfile::tempdir().unwrap();
        assert!(libraries_in(folder.path()).is_empty());
        let name = library_name();
        for suffix in [".1.9.0", ".1.28.0", ".1", "", ".2", ".1x"] {
            std::fs::write(folder.path().join(format!("{name}{suffix}")), "").unwrap();
        }
        let found: Vec<String> = libraries_in(folder.path())
            .into_iter()
            .map(|f| f.file_name().unwrap().to_str().unwrap().replace(name, ""))
            .collect();
        assert_eq!(found, ["", ".1", ".1.28.0", ".1.9.0"]);
    }

    #[test]
    fn a_named_library_is_the_only_one_tried() {
        let found = candidates(Some(Path::new("/nonexistent/x.so")));
        assert!(matches!(&found[..], [LibraryPlace::File { file, .. }] if file == Path::new("/nonexistent/x.so")));
    }
}
