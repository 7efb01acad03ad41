//! A JPEG file's segments (ITU-T T.81, B), read to its end.
//!
//! They say what the picture is made of, and that all of it is there.

use crate::images::decode::bounded::fits;
use crate::images::decode::jpeg::bits::{Bits, Fault, Huffman, next_marker};
use crate::images::decode::jpeg::blocks::{Blocks, Component, Frame, Scan, Tables, read};

/// More scans than any encoder writes: each one costs time over the whole picture.
const MAX_SCANS: usize = 100;

/// What a file says of itself, all of whose blocks are there.
pub(super) struct Jpeg<'a> {
    pub(super) frame: Frame,
    /// Components of each scan.
    pub(super) scans: Vec<Vec<usize>>,
    /// A JFIF segment is there.
    pub(super) jfif: bool,
    /// The colour transform of an Adobe segment.
    pub(super) adobe: Option<u8>,
    /// The first EXIF segment's content, from its TIFF header on.
    pub(super) exif: Option<&'a [u8]>,
}

/// The content of a segment whose length stands at `at`, and the place after it.
fn segment(file: &[u8], at: usize) -> Result<(&[u8], usize), String> {
    let cut = || format!("the file ends in the middle: a header at byte {at} goes on past the end");
    let length = file.get(at..at + 2).map(|l| usize::from(l[0]) << 8 | usize::from(l[1])).ok_or_else(cut)?;
    if length < 2 {
        return Err(format!("expected a header of at least 2 bytes at byte {at}, found {length}"));
    }
    Ok((file.get(at + 2..at + length).ok_or_else(cut)?, at + length))
}

fn frame(marker: u8, content: &[u8]) -> Result<Frame, String> {
    let kind = match marker {
        0xc0..=0xc2 => None,
        0xc3 => Some("lossless"),
        0xc9 | 0xca => Some("arithmetic-coded"),
        0xcb => Some("lossless, arithmetic-coded"),
        _ => Some("hierarchical"),
    };
    if let Some(kind) = kind {
        return Err(format!(
            "expected a baseline, extended or progressive JPEG with Huffman codes, found a {kind} one"
        ));
    }
    let [bits, h1, h0, w1, w0, count, parts @ ..] = content else {
        return Err(format!("expected a frame header of at least 6 bytes, found {}", content.len()));
    };
    if *bits != 8 {
        return Err(format!("expected a JPEG of 8 bits a sample, found {bits}"));
    }
    let (width, height) = (u32::from(*w1) << 8 | u32::from(*w0), u32::from(*h1) << 8 | u32::from(*h0));
    if height == 0 {
        return Err(
            "expected a height in the frame header, found 0 (it may follow in a DNL segment, which is not read)"
                .to_owned(),
        );
    }
    if width == 0 {
        return Err("expected at least one pixel, found a width of 0".to_owned());
    }
    fits(width, height, u64::from(*count))?;
    if !matches!(count, 1 | 3 | 4) {
        return Err(format!("expected a JPEG of 1, 3 or 4 components, found {count}"));
    }
    if parts.len() != 3 * usize::from(*count) {
        return Err(format!("expected a frame header of {count} components, found {} bytes of them", parts.len()));
    }
    let component = |part: &[u8]| {
        let (across, down) = (u32::from(part[1] >> 4), u32::from(part[1] & 15));
        match (across, down) {
            (1..=4, 1..=4) => Ok(Component { id: part[0], across, down }),
            _ => Err(format!("expected sampling factors of 1 to 4, found {across} by {down}")),
        }
    };
    let components = parts.chunks_exact(3).map(component).collect::<Result<_, _>>()?;
    Ok(Frame { width, height, progressive: marker == 0xc2, components })
}

