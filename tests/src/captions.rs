//! Synthetic images of three kinds of regions each and captions that name them: small enough to train on in seconds.

use std::collections::BTreeSet;
use std::path::Path;

use mmnas_bundle::samples::{CaptionSample, to_json_lines};
use mmnas_bundle::{Architecture, FeatureWriter, RegionFeatures};
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::Task;
use mmnas_search::task::itm::data::ItmData;
use mmnas_search::{RunFolder, rng};
use rand::RngExt as _;

use crate::c_consumer::workspace_root;

/// What a region may show.
pub const KINDS: [&str; 8] = ["dog", "cat", "car", "tree", "house", "boat", "bird", "man"];
/// Features of a region.
pub const FEATURE: usize = 16;

/// Captions and regions in a folder that goes with it.
pub struct Data {
    /// `captions.jsonl` and `features`.
    pub folder: tempfile::TempDir,
    /// The kinds of each image.
    pub kinds: Vec<BTreeSet<usize>>,
}

/// Images of three kinds of regions each; five captions that name them. Images of the same kinds have the same captions.
pub fn write_data(images: usize) -> Data {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = rng(5, "retrieval", 0);
    let (mut regions, mut samples, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..images {
        let name = format!("{number}.png");
        let mut kinds = BTreeSet::new();
        while kinds.len() < 3 {
            kinds.insert(rng.random_range(0..KINDS.len()));
        }
        let (mut features, mut boxes) = (Vec::new(), Vec::new());
        for &kind in &kinds {
            features.extend((0..FEATURE).map(|k| f32::from(u8::from(k == kind)) + rng.random_range(-0.1..0.1f32)));
            let (x, y) = (rng.random_range(10.0..150.0f32), rng.random_range(10.0..150.0f32));
            boxes.push([x, y, x + 40.0, y + 30.0]);
        }
        let words: Vec<&str> = kinds.iter().map(|&k| KINDS[k]).collect();
        let [a, b, c] = [words[0], words[1], words[2]];
        let captions = vec![
            format!("a {a}, a {b} and a {c}"),
            format!("there is a {a} beside a {b}, and a {c}"),
            format!("the {a} and the {b} and the {c}"),
            format!("{a} with {b} and {c}"),
            format!("a picture of a {a} with a {b} near a {c}"),
        ];
        samples.push(CaptionSample { image: name.clone(), captions });
        regions.push((name, RegionFeatures { features, boxes, size: (240, 240) }));
        sets.push(kinds);
    }
    std::fs::create_dir(folder.path().join("features")).unwrap();
    let mut writer = FeatureWriter::new(&folder.path().join("features"), FEATURE, "synthetic".into());
    writer.write_shard(regions).unwrap();
    writer.finish().unwrap();
    std::fs::write(folder.path().join("captions.jsonl"), to_json_lines(&samples).unwrap()).unwrap();
    Data { folder, kinds: sets }
}

impl Data {
    /// Without a dual encoder.
    pub fn load(&self) -> ItmData {
        self.load_for(&recipe(&[]))
    }

    /// As the recipe says.
    pub fn load_for(&self, recipe: &Recipe) -> ItmData {
        let path = |name: &str| self.folder.path().join(name);
        let files = DataFiles::new(path("captions.jsonl"), path("features"));
        ItmData::load(&files, recipe, tch::Device::Cpu).unwrap()
    }
}

/// A short search and retraining, with `more` of it set.
pub fn recipe(more: &[&str]) -> Recipe {
    let set = [
        "search.weights.hidden=64",
        "search.weights.epochs=2",
        "search.weights.batch=16",
        "search.weights.negatives={ pool = 8, keep = 5, mine_from_epoch = 1 }",
        "search.alpha_from_epoch=1",
        "search.alpha_batch=16",
        "retrain.hidden=64",
        "retrain.epochs=12",
        "retrain.batch=16",
        "retrain.decay_epochs=[10]",
        "retrain.adam.lr=1e-3",
        "retrain.negatives={ pool = 8, keep = 5, mine_from_epoch = 4 }",
    ];
    let set: Vec<String> = set.iter().chain(more).map(|s| (*s).to_owned()).collect();
    Recipe::read(&workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml"), &set).unwrap()
}

/// The folder of a run.
pub fn open(
    folder: &Path,
    recipe: &Recipe,
    data: &ItmData,
    architecture: Option<&Architecture>,
    resume: bool,
) -> RunFolder {
    RunFolder::open(folder, recipe, &data.data().run_inputs(ItmData::NAME, architecture), resume).unwrap()
}

/// The shortest architecture that can tell which captions are true.
pub fn architecture() -> Architecture {
    let json = r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"], ["feed_forward"]]}}"#;
    Architecture::from_published_json(json, Path::new("test")).unwrap()
}
