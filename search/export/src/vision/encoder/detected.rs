//! Models that find regions themselves: boxes with scores and features, as bottom-up attention gives them.

use mmnas_bundle::manifest::{Corners, Dim, MAX_REGIONS, RegionSource};

use crate::error::Result;
use crate::onnx::graph::Graph;
use crate::onnx::onnx_model::OnnxModel;
use crate::onnx::proto::ModelProto;
use crate::vision::encoder::encoder_input::EncoderInput;
use crate::vision::regions::box_features;
use crate::vision::settings::{BOX_FEATURES, wrong};
use crate::weights::Weight;

/// What is told of a model that finds regions itself.
#[derive(Debug, Clone)]
pub struct DetectedOptions {
    /// The value with the boxes, `[1, n, 4]` or `[n, 4]`.
    pub boxes: String,
    /// The value with the scores, `[1, n, classes]`, `[1, n]`, `[n, classes]` or `[n]`; the largest of a box counts.
    pub scores: String,
    /// The value with the features, `[1, n, D]` or `[n, D]`.
    pub features: String,
    /// What a box's four numbers are.
    pub corners: Corners,
    /// Whether they are parts of the input's size, 0 to 1; else its pixels.
    pub relative: bool,
    /// Boxes at most.
    pub count: usize,
    /// Largest intersection over union of two boxes that are both kept, 0 to 1.
    pub max_iou: f32,
    /// Boxes of a smaller score are left out, 0 to 1.
    pub min_score: f32,
    /// Whether a region's features end with those of its box.
    pub box_features: bool,
    /// Number of classes, the square roots of whose scores end a region's features; 0: none.
    pub class_features: usize,
}

/// A model that finds regions itself, with the shapes of its values.
#[derive(Debug, Clone)]
pub struct Detected {
    /// What was told.
    pub options: DetectedOptions,
    /// Whether boxes and features have a first dimension of 1.
    pub batched: bool,
    /// Whether the scores have a last dimension of classes, and of how many.
    pub classes: Option<usize>,
    /// Width of the model's features.
    pub width: usize,
}

impl DetectedOptions {
    /// Boxes, scores and features.
    pub fn values(&self) -> [&String; 3] {
        [&self.boxes, &self.scores, &self.features]
    }

    /// Checks the numbers that choose among the boxes.
    pub(super) fn check_numbers(&self) -> Result<()> {
        for (field, share) in [("max_iou", self.max_iou), ("min_score", self.min_score)] {
            if !(0.0..=1.0).contains(&share) {
                return wrong(field, "0 to 1".to_owned(), share.to_string());
            }
        }
        if !(1..=MAX_REGIONS).contains(&self.count) {
            return wrong("proposals", format!("1 to {MAX_REGIONS}"), self.count.to_string());
        }
        Ok(())
    }

    /// Checks the values by their `shapes`, which stand in the order of [`DetectedOptions::values`].
    ///
    /// # Errors
    /// Shapes that are not of boxes with scores and features; features of classes where there are none.
    pub fn check(&self, model: &OnnxModel, shapes: &[Vec<usize>; 3]) -> Result<Detected> {
        let other =
            |value: &str, expected: &str, shape: &[usize]| Err(model.wrong(value, expected, format!("{shape:?}")));
        let [boxes, scores, features] = shapes;
        let (batched, count) = match boxes.as_slice() {
            [1, count, 4] => (true, *count),
            [count, 4] => (false, *count),
            shape => return other(&self.boxes, "boxes [1, n, 4] or [n, 4] of one image", shape),
        };
        let rows = |shape: &[usize]| match (batched, shape) {
            (true, [1, rest @ ..]) | (false, rest) if rest.first() == Some(&count) => Some(rest[1..].to_vec()),
            _ => None,
        };
        let classes = match rows(scores).as_deref() {
            Some([]) => None,
            Some(&[classes]) if classes > 0 => Some(classes),
            _ => return other(&self.scores, &format!("scores of {count} boxes"), scores),
        };
        let width = match rows(features).as_deref() {
            Some(&[width]) if width > 0 => width,
            _ => return other(&self.features, &format!("features of {count} boxes"), features),
        };
        if self.class_features > 0 && classes != Some(self.class_features) {
            return other(&self.scores, &format!("scores of {} classes", self.class_features), scores);
        }
        Ok(Detected { options: self.clone(), batched, classes, width })
    }
}

impl Detected {
    /// Width of a region's features.
    pub fn feature(&self) -> usize {
        let of_boxes = if self.options.box_features { BOX_FEATURES } else { 0 };
        self.width + of_boxes + self.options.class_features
    }

    pub(super) fn source(&self) -> RegionSource {
        let DetectedOptions { count, max_iou, min_score, .. } = self.options;
        RegionSource::Found { count, max_iou, min_score }
    }

