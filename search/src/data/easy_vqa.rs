//! The PyPI package `easy-vqa`: `{train,test}/questions.json`, lists of `[question, answer, image number]`.

use std::path::Path;

use mmnas_bundle::samples::{VqaSample, to_json_lines};
use mmnas_bundle::{Error, write_atomically};

use crate::Result;

/// Writes `train.jsonl` and `test.jsonl` into `out` (made where it is missing) from the package's data folder. Images are
/// named relative to `<data>/<part>/images`. Returns the numbers of samples.
pub fn convert(data: &Path, out: &Path) -> Result<[usize; 2]> {
    std::fs::create_dir_all(out).map_err(Error::io(out, "create"))?;
    let mut counts = [0; 2];
    for (part, count) in ["train", "test"].into_iter().zip(&mut counts) {
        let file = data.join(part).join("questions.json");
        let text = std::fs::read_to_string(&file).map_err(Error::io(&file, "read"))?;
        let questions: Vec<(String, String, u32)> = serde_json::from_str(&text).map_err(|e| Error::json(&file, &e))?;
        let sample = |(question, answer, image)| VqaSample { image: format!("{image}.png"), question, answer };
        let samples: Vec<VqaSample> = questions.into_iter().map(sample).collect();
        *count = samples.len();
        let target = out.join(format!("{part}.jsonl"));
        write_atomically(&target, to_json_lines(&samples).map_err(|e| Error::json(&target, &e))?.as_bytes())?;
    }
    Ok(counts)
}
