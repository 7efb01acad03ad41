//! Derived architectures: the operations of the encoder and the decoder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::read_text;
use crate::network::operation::Operation;

/// A derived network: one operation a block, encoder (over text) and decoder (over regions).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Architecture {
    /// Operations of the encoder blocks, in order; never RSA or GA, which need regions.
    pub encoder: Vec<Operation>,
    /// Operations of the decoder blocks, in order.
    pub decoder: Vec<Operation>,
}

/// One epoch of the published file: each block lists the operation that it kept.
#[derive(Serialize, Deserialize)]
struct Published {
    enc: Vec<[Operation; 1]>,
    dec: Vec<[Operation; 1]>,
}

impl Architecture {
    /// The most blocks that a file may give to either side.
    pub const MAX_BLOCKS: usize = 1024;

    /// Parses the published JSON form, `{"epoch0": {"enc": [["self_att_64"], …], "dec": […]}}`.
    ///
    /// Where a search recorded several epochs, the last one is taken. `file` names the text in errors.
    ///
    /// # Errors
    /// Text of another form; a name that no operation can have; too many blocks.
    pub fn from_published_json(text: &str, file: &Path) -> Result<Architecture> {
        let epochs: BTreeMap<String, Published> = serde_json::from_str(text).map_err(|e| Error::json(file, &e))?;
        let mut last: Option<(u64, Published)> = None;
        for (key, value) in epochs {
            let number = key.strip_prefix("epoch").and_then(|n| n.parse::<u64>().ok());
            let number =
                number.ok_or_else(|| Error::invalid(file, &key, "a key like \"epoch0\"", format!("{key:?}")))?;
            if last.as_ref().is_none_or(|(best, _)| number >= *best) {
                last = Some((number, value));
            }
        }
        let (_, published) = last.ok_or_else(|| Error::invalid(file, "(top)", "at least one epoch", "none"))?;
        Architecture::try_from(published).map_err(|(field, found)| {
            Error::invalid(file, field, format!("1 to {} blocks of the space", Self::MAX_BLOCKS), found)
        })
    }

    /// Reads a file in the published JSON form.
    ///
    /// # Errors
    /// As [`Architecture::from_published_json`]; a file that cannot be read.
    pub fn read(file: &Path) -> Result<Architecture> {
        Architecture::from_published_json(&read_text(file, 1 << 20)?, file)
    }

    /// The published JSON form, under the key `epoch0`.
    pub fn to_published_json(&self) -> String {
        serde_json::json!({ "epoch0": self }).to_string()
    }

    /// Indices of the decoder blocks with `operation`, in order.
    pub fn decoder_blocks(&self, operation: Operation) -> impl Iterator<Item = usize> + '_ {
        (0..self.decoder.len()).filter(move |&i| self.decoder[i] == operation)
    }

    /// Number of decoder blocks before the first that reads the text (GA).
    ///
    /// They belong to the image stage.
    pub fn image_blocks(&self) -> usize {
        self.decoder.iter().position(Operation::reads_text).unwrap_or(self.decoder.len())
    }

    /// The blocks that do something: all but `skip_connect`, so a side may have none.
    ///
    /// Two architectures with the same ones are one network.
    pub fn without_skips(&self) -> Architecture {
        let does_something = |block: &&Operation| block.name() != "skip_connect";
        let side = |blocks: &[Operation]| blocks.iter().filter(does_something).copied().collect();
        Architecture { encoder: side(&self.encoder), decoder: side(&self.decoder) }
    }
}

impl TryFrom<Published> for Architecture {
    type Error = (&'static str, String);

    fn try_from(published: Published) -> std::result::Result<Architecture, (&'static str, String)> {
        for (field, len) in [("enc", published.enc.len()), ("dec", published.dec.len())] {
            if len == 0 || len > Architecture::MAX_BLOCKS {
                return Err((field, len.to_string()));
            }
        }
        let encoder: Vec<Operation> = published.enc.iter().map(|b| b[0]).collect();
        // What another operation needs is known to those who build it.
        let needs_regions = [Operation::RelationSelfAttention, Operation::GuidedAttention];
        if let Some(op) = encoder.iter().find(|op| needs_regions.contains(op)) {
            return Err(("enc", format!("{} (needs regions)", op.name())));
        }
        Ok(Architecture { encoder, decoder: published.dec.iter().map(|b| b[0]).collect() })
    }
}

impl Serialize for Architecture {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let blocks = |ops: &[Operation]| ops.iter().map(|op| [*op]).collect();
        Published { enc: blocks(&self.encoder), dec: blocks(&self.decoder) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Architecture::try_from(Published::deserialize(deserializer)?).map_err(|(field, found)| {
            serde::de::Error::custom(format!("{field}: expected blocks of the space, found {found}"))
        })
    }
}

/// As the paper writes it: `enc SA FFN, dec GA FFN SA FFN`.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |ops: &[Operation]| ops.iter().map(|op| op.abbreviation()).collect::<Vec<_>>().join(" ");
        write!(f, "enc {}, dec {}", join(&self.encoder), join(&self.decoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_block_cannot_look_at_regions() {
        let text = r#"{"epoch0": {"enc": [["guided_att_64"]], "dec": [["feed_forward"]]}}"#;
        let error = Architecture::from_published_json(text, Path::new("a.json")).unwrap_err().to_string();
        assert!(error.contains("a.json: enc") && error.contains("guided_att_64"), "{error}");
    }

    #[test]
    fn the_last_epoch_counts_by_number_not_by_spelling() {
        let text = r#"{"epoch10": {"enc": [["feed_forward"]], "dec": [["guided_att_64"]]},
                       "epoch9": {"enc": [["self_att_64"]], "dec": [["guided_att_64"]]}}"#;
        let arch = Architecture::from_published_json(text, Path::new("a.json")).unwrap();
        assert_eq!(arch.encoder, [Operation::FeedForward]);
    }

    #[test]
    fn operations_that_the_contract_does_not_know_keep_their_names() {
        let text = r#"{"epoch0":{"enc":[["sep_conv_3"]],"dec":[["guided_att_64"],["my_operation"]]}}"#;
        let arch = Architecture::from_published_json(text, Path::new("a.json")).unwrap();
        assert_eq!((arch.encoder[0].name(), arch.decoder[1].name()), ("sep_conv_3", "my_operation"));
        assert_eq!(arch.to_string(), "enc sep_conv_3, dec GA my_operation");
        assert_eq!((arch.to_published_json().as_str(), arch.image_blocks()), (text, 0));
    }

    #[test]
    fn impossible_names_and_empty_files_are_errors() {
        for text in [
            r#"{"epoch0": {"enc": [["Not a name"]], "dec": [["feed_forward"]]}}"#,
            r#"{"epoch0": {"enc": [[""]], "dec": [["feed_forward"]]}}"#,
            "{}",
            r#"{"epoch0": {"enc": [], "dec": []}}"#,
            r#"{"x": {"enc": [], "dec": []}}"#,
        ] {
            assert!(Architecture::from_published_json(text, Path::new("a.json")).is_err(), "{text}");
        }
    }
}