fn scan(frame: &Frame, content: &[u8]) -> Result<Scan, String> {
    let wrong = || "expected a scan header of components of the frame, found another".to_owned();
    let (&count, rest) = content.split_first().ok_or_else(wrong)?;
    let (parts, &[first, last, bits, ..]) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(wrong)? else {
        return Err(wrong());
    };
    let part = |part: &[u8]| {
        let place = frame.components.iter().position(|c| c.id == part[0])?;
        let (dc, ac) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
        (dc < 4 && ac < 4).then_some((place, dc, ac))
    };
    let parts = parts.chunks_exact(2).map(part).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    let scan = Scan { parts, first, last, high: bits >> 4, low: bits & 15 };
    let twice = (1..scan.parts.len()).any(|k| scan.parts[..k].iter().any(|part| part.0 == scan.parts[k].0));
    let (band, step) = if frame.progressive {
        let band = if first == 0 { last == 0 } else { first <= last && last < 64 && scan.parts.len() == 1 };
        (band, scan.low <= 13 && (scan.high == 0 || scan.high == scan.low + 1))
    } else {
        (true, true)
    };
    if scan.parts.is_empty() || twice || !band || !step {
        return Err(wrong());
    }
    Ok(scan)
}

fn huffman(mut content: &[u8], tables: &mut Tables) -> Result<(), String> {
    let wrong = || "expected Huffman tables, found a segment that holds none".to_owned();
    while let Some((&head, rest)) = content.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
        let size = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(size).ok_or_else(wrong)?;
        let kind = match head >> 4 {
            0 => &mut tables.dc,
            1 => &mut tables.ac,
            _ => return Err(wrong()),
        };
        let place = kind.get_mut(usize::from(head & 15)).ok_or_else(wrong)?;
        *place = Some(Huffman::new(counts, symbols).ok_or_else(wrong)?);
        content = rest;
    }
    Ok(())
}

/// Bits of each coefficient of a component that are still open.
///
/// `None` before its first scan.
type Open = [Option<u8>; 64];

/// What is read of a file so far.
struct Reading<'a> {
    jpeg: Option<Jpeg<'a>>,
    tables: Tables,
    blocks: Blocks,
    open: Vec<Open>,
    restart: u32,
    /// A scan's tables are not in the file: its blocks were not counted.
    ///
    /// Pictures of a film leave out the usual tables.
    unread: bool,
    /// What was used last, or all that follows, are zeros.
    zeros: bool,
}

impl Reading<'_> {
    /// Reads the scan whose header is given.
    ///
    /// Gives the place where its data ends at the latest.
    fn scan(&mut self, file: &[u8], header: &[u8], after: usize) -> Result<usize, String> {
        let jpeg = self.jpeg.as_mut().ok_or("expected a frame header before the first scan, found none")?;
        let scan = scan(&jpeg.frame, header)?;
        if jpeg.scans.len() == MAX_SCANS {
            return Err(format!("expected at most {MAX_SCANS} scans, found more"));
        }
        jpeg.scans.push(scan.parts.iter().map(|part| part.0).collect());
        let number = jpeg.scans.len();
        let (needs_dc, needs_ac) = match jpeg.frame.progressive {
            true => (scan.first == 0 && scan.high == 0, scan.first > 0),
            false => (true, true),
        };
        let has = |&(_, dc, ac): &(usize, usize, usize)| {
            !(needs_dc && self.tables.dc[dc].is_none() || needs_ac && self.tables.ac[ac].is_none())
        };
        if !scan.parts.iter().all(has) {
            if jpeg.frame.progressive {
                return Err(format!("expected the Huffman tables of scan {number}, found none"));
            }
            self.unread = true;
            return Ok(after);
        }
        let mut bits = Bits::new(file, after);
        read(&mut bits, (&jpeg.frame, &scan), &self.tables, &mut self.blocks, self.restart).map_err(
            |fault| match fault {
                Fault::Short if next_marker(file, bits.at()).is_none() => {
                    format!("the file ends in the middle of the picture (scan {number})")
                }
                Fault::Short => format!("the picture's data ends before the picture does (scan {number})"),
                Fault::Wrong(what) => format!("the picture's data is damaged: {what} (scan {number})"),
            },
        )?;
        self.zeros = bits.ends_in_zeros();
        let (coefficients, low) = match jpeg.frame.progressive {
            true => (usize::from(scan.first)..usize::from(scan.last) + 1, scan.low),
            false => (0..64, 0),
        };
        for (place, ..) in &scan.parts {
            self.open[*place][coefficients.clone()].fill(Some(low));
        }
        Ok(bits.at())
    }

    /// What was read, if it is whole; `ended` where the end marker was there.
    fn whole(self, ended: bool) -> Result<Self, String> {
        let scanned = self.jpeg.as_ref().is_some_and(|jpeg| !jpeg.scans.is_empty());
        if !scanned {
            return Err(
                if ended { "expected a picture, found none" } else { "the file ends before its picture" }.to_owned()
            );
        }
        if self.unread {
            let cut =
                "the file ends without its end marker, and without Huffman tables that would tell whether it is whole";
            return if ended { Ok(self) } else { Err(cut.to_owned()) };
        }
        if self.open.iter().any(|open| open[0].is_none()) {
            return Err("the file ends before all colours of the picture".to_owned());
        }
        if !ended && self.open.iter().flatten().any(|open| *open != Some(0)) {
            return Err("the file ends before the last scan of the picture".to_owned());
        }
        if !ended && self.zeros {
            return Err("the file ends in zeros where the picture's data should be".to_owned());
        }
        Ok(self)
    }
}

