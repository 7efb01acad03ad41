//! The linear part of the dual encoder: it ranks before anything is trained, no step changes it, and it is exported.

use mmnas_search::Pool;
use std::collections::BTreeMap;

use mmnas_bundle::manifest::{Dimensions, TaskName};
use mmnas_runtime::{LoadOptions, Timed};
use mmnas_search::bundle::export;
use mmnas_search::bundle::export::ExportOptions;
use mmnas_search::recipe::Recipe;
use mmnas_search::recipe::model::Modalities;
use mmnas_search::task::Task as _;
use mmnas_search::task::itm::data::ItmData;
use mmnas_search::train::retrain;
use mmnas_search::{Network, load_tensors};
use mmnas_tests::alone::alone;
use mmnas_tests::captions::{Data, architecture, open, recipe, write_data};
use mmnas_tests::fixtures::official;
use tch::{Kind, Tensor};

const LINEAR: &str = "linear = { width = 8, share = 0.9, image_ridge = 0.1, text_ridge = 0.1 }";

/// Trains for so many epochs of 16 samples; gives the score of the first epoch and the weights that were kept.
fn train(data: &Data, name: &str, linear: &str, epochs: usize) -> (f64, BTreeMap<String, Tensor>) {
    let contrastive = format!("itm.contrastive={{ width = 12, weight = 1.0, temperature = 0.1, {linear} }}");
    let epochs = format!("retrain.epochs={epochs}");
    let once = "retrain.negatives={ pool = 8, keep = 5, from_epoch = 99, mine_from_epoch = 99 }";
    let recipe = recipe(&[&contrastive, &epochs, once, "retrain.epoch_samples=16"]);
    let task = data.load_for(&recipe);
    let run = open(&data.folder.path().join(name), &recipe, &task, Some(&architecture()), false);
    let trained = retrain::retrain(&recipe, &Pool::standard(), &architecture(), &task, &run).unwrap();
    let (weights, _) = load_tensors(&run.file("network.safetensors")).unwrap();
    (trained.records[0].validation, weights.into_iter().collect())
}

#[test]
fn the_closed_form_ranks_at_once_and_stays() {
    let _alone = alone();
    let data = write_data(120);
    let (without, _) = train(&data, "without", "", 1);
    let (with, first) = train(&data, "with", LINEAR, 1);
    // By chance 44 %. What is named decides, and features say it.
    assert!(with > 0.85 && with > without + 0.2, "with {with}, without {without}");
    let (_, later) = train(&data, "longer", LINEAR, 3);
    for name in ["embed_w.weight", "embed_w.bias", "embed_a.weight", "embed_a.bias", "embed_factor"] {
        assert!(first[name].equal(&later[name]) && bool::try_from(first[name].isfinite().all()).unwrap(), "{name}");
        assert!(first[name].abs().sum(Kind::Float).double_value(&[]) > 0.0, "{name}");
    }
    assert!((first["embed_factor"].double_value(&[0]) - 3.0).abs() < 1e-6, "a share of 0.9 against 0.1");
    assert!(!first["embed_x.weight"].equal(&later["embed_x.weight"]), "the network's own part is trained");
    let bundle = data.folder.path().join("bundle");
    export::export(&data.folder.path().join("longer"), None, &bundle, &ExportOptions::default()).unwrap();
    let report = mmnas_runtime::verify(&bundle, &LoadOptions::default(), Timed::No).unwrap();
    assert!(report.passed(), "{report:#?}");
    let manifest = std::fs::read_to_string(bundle.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"joint\": 20") && manifest.contains("\"joint_linear\": 8"), "{manifest}");
}

/// A network as a training on the first captions would make it.
fn started(task: &ItmData, captions: usize) -> Result<Network, mmnas_search::Error> {
    let d = Dimensions {
        feature: task.data().feature(),
        vocabulary: task.data().vocabulary().len(),
        embeddings: task.head_dimensions().embeddings,
        ..official(64, 1)
    };
    let mut network = export::derived_network(TaskName::Itm, &architecture(), &d)?;
    task.start(&(0..captions).collect::<Vec<_>>(), &mut network)?;
    Ok(network)
}

fn linear_recipe() -> Recipe {
    recipe(&[&format!("itm.contrastive={{ width = 12, weight = 1.0, temperature = 0.1, {LINEAR} }}")])
}

/// A control that sees one side only must not learn the other side from the closed form.
#[test]
fn a_control_of_one_side_has_no_linear_part() {
    let _alone = alone();
    let data = write_data(40);
    for modalities in [Modalities::Text, Modalities::Image, Modalities::Both] {
        let mut task = data.load_for(&linear_recipe());
        task.data_mut().set_modalities(modalities);
        let network = started(&task, 200).unwrap();
        let sum = network.parameters()["embed_w.weight"].abs().sum(Kind::Float).double_value(&[]);
        assert_eq!(sum > 0.0, modalities == Modalities::Both, "{modalities:?} {sum}");
    }
}

#[test]
fn too_little_to_correlate_is_an_error_that_says_so() {
    let _alone = alone();
    let task = write_data(1).load_for(&linear_recipe());
    let error = started(&task, 5).unwrap_err().to_string();
    assert!(error.contains("expected features that differ from image to image"), "{error}");
    let data = write_data(2);
    let task = data.load_for(&linear_recipe());
    let error = started(&task, 3).unwrap_err().to_string();
    assert!(error.contains("expected words that 4 captions have and others have not"), "{error}");
    assert!(started(&task, 10).is_ok());
}
