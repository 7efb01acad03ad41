//! The linear part of grounding's scores: it finds regions before anything is trained, training neither reads nor changes it, and it
//! is exported.

use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::manifest::{Dimensions, TaskName};
use mmnas_bundle::samples::{PhraseSample, read_json_lines};
use mmnas_bundle::{FeatureStore, boxes};
use mmnas_runtime::{LoadOptions, Model, Timed};
use mmnas_search::data::{DataFiles, VgdData};
use mmnas_search::export::{self, ExportOptions};
use mmnas_search::operations::Dropout;
use mmnas_search::recipe::{Recipe, Sight};
use mmnas_search::task::Task as _;
use mmnas_search::task::vgd::ScorePadding;
use mmnas_search::{Network, RunFolder, load_tensors, retrain};
use mmnas_tests::alone::alone;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::captions::{architecture, write_data as write_captions};
use mmnas_tests::fixtures::official;
use mmnas_tests::phrases::{write_data, write_regions};
use tch::{Kind, Tensor};

const LINEAR: &str = "regions.linear={ width = 8, deviation = 6.0, ridges = { image_ridge = 0.1, text_ridge = 0.1 } }";

fn recipe(more: &[&str]) -> Recipe {
    let set = ["retrain.hidden=64", "retrain.batch=16", "retrain.epochs=1", "retrain.epoch_samples=16"];
    let set: Vec<String> = set.iter().chain(more).map(|s| (*s).to_owned()).collect();
    Recipe::read(&workspace_root().join("search/recipes/easy_vqa.toml"), &set).unwrap()
}

fn load(folder: &Path, recipe: &Recipe) -> VgdData {
    let files = DataFiles::new(folder.join("phrases.jsonl"), folder.join("features"));
    let mut data = VgdData::load(&files, &recipe.text, ScorePadding::Masked, tch::Device::Cpu).unwrap();
    data.data_mut().follow(recipe).unwrap();
    data
}

/// Trains one epoch of 16 phrases; gives its score and the weights.
fn train(folder: &Path, name: &str, more: &[&str]) -> (f64, BTreeMap<String, Tensor>) {
    let recipe = recipe(more);
    let data = load(folder, &recipe);
    let inputs = data.data().run_inputs(VgdData::NAME, Some(&architecture()));
    let run = RunFolder::open(&folder.join(name), &recipe, &inputs, false).unwrap();
    let trained = retrain::retrain(&recipe, &architecture(), &data, &run, false, None).unwrap();
    let (weights, _) = load_tensors(&run.file("network.safetensors")).unwrap();
    (trained.validation, weights.into_iter().collect())
}

#[test]
fn the_closed_form_grounds_at_once_and_training_does_not_read_it() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let (without, plain) = train(folder.path(), "without", &[]);
    let (with, linear) = train(folder.path(), "with", &[LINEAR]);
    // By chance 22 %. Features say what a region is.
    assert!(with > 0.9 && with > without + 0.3, "with {with}, without {without}");
    // It knows its own phrases too well: a loss that read it would leave the network nothing to learn.
    for (name, weight) in &plain {
        assert!(weight.equal(&linear[name]), "{name}");
    }
    assert_eq!(linear.len(), plain.len() + 5, "two layers of weights and biases, and a factor");
    let recipe = recipe(&[LINEAR]);
    let data = load(folder.path(), &recipe);
    let parts: Vec<usize> = data.data().samples_of_images().concat();
    let untrained = started(&data, &parts).unwrap();
    for name in ["embed_w.weight", "embed_a.weight"] {
        let weight = &linear[name];
        assert!(
            weight.size() == untrained.parameters()[name].size()
                && weight.abs().sum(Kind::Float).double_value(&[]) > 0.0
        );
    }
    let bundle = folder.path().join("bundle");
    export::export(&folder.path().join("with"), None, &bundle, &ExportOptions::default()).unwrap();
    let report = mmnas_runtime::verify(&bundle, &LoadOptions::default(), Timed::No).unwrap();
    assert!(report.passed() && report.measured.len() == 2, "{report:#?}");
    let manifest = std::fs::read_to_string(bundle.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"region_joint\": 8") && !manifest.contains("\"joint\""), "{manifest}");
    runtime_grounds(folder.path(), &bundle);
}

