//! The samples of a file by image.

use std::collections::HashMap;

use crate::samples::image_name::image_name;

/// The samples of each image, wherever their lines stand.
///
/// Captions, questions and phrases of one image belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByImage {
    /// The images by first appearance, their names normalised ([`image_name`]).
    pub images: Vec<String>,
    /// The image of each sample, as its place in `images`.
    pub image_of_sample: Vec<usize>,
}

impl ByImage {
    /// Of samples that name these images.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> ByImage {
        let mut by_image = ByImage::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        for name in names {
            let name = image_name(name);
            let place = places.get(name.as_ref()).copied().unwrap_or_else(|| {
                by_image.images.push(name.clone().into_owned());
                places.insert(name.into_owned(), by_image.images.len() - 1);
                by_image.images.len() - 1
            });
            by_image.image_of_sample.push(place);
        }
        by_image
    }

    /// The samples of each image, in the order of `images`.
    pub fn samples(&self) -> Vec<Vec<usize>> {
        let mut samples = vec![Vec::new(); self.images.len()];
        self.image_of_sample.iter().enumerate().for_each(|(sample, &image)| samples[image].push(sample));
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_an_image_come_together() {
        let found = ByImage::of(["b", "./a", "b", "c/d", "a", "c//d"]);
        assert_eq!(found.images, ["b", "a", "c/d"]);
        assert_eq!(found.image_of_sample, [0, 1, 0, 2, 1, 2]);
        assert_eq!(found.samples(), [vec![0, 2], vec![1, 4], vec![3, 5]]);
        assert_eq!(ByImage::of([]), ByImage::default());
    }
}
