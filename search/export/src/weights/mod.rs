//! Parameters of a network by name.

mod files;
pub(crate) mod int8;

use std::collections::BTreeMap;

use mmnas_bundle::param_names;

use crate::error::{Error, Result};

/// Features are hardly ever further from their mean, in deviations.
const LARGEST_DEVIATION: f32 = 4.0;

/// A parameter: f32, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The numbers.
    pub data: Vec<f32>,
}

impl Weight {
    /// A parameter of the given shape.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Weight {
        Weight { shape: shape.to_vec(), data }
    }

    /// The transpose of a matrix.
    ///
    /// Linear layers are stored as `[outputs, inputs]`, ONNX's MatMul wants `[inputs, outputs]`.
    pub(crate) fn transposed(&self) -> Weight {
        let (rows, columns) = (self.shape[0], self.shape[1]);
        let data = (0..columns)
            .flat_map(|c| (0..rows).map(move |r| (r, c)))
            .map(|(r, c)| self.data[r * columns + c])
            .collect();
        Weight { shape: vec![columns, rows], data }
    }

    /// All numbers times `factor`.
    pub(crate) fn scaled(mut self, factor: f32) -> Weight {
        self.data.iter_mut().for_each(|v| *v *= factor);
        self
    }

    /// Matrices with the same number of rows, side by side.
    pub(crate) fn beside(parts: &[Weight]) -> Weight {
        let rows = parts.first().map_or(0, |p| p.shape[0]);
        let row =
            |r: usize| parts.iter().flat_map(move |p| p.data[r * p.shape[1]..(r + 1) * p.shape[1]].iter().copied());
        let columns = parts.iter().map(|p| p.shape[1]).sum();
        Weight { shape: vec![rows, columns], data: (0..rows).flat_map(row).collect() }
    }
}

/// Parameters by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    parameters: BTreeMap<String, Weight>,
    /// About the largest size of each feature, where it is known.
    feature_sizes: Option<Vec<f32>>,
}

impl FromIterator<(String, Weight)> for Weights {
    fn from_iter<I: IntoIterator<Item = (String, Weight)>>(iter: I) -> Self {
        Weights { parameters: iter.into_iter().collect(), feature_sizes: None }
    }
}

