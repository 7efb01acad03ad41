//! An index of either kind, as a handle holds it.

use runtime::{AnyIndex, ImageIndex, TextIndex};

use crate::error::mmnas_error;

/// An index of images or of texts.
pub(crate) enum EitherIndex {
    Images(ImageIndex),
    Texts(TextIndex),
}

impl EitherIndex {
    /// The index, for what both kinds do alike.
    pub(crate) fn any(&self) -> &AnyIndex {
        match self {
            EitherIndex::Images(index) => index,
            EitherIndex::Texts(index) => index,
        }
    }

    /// As [`EitherIndex::any`], to be changed.
    pub(crate) fn any_mut(&mut self) -> &mut AnyIndex {
        match self {
            EitherIndex::Images(index) => index,
            EitherIndex::Texts(index) => index,
        }
    }

    /// The index, which has to be one of images.
    pub(crate) fn images(&self) -> Result<&ImageIndex, mmnas_error> {
        match self {
            EitherIndex::Images(index) => Ok(index),
            EitherIndex::Texts(_) => Err(other_kind("images", "texts")),
        }
    }

    /// As [`EitherIndex::images`], to be changed.
    pub(crate) fn images_mut(&mut self) -> Result<&mut ImageIndex, mmnas_error> {
        match self {
            EitherIndex::Images(index) => Ok(index),
            EitherIndex::Texts(_) => Err(other_kind("images", "texts")),
        }
    }

    /// The index, which has to be one of texts.
    pub(crate) fn texts(&self) -> Result<&TextIndex, mmnas_error> {
        match self {
            EitherIndex::Texts(index) => Ok(index),
            EitherIndex::Images(_) => Err(other_kind("texts", "images")),
        }
    }

    /// As [`EitherIndex::texts`], to be changed.
    pub(crate) fn texts_mut(&mut self) -> Result<&mut TextIndex, mmnas_error> {
        match self {
            EitherIndex::Texts(index) => Ok(index),
            EitherIndex::Images(_) => Err(other_kind("texts", "images")),
        }
    }
}

fn other_kind(expected: &str, found: &str) -> mmnas_error {
    mmnas_error::invalid("index", &format!("an index of {expected}"), &format!("one of {found}"))
}