    /// Ends the graph with `features` f32 `[1, found, D]`, `boxes` f32 `[1, found, 4]` and `scores` f32 `[1, found]`.
    pub(super) fn build(&self, g: &mut Graph, model: ModelProto, (input, image): (&EncoderInput, &str)) {
        let found = || Dim::Named("found".to_owned());
        let shape = |last: Option<usize>| {
            let batch = self.batched.then_some(Dim::Fixed(1));
            batch.into_iter().chain([found()]).chain(last.map(Dim::Fixed)).collect::<Vec<_>>()
        };
        let options = &self.options;
        let outputs = [
            (options.boxes.clone(), shape(Some(4))),
            (options.scores.clone(), shape(self.classes)),
            (options.features.clone(), shape(Some(self.width))),
        ];
        let mut values = g.embed(model, (&input.name, image), &outputs);
        if !self.batched {
            values = values.iter().map(|value| g.unsqueeze(value, &[0])).collect();
        }
        let [boxes, scores, features] = [&values[0], &values[1], &values[2]].map(String::clone);
        let corners = self.corners(g, &boxes, (input.height, input.width));
        let mut all = vec![features];
        if options.box_features {
            all.extend(box_features(g, &corners, (input.height, input.width)));
        }
        if options.class_features > 0 {
            let positive = g.node("Relu", &[&scores], vec![]);
            all.push(g.node("Sqrt", &[&positive], vec![]));
        }
        let all = g.concat(&all.iter().map(String::as_str).collect::<Vec<_>>(), 2);
        g.output(&all, "features", &["1", "found", &self.feature().to_string()]);
        let best = match self.classes {
            None => scores,
            Some(_) => {
                let axis = g.integers(&[2]);
                let best = g.node("ReduceMax", &[&scores, &axis], vec![]);
                g.squeeze(&best, &[2])
            }
        };
        g.output(&corners, "boxes", &["1", "found", "4"]);
        g.output(&best, "scores", &["1", "found"]);
    }

    /// The boxes as corners in pixels of the input.
    fn corners(&self, g: &mut Graph, boxes: &str, (height, width): (usize, usize)) -> String {
        let mut corners = boxes.to_owned();
        if self.options.corners == Corners::Cxcywh {
            let parts = g.split(&corners, 2, &[2, 2]);
            let half = g.scalar(0.5);
            let half = g.node("Mul", &[&parts[1], &half], vec![]);
            let (first, last) =
                (g.node("Sub", &[&parts[0], &half], vec![]), g.node("Add", &[&parts[0], &half], vec![]));
            corners = g.concat(&[&first, &last], 2);
        }
        if self.options.relative {
            let sides = [width, height, width, height].map(|side| side as f32);
            let sides = g.weight("input.sides", &Weight::new(&[4], sides.to_vec()));
            corners = g.node("Mul", &[&corners, &sides], vec![]);
        }
        corners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_tell_batch_and_classes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.onnx");
        let value = crate::onnx::proto::ValueInfoProto { name: Some("y".to_owned()), ..Default::default() };
        let graph = crate::onnx::proto::GraphProto { output: vec![value], ..Default::default() };
        let model = ModelProto { graph: Some(graph), ..Default::default() };
        std::fs::write(&file, prost::Message::encode_to_vec(&model)).unwrap();
        let model = OnnxModel::read(&file).unwrap();
        let options = DetectedOptions {
            boxes: "b".to_owned(),
            scores: "s".to_owned(),
            features: "f".to_owned(),
            corners: Corners::Xyxy,
            relative: false,
            count: 9,
            max_iou: 0.5,
            min_score: 0.0,
            box_features: true,
            class_features: 0,
        };
        let of = |shapes: [&[usize]; 3]| options.check(&model, &shapes.map(<[usize]>::to_vec));
        let sound = of([&[1, 7, 4], &[1, 7, 3], &[1, 7, 16]]).unwrap();
        assert_eq!((sound.batched, sound.classes, sound.feature()), (true, Some(3), 21));
        let sound = of([&[7, 4], &[7], &[7, 16]]).unwrap();
        assert_eq!((sound.batched, sound.classes), (false, None));
        for (shapes, name) in [
            ([&[2, 7, 4][..], &[2, 7], &[2, 7, 16]], "b"),
            ([&[1, 7, 5], &[1, 7], &[1, 7, 16]], "b"),
            ([&[1, 7, 4], &[1, 8], &[1, 7, 16]], "s"),
            ([&[1, 7, 4], &[7], &[1, 7, 16]], "s"),
            ([&[1, 7, 4], &[1, 7], &[1, 16]], "f"),
        ] {
            let error = of(shapes).unwrap_err().to_string();
            assert!(error.contains(&format!(": {name}: ")), "{error}");
        }
        let options = DetectedOptions { class_features: 2, ..options };
        assert!(options.check(&model, &[vec![7, 4], vec![7], vec![7, 16]]).is_err());
    }
}
