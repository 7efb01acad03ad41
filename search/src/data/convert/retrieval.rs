//! Captions of Flickr30K and COCO in the layout `f30k_precomp`.
//!
//! Its files are `{train,dev,test}_caps.txt` and `_ids.txt`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use mmnas_bundle::samples::CaptionSample;
use mmnas_bundle::{Error as BundleError, Vocabulary, read_text_file};
use serde::Deserialize;

use crate::data::convert::conversion::{Converted, Progress, Writer, image_name, read_json};
use crate::error::Result;

/// Number of captions of an image.
const CAPTIONS: usize = 5;

#[derive(Deserialize)]
struct Karpathy {
    images: Vec<KarpathyImage>,
}

#[derive(Deserialize)]
struct KarpathyImage {
    filename: String,
    imgid: u64,
}

fn read_lines(file: &Path) -> Result<Vec<String>> {
    Ok(read_text_file(file)?.lines().map(|line| line.trim().to_owned()).collect())
}

/// The ids of the images, with the lines that name them.
///
/// With as many ids as captions, five at a time must be the same.
fn image_ids(file: &Path, captions: usize) -> Result<Vec<(usize, u64)>> {
    let parse = |(number, line): (usize, String)| {
        let invalid = || BundleError::invalid(file, format!("line {}", number + 1), "a number", format!("{line:?}"));
        Ok((number + 1, line.parse::<u64>().map_err(|_| invalid())?))
    };
    let ids: Vec<(usize, u64)> = read_lines(file)?.into_iter().enumerate().map(parse).collect::<Result<_>>()?;
    if ids.len() * CAPTIONS == captions {
        return Ok(ids);
    }
    if ids.len() != captions || !captions.is_multiple_of(CAPTIONS) {
        let expected = format!("one line an image or one a caption, for {captions} captions, five an image");
        return Err(BundleError::invalid(file, format!("line {}", ids.len()), expected, "the end of the file").into());
    }
    let first = |group: &[(usize, u64)]| match group.iter().find(|(_, id)| *id != group[0].1) {
        Some((number, id)) => {
            let expected = format!("{}, as of the image's other captions", group[0].1);
            Err(BundleError::invalid(file, format!("line {number}"), expected, id).into())
        }
        None => Ok(group[0]),
    };
    ids.chunks(CAPTIONS).map(first).collect()
}

/// Reads the samples of a split from its two files.
fn read_split(
    folder: &Path,
    split: &str,
    name: &dyn Fn(u64) -> Option<String>,
    names: &str,
) -> Result<Vec<CaptionSample>> {
    let captions_file = folder.join(format!("{split}_caps.txt"));
    let captions = read_lines(&captions_file)?;
    if captions.is_empty() {
        return Err(BundleError::invalid(&captions_file, "(lines)", "at least one caption", "none").into());
    }
    let ids_file = folder.join(format!("{split}_ids.txt"));
    let ids = image_ids(&ids_file, captions.len())?;
    let mut known = HashSet::new();
    let sample = |(&(number, id), captions): (&(usize, u64), &[String])| {
        let field = || format!("line {number}");
        let unknown = || BundleError::invalid(&ids_file, field(), format!("an image of {names}"), id);
        if !known.insert(id) {
            return Err(BundleError::invalid(&ids_file, field(), "every image once", format!("{id} again")).into());
        }
        Ok(CaptionSample { image: name(id).ok_or_else(unknown)?, captions: captions.to_vec() })
    };
    ids.iter().zip(captions.chunks(CAPTIONS)).map(sample).collect()
}

fn convert(
    folder: &Path,
    splits: &[&str],
    out: &Path,
    (name, names): (&dyn Fn(u64) -> Option<String>, &str),
    progress: Progress<'_>,
) -> Result<Converted> {
    let mut writer = Writer::create(out)?;
    let mut vocabulary = Vocabulary::new();
    let mut training: HashSet<String> = HashSet::new();
    for (done, split) in splits.iter().enumerate() {
        progress(done, splits.len());
        let samples = read_split(folder, split, name, names)?;
        if let Some(leak) = samples.iter().find(|sample| training.contains(&sample.image)) {
            let field = format!("image {}", leak.image);
            let file = folder.join(format!("{split}_ids.txt"));
            return Err(BundleError::invalid(file, field, "no image of train", "one of them").into());
        }
        for caption in samples.iter().flat_map(|sample| &sample.captions) {
            vocabulary.add_text(caption)?;
        }
        writer.samples(&format!("{split}.jsonl"), &samples)?;
        if *split == "train" {
            training.extend(samples.into_iter().map(|sample| sample.image));
        }
    }
    writer.vocabulary(&vocabulary)?;
    writer.finish()
}

/// Converts Flickr30K from its published files in `data`.
///
/// They are `f30k_precomp` and `dataset_flickr30k.json` (or `dataset.json`). It writes
/// `train.jsonl`, `dev.jsonl`, `test.jsonl` (see [`CaptionSample`]) and `tokenizer.json` to the new
/// folder `out`. An image is named by its file name without extension.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle) if a file cannot be read, does not parse or
/// cannot be written. The same for ids that do not fit the captions or the images, and for an image
/// of train in another split.
pub fn convert_flickr30k(data: &Path, out: &Path, progress: Progress<'_>) -> Result<Converted> {
    let short = data.join("dataset.json");
    let images_file: PathBuf = if short.exists() { short } else { data.join("dataset_flickr30k.json") };
    let Karpathy { images } = read_json(&images_file)?;
    let stem = |image: KarpathyImage| {
        let stem = Path::new(&image.filename).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        (image.imgid, stem.unwrap_or_default())
    };
    let names: HashMap<u64, String> = images.into_iter().map(stem).collect();
    let name = |id| names.get(&id).cloned();
    let from = images_file.display().to_string();
    convert(&data.join("f30k_precomp"), &["train", "dev", "test"], out, (&name, &from), progress)
}

