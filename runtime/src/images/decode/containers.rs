//! The files around WebP, GIF and PNG pictures: whether they are whole, their EXIF data.
//!
//! Decoders stop after the first picture of an animation, and image-webp takes what it gets of a picture for all of it.

use std::borrow::Cow;

/// Checks that the parts of a WebP file (RIFF) lie within it.
///
/// Gives the content of the first EXIF chunk, or "" without one.
pub(super) fn webp(file: &[u8]) -> Result<&[u8], String> {
    let mut exif = &[][..];
    let Some((head, _)) = file.split_first_chunk::<12>() else { return Err(cut(12, file.len())) };
    let end = 8 + size(&head[4..8]);
    // What pads the last chunk to an even size may be missing.
    if file.len() + 1 < end {
        return Err(cut(end, file.len()));
    }
    let mut rest = &file[12..end.min(file.len()).max(12)];
    while let Some((head, content)) = rest.split_first_chunk::<8>() {
        let size = size(&head[4..]);
        let Some(chunk) = content.get(..size) else {
            let name = head[..4].escape_ascii();
            return Err(format!("expected {size} bytes in the chunk \"{name}\", found {}", content.len()));
        };
        if exif.is_empty() && head.starts_with(b"EXIF") {
            exif = chunk;
        }
        rest = content.get(size + size % 2..).unwrap_or_default();
    }
    Ok(exif)
}

fn size(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte))
}

fn cut(expected: usize, found: usize) -> String {
    format!("the file ends in the middle: expected {expected} bytes, found {found}")
}

/// An error where a GIF file ends inside one of its pictures or extensions.
///
/// The end marker alone may be missing.
pub(super) fn gif(file: &[u8]) -> Result<(), String> {
    let cut = || format!("the file ends in the middle, after {} bytes", file.len());
    // A table of colours has three bytes for each of 2 to 256.
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*file.get(10).ok_or_else(cut)?);
    loop {
        let Some(&kind) = file.get(at) else { return if at == file.len() { Ok(()) } else { Err(cut()) } };
        at += match kind {
            b'!' => 2,
            b',' => 11 + table(*file.get(at + 9).ok_or_else(cut)?),
            // The end marker; or no GIF any more, which the decoder may not need.
            _ => return Ok(()),
        };
        loop {
            let length = usize::from(*file.get(at).ok_or_else(cut)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// A PNG file's end chunk.
const PNG_END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

/// A PNG file, with its end chunk where that alone is missing.
///
/// With it comes the content of its first EXIF chunk, also behind the picture, or "" without one.
pub(super) fn png(file: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let mut exif = &[][..];
    let mut rest = file.get(8..).unwrap_or_default();
    while let Some((head, content)) = rest.split_first_chunk::<8>() {
        let size = head[..4].iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
        let Some((chunk, checked)) = content.split_at_checked(size) else { break };
        let Some(after) = checked.get(4..) else { break };
        if exif.is_empty() && head.ends_with(b"eXIf") {
            exif = chunk;
        }
        rest = after;
        if head.ends_with(b"IEND") {
            return (Cow::Borrowed(file), exif);
        }
    }
    match PNG_END.strip_prefix(rest) {
        Some(missing) => (Cow::Owned([file, missing].concat()), exif),
        None => (Cow::Borrowed(file), exif),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gif_may_lack_its_end_marker_and_no_more() {
        // A header with a table of two colours, an extension, a picture.
        let header = [&b"GIF89a"[..], &[2, 0, 1, 0, 0x80, 0, 0], &[0; 6]].concat();
        let extension = [b'!', 0xfe, 2, 1, 2, 1, 3, 0];
        let picture = [&[b','][..], &[0; 8], &[0, 2, 2, 0x44, 1, 0]].concat();
        let whole = [&header[..], &extension, &picture, b";"].concat();
        let ends = [header.len(), header.len() + extension.len(), whole.len() - 1, whole.len()];
        for length in 0..=whole.len() {
            assert_eq!(gif(&whole[..length]).is_ok(), ends.contains(&length), "{length}");
        }
        assert!(gif(&[&whole[..], b"more"].concat()).is_ok());
    }

    #[test]
    fn a_webp_is_as_long_as_it_says() {
        let chunks = [&b"VP8 \x03\0\0\0abc\0"[..], b"EXIF\x01\0\0\0x"].concat();
        let file = [&b"RIFF"[..], &(chunks.len() as u32 + 5).to_le_bytes(), b"WEBP", &chunks, b"\0"].concat();
        assert_eq!(webp(&file).unwrap(), b"x");
        assert_eq!(webp(&file[..file.len() - 1]).unwrap(), b"x", "without the byte that pads the end");
        for length in 0..file.len() - 1 {
            let error = webp(&file[..length]).unwrap_err();
            assert!(error.contains("ends in the middle"), "{length}: {error}");
        }
        let mut larger = file.clone();
        larger[16] = 200;
        assert_eq!(webp(&larger).unwrap_err(), "expected 200 bytes in the chunk \"VP8 \", found 14");
    }

    #[test]
    fn a_png_may_lack_its_end_chunk_and_no_more() {
        let chunk = |name: &[u8; 4], content: &[u8]| {
            [&(content.len() as u32).to_be_bytes()[..], name, content, b"sum!"].concat()
        };
        let whole = [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IDAT", b"ab"), &chunk(b"eXIf", b"x"), PNG_END].concat();
        for missing in 0..=PNG_END.len() {
            let (file, exif) = png(&whole[..whole.len() - missing]);
            assert_eq!((&file[..], exif), (&whole[..], &b"x"[..]), "{missing}");
        }
        let cut = &whole[..whole.len() - PNG_END.len() - 1];
        assert_eq!(png(cut).0, cut);
        let longer = [&whole[..], b"more"].concat();
        assert_eq!(png(&longer).0, longer);
    }
}
