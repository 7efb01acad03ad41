//! `preprocessor_config.json`: how a model of Hugging Face's library wants its images.

use std::path::Path;

use mmnas_bundle::manifest::Channels;
use mmnas_bundle::{Error as BundleError, read_json_file};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Result;

/// What an image's numbers become and how large it is.
///
/// Each number is `(channel − mean) / scale` of a channel from 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Subtracted from each channel, in their order.
    pub mean: [f32; 3],
    /// What each channel is divided by, in their order.
    pub scale: [f32; 3],
    /// Order of the channels.
    pub channels: Channels,
    /// Width and height in pixels, where they are told.
    pub size: Option<(usize, usize)>,
}

impl Default for Preprocessing {
    /// The numbers as they are, in the order red, green, blue.
    fn default() -> Preprocessing {
        Preprocessing { mean: [0.0; 3], scale: [1.0; 3], channels: Channels::Rgb, size: None }
    }
}

/// The keys that say something of the numbers and the size; the file has others.
#[derive(Deserialize)]
struct File {
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    rescale_offset: Option<bool>,
    do_normalize: Option<bool>,
    image_mean: Option<Vec<f64>>,
    image_std: Option<Vec<f64>>,
    do_flip_channel_order: Option<bool>,
    do_center_crop: Option<bool>,
    crop_size: Option<Value>,
    size: Option<Value>,
}

/// Numbers of 0 to 255 become 0 to 1.
const RESCALE: f64 = 1.0 / 255.0;

impl Preprocessing {
    /// Reads a processor's file.
    ///
    /// Its numbers are `(channel · rescale_factor − image_mean) / image_std`. Whole images are stretched to the size, so
    /// the size is that after a crop.
    ///
    /// # Errors
    /// A file that cannot be read, is no such JSON or has none of these keys; a deviation or factor that is 0 or not
    /// finite; a normalisation without mean or deviation; numbers that are moved by 1 (`rescale_offset`).
    pub fn read(file: &Path) -> Result<Preprocessing> {
        let told: File = read_json_file(file)?;
        let wrong = |field: &str, expected: &str, found: String| BundleError::invalid(file, field, expected, found);
        if told.do_rescale.is_none()
            && told.rescale_factor.is_none()
            && told.image_mean.is_none()
            && told.image_std.is_none()
        {
            let expected = "do_rescale, rescale_factor, image_mean or image_std, as a processor's file has";
            return Err(wrong("(file)", expected, "none of them".to_owned()).into());
        }
        if told.rescale_offset == Some(true) {
            let expected = "none, or numbers that are not moved by 1; --mean and --std say such";
            return Err(wrong("rescale_offset", expected, "true".to_owned()).into());
        }
        let factor = match told.do_rescale {
            Some(false) => 1.0,
            _ => told.rescale_factor.unwrap_or(RESCALE),
        };
        if !factor.is_finite() || factor == 0.0 {
            return Err(wrong("rescale_factor", "a finite number other than 0", factor.to_string()).into());
        }
        let three = |field: &str, numbers: Option<Vec<f64>>| match numbers.map(<[f64; 3]>::try_from) {
            None => Ok(None),
            Some(Ok(three)) => Ok(Some(three)),
            Some(Err(found)) => Err(wrong(field, "three numbers", format!("{found:?}"))),
        };
        let (mean, deviation) = (three("image_mean", told.image_mean)?, three("image_std", told.image_std)?);
        let (mean, deviation) = match (told.do_normalize, mean, deviation) {
            (Some(false), ..) | (None, None, None) => ([0.0; 3], [1.0; 3]),
            (_, Some(mean), Some(deviation)) => (mean, deviation),
            (_, mean, _) => {
                let field = if mean.is_none() { "image_mean" } else { "image_std" };
                return Err(wrong(field, "three numbers, as do_normalize asks for them", "none".to_owned()).into());
            }
        };
        let (mean, scale) = (mean.map(|mean| (mean / factor) as f32), deviation.map(|std| (std / factor) as f32));
        check(&mean, &scale).map_err(|(field, expected, found)| wrong(&format!("image_{field}"), expected, found))?;
        let channels = if told.do_flip_channel_order == Some(true) { Channels::Bgr } else { Channels::Rgb };
        let cropped = told.crop_size.filter(|_| told.do_center_crop != Some(false));
        Ok(Preprocessing { mean, scale, channels, size: cropped.or(told.size).as_ref().and_then(size) })
    }
}

