//! Linear layers that read region features.

use crate::error::Result;
use crate::network::layers::Product;
use crate::network::parameters::Parameters;
use crate::onnx::graph::Graph;
use crate::weights::int8::evened_rows;

/// A linear layer of features.
///
/// In 8 bits each feature is first multiplied by a factor and its weights divided by it. Features differ by orders of
/// magnitude (maps, boxes, scores of classes); a scale for all of them would round to nothing what is small and counts.
pub(crate) fn of_features(
    parameters: Parameters<'_>,
    g: &mut Graph,
    features: &str,
    (layer, outputs): (&str, usize),
) -> Result<String> {
    let inputs = parameters.dimensions.feature;
    if !g.is_int8() {
        return parameters.linear(g, features, layer, inputs, outputs);
    }
    let (matrix, bias) = (parameters.matrix(layer, inputs, outputs)?, parameters.bias(layer, outputs)?);
    let (factors, even) = evened_rows(&matrix, parameters.weights.feature_sizes());
    let factors = g.weight(&format!("{layer}.factors"), &factors);
    let features = g.node("Mul", &[features, &factors], vec![]);
    let (weight_name, bias_name) = (format!("{layer}.weight"), format!("{layer}.bias"));
    let product = Product { name: &weight_name, matrix: &even, bias: Some((&bias_name, bias)) };
    Ok(g.product(&features, &product))
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::manifest::{Dimensions, Form, Precision};

    use super::*;
    use crate::weights::{Weight, Weights};

    /// A feature's largest size is shared by its factor and its weights.
    #[test]
    fn in_8_bits_features_have_factors_by_their_sizes() {
        let dimensions = Dimensions {
            hidden: 2,
            feature: 2,
            embedding: 1,
            vocabulary: 1,
            outputs: 1,
            attflat: 1,
            head: 1,
            relation: 1,
            embeddings: None,
        };
        let mut weights: Weights = [
            ("imgfeat_linear.weight".to_owned(), Weight::new(&[2, 2], vec![8.0, 0.5, -2.0, 3.0])),
            ("imgfeat_linear.bias".to_owned(), Weight::new(&[2], vec![0.0; 2])),
        ]
        .into_iter()
        .collect();
        let factors = |weights: &Weights| -> Vec<f32> {
            let mut g = Graph::new("image", Form { precision: Precision::Int8, ..Form::ORT_FP32 });
            of_features(Parameters { weights, dimensions: &dimensions }, &mut g, "features", ("imgfeat_linear", 2))
                .unwrap();
            let found =
                g.proto.initializer.iter().find(|i| i.name.as_deref() == Some("imgfeat_linear.factors")).unwrap();
            let bytes = found.raw_data.as_deref().unwrap();
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        assert_eq!(factors(&weights), [8.0, 3.0]);
        weights.fold_feature_norm(&[0.0, 10.0], &[0.5, 0.5]).unwrap();
        // The weights are doubled by the deviations; the features are at most 2 and 12.
        assert_eq!(factors(&weights), [8f32.sqrt(), 0.5f32.sqrt()]);
    }
}
