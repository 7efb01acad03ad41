//! How a picture is to be turned, from its EXIF data.

use exif::{In, Reader, Tag};
use image::metadata::Orientation;

/// The orientation that EXIF data tells, of any integer type and either byte order; what is told wrongly or not at all is as it
/// lies.
pub(super) fn told(exif: &[u8]) -> Orientation {
    // Some writers leave the name of JPEG's segment in front in other formats too.
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let fields = match reader.read_raw(tiff.to_vec()) {
        Ok(fields) => fields,
        // What else is damaged says nothing about this field.
        Err(exif::Error::PartialResult(partial)) => partial.into_inner().0,
        Err(_) => return Orientation::NoTransforms,
    };
    let number = fields.get_field(Tag::Orientation, In::PRIMARY).and_then(|field| field.value.get_uint(0));
    number.and_then(|n| u8::try_from(n).ok()).and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
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
            // Two values: the first counts.
            assert_eq!(told(&exif(true, 3, 2, &[0, n, 0, 7])), expected);
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
