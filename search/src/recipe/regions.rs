//! `[regions]`: which regions of an image are used, and what is computed from them at the start.

use serde::Deserialize;
use serde::Serialize;

use crate::recipe::wrong::Wrong;

/// Regions of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionSettings {
    /// Those beyond this many are left out (published: 100; 36 in image-text matching).
    pub max: usize,
    /// Grounding: the layer that reads features starts from the directions in which the regions that phrases mean correlate most with
    /// the phrases' words, in place of random ones; none: it does not. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlate: Option<Ridges>,
    /// Grounding: what a linear map says of regions and words counts in the regions' scores; none: the network's own scores alone, as
    /// published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linear: Option<RegionLinearSettings>,
}

impl Default for RegionSettings {
    fn default() -> Self {
        RegionSettings { max: 100, correlate: None, linear: None }
    }
}

impl RegionSettings {
    /// The field by which regions are to be correlated with words, where there is such.
    pub(crate) fn field_of_correlation(&self) -> Option<&'static str> {
        let correlate = self.correlate.map(|_| "regions.correlate");
        correlate.or(self.linear.map(|_| "regions.linear"))
    }

    pub(crate) fn check(&self) -> std::result::Result<(), Wrong> {
        if self.max > 4096 {
            return Err(("regions.max", "1 to 4096", self.max.to_string()));
        }
        self.correlate
            .map_or(Ok(()), |ridges| ridges.check(["regions.correlate.image_ridge", "regions.correlate.text_ridge"]))?;
        self.linear.map_or(Ok(()), RegionLinearSettings::check)
    }
}

/// The linear part of the scores of grounding, an addition of ours: what each region is and each word says goes through one matrix, and
/// the product of both counts in the region's score. The matrices are those of a canonical correlation analysis of the phrases of the
/// training part and the regions that they mean; no step changes them. They know the phrases that they come from too well to say what a
/// network still has to learn of these, so training does not read that score; validation and everything after it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionLinearSettings {
    /// Directions that are kept, at most 4096.
    pub width: usize,
    /// Deviation of this part of the scores over the regions and phrases of the training part, 0.001 to 1000; the network's own scores are
    /// logarithms of probabilities.
    pub deviation: f64,
    /// What the analysis adds to variances.
    pub ridges: Ridges,
}

impl RegionLinearSettings {
    pub(crate) fn check(self) -> std::result::Result<(), Wrong> {
        if self.width == 0 || self.width > 4096 {
            return Err(("regions.linear.width", "1 to 4096", self.width.to_string()));
        }
        if !(1e-3..=1e3).contains(&self.deviation) {
            return Err(("regions.linear.deviation", "0.001 to 1000", self.deviation.to_string()));
        }
        self.ridges.check(["regions.linear.ridges.image_ridge", "regions.linear.ridges.text_ridge"])
    }
}

/// What a canonical correlation analysis adds to variances, in units of their mean: the more, the less it follows what few samples
/// have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ridges {
    /// To the variance of each feature.
    pub image_ridge: f64,
    /// To the variance of each word.
    pub text_ridge: f64,
}

impl Ridges {
    pub(crate) fn check(self, fields: [&'static str; 2]) -> std::result::Result<(), Wrong> {
        let mut ridges = fields.into_iter().zip([self.image_ridge, self.text_ridge]);
        match ridges.find(|(_, ridge)| !(1e-6..=1e6).contains(ridge)) {
            Some((field, ridge)) => Err((field, "0.000001 to 1000000", ridge.to_string())),
            None => Ok(()),
        }
    }
}
