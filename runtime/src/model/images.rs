//! Many images at once: decoded on several threads, looked at and encoded in batches.
//!
//! What is wrong with one image is told of that image and loses none of the others.

use std::path::Path;

use mmnas_bundle::boxes::BoxXyxy;

use crate::engine::batch;
use crate::engine::on_threads::on_threads;
use crate::engine::stage::Tensors;
use crate::error::{Error, Result};
use crate::model::regions::Decoded;
use crate::model::state::ImageState;
use crate::model::{BATCH, Model};
use crate::vision::image_regions::ImageRegions;
use crate::vision::pixels::PixelBuffer;

/// Most bytes of pixels of a batch; one of larger images holds fewer of them.
const MAX_PIXEL_BYTES: usize = 1 << 28;
/// Most pairs of regions of a batch, padding counted.
///
/// Relations of boxes are a matrix an image. A batch of [`BATCH`] images has this many where each has 256 regions.
const MAX_REGION_PAIRS: usize = BATCH * 256 * 256;

/// An image whose regions were checked.
struct Ready {
    place: usize,
    boxes: Vec<BoxXyxy>,
    size: (u32, u32),
    inputs: Tensors,
}

impl Model {
    /// As [`Model::encode_file`] for many files, in batches and in their order.
    ///
    /// Each is a state or its own error. In fp32 and fp16 the states are those that each file has alone, to rounding;
    /// in int8 what else is in a batch moves them a little (BUNDLE.md).
    pub fn encode_files(&self, files: &[&Path]) -> Vec<Result<ImageState>> {
        self.encoded_each(files, |file| self.decoded_file(file))
    }

    /// As [`Model::encode_files`], for the contents of image files.
    pub fn encode_images_bytes(&self, encoded: &[&[u8]]) -> Vec<Result<ImageState>> {
        self.encoded_each(encoded, |encoded| self.decoded_bytes(encoded))
    }