impl<'a> Jpeg<'a> {
    /// Reads a file up to its end marker, or to its end without one.
    ///
    /// What follows the end marker (previews, films, other pictures) is not read. A file that says or holds less than a
    /// whole picture is an error.
    pub(super) fn read(file: &'a [u8]) -> Result<Jpeg<'a>, String> {
        let (mut jfif, mut adobe, mut exif) = (false, None, None);
        let mut reading = Reading {
            jpeg: None,
            tables: Tables::default(),
            blocks: Blocks::default(),
            open: Vec::new(),
            restart: 0,
            unread: false,
            zeros: false,
        };
        let (mut at, mut ended) = (2, false);
        while let Some((marker, after)) = next_marker(file, at) {
            at = after;
            // Markers that stand alone.
            match marker {
                0xd9 => {
                    ended = true;
                    break;
                }
                0x01 | 0xd0..=0xd8 => continue,
                _ => {}
            }
            let (content, end) = segment(file, at)?;
            at = end;
            match marker {
                0xc4 => huffman(content, &mut reading.tables)?,
                0xcc => return Err("expected a JPEG with Huffman codes, found an arithmetic-coded one".to_owned()),
                0xdc => {
                    return Err("expected the height in the frame header alone, found a DNL segment with it".to_owned());
                }
                0xc0..=0xcf if reading.jpeg.is_some() => return Err("expected one frame, found another".to_owned()),
                0xc0..=0xcf => {
                    let frame = frame(marker, content)?;
                    reading.blocks = Blocks::of(&frame);
                    reading.open = vec![[None; 64]; frame.components.len()];
                    reading.jpeg = Some(Jpeg { frame, scans: Vec::new(), jfif: false, adobe: None, exif: None });
                }
                0xda => at = reading.scan(file, content, at)?,
                0xdd if content.len() >= 2 => reading.restart = u32::from(content[0]) << 8 | u32::from(content[1]),
                0xe0 => jfif |= content.starts_with(b"JFIF\0"),
                0xe1 => exif = exif.or(content.strip_prefix(b"Exif\0").and_then(|rest| rest.get(1..))),
                0xee if content.starts_with(b"Adobe") && content.len() >= 12 => adobe = Some(content[11]),
                _ => {}
            }
        }
        match reading.whole(ended)?.jpeg {
            Some(jpeg) => Ok(Jpeg { jfif, adobe, exif, ..jpeg }),
            None => Err("expected a picture, found none".to_owned()),
        }
    }
}
