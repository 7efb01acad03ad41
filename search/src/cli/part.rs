//! The part of a call that an argument names.

use clap::ValueEnum;
use mmnas_search::recipe::limited_part::LimitedPart;

/// [`LimitedPart`] with what the help says of each.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum PartArgument {
    /// A question about an image that is known: text and fusion stage
    KnownImage,
    /// All three stages, from region features on
    All,
    /// From pixels on: the vision stage too (`mmnas-search probes --vision`)
    Pixels,
    /// The text stage
    Text,
    /// The image stage
    Image,
    /// The fusion stage
    Fusion,
}

impl PartArgument {
    pub(super) fn part(self) -> LimitedPart {
        match self {
            PartArgument::KnownImage => LimitedPart::KnownImage,
            PartArgument::All => LimitedPart::All,
            PartArgument::Pixels => LimitedPart::Pixels,
            PartArgument::Text => LimitedPart::Text,
            PartArgument::Image => LimitedPart::Image,
            PartArgument::Fusion => LimitedPart::Fusion,
        }
    }
}
