//! The whole way at the size of a test: a few easy-VQA images, a search of two epochs, a retraining that learns them by
//! heart, the bundle.

use mmnas_search::Pool;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use mmnas_bundle::samples::{VqaSample, read_json_lines, to_json_lines};
use mmnas_bundle::{Architecture, VisionBundle};
use mmnas_runtime::LoadOptions;
use mmnas_search::RunFolder;
use mmnas_search::bundle::export::ExportOptions;
use mmnas_search::bundle::{export, vision};
use mmnas_search::data::convert::easy_vqa;
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::Task as _;
use mmnas_search::task::vqa::data::VqaData;
use mmnas_search::train::{retrain, search};

use crate::c_consumer::workspace_root;
use crate::exported::grid_vision;

/// Images of the small data set.
const IMAGES: usize = 40;

/// Everything on the way, in one folder.
#[derive(Debug)]
pub struct SmallRun {
    folder: tempfile::TempDir,
    /// The data set's questions.
    pub samples: Vec<VqaSample>,
}

/// The demo's recipe, made short.
pub fn recipe(overrides: &[&str]) -> Recipe {
    let file = workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
    let short = [
        "vqa.min_answer_count=1",
        "search.weights.epochs=2",
        "search.weights.batch=32",
        "search.alpha_batch=16",
        "search.alpha_from_epoch=0",
        "retrain.epochs=60",
        "retrain.batch=16",
        "retrain.decay_epochs=[50]",
        "retrain.adam.lr=1e-3",
        "search.weights.checkpoint_steps=0",
        "retrain.checkpoint_steps=0",
    ];
    let all: Vec<String> = short.iter().chain(overrides).map(|s| (*s).to_owned()).collect();
    Recipe::read(&file, &all).unwrap_or_else(|e| panic!("{e}"))
}

impl SmallRun {
    /// The data set, the vision stage and the features of the images.
    pub fn prepare() -> SmallRun {
        let easy = workspace_root().join(".native/easy_vqa");
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let path = |name: &str| folder.path().join(name);
        easy_vqa::convert(&easy, &path("data")).unwrap_or_else(|e| panic!("{e} (make setup installs easy-VQA)"));
        let all: Vec<VqaSample> = read_json_lines(&path("data/train.jsonl")).unwrap_or_else(|e| panic!("{e}"));
        let wanted: Vec<String> = (0..IMAGES).map(|k| format!("{k}.png")).collect();
        let samples: Vec<VqaSample> = all.into_iter().filter(|s| wanted.contains(&s.image)).collect();
        let lines = to_json_lines(&samples).unwrap_or_else(|e| panic!("{e}"));
        std::fs::write(path("small.jsonl"), lines).unwrap_or_else(|e| panic!("{e}"));
        std::fs::create_dir(path("images")).unwrap_or_else(|e| panic!("{e}"));
        for name in &wanted {
            std::fs::copy(easy.join("train/images").join(name), path("images").join(name))
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let checkpoint = workspace_root().join(".native/efficientnet/efficientnet_lite0.pth");
        vision::export_vision(&checkpoint, &grid_vision(128, 4), 1, &path("vision")).unwrap_or_else(|e| panic!("{e}"));
        let settings = mmnas_runtime::ExtractSettings {
            batch: NonZeroUsize::MIN.saturating_add(15),
            layout: Default::default(),
            skip_broken: false,
        };
        let options = LoadOptions::default();
        mmnas_runtime::extract(&path("vision"), &path("images"), &path("features"), &settings, &options, &mut |_| {})
            .unwrap_or_else(|e| panic!("{e}"));
        SmallRun { folder, samples }
    }

    /// A file or folder of the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An image of the data set.
    pub fn image(&self, name: &str) -> PathBuf {
        self.path("images").join(name)
    }

    /// The data set.
    pub fn data(&self, recipe: &Recipe) -> VqaData {
        let files = DataFiles::new(self.path("small.jsonl"), self.path("features"));
        VqaData::load(&files, recipe, tch::Device::Cpu).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Searches, derives, retrains and exports; returns the bundle's folder.
    pub fn to_bundle(&self) -> PathBuf {
        let recipe = recipe(&[]);
        let data = self.data(&recipe);
        // As trainings that take their turn do; nothing else trains before there is this bundle.
        tch::set_num_threads(1);
        let open = |name: &str, architecture: Option<&Architecture>| {
            RunFolder::open(&self.path(name), &recipe, &data.data().run_inputs(VqaData::NAME, architecture), false)
                .unwrap_or_else(|e| panic!("{e}"))
        };
        let found = search::search(&recipe, &Pool::standard(), &data, &open("search", None), None)
            .unwrap_or_else(|e| panic!("{e}"));
        let run = open("retrain", Some(&found.architecture));
        retrain::retrain(&recipe, &Pool::standard(), &found.architecture, &data, &run)
            .unwrap_or_else(|e| panic!("{e}"));
        let vision = VisionBundle::open(&self.path("vision")).unwrap_or_else(|e| panic!("{e}"));
        let bundle = self.path("bundle");
        export::export(&self.path("retrain"), Some(&vision), &bundle, &ExportOptions::default())
            .unwrap_or_else(|e| panic!("{e}"));
        bundle
    }
}

/// Copies a bundle, so that a test can damage it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap_or_else(|e| panic!("{e}"));
    for entry in std::fs::read_dir(from).unwrap_or_else(|e| panic!("{e}")).flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap_or_else(|e| panic!("{e}"));
    }
}
