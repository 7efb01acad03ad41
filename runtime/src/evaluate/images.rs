use std::path::{Path, PathBuf};

use mmnas_bundle::FeatureStore;

use crate::{Error, ImageState, Model, Result, image_files};

/// Where the images of samples are.
#[derive(Debug, Clone, Copy)]
pub enum ImageSource<'a> {
    /// A folder that samples name files of: images, or region features in the published layout where a name ends in `.npz`.
    Folder(&'a Path),
    /// Region features, which samples name by their images: what `mmnas extract` and `mmnas-search pack` write.
    Features(&'a FeatureStore),
}

impl ImageSource<'_> {
    /// The state of the image that a sample calls `name`.
    pub(crate) fn encode(self, model: &Model, name: &str) -> Result<ImageState> {
        match self {
            ImageSource::Folder(folder) => model.encode_file(&image_files::inside(folder, name)?),
            ImageSource::Features(store) => model.encode_regions(&store.get(name).map_err(Error::from)?),
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