/// Converts COCO as [`convert_flickr30k`] does, from `coco_precomp` in `data`.
///
/// Its ids are image ids. If `testall` lies there, `test` is a part of it. It is written too, and
/// its words come last (published).
///
/// # Errors
///
/// Those of [`convert_flickr30k`].
pub fn convert_coco(data: &Path, out: &Path, progress: Progress<'_>) -> Result<Converted> {
    let folder = data.join("coco_precomp");
    let all = folder.join("testall_caps.txt").exists();
    let splits: &[&str] = if all { &["train", "dev", "test", "testall"] } else { &["train", "dev", "test"] };
    convert(&folder, splits, out, (&|id| Some(image_name(id)), "COCO"), progress)
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::read_json_lines;

    use super::*;

    /// Writes the captions "WORD 0" to "WORD 4" of every image.
    ///
    /// The ids stand once an image in train and once a caption elsewhere.
    fn write(folder: &Path, splits: &[(&str, &[u64])]) {
        std::fs::create_dir(folder).unwrap();
        for (split, ids) in splits {
            let captions: String =
                ids.iter().flat_map(|id| (0..5).map(move |k| format!("{split} {id}-{k} .\n"))).collect();
            let times = if *split == "train" { 1 } else { 5 };
            let lines: String = ids.iter().map(|id| format!("{id}\n").repeat(times)).collect();
            std::fs::write(folder.join(format!("{split}_caps.txt")), captions).unwrap();
            std::fs::write(folder.join(format!("{split}_ids.txt")), lines).unwrap();
        }
    }

    const SPLITS: [(&str, &[u64]); 3] = [("train", &[0, 3]), ("dev", &[1]), ("test", &[2])];

    fn flickr(folder: &Path) -> PathBuf {
        write(&folder.join("f30k_precomp"), &SPLITS);
        let image = |id: u64| format!(r#"{{"filename": "10{id}.jpg", "imgid": {id}, "sentids": [], "split": "x"}}"#);
        let images: Vec<String> = (0..4).map(image).collect();
        let text = format!(r#"{{"images": [{}], "dataset": "flickr30k"}}"#, images.join(","));
        std::fs::write(folder.join("dataset_flickr30k.json"), text).unwrap();
        folder.join("out")
    }

    #[test]
    fn flickr30k_names_images_by_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let out = flickr(folder.path());
        let converted = convert_flickr30k(folder.path(), &out, &mut |_, _| {}).unwrap();
        let counts: Vec<(&str, usize)> = converted.samples.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(counts, [("train.jsonl", 2), ("dev.jsonl", 1), ("test.jsonl", 1)]);
        let train: Vec<CaptionSample> = read_json_lines(&out.join("train.jsonl")).unwrap();
        assert_eq!((train[1].image.as_str(), train[1].captions[4].as_str()), ("103", "train 3-4 ."));
        let dev: Vec<CaptionSample> = read_json_lines(&out.join("dev.jsonl")).unwrap();
        assert_eq!((dev[0].image.as_str(), dev[0].captions.len()), ("101", 5));
        let text = std::fs::read_to_string(out.join("tokenizer.json")).unwrap();
        let vocabulary = Vocabulary::from_tokenizer_json(&text, Path::new("t")).unwrap();
        assert_eq!(vocabulary.words()[3..], ["train", "0", "1", "2", "3", "4", "dev", "test"]);
    }

    #[test]
    fn coco_names_images_by_their_ids() {
        let folder = tempfile::tempdir().unwrap();
        let splits = [SPLITS[0], SPLITS[1], SPLITS[2], ("testall", [2, 77].as_slice())];
        write(&folder.path().join("coco_precomp"), &splits);
        let out = folder.path().join("out");
        let converted = convert_coco(folder.path(), &out, &mut |_, _| {}).unwrap();
        assert_eq!(converted.samples[3], ("testall.jsonl".to_owned(), 2));
        let all: Vec<CaptionSample> = read_json_lines(&out.join("testall.jsonl")).unwrap();
        assert_eq!(all[1].image, "77");
        assert_eq!(converted.words, 3 + 10);
    }

    #[test]
    fn ids_that_do_not_fit_are_named() {
        for (name, text, parts) in [
            ("train_ids.txt", "0\n", ["train_ids.txt", "line 1"]),
            ("train_ids.txt", "0\nx\n", ["line 2", "\"x\""]),
            ("train_ids.txt", "0\n0\n", ["line 2", "0 again"]),
            ("train_ids.txt", "0\n9\n", ["line 2", "dataset_flickr30k.json"]),
            ("dev_ids.txt", "1\n1\n2\n1\n1\n", ["line 3", "expected 1, as of"]),
            ("dev_ids.txt", "0\n", ["dev_ids.txt", "image 100"]),
            ("test_caps.txt", "", ["test_caps.txt", "at least one caption"]),
            ("dataset_flickr30k.json", "[]", ["dataset_flickr30k.json", "JSON"]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let out = flickr(folder.path());
            let file = if name.ends_with("json") {
                folder.path().join(name)
            } else {
                folder.path().join("f30k_precomp").join(name)
            };
            std::fs::write(file, text).unwrap();
            let error = convert_flickr30k(folder.path(), &out, &mut |_, _| {}).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{name}: {error}");
            assert!(!out.exists());
        }
    }
}
