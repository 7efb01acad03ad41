//! The three parts of a data set: weights, alpha, validation.

use rand::seq::SliceRandom;

use crate::data::dataset::ImageTextData;
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::recipe::split::SplitShares;
use crate::seed::rng;

/// Indices of the samples of three disjoint parts, cut between images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    /// Trains the weights of the supernet.
    pub weights: Vec<usize>,
    /// Trains alpha.
    pub alpha: Vec<usize>,
    /// Measures the score.
    pub validation: Vec<usize>,
}

impl Splits {
    /// Parts of a data set that train and measure an architecture.
    ///
    /// A validation file is the validation part.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyPart`] if a part gets no sample.
    pub fn for_training(data: &ImageTextData, recipe: &Recipe) -> Result<Splits> {
        Splits::cut(data.samples_of_images(), recipe.split, recipe.seed, data.validation_samples())
    }

    /// Parts of a search, as for training unless the recipe asks for the published cut.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyPart`] if a part gets no sample.
    pub fn for_search(data: &ImageTextData, recipe: &Recipe) -> Result<Splits> {
        if !recipe.published.validate_on_alpha {
            return Splits::for_training(data, recipe);
        }
        let mut parts = Splits::cut_by_index(data.samples_of_images(), recipe.split)?;
        if let Some(samples) = data.validation_samples() {
            parts.validation = samples.to_vec();
        }
        Ok(parts)
    }

    /// Cuts as the published code does.
    ///
    /// The first samples train weights, the rest alpha, and those validate as well. If an image's
    /// samples stand together, the cut is moved to their end.
    fn cut_by_index(samples: &[Vec<usize>], shares: SplitShares) -> Result<Splits> {
        let mut all: Vec<usize> = samples.iter().flatten().copied().collect();
        all.sort_unstable();
        let first = (all.len() as f64 * shares.weights / (shares.weights + shares.alpha)).round() as usize;
        let mut first = first.min(all.len());
        let last = first.checked_sub(1).map(|k| all[k]);
        let own = last.and_then(|sample| samples.iter().find(|own| own.contains(&sample)));
        while all.get(first).is_some_and(|sample| own.is_some_and(|own| own.contains(sample))) {
            first += 1;
        }
        let alpha = all.split_off(first);
        for (part, indices) in [("weights", &all), ("alpha", &alpha)] {
            if indices.is_empty() {
                return Err(Error::EmptyPart { part, images: samples.len() });
            }
        }
        Ok(Splits { weights: all, validation: alpha.clone(), alpha })
    }

    /// Cuts the images, shuffled by `seed`.
    ///
    /// `samples` lists the samples of each image, so no image is in two parts. If `validation` is
    /// given it is that part, and its share goes to the weights.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyPart`] if a part gets no sample.
    pub fn cut(samples: &[Vec<usize>], shares: SplitShares, seed: u64, validation: Option<&[usize]>) -> Result<Splits> {
        let images = samples.len();
        let mut order: Vec<usize> = (0..images).collect();
        order.shuffle(&mut rng(seed, "split", 0));
        let mut images_left = order.into_iter();
        let mut part = |name: &'static str, share: f64| {
            let count = (share * images as f64).round() as usize;
            let mut indices: Vec<usize> =
                images_left.by_ref().take(count).flat_map(|i| samples[i].iter().copied()).collect();
            indices.sort_unstable();
            if indices.is_empty() { Err(Error::EmptyPart { part: name, images }) } else { Ok(indices) }
        };
        // Validation first: rounding must not starve the smallest part.
        let weights = shares.weights + if validation.is_some() { shares.validation } else { 0.0 };
        let validation = match validation {
            Some(samples) => samples.to_vec(),
            None => part("validation", shares.validation)?,
        };
        let alpha = part("alpha", shares.alpha)?;
        Ok(Splits { validation, alpha, weights: part("weights", weights)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const SHARES: SplitShares = SplitShares { weights: 0.7, alpha: 0.2, validation: 0.1 };

    fn images() -> Vec<Vec<usize>> {
        (0..50).map(|i| (3 * i..3 * i + 3).collect()).collect()
    }

    #[test]
    fn parts_share_no_image_and_depend_on_the_seed_alone() {
        let parts = Splits::cut(&images(), SHARES, 7, None).unwrap();
        let of = |indices: &[usize]| indices.iter().map(|k| k / 3).collect::<HashSet<_>>();
        let (w, a, v) = (of(&parts.weights), of(&parts.alpha), of(&parts.validation));
        assert_eq!((w.len(), a.len(), v.len()), (35, 10, 5));
        assert!(w.is_disjoint(&a) && w.is_disjoint(&v) && a.is_disjoint(&v));
        assert_eq!(parts, Splits::cut(&images(), SHARES, 7, None).unwrap());
        assert_ne!(parts, Splits::cut(&images(), SHARES, 8, None).unwrap());
    }

    #[test]
    fn a_validation_file_is_the_validation_part_and_its_share_trains() {
        let parts = Splits::cut(&images(), SHARES, 7, Some(&[150, 151])).unwrap();
        assert_eq!((parts.weights.len(), parts.alpha.len(), parts.validation), (120, 30, vec![150, 151]));
    }

    #[test]
    fn the_published_cut_is_by_index_and_validates_on_alpha() {
        let parts = Splits::cut_by_index(&images(), SplitShares { weights: 0.8, alpha: 0.2, validation: 0.1 }).unwrap();
        assert_eq!(parts.weights, (0..120).collect::<Vec<_>>());
        assert_eq!((&parts.alpha, &parts.validation), (&(120..150).collect(), &(120..150).collect()));
    }

    #[test]
    fn an_empty_part_is_an_error() {
        let error = Splits::cut(&images()[..2], SHARES, 1, None).unwrap_err();
        assert!(matches!(error, Error::EmptyPart { part: "validation", images: 2 }), "{error}");
    }
}
