//! Names of images in samples.

use std::borrow::Cow;

/// An image's name as everything here compares it.
///
/// It is the parts of a path relative to the images folder, joined by one `/`.
///
/// `./a.png`, `a//b.png` and `a\b.png` (as Windows writes it) are `a.png`, `a/b.png` and `a/b.png`. Letters keep their case,
/// and spaces and endings stay: they tell files apart. A name that leaves the folder (`/a.png`, `../a.png`) stays one that
/// does, so that whoever opens it can refuse it.
pub fn image_name(name: &str) -> Cow<'_, str> {
    let is_separator = |c: char| c == '/' || c == '\\';
    let parts: Vec<&str> = name.split(is_separator).filter(|part| !part.is_empty() && *part != ".").collect();
    let root = if name.starts_with(is_separator) { "/" } else { "" };
    let normalised = format!("{root}{}", parts.join("/"));
    if normalised == name { Cow::Borrowed(name) } else { Cow::Owned(normalised) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_are_one() {
        for (name, normalised) in [
            ("a.png", "a.png"),
            ("./a.png", "a.png"),
            (".//./a.png", "a.png"),
            ("a//b.png", "a/b.png"),
            ("a/./b.png", "a/b.png"),
            ("a\\b.png", "a/b.png"),
            (".\\a.png", "a.png"),
            ("a/b/", "a/b"),
            ("", ""),
            ("./", ""),
            // These stay what they are.
            ("A.PNG", "A.PNG"),
            (" a b.png ", " a b.png "),
            ("1", "1"),
            (".hidden", ".hidden"),
            ("../a.png", "../a.png"),
            ("a/../b.png", "a/../b.png"),
            ("/a.png", "/a.png"),
            ("\\\\a.png", "/a.png"),
        ] {
            assert_eq!(image_name(name), normalised, "{name:?}");
            assert_eq!(image_name(normalised), normalised, "once more {name:?}");
        }
    }
}
