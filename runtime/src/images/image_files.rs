//! Image files of a folder, by name.

use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, Result};
use crate::images::image_content::{Content, READ};
use crate::images::passed_over::{PassedOver, Tally};

/// Endings by which a file is an image whatever it holds.
///
/// One that holds none is a broken image.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif"];

/// The image files in `folder` and below: [`ImageFiles::find`], where nothing may be broken.
///
/// # Errors
/// As [`ImageFiles::find`].
pub fn image_files(folder: &Path) -> Result<Vec<String>> {
    Ok(ImageFiles::find(folder, false)?.names)
}

/// The image files of a folder, and what else lies there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// Names of the image files relative to the folder with `/`, sorted.
    pub names: Vec<String>,
    /// What is not read.
    pub passed_over: Vec<PassedOver>,
}

impl ImageFiles {
    /// Looks for image files in `folder` and below.
    ///
    /// A file is one by its ending (png, jpg, jpeg, jpe, jfif, webp, bmp, gif in any case) or by its first bytes (PNG,
    /// JPEG, WebP, BMP, GIF). What is hidden, or lies in a hidden folder, is one by its ending alone: version control
    /// and caches keep copies there.
    ///
    /// Links are followed, to files and to folders; what two links lead to has two names. A link that leads back to a folder
    /// above it is passed over. Pipes and devices are never opened.
    ///
    /// With `skip_broken` a folder that must not be read and an image whose name is no UTF-8 are passed over, which are errors
    /// otherwise.
    ///
    /// # Errors
    /// A folder that cannot be read; a name that is no UTF-8; no image at all.
    pub fn find(folder: &Path, skip_broken: bool) -> Result<ImageFiles> {
        // Of a file the walk would give the file itself.
        folder.read_dir().map_err(Error::read(folder))?;
        let mut search = Search { skip_broken, names: Vec::new(), unknown: Vec::new(), tally: Tally::default() };
        let mut walk = WalkDir::new(folder).min_depth(1).follow_links(true).into_iter();
        while let Some(entry) = walk.next() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    if !search.enters(&entry, folder)? {
                        walk.skip_current_dir();
                    }
                }
                Ok(entry) => search.file(entry, folder)?,
                Err(error) => search.failed(error, folder)?,
            }
        }
        let found = search.finish()?;
        if found.names.is_empty() {
            let expected = format!("at least one image file ({READ})");
            let beside = PassedOver::line(&found.passed_over).map_or_else(String::new, |line| format!("; {line}"));
            return Err(Error::argument("images", expected, format!("none in {}{beside}", folder.display())));
        }
        Ok(found)
    }
}

/// A file whose name does not say what it is.
struct Unknown {
    path: PathBuf,
    name: std::result::Result<String, String>,
}

struct Search {
    skip_broken: bool,
    names: Vec<String>,
    unknown: Vec<Unknown>,
    tally: Tally,
}

const NO_UTF_8: &str = "with a name that is no UTF-8";

impl Search {
    /// Whether to look into a folder.
    fn enters(&mut self, entry: &DirEntry, folder: &Path) -> Result<bool> {
        match relative(entry.path(), folder) {
            Ok(_) => Ok(true),
            Err(name) => self.nameless(entry.path(), name).map(|()| false),
        }
    }

    fn file(&mut self, entry: DirEntry, folder: &Path) -> Result<()> {
        let name = relative(entry.path(), folder);
        let told = || name.clone().unwrap_or_else(|name| name);
        if !entry.file_type().is_file() {
            // Opening one could wait for ever.
            self.tally.notable("pipe or device", told());
            return Ok(());
        }
        let file_name = entry.file_name().as_encoded_bytes();
        if file_name.starts_with(b"._") && matches!(Content::of_file(entry.path()), Ok(Content::AppleDouble)) {
            self.tally.plain("macOS companion", told());
        } else if has_ending(entry.path()) {
            self.image(entry.path(), name)?;
        } else if is_hidden(entry.path(), folder) {
            self.tally.plain("hidden", told());
        } else {
            self.unknown.push(Unknown { path: entry.into_path(), name });
        }
        Ok(())
    }

    fn image(&mut self, path: &Path, name: std::result::Result<String, String>) -> Result<()> {
        match name {
            Ok(name) => self.names.push(name),
            Err(name) => self.nameless(path, name)?,
        }
        Ok(())
    }

    fn nameless(&mut self, path: &Path, name: String) -> Result<()> {
        if !self.skip_broken {
            return Err(Error::argument("images", "file names in UTF-8", format!("{path:?}")));
        }
        self.tally.notable(NO_UTF_8, name);
        Ok(())
    }

