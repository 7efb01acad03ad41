//! How a picture is to be turned, from its EXIF data.

use image::metadata::Orientation;

/// The orientation that EXIF data tells, or none.
///
/// It may be of any unsigned integer type and either byte order. What is told wrongly or not at all is as it lies.
pub(super) fn told(exif: &[u8]) -> Orientation {
    // Some writers leave the name of JPEG's segment in front in other formats too.
    let number = field(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif), 0x112);
    number.and_then(|n| u8::try_from(n).ok()).and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

/// The first value of an integer field in a TIFF file's first directory.
fn field(tiff: &[u8], tag: usize) -> Option<usize> {
    let big = match tiff.first_chunk()? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let number = |at: usize, size: usize| {
        let bytes = tiff.get(at..at + size)?;
        let join = |number, &byte: &u8| number << 8 | usize::from(byte);
        Some(if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    };
    let directory = number(4, 4)?;
    let mut entries = (0..number(directory, 2)?).map(|k| directory + 2 + 12 * k);
    let entry = entries.find(|&at| number(at, 2) == Some(tag))?;
    let size = match number(entry + 2, 2)? {
        1 => 1,
        3 => 2,
        4 => 4,
        _ => return None,
    };
    // Values of more than four bytes lie elsewhere.
    match number(entry + 4, 4)? {
        0 => None,
        count if count * size <= 4 => number(entry + 8, size),
        _ => number(number(entry + 8, 4)?, size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF data of the one field, as a camera of that byte order writes it.
    fn exif(big: bool, kind: u16, count: u32, value: &[u8; 4]) -> Vec<u8> {
        let two = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        let four = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        let head = if big { b"MM" } else { b"II" };
        let parts = [&head[..], &two(42), &four(8), &two(1), &two(0x112), &two(kind), &four(count), value, &four(0)];
        parts.concat()
    }

    #[test]
    fn orientations_of_every_integer_type_and_byte_order_are_read() {
        for n in 1..=8u8 {
            let expected = Orientation::from_exif(n).unwrap();
            for (big, kind, value) in [
                (true, 3, [0, n, 0, 0]),
                (false, 3, [n, 0, 0, 0]),
                (true, 4, [0, 0, 0, n]),
                (false, 4, [n, 0, 0, 0]),
                (true, 1, [n, 0, 0, 0]),
            ] {
                let data = exif(big, kind, 1, &value);
                assert_eq!(told(&data), expected, "{n}, type {kind}");
                assert_eq!(told(&[b"Exif\0\0", &data[..]].concat()), expected, "{n} behind a name");
            }
            // Of several the first counts; three lie elsewhere.
            assert_eq!(told(&exif(true, 3, 2, &[0, n, 0, 7])), expected);
            let elsewhere = [&exif(false, 3, 3, &[26, 0, 0, 0])[..], &[n, 0, 7, 0, 7, 0]].concat();
            assert_eq!(told(&elsewhere), expected);
        }
    }

    #[test]
    fn what_is_no_orientation_turns_nothing() {
        let long = exif(true, 4, 1, &[1, 0, 0, 6]);
        for data in
            [&b""[..], b"II", b"Exif\0\0", &exif(true, 3, 1, &[0, 9, 0, 0]), &exif(true, 3, 0, &[0, 6, 0, 0]), &long]
        {
            assert_eq!(told(data), Orientation::NoTransforms, "{data:?}");
        }
    }

    #[test]
    fn a_damaged_field_does_not_hide_the_orientation() {
        let mut data = exif(true, 3, 1, &[0, 6, 0, 0]);
        // A second field whose value lies past the end.
        data[9] = 2;
        let end = data.len() - 4;
        data.splice(end..end, [1, 0x0f, 0, 2, 0, 0, 1, 0, 0, 0xff, 0, 0]);
        assert_eq!(told(&data), Orientation::Rotate90);
    }
}
