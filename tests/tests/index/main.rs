//! Indexes on disk: they give what the states in memory give, survive whatever stops them, and refuse what is not theirs.

mod changes;
mod crashes;
mod embeddings;
mod limits;
mod ranking;
mod writers;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions, TaskName};
use mmnas_bundle::{Architecture, FeatureWriter, RegionFeatures};
use mmnas_export::ExportSettings;
use mmnas_runtime::{
    Access, Candidates, EmbeddingFormat, ErrorCode, Hit, ImageIndex, ImageState, IndexKind, LoadOptions, Model,
    TextIndex, TextState,
};
use mmnas_search::bundle::golden::{record, seeded_inputs};
use mmnas_search::rng;
use mmnas_tests::exported::{formula_network, weights_of, write};
use mmnas_tests::fixtures::official;
use mmnas_tests::{programs, python};
use rand::RngExt as _;
use rayon::prelude::*;

const JOINT: usize = 32;
const TEXTS: [&str; 4] = ["a dog", "two", "the red car of the man", "what is it"];

/// Text, a block on the image's side, and RSA after the first GA, so that image states have relation biases.
fn architecture() -> Architecture {
    let json =
        r#"{"epoch0": {"enc": [["self_att_64"]], "dec": [["self_att_64"], ["guided_att_64"], ["rel_self_att_64"]]}}"#;
    Architecture::from_published_json(json, Path::new("test")).unwrap()
}

fn bundle(out: &Path, d: &Dimensions, architecture: &Architecture) {
    let network = formula_network(TaskName::Itm, architecture, d);
    let golden = record(&network, TaskName::Itm, &seeded_inputs(&network, 5, 6, 3)).unwrap();
    let settings = ExportSettings::default();
    write((TaskName::Itm, &network), architecture, &weights_of(&network), &golden, settings, out);
}

fn small() -> Dimensions {
    Dimensions { embeddings: Some(EmbeddingDimensions::dual_encoder(JOINT)), ..official(64, 1) }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        bundle(&folder.path().join("bundle"), &small(), &architecture());
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn model(&self) -> Model {
        Model::load(&self.path("bundle"), &LoadOptions::default()).unwrap()
    }
}

fn regions(count: usize, width: usize, seed: u64) -> RegionFeatures {
    let mut rng = rng(seed, "regions", 0);
    let features = (0..count * width).map(|_| rng.random_range(-1.0..1.0f32)).collect();
    let mut boxes = Vec::new();
    for _ in 0..count {
        let (x, y) = (rng.random_range(0.0..300.0f32), rng.random_range(0.0..200.0f32));
        boxes.push([x, y, x + rng.random_range(5.0..99.0f32), y + rng.random_range(5.0..99.0f32)]);
    }
    RegionFeatures { features, boxes, size: (400, 300) }
}

fn image(model: &Model, seed: u64) -> ImageState {
    model.encode_regions(&regions(3 + seed as usize % 6, 64, seed)).unwrap()
}

/// A new index of so many images, committed, whose keys are their seeds.
fn filled(model: &Model, path: &Path, count: u64) -> ImageIndex {
    let mut index = ImageIndex::create(model, path).unwrap();
    (0..count).for_each(|seed| index.put(&seed.to_string(), &image(model, seed)).unwrap());
    index.commit().unwrap();
    index
}

fn texts(model: &Model) -> Vec<TextState> {
    TEXTS.iter().map(|text| model.encode_text(text).unwrap()).collect()
}

fn keys(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.key.as_str()).collect()
}
