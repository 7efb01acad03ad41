//! The images of samples, from a folder or as region features.

use std::path::{Path, PathBuf};

use mmnas_bundle::manifest::MAX_REGIONS;
use mmnas_bundle::samples::image_name;
use mmnas_bundle::{FeatureStore, npz};

use crate::error::{Error, Result};
use crate::images::decode::decode_file;
use crate::images::image_folder::ImageFolder;
use crate::model::Model;
use crate::model::state::ImageState;

/// Where the images of samples are.
///
/// They are found by what samples call them: see [`mmnas_bundle::image_names`].
#[derive(Debug, Clone, Copy)]
pub enum ImageSource<'a> {
    /// A folder that samples name files of.
    ///
    /// The files are images, or region features in the published layout where a name ends in `.npz`.
    Folder(&'a Path),
    /// Region features, which samples name by their images: what `mmnas extract` and `mmnas-search pack` write.
    ///
    /// They must be those that the bundle reads: see [`Model::check_features`].
    Features(&'a FeatureStore),
}

/// An opened [`ImageSource`].
#[derive(Debug)]
pub enum Images<'a> {
    /// A folder, its files found by what samples call them.
    Folder(ImageFolder<'a>),
    /// Region features.
    Features(&'a FeatureStore),
}

impl<'a> ImageSource<'a> {
    /// Opens it for a model.
    ///
    /// # Errors
    /// Region features that are not those that the bundle reads: see [`Model::check_features`].
    pub fn open(self, model: &Model) -> Result<Images<'a>> {
        Ok(match self {
            ImageSource::Folder(folder) => Images::Folder(ImageFolder::new(folder)),
            ImageSource::Features(store) => {
                model.check_features(store)?;
                Images::Features(store)
            }
        })
    }
}

impl Images<'_> {
    /// The own name of the image that a sample calls `name`.
    ///
    /// Samples that call it differently mean one image. Where there is no image it is the normalised name.
    ///
    /// # Errors
    /// A name that leaves the folder, or fits several images equally well.
    pub(crate) fn own_name(&self, name: &str) -> Result<String> {
        Ok(match self {
            Images::Folder(folder) => folder.own_name(name)?,
            Images::Features(store) => match store.find(name)? {
                Some(own) => own.to_owned(),
                None => image_name(name).into_owned(),
            },
        })
    }

    /// Width and height in pixels of the image that a sample calls `name`.
    ///
    /// A side of 0 where that is not known without decoding a file.
    ///
    /// # Errors
    /// A name that leaves the folder, or fits several images; an image that is not there.
    pub fn find(&self, name: &str) -> Result<(u32, u32)> {
        match self {
            Images::Folder(folder) => {
                let file = folder.find(name)?;
                match file.metadata().map_err(Error::read(&file))?.is_file() {
                    true => Ok((0, 0)),
                    false => Err(Error::argument("samples: image", "an image file", format!("{}", file.display()))),
                }
            }
            Images::Features(store) => match store.find(name)?.and_then(|own| store.size(own)) {
                Some(size) => Ok(size),
                None => Ok(store.get(name)?.size),
            },
        }
    }

    /// As [`Images::find`], with the whole image read.
    ///
    /// What cannot be read is an error, and the size of a file is known.
    ///
    /// # Errors
    /// As [`Images::find`]; an image that cannot be decoded, or region features that are not finite.
    pub fn decode(&self, name: &str) -> Result<(u32, u32)> {
        match self {
            Images::Folder(folder) => {
                let file = folder.find(name)?;
                if npz::is_called_npz(&file) {
                    return Ok(npz::read(&file, MAX_REGIONS)?.regions.size);
                }
                Ok(decode_file(&file)?.dimensions())
            }
            Images::Features(store) => Ok(store.get(name)?.size),
        }
    }

    /// The state of the image that a sample calls `name`.
    pub(crate) fn encode(&self, model: &Model, name: &str) -> Result<ImageState> {
        match self {
            Images::Folder(folder) => model.encode_file(&folder.find(name)?),
            Images::Features(store) => model.encode_regions(&store.get(name).map_err(Error::from)?),
        }
    }
}

impl<'a> From<&'a Path> for ImageSource<'a> {
    fn from(folder: &'a Path) -> ImageSource<'a> {
        ImageSource::Folder(folder)
    }
}

impl<'a> From<&'a PathBuf> for ImageSource<'a> {
    fn from(folder: &'a PathBuf) -> ImageSource<'a> {
        ImageSource::Folder(folder)
    }
}

impl<'a> From<&'a FeatureStore> for ImageSource<'a> {
    fn from(store: &'a FeatureStore) -> ImageSource<'a> {
        ImageSource::Features(store)
    }
}
