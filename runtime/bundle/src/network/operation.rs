//! Operations of blocks, by name.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// What a block does. The names in files are the published code's.
///
/// The four operations that MMnas searches (section 3.1) have a variant each: bundles are made of these. Every other name,
/// of the published code's wider pool or of a user, is an [`Operation::Other`]; which of them exist is known to those who
/// build networks, not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// SA: multi-head self-attention, head width 64.
    SelfAttention,
    /// RSA: self-attention over regions with a bias from the relations of their boxes.
    RelationSelfAttention,
    /// GA: guided attention, queries from regions, keys and values from the encoded text.
    GuidedAttention,
    /// FFN: two linear layers with a ReLU between, inner width 4 H.
    FeedForward,
    /// An operation that the contract knows by its name only.
    Other(OperationName),
}

/// The name of an operation that is not one of the searched four.
///
/// 1 to 32 of a-z, 0-9 and _. It is made by parsing an [`Operation`], so that no name has two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationName(ArrayString<{ Operation::MAX_NAME }>);

/// A name that no operation can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of an operation, 1 to {max} of a-z, 0-9 and _; found {found:?}", max = Operation::MAX_NAME)]
pub struct OperationNameError {
    /// The name, cut to 80 characters.
    pub found: String,
}

impl Operation {
    /// The most characters of a name.
    pub const MAX_NAME: usize = 32;
    /// The operations that the paper lets an encoder block choose from, in the published order.
    pub const ENCODER: [Operation; 2] = [Operation::SelfAttention, Operation::FeedForward];
    /// The operations that the paper lets a decoder block choose from, in the published order.
    pub const DECODER: [Operation; 4] = [
        Operation::SelfAttention,
        Operation::RelationSelfAttention,
        Operation::GuidedAttention,
        Operation::FeedForward,
    ];

    /// The name in the published file format.
    pub fn name(&self) -> &str {
        match self {
            Operation::SelfAttention => "self_att_64",
            Operation::RelationSelfAttention => "rel_self_att_64",
            Operation::GuidedAttention => "guided_att_64",
            Operation::FeedForward => "feed_forward",
            Operation::Other(name) => name.as_str(),
        }
    }

    /// The abbreviation that the paper uses; of another operation its name.
    pub fn abbreviation(&self) -> &str {
        match self {
            Operation::SelfAttention => "SA",
            Operation::RelationSelfAttention => "RSA",
            Operation::GuidedAttention => "GA",
            Operation::FeedForward => "FFN",
            Operation::Other(name) => name.as_str(),
        }
    }
}

impl OperationName {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Operation {
    type Err = OperationNameError;

    fn from_str(name: &str) -> Result<Operation, OperationNameError> {
        if let Some(known) = Operation::DECODER.into_iter().find(|operation| operation.name() == name) {
            return Ok(known);
        }
        let wrong = || OperationNameError { found: name.chars().take(80).collect() };
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(wrong());
        }
        Ok(Operation::Other(OperationName(ArrayString::from(name).map_err(|_| wrong())?)))
    }
}

/// The name in files.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Operation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_to_one_form_and_print_as_they_were() {
        for operation in Operation::DECODER {
            assert_eq!(operation.name().parse(), Ok(operation));
        }
        for name in ["self_att_128", "sep_conv_3", "none", &"x".repeat(32)] {
            let operation: Operation = name.parse().unwrap();
            assert!(matches!(operation, Operation::Other(_)), "{name}");
            assert_eq!((operation.name(), operation.to_string().as_str()), (name, name));
            let json = serde_json::to_string(&operation).unwrap();
            assert_eq!(
                (json.as_str(), serde_json::from_str(&json).unwrap()),
                (format!("\"{name}\"").as_str(), operation)
            );
        }
    }

    #[test]
    fn other_names_are_errors_that_show_them_cut() {
        for name in ["", "Self_att", "self-att", "a b", "ä", "a\0", &"x".repeat(33), &"y".repeat(1 << 20)] {
            let error = name.parse::<Operation>().unwrap_err();
            let start: String = name.chars().take(80).collect();
            assert_eq!(error.found, start);
            assert!(serde_json::from_value::<Operation>(name.into()).is_err());
        }
    }
}
