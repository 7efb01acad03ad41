//! One self-contained HTML page about a run: curves, alpha over time, the derived architecture, the recipe.
//!
//! The pictures are written as SVG by hand because they take their colours from the page's style sheet, which follows the
//! reader's light or dark setting; plotting libraries fix colours when they draw.

mod architecture;
mod chart;
mod page;

use std::path::{Path, PathBuf};

use mmnas_bundle::samples::read_json_lines;
use mmnas_bundle::{Architecture, Error as BundleError, write_atomically};

use crate::retrain::RECORD;
use crate::{EpochRecord, NetworkRecord, Result, RunFolder, RunInputs};

/// What a page shows.
pub(crate) struct Content {
    title: String,
    inputs: RunInputs,
    records: Vec<EpochRecord>,
    architecture: Architecture,
    recipe: String,
}

fn read(file: &Path) -> Result<String> {
    Ok(std::fs::read_to_string(file).map_err(BundleError::io(file, "read"))?)
}

/// Writes the report of the search or retraining in the folder `run` to `out`, by default `report.html` in that folder,
/// and returns where it is. The run must have ended its first epoch; it may still be going on.
pub fn report(run: &Path, out: Option<&Path>) -> Result<PathBuf> {
    let folder = RunFolder::at(run);
    let inputs_file = folder.file("inputs.json");
    let inputs = serde_json::from_str(&read(&inputs_file)?).map_err(|e| BundleError::json(&inputs_file, &e))?;
    let network = folder.file(RECORD);
    let architecture = if network.exists() {
        let record: NetworkRecord =
            serde_json::from_str(&read(&network)?).map_err(|e| BundleError::json(&network, &e))?;
        record.architecture
    } else {
        Architecture::read(&folder.file("architecture.json"))?
    };
    let content = Content {
        title: run.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned()),
        inputs,
        records: read_json_lines(&folder.file("log.jsonl"))?,
        architecture,
        recipe: read(&folder.file("recipe.toml"))?,
    };
    let out = out.map_or_else(|| folder.file("report.html"), Path::to_path_buf);
    write_atomically(&out, page::page(&content).as_bytes())?;
    Ok(out)
}

/// Text as it may stand in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_block_and_escapes_what_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a <run> & more");
        std::fs::create_dir(&run).unwrap();
        let write = |name: &str, text: &str| std::fs::write(run.join(name), text).unwrap();
        write("inputs.json", r#"{"task": "vqa", "samples_sha256": "a", "vision_sha256": "b", "architecture": null}"#);
        write(
            "architecture.json",
            r#"{"epoch0": {"enc": [["self_att_64"]], "dec": [["guided_att_64"], ["rel_self_att_64"]]}}"#,
        );
        write("recipe.toml", "seed = 1 # <script>");
        let record = |epoch: usize| {
            serde_json::json!({
                "epoch": epoch, "learning_rate": 1e-3, "loss": 2.0 / (epoch + 1) as f64, "validation": 0.5, "seconds": 1.0,
                "architecture": "enc SA, dec GA RSA", "entropy": 0.5,
                "probabilities": [[0.5, 0.5], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]],
            })
            .to_string()
        };
        write("log.jsonl", &format!("{}\n{}\n", record(0), record(1)));
        let file = report(&run, None).unwrap();
        let page = std::fs::read_to_string(file).unwrap();
        assert!(
            page.contains("a &lt;run&gt; &amp; more")
                && page.contains("# &lt;script&gt;")
                && !page.contains("# <script>")
        );
        for label in ["encoder 1", "decoder 1", "decoder 2", "loss", "validation", "enc SA, dec GA RSA"] {
            assert!(page.contains(label), "{label}");
        }
        assert!(!page.contains("NaN") && !page.contains("http"), "one file, no number that is none");
    }

    #[test]
    fn a_run_without_an_epoch_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(report(folder.path(), None).unwrap_err().to_string().contains("inputs.json"));
    }
}
