//! The PyPI package `easy-vqa`: `{train,test}/questions.json`, lists of `[question, answer, image number]`.

use std::path::Path;

use mmnas_bundle::samples::{VqaSample, to_json_lines};
use mmnas_bundle::{Error, NewFolder, write_atomically};

use crate::Result;

/// Writes `train.jsonl` and `test.jsonl` into the new folder `out`, which appears complete or not at all, from the package's data folder. Images are
/// named relative to `<data>/<part>/images`. Returns the numbers of samples.
pub fn convert(data: &Path, out: &Path) -> Result<[usize; 2]> {
    let folder = NewFolder::create(out)?;
    let mut counts = [0; 2];
    for (part, count) in ["train", "test"].into_iter().zip(&mut counts) {
        let file = data.join(part).join("questions.json");
        let text = std::fs::read_to_string(&file).map_err(Error::io(&file, "read"))?;
        let questions: Vec<(String, String, u32)> = serde_json::from_str(&text).map_err(|e| Error::json(&file, &e))?;
        let sample = |(question, answer, image)| VqaSample { image: format!("{image}.png"), question, answer };
        let samples: Vec<VqaSample> = questions.into_iter().map(sample).collect();
        *count = samples.len();
        let target = folder.path().join(format!("{part}.jsonl"));
        write_atomically(&target, to_json_lines(&samples).map_err(|e| Error::json(&target, &e))?.as_bytes())?;
    }
    folder.finish()?;
    Ok(counts)
}