    /// What the walk could not go to.
    fn failed(&mut self, error: walkdir::Error, folder: &Path) -> Result<()> {
        let path = error.path().unwrap_or(folder).to_path_buf();
        let name = relative(&path, folder);
        let told = || name.clone().unwrap_or_else(|name| name);
        if error.loop_ancestor().is_some() {
            self.tally.notable("link that leads back", told());
            return Ok(());
        }
        let source: std::io::Error = error.into();
        if path.is_symlink() && has_ending(&path) {
            // Whoever decodes it says what is wrong with it, or leaves it out.
            return self.image(&path, name);
        }
        if path.is_symlink() {
            self.tally.notable("link to nothing", told());
            return Ok(());
        }
        if self.skip_broken && source.kind() == std::io::ErrorKind::PermissionDenied {
            self.tally.notable("folder that must not be read", told());
            return Ok(());
        }
        Err(Error::read(&path)(source))
    }

    /// Looks into the files whose names do not say what they are.
    fn finish(mut self) -> Result<ImageFiles> {
        let unknown = std::mem::take(&mut self.unknown);
        let contents: Vec<_> = unknown.par_iter().map(|file| Content::of_file(&file.path)).collect();
        for (Unknown { path, name }, content) in unknown.into_iter().zip(contents) {
            let told = || name.clone().unwrap_or_else(|name| name);
            match content {
                Ok(Content::Image) => self.image(&path, name)?,
                Ok(Content::OtherImage(format)) => self.tally.notable(of_format(&format, &path), told()),
                Ok(Content::AppleDouble | Content::Other) => self.tally.plain(ending(&path), told()),
                Err(_) => self.tally.notable("unreadable", told()),
            }
        }
        // Folders come in the system's order.
        self.names.sort();
        Ok(ImageFiles { names: self.names, passed_over: self.tally.finish() })
    }
}

