//! The C library from outside: installed, moved, linked, loaded and misused as its users would.

mod memory;
mod packages;
mod programs;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::{Rgb, RgbImage};
use mmnas_bundle::manifest::TaskName;
use mmnas_tests::exported::bundle_for_pixels;

/// Bundles of the three tasks and a photograph; in a folder that stays until the process ends.
struct Given {
    _folder: tempfile::TempDir,
    vqa: PathBuf,
    itm: PathBuf,
    vgd: PathBuf,
    image: PathBuf,
}

static GIVEN: LazyLock<Given> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let bundle = |task, joint| bundle_for_pixels(folder.path(), task, joint);
    let (vqa, itm) = (bundle(TaskName::Vqa, None), bundle(TaskName::Itm, Some(16)));
    let vgd = bundle(TaskName::Vgd, None);
    let image = folder.path().join("image.png");
    RgbImage::from_fn(90, 60, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, 9])).save(&image).unwrap();
    Given { vqa, itm, vgd, image, _folder: folder }
});

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
