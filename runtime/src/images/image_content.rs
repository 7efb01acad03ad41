//! What a file is by its first bytes, whatever it is called.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use file_format::{FileFormat, Kind};

/// The formats that are read, for messages.
pub(crate) const READ: &str = "PNG, JPEG, WebP, BMP or GIF";
/// First bytes that tell a format.
const HEAD: u64 = 512;

/// What the content of a file is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An image in a format that is read.
    Image,
    /// An image in another format, which is called so.
    OtherImage(String),
    /// macOS's companion of a file on a foreign disk: `._photo.jpg` beside `photo.jpg`.
    AppleDouble,
    /// Something else.
    Other,
}

impl Content {
    /// What the regular file `file` is. Only its first bytes are read.
    pub(crate) fn of_file(file: &Path) -> std::io::Result<Content> {
        let mut head = Vec::with_capacity(HEAD as usize);
        File::open(file)?.take(HEAD).read_to_end(&mut head)?;
        Ok(Content::of_head(&head))
    }

    /// What a file is that begins with `head`.
    pub(crate) fn of_head(head: &[u8]) -> Content {
        use FileFormat as Is;
        match FileFormat::from_bytes(head) {
            Is::PortableNetworkGraphics
            | Is::AnimatedPortableNetworkGraphics
            | Is::JointPhotographicExpertsGroup
            | Is::Webp
            | Is::WindowsBitmap
            | Is::GraphicsInterchangeFormat => Content::Image,
            other if other.kind() == Kind::Image => {
                Content::OtherImage(other.short_name().unwrap_or_else(|| other.name()).to_owned())
            }
            _ if head.starts_with(&[0, 5, 0x16, 7]) => Content::AppleDouble,
            _ => Content::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(brand: &str) -> Vec<u8> {
        [b"\0\0\0\x18ftyp", brand.as_bytes(), &[0; 12]].concat()
    }

    #[test]
    fn images_are_told_by_their_first_bytes() {
        for format in ["Png", "Jpeg", "WebP", "Bmp", "Gif"] {
            let format = match format {
                "Png" => image::ImageFormat::Png,
                "Jpeg" => image::ImageFormat::Jpeg,
                "WebP" => image::ImageFormat::WebP,
                "Bmp" => image::ImageFormat::Bmp,
                _ => image::ImageFormat::Gif,
            };
            let mut encoded = std::io::Cursor::new(Vec::new());
            image::RgbImage::new(3, 2).write_to(&mut encoded, format).unwrap();
            let encoded = encoded.into_inner();
            assert_eq!(Content::of_head(&encoded[..encoded.len().min(HEAD as usize)]), Content::Image, "{format:?}");
        }
    }

    #[test]
    fn images_that_are_not_read_have_their_formats_names() {
        for (name, head) in [
            ("HEIC", boxed("heic")),
            ("HEIF", boxed("mif1")),
            ("AVIF", boxed("avif")),
            ("CR3", boxed("crx ")),
            ("TIFF", b"II*\0\x08\0\0\0".to_vec()),
            ("TIFF", b"MM\0*\0\0\0\x08".to_vec()),
            ("JXL", vec![0xff, 0x0a, 0, 0]),
            ("JXL", b"\0\0\0\x0cJXL \r\n\x87\n".to_vec()),
            ("JP2", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ".to_vec()),
            ("PSD", b"8BPS\0\x01\0\0".to_vec()),
            ("RAF", b"FUJIFILMCCD-RAW 0201".to_vec()),
            ("ICO", b"\0\0\x01\0\x01\0".to_vec()),
        ] {
            assert_eq!(Content::of_head(&head), Content::OtherImage(name.to_owned()));
        }
    }

    #[test]
    fn what_begins_like_an_image_by_chance_is_none() {
        for head in [&b""[..], b"B", b"BMW and other makes", b"GIF is a format", b"{\"a\": 1}", b"RIFF\0\0\0\0WAVEfmt "]
        {
            assert_eq!(Content::of_head(head), Content::Other, "{head:?}");
        }
        assert_eq!(Content::of_head(b"\0\x05\x16\x07\0\x02\0\0Mac OS X"), Content::AppleDouble);
    }
}
