//! The operations that each block may be.

use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::{Architecture, Operation};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::operations::kind::CandidateOp;
use crate::operations::pool::{Candidate, Pool};

/// `space.json`: names of the operations of each block, in the order of a log's probabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceNames {
    /// Names of the encoder's blocks.
    pub encoder: Vec<Vec<String>>,
    /// Names of the decoder's blocks.
    pub decoder: Vec<Vec<String>>,
}

/// The operations that each block may be (MMnas, section 3.2): pure data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Choices of each encoder block.
    pub(crate) encoder: Vec<Vec<Candidate>>,
    /// Choices of each decoder block.
    pub(crate) decoder: Vec<Vec<Candidate>>,
}

fn in_encoder(kind: &dyn CandidateOp) -> bool {
    kind.in_encoder()
}

fn in_decoder(kind: &dyn CandidateOp) -> bool {
    kind.in_decoder()
}

impl Space {
    /// The paper's space on the given numbers of blocks.
    ///
    /// Its operations are {SA, FFN} in the encoder and {SA, RSA, GA, FFN} in the decoder.
    pub fn published(encoder: usize, decoder: usize) -> Space {
        let pool = Pool::standard();
        Space {
            encoder: vec![pool.published(&Operation::ENCODER); encoder],
            decoder: vec![pool.published(&Operation::DECODER); decoder],
        }
    }

    /// The space with `architecture` as its only member.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`], which names the block, for an operation that `pool` lacks or that is
    /// not allowed there.
    pub fn single(architecture: &Architecture, pool: &Pool) -> Result<Space> {
        let side = |name: &str, operations: &[Operation], allowed: fn(&dyn CandidateOp) -> bool| {
            let block = |(k, operation): (usize, &Operation)| {
                let place = format!("architecture, {name} block {}", k + 1);
                Ok(vec![pool.get(operation.name(), &place, allowed)?.clone()])
            };
            operations.iter().enumerate().map(block).collect::<Result<Vec<_>>>()
        };
        Ok(Space {
            encoder: side("encoder", &architecture.encoder, in_encoder)?,
            decoder: side("decoder", &architecture.decoder, in_decoder)?,
        })
    }

    /// The space with the same operations in every block of a side.
    ///
    /// `encoder` and `decoder` are the operations of a block, `blocks` the numbers of blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`] for a list that is empty, names an operation twice, or names one that
    /// `pool` lacks or that is not allowed there. It names the list as a recipe calls it,
    /// `encoder_operations` or `decoder_operations`.
    pub fn new(
        encoder: &[impl AsRef<str>],
        decoder: &[impl AsRef<str>],
        blocks: (usize, usize),
        pool: &Pool,
    ) -> Result<Space> {
        Ok(Space {
            encoder: vec![choices(encoder, "encoder_operations", in_encoder, pool)?; blocks.0],
            decoder: vec![choices(decoder, "decoder_operations", in_decoder, pool)?; blocks.1],
        })
    }

    /// Checks that every operation can be built at these sizes.
    ///
    /// [`crate::model::network::Network::new`] relies on it.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`] for the first operation that cannot.
    pub fn check(&self, dimensions: &Dimensions) -> Result<()> {
        self.blocks().flatten().try_for_each(|candidate| candidate.check(dimensions))
    }

    /// All blocks, the encoder's first.
    pub fn blocks(&self) -> impl Iterator<Item = &[Candidate]> {
        self.encoder.iter().chain(&self.decoder).map(Vec::as_slice)
    }

    /// The operations of all blocks, the encoder's first.
    pub fn operations(&self) -> Vec<Vec<Operation>> {
        self.blocks().map(|block| block.iter().map(Candidate::operation).collect()).collect()
    }

    /// Names of the operations of each block, as `space.json` in a run's folder holds them.
    pub fn names(&self) -> SpaceNames {
        let side = |blocks: &[Vec<Candidate>]| {
            blocks.iter().map(|block| block.iter().map(|c| c.name().to_owned()).collect()).collect()
        };
        SpaceNames { encoder: side(&self.encoder), decoder: side(&self.decoder) }
    }