fn runtime_grounds(folder: &Path, bundle: &Path) {
    let store = FeatureStore::open(&folder.join("features")).unwrap();
    let samples: Vec<PhraseSample> = read_json_lines(&folder.join("phrases.jsonl")).unwrap();
    for form in ["ort-fp32", "ort-int8"] {
        let model =
            Model::load(bundle, &LoadOptions { form: Some(form.parse().unwrap()), ..LoadOptions::default() }).unwrap();
        let right = samples[..100].iter().filter(|sample| {
            let image = model.encode_regions(&store.get(&sample.image).unwrap()).unwrap();
            let found = model.ground(&image, &sample.phrase, 1).unwrap();
            boxes::iou(&found[0].box_xyxy, &sample.box_xyxy) >= 0.5
        });
        let right = right.count();
        assert!(right >= 90, "{form}: {right} of 100");
    }
}

/// A network as a training on `train` would make it.
fn started(data: &VgdData, train: &[usize]) -> Result<Network, mmnas_search::Error> {
    let d = Dimensions {
        feature: data.data().feature(),
        vocabulary: data.data().vocabulary().len(),
        region_joint: data.region_joint(),
        ..official(64, 1)
    };
    let mut network = export::derived_network(TaskName::Vgd, &architecture(), &d)?;
    data.start(train, &mut network, false)?;
    Ok(network)
}

/// The scores' deviation over what the matrices come from is the recipe's, whatever the features' size and mean.
#[test]
fn the_linear_scores_have_the_deviation_of_the_recipe() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_regions(folder.path(), |is_kind, noise| 7.0 + 3.0 * (f32::from(u8::from(is_kind)) + noise));
    let recipe = recipe(&[LINEAR]);
    let data = load(folder.path(), &recipe);
    let train: Vec<usize> = data.data().samples_of_images().concat();
    let network = started(&data, &train).unwrap();
    let path = mmnas_search::Path::single(&vec![0; network.space().len()]);
    // One by one: padding would be among the regions.
    let scores: Vec<Tensor> = train
        .iter()
        .map(|&phrase| {
            let output = network.forward(&data.batch(&[phrase]).unwrap().inputs, &path, Dropout(0.0));
            assert_eq!(output.size()[2], 6, "a score, four deltas and the linear score");
            output.select(-1, 5).view([-1])
        })
        .collect();
    let deviation = Tensor::cat(&scores, 0).square().mean(Kind::Float).sqrt().double_value(&[]);
    assert!((4.0..8.0).contains(&deviation), "{deviation} for 6");
}

#[test]
fn a_control_of_one_side_has_no_linear_scores_and_other_tasks_refuse() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let recipe = recipe(&[LINEAR]);
    let mut data = load(folder.path(), &recipe);
    let train: Vec<usize> = data.data().samples_of_images().concat();
    for sight in [Sight::Text, Sight::Image, Sight::Both] {
        data.data_mut().set_sight(sight);
        let network = started(&data, &train).unwrap();
        let sum = network.parameters()["embed_w.weight"].abs().sum(Kind::Float).double_value(&[]);
        assert_eq!(sum > 0.0, sight == Sight::Both, "{sight:?} {sum}");
    }
    let captions = write_captions(2);
    let mut captions = captions.load_for(&recipe);
    captions.data_mut().follow(&recipe).unwrap();
    let d = Dimensions {
        feature: captions.data().feature(),
        vocabulary: captions.data().vocabulary().len(),
        ..official(64, 1)
    };
    let mut network = export::derived_network(TaskName::Itm, &architecture(), &d).unwrap();
    let error = captions.start(&[0, 1], &mut network, false).unwrap_err().to_string();
    assert!(error.contains("regions.linear") && error.contains("found itm"), "{error}");
}
