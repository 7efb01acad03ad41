//! What the operations of the published code compute.

use crate::network::operation::Operation;

/// How an attention is divided into heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Width of a head; none takes the network's (`dimensions.head`).
    pub width: Option<usize>,
    /// Width of all heads together, in H.
    pub factor: usize,
}

impl Heads {
    /// Heads of the network's width, together H.
    pub const OF_NETWORK: Heads = Heads { width: None, factor: 1 };

    /// Heads of the given width, together `factor` · H.
    pub const fn of_width(width: usize, factor: usize) -> Heads {
        Heads { width: Some(width), factor }
    }

    /// Width of all heads together in a network of width `hidden`.
    pub fn inner(&self, hidden: usize) -> usize {
        self.factor.saturating_mul(hidden)
    }

    /// Number of heads and their width.
    ///
    /// None where the width does not divide that of all heads.
    pub fn of(&self, hidden: usize, head: usize) -> Option<(usize, usize)> {
        let (inner, width) = (self.inner(hidden), self.width.unwrap_or(head));
        (width > 0 && inner > 0 && inner.is_multiple_of(width)).then(|| (inner / width, width))
    }
}

/// What an operation of the published code computes.
///
/// The residual sum and LN that follow are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Attention of positions over themselves.
    SelfAttention(Heads),
    /// The same over regions, with a bias from the relations of their boxes.
    RelationSelfAttention(Heads),
    /// Attention of regions over the encoded text.
    GuidedAttention(Heads),
    /// Attention of regions over regions and encoded text together.
    UniimgAttention(Heads),
    /// Linear(H → k H), ReLU, Linear(k H → H).
    FeedForward {
        /// k.
        factor: usize,
    },
    /// Linear(H → 2 H), ReLU, Linear(2 H → 2 H), ReLU, Linear(2 H → H).
    DeepFeedForward,
    /// Gated linear units, one or two.
    ///
    /// One is H → H; two are H → 2 H and 2 H → H with a ReLU between.
    GatedLinear {
        /// Whether there are two.
        two: bool,
    },
    /// Convolution over positions.
    Convolution {
        /// Its odd width.
        kernel: usize,
        /// Whether it is one of each channel and then one of each position.
        ///
        /// Else it is one of all channels.
        separable: bool,
    },
    /// The input itself, without residual sum and LN.
    Identity,
    /// Zeros, without residual sum and LN.
    Zero,
}

impl OperationKind {
    /// Whether it looks at the encoded text.
    pub fn reads_text(&self) -> bool {
        matches!(self, OperationKind::GuidedAttention(_) | OperationKind::UniimgAttention(_))
    }

    /// The heads of one that looks at the relations of the regions.
    pub fn relation_heads(&self) -> Option<Heads> {
        if let OperationKind::RelationSelfAttention(heads) = self { Some(*heads) } else { None }
    }
}

/// Heads by the end of an operation's name; the published widths.
fn heads(end: &str, widths: &[usize], doubled: bool) -> Option<Heads> {
    match end {
        "64" => Some(Heads { width: None, factor: 1 }),
        "64_2" if doubled => Some(Heads { width: Some(64), factor: 2 }),
        _ => {
            let width = widths.iter().copied().find(|width| end == width.to_string())?;
            Some(Heads { width: Some(width), factor: 1 })
        }
    }
}

impl Operation {
    /// What the operation computes; none where its name is not one of the published code.
    pub fn kind(&self) -> Option<OperationKind> {
        let name = self.name();
        const WIDTHS: [usize; 4] = [16, 32, 128, 256];
        if let Some(end) = name.strip_prefix("self_att_") {
            return heads(end, &WIDTHS, true).map(OperationKind::SelfAttention);
        }
        if let Some(end) = name.strip_prefix("rel_self_att_") {
            return heads(end, &WIDTHS, false).map(OperationKind::RelationSelfAttention);
        }
        if let Some(end) = name.strip_prefix("guided_att_") {
            return heads(end, &WIDTHS, true).map(OperationKind::GuidedAttention);
        }
        if let Some(end) = name.strip_prefix("uniimg_att_") {
            // The published 64 of this operation is not the network's head width but 64.
            let width = [32, 64, 128].into_iter().find(|width| end == width.to_string())?;
            return Some(OperationKind::UniimgAttention(Heads { width: Some(width), factor: 1 }));
        }
        if let Some(kernel) = name.strip_prefix("sep_conv_").or_else(|| name.strip_prefix("std_conv_")) {
            let kernel = [3, 5, 7, 11].into_iter().find(|k| kernel == k.to_string())?;
            return Some(OperationKind::Convolution { kernel, separable: name.starts_with("sep") });
        }
        Some(match name {
            "feed_forward" => OperationKind::FeedForward { factor: 4 },
            "feed_forward_2" => OperationKind::FeedForward { factor: 2 },
            "feed_forward_8" => OperationKind::FeedForward { factor: 8 },
            "feed_forward_16" => OperationKind::FeedForward { factor: 16 },
            "feed_forward_32" => OperationKind::FeedForward { factor: 32 },
            "feed_forward_deep" => OperationKind::DeepFeedForward,
            "gated_linear_1" => OperationKind::GatedLinear { two: false },
            "gated_linear_2" => OperationKind::GatedLinear { two: true },
            "skip_connect" => OperationKind::Identity,
            "none" => OperationKind::Zero,
            _ => return None,
        })
    }

    /// Whether the operation looks at the encoded text.
    ///
    /// Operations of unknown kind are taken not to.
    pub fn reads_text(&self) -> bool {
        self.kind().is_some_and(|kind| kind.reads_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_an_operation_computes() {
        let kind = |name: &str| name.parse::<Operation>().unwrap().kind();
        let own = |width, factor| Heads { width: Some(width), factor };
        assert_eq!(kind("self_att_64"), Some(OperationKind::SelfAttention(Heads { width: None, factor: 1 })));
        assert_eq!(kind("guided_att_64_2"), Some(OperationKind::GuidedAttention(own(64, 2))));
        assert_eq!(kind("rel_self_att_16"), Some(OperationKind::RelationSelfAttention(own(16, 1))));
        assert_eq!(kind("uniimg_att_64"), Some(OperationKind::UniimgAttention(own(64, 1))));
        assert_eq!(kind("sep_conv_11"), Some(OperationKind::Convolution { kernel: 11, separable: true }));
        for unknown in ["rel_self_att_64_2", "self_att_8", "sep_conv_4", "mine"] {
            assert_eq!(kind(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn heads_fill_their_width_or_are_none() {
        assert_eq!(Heads { width: None, factor: 1 }.of(128, 64), Some((2, 64)));
        assert_eq!(Heads { width: Some(64), factor: 2 }.of(96, 32), Some((3, 64)));
        assert_eq!(Heads { width: Some(256), factor: 1 }.of(128, 64), None);
        assert_eq!(Heads { width: Some(0), factor: 1 }.of(128, 64), None);
    }
}
