//! How what a sample calls an image finds the image.
//!
//! The same image is `COCO_val2014_000000000009.jpg` in a folder, `COCO_val2014_000000000009` in published captions and `9` in
//! published questions, and data sets, folders and files of features each have their own habit. So that they meet, one rule
//! holds wherever a sample names an image. The first of these that something fits decides:
//!
//! 1. the name itself;
//! 2. the file name, in any folder below;
//! 3. the file name without the ending of an image file;
//! 4. the number: a name that is nothing but a number is the image whose name ends in `_NUMBER` or is that number, with
//!    zeros before it or not; a name that ends in a number of twelve digits, as COCO writes them, is the image whose name is
//!    that number.
//!
//! `.npz` at the end of a file of region features does not count, and a name with folders fits only names that have these
//! folders before the file name. Where a step fits several images that is an error which names them: none is guessed.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result};

/// Endings of image files, which names may have or lack.
const ENDINGS: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "heic", "heif", "avif", "ppm"];
/// Digits of COCO's numbers in its file names.
const COCO_DIGITS: usize = 12;
/// Most images that an error names.
const NAMED: usize = 5;

/// Whether the image at a place fits a step of the rule.
type Fits<'a> = &'a dyn Fn(usize) -> bool;

/// Names of images, to be found by what samples call them.
///
/// See the [module](self) for the rule.
#[derive(Debug, Clone, Default)]
pub struct ImageNames {
    names: Vec<String>,
    by_stem: HashMap<String, Vec<usize>>,
    by_number: HashMap<String, Vec<usize>>,
}

/// The parts of a name that the rule looks at.
struct Parts<'a> {
    /// What stands before the last `/`.
    folder: &'a str,
    /// What stands after it, without `.npz`.
    file: &'a str,
    /// [`Parts::file`] without the ending of an image file.
    stem: &'a str,
}

fn without_ending<'a>(file: &'a str, endings: &[&str]) -> &'a str {
    match file.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && endings.iter().any(|e| ending.eq_ignore_ascii_case(e)) => stem,
        _ => file,
    }
}

/// A number at the end of a stem.
struct Number<'a> {
    /// Its digits without zeros before them.
    digits: &'a str,
    /// Whether the stem is nothing else.
    alone: bool,
    /// Whether it has as many digits as COCO writes.
    published: bool,
}

impl<'a> Parts<'a> {
    fn of(name: &'a str) -> Parts<'a> {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let file = without_ending(file, &["npz"]);
        Parts { folder, file, stem: without_ending(file, &ENDINGS) }
    }

    fn number(&self) -> Option<Number<'a>> {
        let last = self.stem.rsplit_once('_').map_or(self.stem, |(_, last)| last);
        if last.is_empty() || !last.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let trimmed = last.trim_start_matches('0');
        let digits = if trimmed.is_empty() { &last[last.len() - 1..] } else { trimmed };
        Some(Number { digits, alone: last.len() == self.stem.len(), published: last.len() == COCO_DIGITS })
    }

    /// Whether the folders of `self` stand before the file name of `other`.
    fn folders_of(&self, other: &Parts<'_>) -> bool {
        let rest = other.folder.strip_suffix(self.folder);
        rest.is_some_and(|rest| self.folder.is_empty() || rest.is_empty() || rest.ends_with('/'))
    }
}

impl ImageNames {
    /// The images that are called so, in this order.
    pub fn new(names: impl IntoIterator<Item = String>) -> ImageNames {
        let mut found = ImageNames { names: names.into_iter().collect(), ..ImageNames::default() };
        for (place, name) in found.names.iter().enumerate() {
            let parts = Parts::of(name);
            found.by_stem.entry(parts.stem.to_owned()).or_default().push(place);
            if let Some(number) = parts.number() {
                found.by_number.entry(number.digits.to_owned()).or_default().push(place);
            }
        }
        found
    }

    /// The name at a place that [`ImageNames::find`] gave.
    ///
    /// # Panics
    /// At another place.
    pub fn name(&self, place: usize) -> &str {
        &self.names[place]
    }

