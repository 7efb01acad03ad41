//! Published architectures by name.

use std::path::Path;

use mmnas_bundle::{Architecture, Operation};

use crate::error::{Error, Result};
use crate::space::front::{FRONT_FORMAT, Front};

/// The architectures that MMnas found, in the published file form.
const SEARCHED: [(&str, &str); 3] = [
    ("mmnas-vqa", include_str!("../../architectures/mmnas-vqa.json")),
    ("mmnas-itm", include_str!("../../architectures/mmnas-itm.json")),
    ("mmnas-vgd", include_str!("../../architectures/mmnas-vgd.json")),
];

/// Layers of the published MCAN.
const MCAN_LAYERS: usize = 6;
/// Each layer has three decoder blocks.
const MAX_LAYERS: usize = Architecture::MAX_BLOCKS / 3;

/// The names that can be asked for, for help and errors.
fn names() -> String {
    let searched: Vec<&str> = SEARCHED.iter().map(|(name, _)| *name).collect();
    format!("{}, mcan, mcan:LAYERS (1 to {MAX_LAYERS})", searched.join(", "))
}

/// MCAN (Yu et al., CVPR 2019), designed by hand.
///
/// Each layer has SA and FFN in the encoder, and SA, GA and FFN in the decoder.
fn mcan(layers: usize) -> Architecture {
    use Operation::{FeedForward, GuidedAttention, SelfAttention};
    Architecture {
        encoder: [SelfAttention, FeedForward].repeat(layers),
        decoder: [SelfAttention, GuidedAttention, FeedForward].repeat(layers),
    }
}

/// The published architecture called `name`.
///
/// `mmnas-vqa`, `mmnas-itm` and `mmnas-vgd` are those that MMnas found. `mcan` is MCAN with its 6
/// layers, `mcan:LAYERS` with another number of them.
///
/// # Errors
///
/// [`Error::UnknownArchitecture`] for any other name.
pub fn preset(name: &str) -> Result<Architecture> {
    if let Some((name, text)) = SEARCHED.iter().find(|(known, _)| *known == name) {
        return Ok(Architecture::from_published_json(text, Path::new(name))?);
    }
    let layers = match name.strip_prefix("mcan") {
        Some("") => Some(MCAN_LAYERS),
        Some(rest) => rest.strip_prefix(':').and_then(|layers| layers.parse().ok()),
        None => None,
    };
    let layers = layers.filter(|layers| (1..=MAX_LAYERS).contains(layers));
    layers.map(mcan).ok_or_else(|| Error::UnknownArchitecture { found: name.to_owned(), presets: names() })
}

/// The preset of that name, the architecture in that file, or a front's point.
///
/// `front.json:3` is the third point of the front in `front.json`, unless a file of that name
/// exists.
///
/// # Errors
///
/// [`Error::UnknownArchitecture`] if it is none of them. [`Error::Bundle`] if the file cannot be
/// read, is no architecture, or is a front without that point.
pub fn open(name_or_file: &Path) -> Result<Architecture> {
    let name = name_or_file.to_str();
    let unknown = match name.map(preset) {
        Some(Ok(architecture)) => return Ok(architecture),
        Some(Err(unknown)) => unknown,
        None => Error::UnknownArchitecture { found: name_or_file.to_string_lossy().into_owned(), presets: names() },
    };
    if name_or_file.exists() {
        return architecture_of(name_or_file);
    }
    match name.and_then(|name| name.rsplit_once(':')) {
        Some((front, number)) if Path::new(front).is_file() => {
            Front::read(Path::new(front))?.architecture(number, front)
        }
        _ => Err(unknown),
    }
}

