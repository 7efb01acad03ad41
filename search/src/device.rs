//! Devices that tensors live on: `cpu`, `cuda` or `cuda:N`.
//!
//! The programs are linked with the CPU's half of libtorch alone. The other half,
//! `libtorch_cuda.so`, registers itself when it is loaded. So one program serves machines with and
//! without a GPU: it loads that library when CUDA is asked for.

#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, Device, Kind, Tensor};

use crate::error::{Error, Result};

const LIBRARY: &str = "libtorch_cuda.so";

/// Selects the device called `name`: `cpu`, `cuda` (the first GPU) or `cuda:N`.
///
/// CUDA needs `libtorch_cuda.so` of the libtorch that the program runs with. It is loaded from the
/// folder `libraries`, else from beside `libtorch_cpu.so`. If it is in neither, the system's loader
/// looks for it (`LD_LIBRARY_PATH`).
///
/// Call it before anything else of libtorch. The first call into libtorch (such as drawing a random
/// number) settles whether the process has CUDA.
///
/// # Errors
///
/// [`Error::Device`]:
///
/// - for another name;
/// - if no CUDA library can be loaded, with the files that were tried and the loader's words;
/// - if the library finds no GPU, with its words;
/// - for a number that no GPU has, with the number of GPUs.
pub fn select(name: &str, libraries: Option<&Path>) -> Result<Device> {
    let wrong =
        |expected: &str, found: String| Error::Device { name: name.to_owned(), expected: expected.into(), found };
    let number = match name.split_once(':') {
        None if name == "cpu" => return Ok(Device::Cpu),
        None if name == "cuda" => Some(0),
        Some(("cuda", number)) => number.parse::<usize>().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| wrong("cpu, cuda or cuda:N with N from 0", name.to_owned()))?;
    load_once(libraries).map_err(|tried| wrong("a libtorch_cuda.so that loads", tried))?;
    let count = Cuda::device_count().max(0);
    if count == 0 {
        let reason = match Tensor::f_zeros([1], (Kind::Float, Device::Cuda(0))) {
            Ok(_) => "none is counted".to_owned(),
            Err(error) => one_line(&error.to_string()),
        };
        return Err(wrong("a GPU", format!("none ({reason})")));
    }
    if number as i64 >= count {
        return Err(wrong(&format!("a number below {count}, the number of GPUs"), number.to_string()));
    }
    Ok(Device::Cuda(number))
}

fn load_once(libraries: Option<&Path>) -> std::result::Result<(), String> {
    static LOADED: Mutex<bool> = Mutex::new(false);
    let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !*loaded {
        load(&candidates(libraries))?;
        *loaded = true;
    }
    Ok(())
}

/// Possible places of the library, the likeliest first.
fn candidates(libraries: Option<&Path>) -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let folders = libraries.map(Path::to_path_buf).into_iter().chain(folder_of("libtorch_cpu.so", &maps));
    folders.map(|folder| folder.join(LIBRARY)).chain([PathBuf::from(LIBRARY)]).collect()
}

/// The folder that a process has loaded `library` from; `maps` is its `/proc/self/maps`.
fn folder_of(library: &str, maps: &str) -> Option<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    paths
        .filter(|path| path.file_name().is_some_and(|name| name == library))
        .find_map(|path| Some(path.parent()?.into()))
}

/// Loads the first of `files` that can be loaded.
///
/// If none can, the error says why each could not.
fn load(files: &[PathBuf]) -> std::result::Result<(), String> {
    let mut tried = Vec::new();
    for file in files {
        // SAFETY: the library's initialisers run. They are libtorch's, which expects to be loaded
        // so: PyTorch does it when it is imported. The file is the user's choice, as that of every
        // library on the loader's path is. RTLD_GLOBAL lets it share libtorch_cpu's registries,
        // which it adds itself to.
        match unsafe { Library::open(Some(file), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                // libtorch keeps pointers into it from now on, so it is never unloaded.
                std::mem::forget(library);
                return Ok(());
            }
            Err(error) => {
                let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                // The loader names the file itself, unless it is another one that the file needs.
                let (file, text) = (file.display().to_string(), one_line(&text));
                tried.push(if text.starts_with(&file) { text } else { format!("{file}: {text}") });
            }
        }
    }
    Err(format!("none, tried {}", tried.join("; ")))
}

/// The first line, which names the fault; libtorch adds the place in its sources.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_the_valid_ones_listed() {
        assert_eq!(select("cpu", None).unwrap(), Device::Cpu);
        for name in ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:0:1"] {
            let message = select(name, None).unwrap_err().to_string();
            assert_eq!(message, format!("device {name}: expected cpu, cuda or cuda:N with N from 0, found {name}"));
        }
    }

    #[test]
    fn a_library_that_does_not_load_is_named_with_the_loaders_words() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LIBRARY), [b'x'; 4096]).unwrap();
        let (broken, absent) = (folder.path().join(LIBRARY), folder.path().join("absent").join(LIBRARY));
        let message = load(&[absent.clone(), broken.clone()]).unwrap_err();
        let (absent, broken) = (absent.display(), broken.display());
        let expected = format!(
            "none, tried {absent}: cannot open shared object file: No such file or directory; {broken}: invalid ELF header"
        );
        assert_eq!(message, expected);
    }

    #[test]
    fn the_library_is_looked_for_in_the_option_beside_libtorch_and_by_the_loader() {
        // Any call of libtorch, so that it is linked and loaded.
        assert_eq!(Tensor::from_slice(&[1i64]).numel(), 1);
        let found = candidates(Some(Path::new("/somewhere")));
        assert_eq!(found.first().unwrap(), Path::new("/somewhere/libtorch_cuda.so"));
        assert_eq!(found.last().unwrap(), Path::new(LIBRARY));
        assert_eq!(found.len(), 3);
        assert!(found[1].with_file_name("libtorch_cpu.so").is_file(), "{}", found[1].display());
        let maps = "7f00-7f01 r--p 00000000 08:01 42    /a folder/lib/libtorch_cpu.so\n7f01-7f02 rw-p 0 00:00 0 [heap]";
        assert_eq!(folder_of("libtorch_cpu.so", maps).unwrap(), Path::new("/a folder/lib"));
        assert_eq!(folder_of("libtorch.so", maps), None);
    }
}