    /// The place of the image that a sample calls `name`.
    ///
    /// None where there is no such. `among` names in an error where the images are.
    ///
    /// # Errors
    /// A name that fits several images equally well.
    pub fn find(&self, name: &str, among: &Path) -> Result<Option<usize>> {
        let wanted = Parts::of(name);
        let of_stem = self.by_stem.get(wanted.stem).map_or(&[][..], Vec::as_slice);
        let number = wanted.number();
        let of_number = number.as_ref().and_then(|number| self.by_number.get(number.digits));
        let of_number = of_number.map_or(&[][..], Vec::as_slice);
        let meant = |place: usize| match (&number, Parts::of(&self.names[place]).number()) {
            (Some(wanted), Some(found)) => wanted.alone || (wanted.published && found.alone),
            _ => false,
        };
        let below = |place: usize| wanted.folders_of(&Parts::of(&self.names[place]));
        let steps: [(&[usize], Fits<'_>); 4] = [
            (of_stem, &|place| self.names[place] == name),
            (of_stem, &|place| below(place) && Parts::of(&self.names[place]).file == wanted.file),
            (of_stem, &below),
            (of_number, &|place| below(place) && meant(place)),
        ];
        for (candidates, fits) in steps {
            let found: Vec<usize> = candidates.iter().copied().filter(|&place| fits(place)).collect();
            match *found.as_slice() {
                [] => {}
                [place] => return Ok(Some(place)),
                _ => {
                    let mut names: Vec<String> = found.iter().map(|&p| format!("{:?}", self.names[p])).collect();
                    names.sort_unstable();
                    let more = names.len().saturating_sub(NAMED);
                    names.truncate(NAMED);
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    let expected = format!("one image that {name:?} means");
                    return Err(Error::invalid(among, "image", expected, names.join(", ") + &more));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &[&str], name: &str) -> std::result::Result<Option<String>, String> {
        let names = ImageNames::new(names.iter().map(|name| (*name).to_owned()));
        let found = names.find(name, Path::new("images")).map_err(|e| e.to_string())?;
        Ok(found.map(|place| names.name(place).to_owned()))
    }

    fn finds(names: &[&str], name: &str, expected: &str) {
        assert_eq!(find(names, name), Ok(Some(expected.to_owned())), "{name} in {names:?}");
    }

    #[test]
    fn the_names_of_published_data_find_their_images() {
        let coco =
            ["COCO_train2014_000000000009.jpg", "COCO_val2014_000000000042.jpg", "COCO_val2014_000000000090.jpg"];
        for (name, place) in [("9", 0), ("42", 1), ("90", 2), ("COCO_val2014_000000000042", 1), ("000000000009.jpg", 0)]
        {
            finds(&coco, name, coco[place]);
        }
        finds(
            &["train2014/COCO_train2014_000000000009.jpg", "val2014/a.jpg"],
            "9",
            "train2014/COCO_train2014_000000000009.jpg",
        );
        finds(&["000000000009.jpg", "000000000090.jpg"], "9", "000000000009.jpg");
        finds(&["000000000000.jpg", "000000000090.jpg"], "0", "000000000000.jpg");
        finds(&["1000092795.jpg", "10002456.jpg"], "1000092795", "1000092795.jpg");
        finds(&["0.png", "10.png"], "0.png", "0.png");
        // What was packed or converted before names were kept.
        finds(&["9", "42"], "COCO_val2014_000000000042.jpg", "42");
        finds(&["1000092795", "10002456"], "1000092795.jpg", "1000092795");
        finds(&["COCO_val2014_000000000042.jpg.npz", "b.jpg.npz"], "42", "COCO_val2014_000000000042.jpg.npz");
    }

    #[test]
    fn the_closest_name_is_taken() {
        let names = ["9", "9.jpg", "a/9.jpg", "a/9.png", "COCO_val2014_000000000009.jpg"];
        for name in &names[..4] {
            finds(&names, name, name);
        }
        finds(&["a/9.jpg", "a/9.png"], "9.jpg", "a/9.jpg");
        finds(&["a/9.jpg", "b/9.jpg"], "b/9", "b/9.jpg");
        finds(&["a/b/9.jpg", "c/b9.jpg"], "b/9.png", "a/b/9.jpg");
        finds(&["9.JPG", "x_9.jpg"], "9", "9.JPG");
    }

    #[test]
    fn an_image_that_is_not_there_is_not_guessed() {
        for (names, name) in [
            (&["cat_1.jpg"][..], "dog_1.jpg"),
            (&["1.jpg"], "cat_1.jpg"),
            (&["COCO_train2014_000000000009.jpg"], "COCO_val2014_000000000009.jpg"),
            (&["v1.3"], "v1.2"),
            (&["a/9.jpg"], "b/9.jpg"),
            (&["ba/9.jpg"], "a/9.jpg"),
            (&["9.jpg"], "a/9.jpg"),
            (&["19.jpg", "a_.jpg", "x9"], "9"),
            (&["9.txt"], "9"),
            (&[], "9"),
            (&["9"], ""),
        ] {
            assert_eq!(find(names, name), Ok(None), "{name} in {names:?}");
        }
    }

    #[test]
    fn several_that_fit_equally_are_named() {
        for (names, name) in [
            (["cat_1.jpg", "dog_1.jpg"], "1"),
            (["COCO_train2014_000000000001.jpg", "COCO_val2014_000000000001.jpg"], "1"),
            (["train/0.png", "test/0.png"], "0.png"),
            (["0.png", "0.jpg"], "0"),
            (["01.jpg", "001.jpg"], "1"),
            (["a.jpg", "a.jpg"], "a.jpg"),
        ] {
            let error = find(&names, name).unwrap_err();
            assert!(error.contains(&format!("images: image: expected one image that {name:?} means")), "{error}");
            assert!(names.iter().all(|name| error.contains(&format!("{name:?}"))), "{error}");
        }
        let many: Vec<String> = (0..9).map(|k| format!("{k}/a.jpg")).collect();
        let error = find(&many.iter().map(String::as_str).collect::<Vec<_>>(), "a").unwrap_err();
        assert!(error.ends_with("\"4/a.jpg\" and 4 more"), "{error}");
    }
}
