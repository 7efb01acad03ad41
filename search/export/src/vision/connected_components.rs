//! A detector without training, for drawings on a light ground.
//!
//! What is darker or more colourful than the ground falls into connected pieces of one hue, and every piece has a box.
//! It is an ONNX graph like any other detector's.

use mmnas_bundle::manifest::{
    Channels, Corners, Detector, DetectorInput, DetectorOutput, Dtype, Fit, Form, Layout, Precision, Variant,
};

use crate::error::Result;
use crate::onnx::attribute::Attribute;
use crate::onnx::graph::Graph;
use crate::onnx::model::BuiltGraph;
use crate::onnx::value_type::Elem;
use crate::vision::settings::Proposals;
use crate::weights::Weight;

/// Rows and columns of the input.
const SIDE: usize = 112;
/// A pixel whose least channel is below belongs to a piece.
const DARK: f32 = 150.0;
/// The largest and the least channel of each hue.
///
/// Red to pink, red to orange and yellow, and so on.
const HUES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];
/// Steps in which a piece's largest label spreads, one pixel each.
///
/// They suffice for an outline half way round.
const STEPS: usize = 96;
/// Smaller pieces are noise.
const MIN_PIXELS: f32 = 24.0;
/// Pieces whose boxes overlap more are one thing.
const MAX_IOU: f32 = 0.7;

/// At most `count` connected pieces of an image, the largest first.
///
/// # Errors
/// [`Error::Graph`](crate::Error::Graph), which is a mistake of the exporter.
pub fn segments(count: usize) -> Result<Proposals> {
    let form = Form { variant: Variant::Portable, precision: Precision::Fp32 };
    let mut graph = Graph::new("segments", form);
    let g = &mut graph;
    let (pixels, side) = (SIDE * SIDE, SIDE.to_string());
    let input = g.input("pixels", Dtype::U8, &["1", &side, &side, "3"]);
    let x = g.cast(&input, Elem::F32);
    let last = g.integers(&[3]);
    let least = g.node("ReduceMin", &[&x, &last], vec![]);
    let dark = g.scalar(DARK);
    let mask = g.node("Less", &[&least, &dark], vec![]);
    let mask = g.cast(&mask, Elem::F32);
    // A hue is told by which channel is the largest and which the least, so things that touch fall apart.
    let most = g.node("ReduceMax", &[&x, &last], vec![]);
    let channels = g.split(&x, 3, &[1, 1, 1]);
    let mut hues = Vec::new();
    for (large, small) in HUES {
        let below = g.node("Less", &[&channels[large], &most], vec![]);
        let above = g.node("Less", &[&least, &channels[small]], vec![]);
        let (below, above) = (g.cast(&below, Elem::F32), g.cast(&above, Elem::F32));
        let other = g.node("Max", &[&below, &above], vec![]);
        hues.push(g.node("Sub", &[&mask, &other], vec![]));
    }
    let mask = g.concat(&hues.iter().map(String::as_str).collect::<Vec<_>>(), 3);
    let mask = g.node("Relu", &[&mask], vec![]);
    let mask = g.transpose(&mask, &[0, 3, 1, 2]);
    // Every pixel starts with a label of its own; 0 is the ground. After the steps a piece has the largest of its labels.
    let labels = (1..=pixels).map(|label| label as f32).collect();
    let labels = g.weight("labels", &Weight::new(&[1, 1, SIDE, SIDE], labels));
    let mut label = g.node("Mul", &[&mask, &labels], vec![]);
    for _ in 0..STEPS {
        let attributes = vec![
            ("kernel_shape", Attribute::Ints(vec![3, 3])),
            ("strides", Attribute::Ints(vec![1, 1])),
            ("pads", Attribute::Ints(vec![1; 4])),
        ];
        let spread = g.node("MaxPool", &[&label], attributes);
        label = g.node("Mul", &[&spread, &mask], vec![]);
    }
    let of_hues = g.integers(&[1]);
    let label = g.node("ReduceMax", &[&label, &of_hues], vec![]);
    let label = g.reshape(&label, &[pixels as i64]);
    let label = g.cast(&label, Elem::I64);
    let nothing = g.weight("nothing", &Weight::new(&[pixels + 1], vec![0.0; pixels + 1]));
    // Of a label's pixels, by the label.
    let mut gathered = |name: &str, reduction: &'static str, value: &dyn Fn(usize) -> usize| {
        let values = (0..pixels).map(|pixel| value(pixel) as f32).collect();
        let values = g.weight(name, &Weight::new(&[pixels], values));
        let attributes = vec![("axis", Attribute::Int(0)), ("reduction", Attribute::Text(reduction))];
        let all = g.node("ScatterElements", &[&nothing, &label, &values], attributes);
        let parts = g.split(&all, 0, &[1, pixels]);
        g.reshape(&parts[1], &[1, pixels as i64, 1])
    };
    let left = gathered("left", "max", &|pixel| SIDE - pixel % SIDE);
    let top = gathered("top", "max", &|pixel| SIDE - pixel / SIDE);
    let right = gathered("right", "max", &|pixel| pixel % SIDE + 1);
    let bottom = gathered("bottom", "max", &|pixel| pixel / SIDE + 1);
    let area = gathered("area", "add", &|_| 1);
    let whole = g.scalar(SIDE as f32);
    let (left, top) = (g.node("Sub", &[&whole, &left], vec![]), g.node("Sub", &[&whole, &top], vec![]));
    let boxes = g.concat(&[&left, &top, &right, &bottom], 2);
    let boxes = g.node("Div", &[&boxes, &whole], vec![]);
    let all = g.scalar(pixels as f32);
    let scores = g.node("Div", &[&area, &all], vec![]);
    let n = pixels.to_string();
    g.output(&boxes, "boxes", &["1", &n, "4"]);
    g.output(&scores, "scores", &["1", &n, "1"]);
    let detector = Detector {
        graph: String::new(),
        input: DetectorInput {
            name: "pixels".to_owned(),
            width: SIDE as u32,
            height: SIDE as u32,
            layout: Layout::Nhwc,
            dtype: Dtype::U8,
            channels: Channels::Rgb,
            fit: Fit::Stretch,
            mean: [0.0; 3],
            scale: [1.0; 3],
        },
        output: DetectorOutput::Boxes {
            boxes: "boxes".to_owned(),
            scores: "scores".to_owned(),
            corners: Corners::Xyxy,
            relative: true,
        },
        max_iou: MAX_IOU,
        min_score: MIN_PIXELS / pixels as f32,
    };
    let graph = BuiltGraph::new(graph, form, "segments.onnx".to_owned(), u64::MAX)?.bytes;
    Ok(Proposals { graph, detector, count })
}
