//! What lies in a folder of images and is not read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// Files of one kind that lie in a folder of images and are not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// What the files are.
    ///
    /// It is the name of an image format that is not read, such as "HEIC"; an ending, such as ".txt"; or a few words,
    /// such as "link that leads back".
    pub kind: String,
    /// Whether a person may have meant them as images.
    ///
    /// That holds for images in other formats, for what cannot be read, and for links that lead nowhere.
    pub notable: bool,
    /// How many they are.
    pub count: usize,
    /// Their names, relative to the folder, sorted.
    ///
    /// Bytes that are no UTF-8 are replaced. Of those that are not `notable` the first few.
    pub names: Vec<String>,
}

impl PassedOver {
    /// Names that are kept of files that are not notable.
    const KEPT: usize = 5;

    /// All kinds on one line; none where there are none.
    ///
    /// Such as "passed over 3 files: 2 HEIC (a.heic, b.heic), 1 .txt (notes.txt)".
    pub fn line(kinds: &[PassedOver]) -> Option<String> {
        const MOST_KINDS: usize = 8;
        let total: usize = kinds.iter().map(|kind| kind.count).sum();
        if total == 0 {
            return None;
        }
        let mut line = format!("passed over {total} file{}:", if total == 1 { "" } else { "s" });
        for (k, kind) in kinds.iter().take(MOST_KINDS).enumerate() {
            let shown = kind.names.len().min(if kind.notable { 3 } else { 1 });
            let names = kind.names.get(..shown).unwrap_or_default().join(", ");
            let more = if kind.count > shown { ", …" } else { "" };
            // Writing to a text does not fail.
            let _ = write!(line, "{} {} {} ({names}{more})", if k == 0 { "" } else { "," }, kind.count, kind.kind);
        }
        let rest: usize = kinds.iter().skip(MOST_KINDS).map(|kind| kind.count).sum();
        if rest > 0 {
            let _ = write!(line, ", {rest} of other kinds");
        }
        Some(line)
    }
}

/// Counts by kind what is passed over.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(bool, String), Vec<String>>);

impl Tally {
    /// Adds a file that may have been meant as an image.
    pub(crate) fn notable(&mut self, kind: impl Into<String>, name: String) {
        // What is notable comes first.
        self.0.entry((false, kind.into())).or_default().push(name);
    }

    /// Adds another file.
    pub(crate) fn plain(&mut self, kind: impl Into<String>, name: String) {
        self.0.entry((true, kind.into())).or_default().push(name);
    }

    /// The kinds: the notable ones first, each group by name.
    pub(crate) fn finish(self) -> Vec<PassedOver> {
        let kind = |((plain, kind), mut names): ((bool, String), Vec<String>)| {
            let count = names.len();
            names.sort_unstable();
            if plain {
                names.truncate(PassedOver::KEPT);
            }
            PassedOver { kind, notable: !plain, count, names }
        };
        self.0.into_iter().map(kind).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_before_companions() {
        let mut tally = Tally::default();
        for k in 0..9 {
            tally.plain(".txt", format!("{k}.txt"));
        }
        for name in ["d.heic", "c.heic", "b.heic", "a.heic"] {
            tally.notable("HEIC", name.to_owned());
        }
        tally.notable("AVIF", "x.jpg".to_owned());
        let kinds = tally.finish();
        let line = PassedOver::line(&kinds).unwrap();
        assert_eq!(line, "passed over 14 files: 1 AVIF (x.jpg), 4 HEIC (a.heic, b.heic, c.heic, …), 9 .txt (0.txt, …)");
        assert_eq!((kinds[1].names.len(), kinds[2].names.len(), kinds[2].count), (4, 5, 9));
        assert_eq!(PassedOver::line(&[]), None);
    }
}
