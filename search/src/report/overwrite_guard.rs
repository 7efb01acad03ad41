//! Protection of other files: a report replaces an earlier one, and nothing else.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mmnas_bundle::Error as BundleError;

/// Marks of a kind of file that is written here.
///
/// They are its beginning, and text that stands further on in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    pub beginning: &'static str,
    pub further_on: &'static str,
}

/// Checks that a file that is in the way is one of this kind.
pub(crate) fn check_earlier(file: &Path, marks: Marks) -> mmnas_bundle::Result<()> {
    match file.metadata() {
        Ok(found) if found.is_file() && is_earlier(file, marks).map_err(BundleError::io(file, "read"))? => Ok(()),
        Ok(_) => Err(BundleError::Exists { path: file.to_path_buf() }),
        // What cannot be looked at cannot be written to either, which then says why.
        Err(_) => Ok(()),
    }
}

fn is_earlier(file: &Path, marks: Marks) -> std::io::Result<bool> {
    let mut handle = File::open(file)?;
    let mut text = Vec::new();
    // The whole of a file is read only if it may be ours.
    handle.by_ref().take(marks.beginning.len() as u64).read_to_end(&mut text)?;
    if text != marks.beginning.as_bytes() {
        return Ok(false);
    }
    handle.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).contains(marks.further_on))
}

#[cfg(test)]
mod tests {
    use crate::report::{ReportOptions, page, picture, report};

    #[test]
    fn a_report_replaces_its_like_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        write("inputs.json", r#"{"task": "vqa", "samples_sha256": "a", "vision_sha256": "b", "architecture": null}"#);
        write("recipe.toml", "seed = 7");
        write("architecture.json", r#"{"epoch0": {"enc": [["self_att_64"]], "dec": [["guided_att_64"]]}}"#);
        let to = |out: &str, svg: &str| {
            let options = ReportOptions { out: Some(path(out)), svg: Some(path(svg)), ..ReportOptions::default() };
            report(folder.path(), &options).map_err(|e| e.to_string())
        };
        to("o.html", "o.svg").unwrap();
        to("o.html", "o.svg").unwrap();
        write("precious.txt", "mine");
        write("other.html", &format!("{}<title>mine</title>", page::MARKS.beginning));
        write("other.svg", &format!("{}8 8\"/>", picture::MARKS.beginning));
        std::fs::remove_file(path("o.html")).unwrap();
        for (out, svg, foreign) in [
            ("precious.txt", "o.svg", "precious.txt"),
            ("architecture.json", "o.svg", "architecture.json"),
            ("other.html", "o.svg", "other.html"),
            ("o.svg", "new.svg", "o.svg"),
            ("o.html", "other.svg", "other.svg"),
            ("o.html", "precious.txt", "precious.txt"),
        ] {
            let before = std::fs::read(path(foreign)).unwrap();
            let error = to(out, svg).unwrap_err();
            assert!(error.contains(foreign) && error.contains("already exists and is not overwritten"), "{error}");
            assert_eq!(std::fs::read(path(foreign)).unwrap(), before, "{foreign}");
            assert!(!path("o.html").exists() && !path("new.svg").exists(), "all or nothing");
        }
    }
}
