//! Which positions are there: `position < count`.
//!
//! Nodes and inputs are made when something asks for them, as an input that no node reads would be an input that every
//! caller has to invent.

use mmnas_bundle::manifest::Dtype;

use crate::onnx::graph::Graph;
use crate::onnx::value_type::Elem;

/// What replaces the scores of masked keys (published).
///
/// In 16 bits it is a number that they can hold.
pub(crate) fn masked(g: &Graph) -> f32 {
    if g.float() == Elem::F16 { -3e4 } else { -1e9 }
}

/// The positions of texts or of images in a batch.
#[derive(Debug)]
pub(crate) struct Mask {
    count: &'static str,
    like: String,
    axis: usize,
    presence: Option<String>,
    keys: Option<String>,
}

impl Mask {
    /// Positions along the dimension `axis` of `like`, as many as the input `count` says.
    pub(crate) fn new(count: &'static str, like: &str, axis: usize) -> Mask {
        Mask { count, like: like.to_owned(), axis, presence: None, keys: None }
    }

    /// True where a position is there, `[batch, n]`.
    pub(crate) fn presence(&mut self, g: &mut Graph) -> String {
        if let Some(presence) = &self.presence {
            return presence.clone();
        }
        let count = g.input(self.count, Dtype::I64, &["batch"]);
        let positions = g.positions(&self.like, self.axis);
        let count = g.unsqueeze(&count, &[1]);
        let presence = g.node("Less", &[&positions, &count], vec![]);
        self.presence.insert(presence).clone()
    }

    /// The mask as an attention takes it.
    ///
    /// For the fused one it is 0/1 integers `[batch, n]`, for the other what is added to scores, `[batch, 1, 1, n]`.
    pub(crate) fn keys(&mut self, g: &mut Graph) -> String {
        if let Some(keys) = &self.keys {
            return keys.clone();
        }
        let presence = self.presence(g);
        let keys = if g.is_fused() {
            g.cast(&presence, Elem::I32)
        } else {
            let (zero, masked) = (g.scalar(0.0), g.scalar(masked(g)));
            let added = g.node("Where", &[&presence, &zero, &masked], vec![]);
            g.unsqueeze(&added, &[1, 2])
        };
        self.keys.insert(keys).clone()
    }

    /// The masks of two lots of keys side by side.
    pub(crate) fn both(&mut self, other: &mut Mask, g: &mut Graph) -> String {
        let (own, other) = (self.keys(g), other.keys(g));
        g.concat(&[&own, &other], -1)
    }
}