    /// As [`Model::encode_files`], for pixels in memory.
    pub fn encode_pixel_buffers(&self, pixels: &[PixelBuffer<'_>]) -> Vec<Result<ImageState>> {
        self.encoded_each(pixels, |pixels| self.decoded_pixels(pixels))
    }

    /// As [`Model::regions_of_file`] for many files, in batches and in their order.
    ///
    /// Each has regions or its own error.
    pub fn regions_of_files(&self, files: &[&Path]) -> Vec<Result<ImageRegions>> {
        self.regions_of_each(files, |file| self.decoded_file(file))
    }

    /// As [`Model::regions_of_files`], for the contents of image files.
    pub fn regions_of_images_bytes(&self, encoded: &[&[u8]]) -> Vec<Result<ImageRegions>> {
        self.regions_of_each(encoded, |encoded| self.decoded_bytes(encoded))
    }

    /// As [`Model::regions_of_files`], for pixels in memory.
    pub fn regions_of_pixel_buffers(&self, pixels: &[PixelBuffer<'_>]) -> Vec<Result<ImageRegions>> {
        self.regions_of_each(pixels, |pixels| self.decoded_pixels(pixels))
    }

    /// As [`Model::encode_image_regions`] for many images, in batches and in their order.
    ///
    /// Each has a state or its own error, which are as those of [`Model::encode_files`].
    pub fn encode_images_regions(&self, regions: &[&ImageRegions]) -> Vec<Result<ImageState>> {
        self.encoded(regions.iter().map(|regions| Ok((*regions).clone())).collect())
    }

    fn encoded_each<S: Sync>(
        &self,
        sources: &[S],
        decode: impl Fn(&S) -> Result<Decoded> + Sync,
    ) -> Vec<Result<ImageState>> {
        let mut states = Vec::with_capacity(sources.len());
        for sources in sources.chunks(self.images_at_once()) {
            states.extend(self.encoded(self.regions_of_each(sources, &decode)));
        }
        states
    }

    fn regions_of_each<S: Sync>(
        &self,
        sources: &[S],
        decode: impl Fn(&S) -> Result<Decoded> + Sync,
    ) -> Vec<Result<ImageRegions>> {
        let mut regions = Vec::with_capacity(sources.len());
        for sources in sources.chunks(self.images_at_once()) {
            regions.extend(self.looked_at(on_threads(self.loaded.threads, sources, &decode)));
        }
        regions
    }

    /// Images whose pixels are in memory at the same time.
    fn images_at_once(&self) -> usize {
        let bytes = self.loaded.vision.as_ref().map_or(1, |vision| vision.runner.pixel_bytes());
        (MAX_PIXEL_BYTES / bytes.max(1)).clamp(1, BATCH)
    }

    /// The regions of a batch.
    fn looked_at(&self, decoded: Vec<Result<Decoded>>) -> Vec<Result<ImageRegions>> {
        let (mut places, mut pixels) = (Vec::new(), Vec::new());
        let mut regions: Vec<Option<Result<ImageRegions>>> = Vec::with_capacity(decoded.len());
        for (place, outcome) in decoded.into_iter().enumerate() {
            regions.push(match outcome {
                Err(error) => Some(Err(error)),
                Ok(Decoded::Ready(ready)) => Some(Ok(ready)),
                Ok(Decoded::Pixels(image)) => {
                    places.push(place);
                    pixels.push(image);
                    None
                }
            });
        }
        let together = if pixels.is_empty() { Ok(Vec::new()) } else { self.seen_batch(&pixels) };
        // What is wrong with one image fails the batch; then each tells for itself.
        let seen: Vec<Result<ImageRegions>> = match together {
            Ok(seen) => seen.into_iter().map(Ok).collect(),
            Err(error) if pixels.len() == 1 => vec![Err(error)],
            Err(_) => pixels.into_iter().map(|one| self.seen(Decoded::Pixels(one))).collect(),
        };
        for (place, seen) in places.into_iter().zip(seen) {
            regions[place] = Some(seen);
        }
        regions.into_iter().map(|found| found.unwrap_or_else(|| Err(missing()))).collect()
    }

    /// The states of images whose regions are known, in batches.
    fn encoded(&self, regions: Vec<Result<ImageRegions>>) -> Vec<Result<ImageState>> {
        let mut states: Vec<Option<Result<ImageState>>> = Vec::with_capacity(regions.len());
        let mut ready: Vec<Ready> = Vec::new();
        for (place, regions) in regions.into_iter().enumerate() {
            match regions.and_then(|regions| self.ready(place, &regions)) {
                Ok(image) => {
                    ready.push(image);
                    states.push(None);
                }
                Err(error) => states.push(Some(Err(error))),
            }
        }
        let mut rest = &ready[..];
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(fitting(rest));
            for (image, state) in batch.iter().zip(self.encoded_batch(batch)) {
                states[image.place] = Some(state);
            }
            rest = others;
        }
        states.into_iter().map(|found| found.unwrap_or_else(|| Err(missing()))).collect()
    }

    fn ready(&self, place: usize, regions: &ImageRegions) -> Result<Ready> {
        self.check_regions(regions)?;
        let (boxes, inputs) = self.region_inputs(regions.features())?;
        Ok(Ready { place, boxes: boxes.into_owned(), size: regions.features().size, inputs })
    }

    /// Runs the image stage on a batch; where that fails, on each image alone.
    fn encoded_batch(&self, images: &[Ready]) -> Vec<Result<ImageState>> {
        let alone = |image: &Ready| {
            let outputs = self.loaded.image.run_within(&[&image.inputs], &self.watched)?;
            self.image_state(outputs, &image.boxes, image.size)
        };
        let stage = &self.loaded.image;
        let none = Tensors::new();
        let lots: Vec<[&Tensors; 2]> = images.iter().map(|image| [&image.inputs, &none]).collect();
        let together = match batch::stacked(stage.inputs(), &lots) {
            Some(batch) if images.len() > 1 => stage.run_within(&[&batch], &self.watched).ok(),
            _ => None,
        };
        let Some(outputs) = together else { return images.iter().map(alone).collect() };
        let of_batch = |(place, image): (usize, &Ready)| {
            let own = batch::item(&outputs, stage.outputs(), place, image.boxes.len());
            let own = own.ok_or_else(|| Error::Tensor {
                file: stage.file().to_path_buf(),
                tensor: "outputs".to_owned(),
                expected: format!("those of {} images", images.len()),
                found: "others".to_owned(),
            })?;
            self.image_state(own, &image.boxes, image.size)
        };
        images.iter().enumerate().map(of_batch).collect()
    }
}

/// How many of the first images fit into a batch; at least one.
fn fitting(images: &[Ready]) -> usize {
    let mut most = 0;
    let beyond = images.iter().enumerate().position(|(place, image)| {
        most = image.boxes.len().max(most);
        place == BATCH || (place + 1).saturating_mul(most * most) > MAX_REGION_PAIRS
    });
    beyond.unwrap_or(images.len()).max(1)
}

fn missing() -> Error {
    Error::argument("regions", "those of each image", "fewer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_so_many_images_as_their_regions_allow() {
        let images = |counts: &[usize]| -> Vec<Ready> {
            let ready =
                |&count: &usize| Ready { place: 0, boxes: vec![[0.0; 4]; count], size: (1, 1), inputs: Tensors::new() };
            counts.iter().map(ready).collect()
        };
        assert_eq!(fitting(&images(&[4; 100])), BATCH);
        assert_eq!(fitting(&images(&[256; 100])), BATCH);
        assert_eq!(fitting(&images(&[257; 100])), BATCH - 1);
        // Those before one of many regions run without it, and it runs alone.
        assert_eq!(fitting(&images(&[4, 4, 2048, 4])), 2);
        assert_eq!(fitting(&images(&[2048, 4])), 1);
        assert_eq!(fitting(&images(&[4, 4, 4])), 3);
    }
}