impl Weights {
    /// The parameter `name`, which must have the given shape.
    ///
    /// # Errors
    /// [`Error::Parameter`] if it is missing or has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&Weight> {
        let wrong = |found: String| Error::Parameter { name: name.to_owned(), expected: format!("{shape:?}"), found };
        let weight = self.parameters.get(name).ok_or_else(|| wrong("none".into()))?;
        if weight.shape != shape {
            return Err(wrong(format!("{:?}", weight.shape)));
        }
        Ok(weight)
    }

    /// Whether there is a parameter `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// Adds or replaces a parameter.
    pub fn insert(&mut self, name: impl Into<String>, weight: Weight) {
        self.parameters.insert(name.into(), weight);
    }

    /// Removes a parameter.
    pub fn remove(&mut self, name: &str) -> Option<Weight> {
        self.parameters.remove(name)
    }

    /// Cuts `prefix` from all names, if all begin with it.
    pub(crate) fn without_prefix(self, prefix: &str) -> Weights {
        if !self.parameters.keys().all(|name| name.starts_with(prefix)) {
            return self;
        }
        let shorter = |(name, weight): (String, Weight)| (name[prefix.len()..].to_owned(), weight);
        Weights { parameters: self.parameters.into_iter().map(shorter).collect(), ..self }
    }

    /// The parameters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Weight)> {
        self.parameters.iter().map(|(name, weight)| (name.as_str(), weight))
    }

    /// Number of numbers in all parameters together.
    pub fn count(&self) -> u64 {
        self.parameters.values().map(|w| w.data.len() as u64).sum()
    }

    /// Folds the standardisation `(x − mean) / std` of features into their layers.
    ///
    /// They are `imgfeat_linear` and, if the network has them, `embed_f` of the dual encoder and
    /// `embed_a` of a linear part.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a layer is missing or reads another number of features.
    pub fn fold_feature_norm(&mut self, mean: &[f32], std: &[f32]) -> Result<()> {
        self.fold_into(param_names::IMGFEAT_LINEAR, mean, std)?;
        for layer in [param_names::EMBED_F, param_names::EMBED_A] {
            if self.has(&format!("{layer}.weight")) {
                self.fold_into(layer, mean, std)?;
            }
        }
        let size = |(mean, std): (&f32, &f32)| mean.abs() + LARGEST_DEVIATION * std;
        self.feature_sizes = Some(mean.iter().zip(std).map(size).collect());
        Ok(())
    }

    /// About the largest size of each feature.
    ///
    /// It is known if mean and deviation were folded in.
    pub(crate) fn feature_sizes(&self) -> Option<&[f32]> {
        self.feature_sizes.as_deref()
    }

    /// Folds a standardisation into one layer, in double precision.
    ///
    /// `W' = W / std`, `b' = b − W' · mean`. The features' weights in a weighted mean add to 1, so it makes no
    /// difference whether a layer stands before or behind it.
    fn fold_into(&mut self, layer: &str, mean: &[f32], std: &[f32]) -> Result<()> {
        let d = mean.len();
        let (weight_name, bias_name) = (format!("{layer}.weight"), format!("{layer}.bias"));
        let rows = self.parameters.get(&bias_name).map_or(0, |bias| bias.data.len());
        let weight = self.get(&weight_name, &[rows, d])?;
        let scaled: Vec<f64> =
            weight.data.iter().zip(std.iter().cycle()).map(|(w, s)| f64::from(*w) / f64::from(*s)).collect();
        let bias = self.get(&bias_name, &[rows])?;
        let moved = |(row, b): (&[f64], &f32)| {
            f64::from(*b) - row.iter().zip(mean).map(|(w, m)| w * f64::from(*m)).sum::<f64>()
        };
        let bias = scaled.chunks_exact(d).zip(&bias.data).map(|row| moved(row) as f32).collect();
        self.insert(&weight_name, Weight::new(&[rows, d], scaled.into_iter().map(|v| v as f32).collect()));
        self.insert(&bias_name, Weight::new(&[rows], bias));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_norm_gives_the_same_linear_layer() {
        let mut weights: Weights = [
            ("imgfeat_linear.weight".to_owned(), Weight::new(&[2, 3], vec![1.0, -2.0, 0.5, 3.0, 0.25, -1.0])),
            ("imgfeat_linear.bias".to_owned(), Weight::new(&[2], vec![0.5, -0.5])),
        ]
        .into_iter()
        .collect();
        let (mean, std, x) = ([1.0f32, -2.0, 4.0], [2.0f32, 0.5, 8.0], [0.3f32, 0.7, -1.1]);
        let apply = |w: &Weights, x: &[f32]| -> Vec<f32> {
            let (m, b) =
                (w.get("imgfeat_linear.weight", &[2, 3]).unwrap(), w.get("imgfeat_linear.bias", &[2]).unwrap());
            (0..2).map(|r| b.data[r] + (0..3).map(|c| m.data[r * 3 + c] * x[c]).sum::<f32>()).collect()
        };
        let standardised: Vec<f32> = (0..3).map(|k| (x[k] - mean[k]) / std[k]).collect();
        let expected = apply(&weights, &standardised);
        weights.fold_feature_norm(&mean, &std).unwrap();
        assert_eq!(weights.feature_sizes(), Some(&[9.0, 4.0, 36.0][..]), "mean and four deviations");
        for (a, b) in apply(&weights, &x).iter().zip(&expected) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn missing_and_wrongly_shaped_parameters_are_named() {
        let weights: Weights = [("a".to_owned(), Weight::new(&[2], vec![0.0; 2]))].into_iter().collect();
        assert_eq!(weights.get("b", &[2]).unwrap_err().to_string(), "parameter b: expected [2], found none");
        assert_eq!(weights.get("a", &[3]).unwrap_err().to_string(), "parameter a: expected [3], found [2]");
    }
}
