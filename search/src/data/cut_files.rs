//! A file of samples cut in two between images, for whoever wants the parts as files.

use std::collections::BTreeSet;
use std::path::Path;

use mmnas_bundle::Error as BundleError;
use mmnas_bundle::samples::read_json_lines;
use rand::seq::SliceRandom;
use serde_json::{Map, Value};

use super::conversion::{Converted, Writer};
use crate::{Result, rng};

/// Writes `train.jsonl` and `validation.jsonl` to the new folder `out`: the lines of `samples` as they are, those of `share` of
/// the images, drawn by `seed`, in the second. No image is in both. An error where one of the files would be empty.
pub fn cut_files(samples: &Path, share: f64, seed: u64, out: &Path) -> Result<Converted> {
    let lines: Vec<Map<String, Value>> = read_json_lines(samples)?;
    let image = |(number, line): (usize, &Map<String, Value>)| {
        let name = line.get("image").and_then(Value::as_str).map(str::to_owned);
        let field = || format!("line {}: image", number + 1);
        name.ok_or_else(|| BundleError::invalid(samples, field(), "the name of an image", "none"))
    };
    let images = lines.iter().enumerate().map(image).collect::<mmnas_bundle::Result<Vec<String>>>()?;
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
}