/// Checks mean and scale: the field (`mean` or `std`), what was expected and what was found.
pub(super) fn check(
    mean: &[f32; 3],
    scale: &[f32; 3],
) -> std::result::Result<(), (&'static str, &'static str, String)> {
    if mean.iter().any(|v| !v.is_finite()) {
        return Err(("mean", "finite numbers", format!("{mean:?}")));
    }
    if scale.iter().any(|v| !v.is_finite() || *v == 0.0) {
        return Err(("std", "finite numbers other than 0", format!("{scale:?}")));
    }
    Ok(())
}

/// Width and height: one number, `{"height", "width"}` or `{"shortest_edge"}`, whose image is square here.
fn size(value: &Value) -> Option<(usize, usize)> {
    let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    match value {
        Value::Object(map) => match (map.get("width"), map.get("height"), map.get("shortest_edge")) {
            (Some(width), Some(height), _) => Some((number(width)?, number(height)?)),
            (.., Some(edge)) => number(edge).map(|edge| (edge, edge)),
            _ => None,
        },
        value => number(value).map(|side| (side, side)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Preprocessing> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("preprocessor_config.json");
        std::fs::write(&file, text).unwrap();
        Preprocessing::read(&file)
    }

    #[test]
    fn means_and_deviations_are_of_numbers_to_255() {
        let clip = r#"{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_normalize": true,
            "image_mean": [0.5, 0.25, 0.0], "image_std": [0.5, 0.2, 1.0], "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": 256}, "resample": 3, "image_processor_type": "CLIPImageProcessor"}"#;
        let told = read(clip).unwrap();
        assert_eq!((told.mean, told.size, told.channels), ([127.5, 63.75, 0.0], Some((224, 224)), Channels::Rgb));
        assert!((told.scale[1] - 51.0).abs() < 1e-4 && told.scale[2] == 255.0);
        let plain = read(r#"{"do_rescale": true, "do_flip_channel_order": true, "size": 192}"#).unwrap();
        assert_eq!((plain.mean, plain.scale), ([0.0; 3], [255.0; 3]));
        assert_eq!((plain.channels, plain.size), (Channels::Bgr, Some((192, 192))));
        assert_eq!(read(r#"{"do_rescale": false}"#).unwrap(), Preprocessing::default());
        let whole = read(
            r#"{"do_rescale": true, "crop_size": 224, "do_center_crop": false, "size": {"height": 96, "width": 128}}"#,
        )
        .unwrap();
        assert_eq!(whole.size, Some((128, 96)));
    }

    #[test]
    fn what_is_no_normalisation_is_told() {
        for (text, words) in [
            ("[]", "preprocessor_config.json"),
            (r#"{"hidden_size": 768, "model_type": "vit"}"#, "as a processor's file has"),
            (r#"{"rescale_offset": true, "rescale_factor": 0.007843137}"#, "rescale_offset"),
            (r#"{"do_normalize": true, "image_mean": [0, 0, 0]}"#, "image_std"),
            (r#"{"image_std": [1, 1, 1]}"#, "image_mean"),
            (r#"{"image_mean": [0, 0, 0], "image_std": [1, 0, 1]}"#, "image_std"),
            (r#"{"rescale_factor": 0}"#, "rescale_factor"),
            (r#"{"image_mean": [0, 0], "image_std": [1, 1]}"#, "image_mean"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
