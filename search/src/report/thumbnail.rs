//! Small copies of images inside a page.

use std::panic::catch_unwind;
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageReader, Limits, RgbImage};

/// Longest side of the copy on a card.
pub(crate) const LARGE: u32 = 320;
/// Longest side of the copy in a ranking.
pub(crate) const SMALL: u32 = 112;
/// Largest side of an image that is copied without loss.
const LOSSLESS: u32 = 128;
const QUALITY: u8 = 82;
/// Largest side of an image, as when the runtime reads images.
const MAX_SIDE: u32 = 20_000;
const MAX_DECODED_BYTES: u64 = 512 << 20;
/// Largest size of all copies of a page together, as text.
const MAX_PAGE_BYTES: usize = 8 << 20;

/// A copy of an image.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    /// The copy as a data URI.
    pub uri: String,
    /// Width and height of the image itself.
    pub size: (u32, u32),
}

/// Makes the copies for one page and keeps their total size bounded.
#[derive(Debug)]
pub(crate) struct Thumbnails {
    folder: Option<PathBuf>,
    left: usize,
}

/// Puts the image on white where it is transparent.
fn opaque(image: &DynamicImage) -> RgbImage {
    let mut opaque = image.to_rgb8();
    if image.color().has_alpha() {
        for (pixel, rgba) in opaque.pixels_mut().zip(image.to_rgba8().pixels()) {
            let alpha = u32::from(rgba.0[3]);
            pixel.0 = [0, 1, 2].map(|k| ((u32::from(rgba.0[k]) * alpha + 255 * (255 - alpha)) / 255) as u8);
        }
    }
    opaque
}

fn copy(file: &Path, side: u32) -> image::ImageResult<Thumbnail> {
    let mut reader = ImageReader::open(file)?.with_guessed_format()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let image = reader.decode()?;
    let (width, height) = (image.width(), image.height());
    let longest = width.max(height);
    let small = if longest > side { image.thumbnail(side, side) } else { image };
    let small = opaque(&small);
    let mut bytes = Vec::new();
    let kind = if longest <= LOSSLESS {
        small.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png)?;
        "png"
    } else {
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&small)?;
        "jpeg"
    };
    Ok(Thumbnail { uri: format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)), size: (width, height) })
}

impl Thumbnails {
    /// Makes copies of the images of `folder`; without a folder there are none.
    pub(crate) fn of(folder: Option<&Path>) -> Thumbnails {
        Thumbnails { folder: folder.map(Path::to_path_buf), left: MAX_PAGE_BYTES }
    }

    /// The copy of the image `name`, its longest side at most `side`.
    ///
    /// The error is the reason why there is none.
    pub(crate) fn get(&mut self, name: &str, side: u32) -> Result<Thumbnail, &'static str> {
        let Some(folder) = &self.folder else { return Err("--images says where images are") };
        let path = Path::new(name);
        if name.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err("not a name inside the images folder");
        }
        let file = folder.join(path);
        // A pipe would be waited for for ever.
        if !file.is_file() {
            return Err("not found");
        }
        // Decoders panic on some malformed files.
        let copy = catch_unwind(|| copy(&file, side)).ok().and_then(Result::ok).ok_or("cannot be read as an image")?;
        self.left = self.left.checked_sub(copy.uri.len()).ok_or("left out, the page is large enough")?;
        Ok(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(uri: &str) -> DynamicImage {
        let (_, data) = uri.split_once(',').unwrap();
        image::load_from_memory(&STANDARD.decode(data).unwrap()).unwrap()
    }

    #[test]
    fn copies_are_small_and_keep_colours() {
        let folder = tempfile::tempdir().unwrap();
        let red = image::Rgba([200, 10, 10, 255]);
        let mut image = image::RgbaImage::from_pixel(1200, 300, red);
        image.put_pixel(0, 0, image::Rgba([0, 0, 0, 0]));
        image.save(folder.path().join("large.png")).unwrap();
        image::imageops::crop_imm(&image, 0, 0, 40, 20).to_image().save(folder.path().join("tiny.png")).unwrap();
        let mut thumbnails = Thumbnails::of(Some(folder.path()));
        let large = thumbnails.get("large.png", LARGE).unwrap();
        assert_eq!(large.size, (1200, 300));
        let copy = decode(&large.uri).to_rgb8();
        assert_eq!(copy.dimensions(), (320, 80));
        let middle = copy.get_pixel(160, 40).0;
        assert!(middle[0].abs_diff(200) < 6 && middle[1] < 20 && middle[2] < 20, "{middle:?}");
        let tiny = thumbnails.get("tiny.png", LARGE).unwrap();
        let copy = decode(&tiny.uri).to_rgb8();
        assert_eq!((copy.dimensions(), copy.get_pixel(0, 0).0), ((40, 20), [255; 3]));
        assert_eq!(copy.get_pixel(9, 9).0, [200, 10, 10]);
    }

    #[test]
    fn what_is_no_image_inside_the_folder_has_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("broken.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let mut thumbnails = Thumbnails::of(Some(&folder.path().join("inner")));
        for name in ["../broken.png", "", ".", "/etc/passwd"] {
            assert_eq!(thumbnails.get(name, LARGE).unwrap_err(), "not a name inside the images folder", "{name}");
        }
        assert_eq!(
            Thumbnails::of(Some(folder.path())).get("broken.png", LARGE).unwrap_err(),
            "cannot be read as an image"
        );
        // A WebP of no pixels, on which its decoder panics.
        let webp = concat!(
            "UklGRnoAAABXRUJQVlA4WAoAAAASAAAAAAAAAAAAQU5JTQYAAAD/////AABBTk1GTgAAAAAAAAAAAAAAAAAAAGQAAABBTFBIAgAA",
            "AAD/VlA4ICwAAACQAQCdASoAAAAAAsBMJaACdLoAA5gA/u7T36+ZZwv5/9CT/4JP/gk/cAAAAA==",
        );
        std::fs::write(folder.path().join("panic.webp"), STANDARD.decode(webp).unwrap()).unwrap();
        let error = Thumbnails::of(Some(folder.path())).get("panic.webp", LARGE).unwrap_err();
        assert_eq!(error, "cannot be read as an image");
        assert_eq!(Thumbnails::of(Some(folder.path())).get("inner", LARGE).unwrap_err(), "not found");
        assert_eq!(Thumbnails::of(None).get("a.png", LARGE).unwrap_err(), "--images says where images are");
    }

    #[test]
    fn a_page_takes_no_more_than_its_share() {
        let folder = tempfile::tempdir().unwrap();
        RgbImage::new(8, 8).save(folder.path().join("a.png")).unwrap();
        let mut thumbnails = Thumbnails::of(Some(folder.path()));
        let bytes = thumbnails.get("a.png", LARGE).unwrap().uri.len();
        thumbnails.left = bytes;
        assert!(thumbnails.get("a.png", LARGE).is_ok());
        assert_eq!(thumbnails.get("a.png", LARGE).unwrap_err(), "left out, the page is large enough");
    }
}