/// The name of `path` relative to `folder`, with `/`.
///
/// Bytes that are no UTF-8 make an error: the name with other characters for them.
pub(crate) fn relative(path: &Path, folder: &Path) -> std::result::Result<String, String> {
    let parts = || path.strip_prefix(folder).unwrap_or(path).iter();
    match parts().map(|part| part.to_str()).collect::<Option<Vec<_>>>() {
        Some(parts) => Ok(parts.join("/")),
        None => Err(parts().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")),
    }
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str());
    ending.is_some_and(|e| ENDINGS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

fn is_hidden(path: &Path, folder: &Path) -> bool {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    inside.iter().any(|part| part.as_encoded_bytes().starts_with(b"."))
}

/// An image format, with the file's ending where that says more.
///
/// Cameras' raw files are TIFF inside.
fn of_format(format: &str, path: &Path) -> String {
    match path.extension() {
        Some(ending) if format == "TIFF" && !["tif", "tiff"].iter().any(|e| ending.eq_ignore_ascii_case(e)) => {
            format!("TIFF .{}", ending.to_string_lossy().to_lowercase())
        }
        _ => format.to_owned(),
    }
}

fn ending(path: &Path) -> String {
    path.extension().map_or_else(|| "without ending".to_owned(), |e| format!(".{}", e.to_string_lossy().to_lowercase()))
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

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        root
    }

    type Kinds = Vec<(String, usize, Vec<String>)>;

    /// The names, and each kind that was passed over with its number and names.
    fn found(root: &tempfile::TempDir, skip_broken: bool) -> (Vec<String>, Kinds) {
        let found = ImageFiles::find(root.path(), skip_broken).unwrap();
        let kind = |kind: PassedOver| (kind.kind, kind.count, kind.names);
        (found.names, found.passed_over.into_iter().map(kind).collect())
    }

    fn kind(kind: &str, names: &[&str]) -> (String, usize, Vec<String>) {
        (kind.to_owned(), names.len(), names.iter().map(|name| (*name).to_owned()).collect())
    }

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF";

    #[test]
    fn images_are_found_below_and_sorted() {
        let empty = tempfile::tempdir().unwrap();
        assert!(image_files(empty.path()).is_err() && image_files(&empty.path().join("none")).is_err());
        let root = folder(&["z.PNG", "b/c/1.jpeg", "b/2.gif", "b/notes.txt", "a.json"].map(|name| (name, &b""[..])));
        assert_eq!(image_files(root.path()).unwrap(), ["b/2.gif", "b/c/1.jpeg", "z.PNG"]);
        assert_eq!(found(&root, false).1, [kind(".json", &["a.json"]), kind(".txt", &["b/notes.txt"])]);
        assert!(image_files(&root.path().join("z.PNG")).is_err());
    }

    #[test]
    fn images_are_told_by_content_where_their_names_do_not_say_it() {
        let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        let root = folder(&[
            ("0001", JPEG),
            ("scan.dat", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
            ("a.JFIF", b""),
            ("b.jpe", JPEG),
            ("photo.heic", heic),
            ("IMG_1.HEIC", heic),
            ("really-heic.jpg", heic),
            ("page.tif", b"II*\0\x08\0\0\0"),
            ("raw.dng", b"II*\0\x08\0\0\0"),
            ("BM", b"BMW"),
            ("empty", b""),
        ]);
        let (names, passed) = found(&root, false);
        assert_eq!(names, ["0001", "a.JFIF", "b.jpe", "really-heic.jpg", "scan.dat"]);
        assert_eq!(
            passed,
            [
                kind("HEIC", &["IMG_1.HEIC", "photo.heic"]),
                kind("TIFF", &["page.tif"]),
                kind("TIFF .dng", &["raw.dng"]),
                kind("without ending", &["BM", "empty"]),
            ]
        );
        let none = folder(&[("photo.heic", heic), ("notes.txt", b"x")]);
        let error = image_files(none.path()).unwrap_err().to_string();
        assert!(error.contains("passed over 2 files: 1 HEIC (photo.heic), 1 .txt (notes.txt)"), "{error}");
    }

    #[test]
    fn what_is_hidden_is_an_image_by_its_ending_alone() {
        let root = folder(&[
            ("a.jpg", JPEG),
            ("._a.jpg", b"\0\x05\x16\x07\0\x02\0\0Mac OS X"),
            ("._b.jpg", JPEG),
            (".DS_Store", b"\0\0\0\x01Bud1"),
            (".a.jpg.part", JPEG),
            (".git/lfs/objects/ab/abcd", JPEG),
            (".thumbs/a.jpg", JPEG),
            ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ]);
        let (names, passed) = found(&root, false);
        assert_eq!(names, ["._b.jpg", ".thumbs/a.jpg", "a.jpg"]);
        let hidden = [".DS_Store", ".a.jpg.part", ".git/lfs/objects/ab/abcd"];
        assert_eq!(
            passed,
            [kind(".db", &["Thumbs.db"]), kind("hidden", &hidden), kind("macOS companion", &["._a.jpg"])]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_circles_told() {
        use std::os::unix::fs::symlink;
        let root = folder(&[("train/a.jpg", JPEG), ("train/deep/b.png", b""), ("list.txt", b"")]);
        let other = folder(&[("x.webp", b""), ("y", JPEG)]);
        let at = |name: &str| root.path().join(name);
        symlink(other.path(), at("one")).unwrap();
        symlink(other.path(), at("two")).unwrap();
        symlink("train/a.jpg", at("same.jpg")).unwrap();
        symlink("a.jpg", at("train/no-ending")).unwrap();
        symlink("..", at("train/deep/up")).unwrap();
        symlink(root.path(), at("root")).unwrap();
        symlink("self", at("self")).unwrap();
        symlink("self.png", at("self.png")).unwrap();
        symlink("nowhere", at("gone.jpg")).unwrap();
        symlink("nowhere", at("gone")).unwrap();
        let (names, passed) = found(&root, false);
        let images = "gone.jpg one/x.webp one/y same.jpg self.png train/a.jpg train/deep/b.png train/no-ending \
                      two/x.webp two/y";
        assert_eq!(names, images.split_whitespace().collect::<Vec<_>>());
        assert_eq!(
            passed,
            [
                kind("link that leads back", &["root", "train/deep/up"]),
                kind("link to nothing", &["gone", "self"]),
                kind(".txt", &["list.txt"]),
            ]
        );
        // The folder itself may be a link.
        assert_eq!(image_files(&at("one")).unwrap(), ["x.webp", "y"]);
    }

    #[cfg(unix)]
    #[test]
    fn sockets_and_names_that_are_no_utf_8_are_told() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let root = folder(&[("a.jpg", JPEG)]);
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("s.jpg")).unwrap();
        let odd = |name: &[u8]| root.path().join(OsStr::from_bytes(name));
        std::fs::write(odd(b"note\xe9.txt"), "").unwrap();
        let (names, passed) = found(&root, false);
        assert_eq!((names, passed.len()), (vec!["a.jpg".to_owned()], 2));
        let image = odd(b"caf\xe9.jpg");
        for content in [JPEG, b""] {
            std::fs::write(&image, content).unwrap();
            let error = image_files(root.path()).unwrap_err().to_string();
            assert!(error.contains("expected file names in UTF-8") && error.contains("caf\\xE9.jpg"), "{error}");
        }
        std::fs::write(odd(b"caf\xe9"), JPEG).unwrap();
        std::fs::create_dir(odd(b"d\xe9")).unwrap();
        std::fs::write(odd(b"d\xe9/in.jpg"), JPEG).unwrap();
        let (names, passed) = found(&root, true);
        assert_eq!(names, ["a.jpg"]);
        assert_eq!(
            passed,
            [
                kind("pipe or device", &["s.jpg"]),
                kind("with a name that is no UTF-8", &["caf\u{fffd}", "caf\u{fffd}.jpg", "d\u{fffd}"]),
                kind(".txt", &["note\u{fffd}.txt"]),
            ]
        );
    }

    #[test]
    fn names_of_samples_stay_inside_the_folder() {
        for bad in ["", "/etc/passwd", "../x.png", "a/../../x.png"] {
            assert!(inside(Path::new("images"), bad).is_err(), "{bad:?}");
        }
        assert_eq!(inside(Path::new("images"), "a/b.png").unwrap(), Path::new("images/a/b.png"));
    }
}
