//! Kinds of operations: their names, their places and their layers.

use std::fmt::Debug;

use mmnas_bundle::Heads;
use mmnas_bundle::manifest::Dimensions;
use tch::nn;

use crate::error::Result;
use crate::operations::OperationModule;
use crate::operations::attention::check_heads;

/// A kind of operation.
///
/// A [`Pool`](crate::operations::pool::Pool) holds it, a space lists it and a network builds it.
pub trait CandidateOp: Debug + Send + Sync + 'static {
    /// Its name in recipes and architecture files: 1 to 32 of a-z, 0-9 and _.
    fn name(&self) -> &str;

    /// A short name for pictures.
    fn abbreviation(&self) -> &str {
        self.name()
    }

    /// Whether an encoder block may be of this kind.
    ///
    /// The encoder has neither regions nor encoded text yet.
    fn in_encoder(&self) -> bool;

    /// Whether a decoder block may be of this kind.
    fn in_decoder(&self) -> bool {
        true
    }

    /// Whether it looks at the encoded text.
    fn reads_text(&self) -> bool {
        false
    }

    /// Whether it looks at the relations of the regions.
    ///
    /// They are computed only for operations that do.
    fn reads_relations(&self) -> bool {
        false
    }

    /// Checks that it can be built at these sizes.
    ///
    /// Feature, vocabulary and outputs may not be known yet and are then 1.
    ///
    /// # Errors
    ///
    /// [`Error::Operation`](crate::error::Error::Operation) if it cannot.
    fn check(&self, _dimensions: &Dimensions) -> Result<()> {
        Ok(())
    }

    /// Makes a module with its parameters under `vs`, at sizes that [`CandidateOp::check`] allows.
    fn build(&self, vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn OperationModule>;
}

/// A kind of attention of the published code.
#[derive(Debug)]
pub(crate) struct AttentionKind {
    pub name: &'static str,
    pub abbreviation: &'static str,
    pub heads: Heads,
    pub looks_at: LooksAt,
    pub build: fn(&nn::Path<'_>, &Dimensions, Heads) -> Box<dyn OperationModule>,
}

/// Source that an attention looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LooksAt {
    /// Its input.
    Itself,
    /// Its input and the relations of the regions.
    Relations,
    /// The encoded text.
    Text,
}

impl CandidateOp for AttentionKind {
    fn name(&self) -> &str {
        self.name
    }

    fn abbreviation(&self) -> &str {
        self.abbreviation
    }

    fn in_encoder(&self) -> bool {
        self.looks_at == LooksAt::Itself
    }

    fn reads_text(&self) -> bool {
        self.looks_at == LooksAt::Text
    }

    fn reads_relations(&self) -> bool {
        self.looks_at == LooksAt::Relations
    }

    fn check(&self, dimensions: &Dimensions) -> Result<()> {
        check_heads(self.heads, self.name, dimensions)
    }

    fn build(&self, vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn OperationModule> {
        (self.build)(vs, dimensions, self.heads)
    }
}

/// A published kind that looks at its input only and can be of any width.
#[derive(Debug)]
pub(crate) struct PlainKind {
    pub name: &'static str,
    pub abbreviation: &'static str,
    pub build: fn(&nn::Path<'_>, &Dimensions) -> Box<dyn OperationModule>,
}

impl CandidateOp for PlainKind {
    fn name(&self) -> &str {
        self.name
    }

    fn abbreviation(&self) -> &str {
        self.abbreviation
    }

    fn in_encoder(&self) -> bool {
        true
    }

    fn build(&self, vs: &nn::Path<'_>, dimensions: &Dimensions) -> Box<dyn OperationModule> {
        (self.build)(vs, dimensions)
    }
}
