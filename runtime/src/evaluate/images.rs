use std::path::{Path, PathBuf};

use mmnas_bundle::FeatureStore;

use crate::image_folder::ImageFolder;
use crate::{Error, ImageState, Model, Result};

/// Where the images of samples are. They are found by what samples call them: see [`mmnas_bundle::image_names`].
#[derive(Debug, Clone, Copy)]
pub enum ImageSource<'a> {
    /// A folder that samples name files of: images, or region features in the published layout where a name ends in `.npz`.
    Folder(&'a Path),
    /// Region features, which samples name by their images: what `mmnas extract` and `mmnas-search pack` write. They must be those
    /// that the bundle reads: see [`Model::check_features`].
    Features(&'a FeatureStore),
}

/// An opened [`ImageSource`].
pub(crate) enum Images<'a> {
    Folder(ImageFolder<'a>),
    Features(&'a FeatureStore),
}

impl<'a> ImageSource<'a> {
    /// Opens it for a model.
    pub(crate) fn open(self, model: &Model) -> Result<Images<'a>> {
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
