use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle::{self, FeatureStore};
use mmnas_runtime::{ImageSource, Model};

use super::Failure;

/// What a command that goes through a file of samples is given.
#[derive(Args)]
pub(super) struct OnSamples {
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
pub(super) struct Images {
    /// Folder that the samples' image names are relative to; a name that ends in .npz is one of region features
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Region features of the samples' images, which `mmnas extract` or `mmnas-search pack` wrote
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
}

impl Images {
    /// Opens them for a model and does `with` them.
    pub(super) fn open<T>(
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

/// Region features that are as wide as the bundle reads them.
pub(super) fn features(model: &Model, folder: &std::path::Path) -> Result<FeatureStore, Failure> {
    let store = FeatureStore::open(folder)?;
    let width = model.manifest().dimensions.feature;
    if store.feature() != width {
        let expected = format!("{width} numbers a region, as the bundle reads");
        return Err(bundle::Error::invalid(folder, "feature", expected, store.feature()).into());
    }
    Ok(store)
}