    /// Draws an architecture uniformly, one operation a block.
    pub fn draw(&self, rng: &mut impl rand::Rng) -> Vec<usize> {
        self.blocks().map(|operations| rng.random_range(0..operations.len())).collect()
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.encoder.len() + self.decoder.len()
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The architecture with operation `choices[b]` of the space in block `b`.
    pub fn architecture(&self, choices: &[usize]) -> Architecture {
        let mut picked: Vec<Operation> = self.blocks().zip(choices).map(|(ops, &k)| ops[k].operation()).collect();
        let decoder = picked.split_off(self.encoder.len());
        Architecture { encoder: picked, decoder }
    }

    /// The choices that make `architecture`; none if it is no member of the space.
    pub fn choices_of(&self, architecture: &Architecture) -> Option<Vec<usize>> {
        if (architecture.encoder.len(), architecture.decoder.len()) != (self.encoder.len(), self.decoder.len()) {
            return None;
        }
        let wanted = architecture.encoder.iter().chain(&architecture.decoder);
        self.blocks().zip(wanted).map(|(block, one)| block.iter().position(|c| c.operation() == *one)).collect()
    }
}

/// The operations of a list, each once and at least one.
fn choices(
    names: &[impl AsRef<str>],
    place: &str,
    allowed: fn(&dyn CandidateOp) -> bool,
    pool: &Pool,
) -> Result<Vec<Candidate>> {
    let wrong = |expected: &str, found: &str| Error::Operation {
        place: place.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    let mut found: Vec<Candidate> = Vec::new();
    for name in names {
        let candidate = pool.get(name.as_ref(), place, allowed)?;
        if found.contains(candidate) {
            return Err(wrong("each operation once", &format!("{} twice", candidate.name())));
        }
        found.push(candidate.clone());
    }
    if found.is_empty() { Err(wrong("at least one operation", "none")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_every_operation_once_and_only_where_it_may_stand() {
        let pool = Pool::standard();
        let space = Space::new(&["self_att_128", "none"], &["guided_att_16"], (2, 3), &pool).unwrap();
        assert_eq!(space.len(), 5);
        let architecture = space.architecture(&[1, 0, 0, 0, 0]);
        let written = "enc none self_att_128, dec guided_att_16 guided_att_16 guided_att_16";
        assert_eq!(architecture.to_string(), written);
        assert_eq!(Space::single(&architecture, &pool).unwrap().architecture(&[0; 5]), architecture);
        assert_eq!(space.choices_of(&architecture), Some(vec![1, 0, 0, 0, 0]));
        let mut other = architecture.clone();
        other.encoder[0] = Operation::FeedForward;
        assert_eq!(space.choices_of(&other), None, "an operation that the block has not");
        other.encoder = architecture.encoder[1..].to_vec();
        assert_eq!(space.choices_of(&other), None, "fewer blocks");
        assert_eq!(
            Space::new(
                &["self_att_64", "feed_forward"],
                &Operation::DECODER.map(|o| o.name().to_owned()),
                (1, 2),
                &pool
            )
            .unwrap(),
            Space::published(1, 2)
        );
        for (encoder, decoder, words) in [
            (vec!["self_att_64", "self_att_64"], vec!["none"], ["encoder_operations", "self_att_64 twice"]),
            (vec!["guided_att_64"], vec!["none"], ["encoder_operations", "not allowed there"]),
            (vec!["none"], vec![], ["decoder_operations", "found none"]),
            (vec!["none"], vec!["feed_foward"], ["decoder_operations", "feed_forward"]),
        ] {
            let error = Space::new(&encoder, &decoder, (1, 1), &pool).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn an_architecture_of_unknown_or_misplaced_operations_is_an_error_that_names_the_block() {
        for (text, words) in [
            (r#"{"enc": [["none"], ["uniimg_att_64"]], "dec": [["none"]]}"#, "encoder block 2"),
            (r#"{"enc": [["none"]], "dec": [["none"], ["none"], ["mine"]]}"#, "decoder block 3"),
        ] {
            let architecture: Architecture = serde_json::from_str(text).unwrap();
            let error = Space::single(&architecture, &Pool::standard()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn heads_that_do_not_fill_their_width_are_an_error() {
        let dimensions = |hidden: usize, head: usize| Dimensions {
            hidden,
            feature: 1,
            embedding: 1,
            vocabulary: 1,
            outputs: 1,
            attflat: 1,
            head,
            relation: 1,
            embeddings: None,
        };
        let space = |name: &str| Space::new(&["none"], &[name], (1, 1), &Pool::standard()).unwrap();
        for (name, hidden, head, fits) in [
            ("self_att_64", 48, 16, true),
            ("self_att_64", 48, 64, false),
            ("self_att_64", 48, 0, false),
            ("self_att_64", 0, 64, false),
            ("guided_att_64_2", 32, 16, true),
            ("guided_att_64_2", 48, 16, false),
            ("rel_self_att_128", 192, 64, false),
            ("uniimg_att_128", 256, 64, true),
            ("std_conv_3", 7, 64, true),
        ] {
            match space(name).check(&dimensions(hidden, head)) {
                Ok(()) => assert!(fits, "{name} at {hidden}"),
                Err(error) => assert!(!fits && error.to_string().starts_with(name), "{error}"),
            }
        }
    }
}
