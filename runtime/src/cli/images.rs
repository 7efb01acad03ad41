//! Where a command finds the images of its samples.

use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle::FeatureStore;
use mmnas_runtime::{ImageSource, Model};

use crate::cli::failure::Failure;
use crate::cli::output;

/// What a command that goes through a file of samples is given.
#[derive(Args)]
pub(crate) struct OnSamples {
    /// The bundle's folder
    pub bundle: PathBuf,
    /// File of samples, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub samples: PathBuf,
    #[command(flatten)]
    pub images: Images,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Where the images of samples are.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["images", "features"]))]
pub(crate) struct Images {
    /// Folder of the samples' images, or of their region features in files .npz. A sample names a file, or means one by its
    /// file name, by that without .jpg or the like, or by its number: 9 is COCO_val2014_000000000009.jpg
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Region features of the samples' images, which `mmnas extract` or `mmnas-search pack` wrote; samples name images as with
    /// --images
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
}

impl Images {
    /// Opens them for a model and does `with` them.
    pub(crate) fn open<T>(
        &self,
        model: &Model,
        with: impl FnOnce(ImageSource<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match (&self.features, &self.images) {
            (Some(folder), _) => with(ImageSource::Features(&features(model, folder)?)),
            // The arguments' group asks for one of them.
            (None, images) => with(ImageSource::Folder(images.as_deref().unwrap_or("".as_ref()))),
        }
    }
}

/// Region features that the bundle reads.
pub(crate) fn features(model: &Model, folder: &std::path::Path) -> Result<FeatureStore, Failure> {
    let store = FeatureStore::open(folder)?;
    model.check_features(&store)?;
    if model.bundle().features_sha256()?.is_none() {
        output::tell_unknown_features(model, folder);
    }
    Ok(store)
}
