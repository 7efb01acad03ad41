//! A file of samples cut in two between images, into two new files.

use std::collections::BTreeSet;
use std::path::Path;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::samples::{for_each_json_line, image_name};
use rand::seq::SliceRandom;
use serde_json::{Map, Value};

use crate::data::convert::conversion::{Converted, Writer};
use crate::error::Result;
use crate::seed::rng;

/// Cuts `samples` into `train.jsonl` and `validation.jsonl` in the new folder `out`.
///
/// The lines stay as they are. Those of `share` of the images, drawn by `seed`, go to the second
/// file. No image is in both.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) if a file cannot be read or written, a line has
/// no image, or one of the new files would be empty.
pub fn cut_files(samples: &Path, share: f64, seed: u64, out: &Path) -> Result<Converted> {
    let (mut lines, mut images): (Vec<Map<String, Value>>, Vec<String>) = Default::default();
    for_each_json_line(samples, |number, line: mmnas_bundle::Result<Map<String, Value>>| {
        let line = line?;
        let name = line.get("image").and_then(Value::as_str).map(|name| image_name(name).into_owned());
        let name = name.filter(|name| !name.trim().is_empty());
        let field = || format!("line {number}: image");
        images.push(name.ok_or_else(|| BundleError::invalid(samples, field(), "the name of an image", "none"))?);
        lines.push(line);
        Ok(())
    })?;
    let mut order: Vec<&String> = images.iter().collect::<BTreeSet<_>>().into_iter().collect();
    order.shuffle(&mut rng(seed, "cut files", 0));
    let count = (share * order.len() as f64).round() as usize;
    if count == 0 || count >= order.len() {
        let expected = format!("a share of the {} images that leaves both files some", order.len());
        return Err(BundleError::invalid(samples, "validation", expected, share).into());
    }
    let chosen: BTreeSet<&String> = order.into_iter().take(count).collect();
    let part = |validates: bool| -> Vec<&Map<String, Value>> {
        let own = lines.iter().zip(&images).filter(|(_, image)| chosen.contains(image) == validates);
        own.map(|(line, _)| line).collect()
    };
    let mut writer = Writer::create(out)?;
    writer.samples("train.jsonl", &part(false))?;
    writer.samples("validation.jsonl", &part(true))?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_and_no_image_is_in_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let line = |k: usize| format!("{{\"image\":\"{}.jpg\",\"question\":\"q{k}\",\"more\":[{k}]}}\n", k / 3);
        std::fs::write(path("s.jsonl"), (0..30).map(line).collect::<String>()).unwrap();
        cut_files(&path("s.jsonl"), 0.2, 1, &path("out")).unwrap();
        let read = |name: &str| std::fs::read_to_string(path("out").join(name)).unwrap();
        let (train, validation) = (read("train.jsonl"), read("validation.jsonl"));
        assert_eq!((train.lines().count(), validation.lines().count()), (24, 6));
        for k in 0..30 {
            let of_first = validation.contains(&format!("\"{}.jpg\"", k / 3));
            assert_eq!(validation.contains(&line(k)), of_first, "all of an image's lines, as they were");
            assert_eq!(train.contains(&line(k)), !of_first);
        }
        // Another seed, another cut; the same seed, the same.
        cut_files(&path("s.jsonl"), 0.2, 2, &path("other")).unwrap();
        cut_files(&path("s.jsonl"), 0.2, 1, &path("same")).unwrap();
        let file = |folder: &str| std::fs::read(path(folder).join("validation.jsonl")).unwrap();
        assert_ne!(file("out"), file("other"));
        assert_eq!(file("out"), file("same"));
        assert!(cut_files(&path("s.jsonl"), 0.001, 1, &path("none")).is_err() && !path("none").exists());
    }

    #[test]
    fn an_image_with_two_names_is_in_one_part_and_errors_name_the_files_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let line = |k: usize| format!("{{\"image\":\"{}{}.jpg\"}}\n", ["", "./", ".//"][k % 3], k / 3);
        std::fs::write(path("s.jsonl"), (0..30).map(line).collect::<String>()).unwrap();
        cut_files(&path("s.jsonl"), 0.2, 1, &path("out")).unwrap();
        let validation = std::fs::read_to_string(path("out/validation.jsonl")).unwrap();
        assert_eq!(validation.lines().count(), 6);
        for k in 0..30 {
            assert_eq!(validation.contains(&line(k)), validation.contains(&line(k / 3 * 3)), "{}", line(k));
        }
        std::fs::write(path("s.jsonl"), format!("\n{}\n{{\"question\":\"what?\"}}\n", line(0))).unwrap();
        let error = cut_files(&path("s.jsonl"), 0.2, 1, &path("none")).unwrap_err().to_string();
        assert!(error.contains("line 4: image"), "{error}");
    }
}