/// The architecture in `file`; that of a front says how to name one of its points.
fn architecture_of(file: &Path) -> Result<Architecture> {
    let error = match Architecture::read(file) {
        Ok(architecture) => return Ok(architecture),
        Err(error) => error,
    };
    let is_front = |text: String| text.contains(&format!("\"{FRONT_FORMAT}\""));
    if mmnas_bundle::read_text_file(file).is_ok_and(is_front) {
        let count = Front::read(file)?.points.len();
        let expected = format!("an architecture; of this front {0}:1 to {0}:{count}", file.display());
        return Err(mmnas_bundle::Error::invalid(file, "(file)", expected, "the whole front").into());
    }
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::pool::Pool;
    use crate::space::search_space::Space;

    #[test]
    fn presets_have_the_published_blocks() {
        let vqa = "enc SA SA SA SA FFN FFN FFN FFN SA FFN FFN FFN, dec GA GA FFN FFN GA FFN RSA GA FFN GA RSA FFN RSA SA FFN RSA GA FFN";
        let itm = "enc SA SA FFN FFN FFN SA FFN SA FFN FFN FFN FFN, dec SA GA GA RSA SA GA RSA GA GA GA GA FFN GA GA RSA SA GA RSA";
        let vgd = "enc SA FFN FFN SA FFN FFN FFN FFN FFN FFN FFN SA, dec GA GA GA GA GA GA FFN GA RSA RSA GA FFN RSA GA GA RSA GA RSA";
        let mcan = "enc SA FFN SA FFN SA FFN SA FFN SA FFN SA FFN, dec SA GA FFN SA GA FFN SA GA FFN SA GA FFN SA GA FFN SA GA FFN";
        for (name, expected) in [
            ("mmnas-vgd", vgd),
            ("mmnas-itm", itm),
            ("mmnas-vqa", vqa),
            ("mcan", mcan),
            ("mcan:6", mcan),
            ("mcan:1", "enc SA FFN, dec SA GA FFN"),
        ] {
            let architecture = preset(name).unwrap();
            assert_eq!(architecture.to_string(), expected, "{name}");
            assert!(Space::single(&architecture, &Pool::standard()).is_ok());
        }
        assert_eq!(preset("mcan:341").unwrap().decoder.len(), 1023);
    }

    #[test]
    fn a_file_is_read_and_what_is_neither_lists_the_presets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mcan");
        std::fs::write(&file, mcan(2).to_published_json()).unwrap();
        assert_eq!(open(&file).unwrap(), mcan(2));
        assert_eq!(open(Path::new("mcan")).unwrap(), mcan(6));
        std::fs::write(&file, "{}").unwrap();
        assert!(matches!(open(&file), Err(Error::Bundle(_))), "a broken file is not an unknown name");
        for name in ["mcan:0", "mcan:342", "mcan:", "mcan2", "mcan:-1", "mmnas", "", "no/such/file.json"] {
            let error = open(Path::new(name)).unwrap_err();
            assert!(matches!(error, Error::UnknownArchitecture { .. }), "{name}");
            assert!(error.to_string().contains("mmnas-vqa, mmnas-itm, mmnas-vgd, mcan, mcan:LAYERS"), "{error}");
        }
    }

    #[test]
    fn a_point_of_a_front_is_named_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("front.json");
        crate::space::front_tests::front("run", &[(1.0, 0.3), (2.0, 0.5)]).write(&file).unwrap();
        let point = |number: &str| open(Path::new(&format!("{}:{number}", file.display())));
        assert_eq!(point("1").unwrap(), mcan(1));
        assert_eq!(point("2").unwrap(), mcan(2));
        for number in ["0", "3", "-1", "x", "", "99999999999999999999"] {
            let error = point(number).unwrap_err().to_string();
            let words = "front.json: points: expected the number of a point, 1 to 2, found ";
            assert!(error.contains(&format!("{words}{number}")), "{error}");
        }
        let whole = open(&file).unwrap_err().to_string();
        assert!(whole.contains("front.json:1 to ") && whole.contains("front.json:2"), "{whole}");
        // A file of that name wins.
        std::fs::write(folder.path().join("front.json:2"), mcan(5).to_published_json()).unwrap();
        assert_eq!(point("2").unwrap(), mcan(5));
        let missing = open(&folder.path().join("none.json:1")).unwrap_err();
        assert!(matches!(missing, Error::UnknownArchitecture { .. }), "{missing}");
        std::fs::write(&file, "{}").unwrap();
        assert!(matches!(point("1"), Err(Error::Bundle(_))), "a broken front is not an unknown name");
    }
}
