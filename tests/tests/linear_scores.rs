//! The linear part of grounding's scores: it finds regions before anything is trained, training neither reads nor changes it, and it
//! is exported.

use mmnas_search::Pool;
use std::collections::BTreeMap;
use std::path::Path;

use mmnas_bundle::manifest::{Dimensions, TaskName};
use mmnas_bundle::samples::{PhraseSample, read_json_lines, to_json_lines};
use mmnas_bundle::{FeatureStore, FeatureWriter, RegionFeatures, boxes};
use mmnas_runtime::{LoadOptions, Model, Timed};
use mmnas_search::bundle::export;
use mmnas_search::bundle::export::ExportOptions;
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::recipe::Recipe;
use mmnas_search::recipe::model::Modalities;
use mmnas_search::task::Task as _;
use mmnas_search::task::vgd::data::VgdData;
use mmnas_search::task::vgd::head::with_linear_scores;
use mmnas_search::train::retrain;
use mmnas_search::{FeatureNorm, Network, RunFolder, load_tensors};
use mmnas_tests::alone::alone;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::captions::architecture;
use mmnas_tests::fixtures::official;
use mmnas_tests::phrases::{FEATURE, write_data, write_regions};
use tch::{Kind, Tensor};

const LINEAR: &str = "vgd.linear={ width = 32, deviation = 6.0, ridges = { image_ridge = 0.1, text_ridge = 0.1 } }";

fn recipe(more: &[&str]) -> Recipe {
    let set = ["retrain.hidden=64", "retrain.batch=16", "retrain.epoch_samples=32", "model.standardise=true"];
    let set: Vec<String> = set.iter().chain(more).map(|s| (*s).to_owned()).collect();
    Recipe::read(&workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml"), &set).unwrap()
}

fn load(folder: &Path, recipe: &Recipe) -> VgdData {
    let files = DataFiles::new(folder.join("phrases.jsonl"), folder.join("features"));
    VgdData::load(&files, recipe, tch::Device::Cpu).unwrap()
}

/// Trains for so many epochs of 32 phrases; gives the score of the weights that were kept and these.
fn train(folder: &Path, name: &str, more: &[&str], epochs: usize) -> (f64, BTreeMap<String, Tensor>) {
    let recipe = recipe(&[more, &[&format!("retrain.epochs={epochs}")]].concat());
    let data = load(folder, &recipe);
    let inputs = data.data().run_inputs(VgdData::NAME, Some(&architecture()));
    let run = RunFolder::open(&folder.join(name), &recipe, &inputs, false).unwrap();
    let trained = retrain::retrain(&recipe, &Pool::standard(), &architecture(), &data, &run).unwrap();
    let (weights, _) = load_tensors(&run.file("network.safetensors")).unwrap();
    (trained.validation, weights.into_iter().collect())
}

const FIXED: [&str; 5] = ["embed_w.weight", "embed_w.bias", "embed_a.weight", "embed_a.bias", "embed_factor"];

#[test]
fn the_closed_form_grounds_at_once_and_training_neither_reads_nor_changes_it() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let (without, plain) = train(folder.path(), "without", &[], 1);
    let (with, linear) = train(folder.path(), "with", &[LINEAR], 1);
    // By chance 22 %. Features say what a region is.
    assert!(with > 0.9 && with > without + 0.3, "with {with}, without {without}");
    // It knows its own phrases too well: a loss that read it would leave the network nothing to learn.
    for (name, weight) in &plain {
        assert!(weight.equal(&linear[name]), "{name}");
    }
    assert_eq!(linear.len(), plain.len() + FIXED.len());
    let (_, later) = train(folder.path(), "longer", &[LINEAR], 3);
    for name in FIXED {
        assert!(linear[name].equal(&later[name]), "{name}");
        let is_there = linear[name].abs().sum(Kind::Float).double_value(&[]) > 0.0;
        assert_eq!(is_there, name != "embed_w.bias", "{name}: words are not centred");
    }
    let bundle = folder.path().join("bundle");
    export::export(&folder.path().join("with"), None, &bundle, &ExportOptions::default()).unwrap();
    let report = mmnas_runtime::verify(&bundle, &LoadOptions::default(), Timed::No).unwrap();
    assert!(report.passed() && report.measured.len() == 2, "{report:#?}");
    let manifest = std::fs::read_to_string(bundle.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"region_joint\": 32") && !manifest.contains("\"joint\""), "{manifest}");
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
        // Images of several numbers of regions in one batch.
        let encoded: Vec<_> = samples[..12]
            .iter()
            .map(|s| {
                (model.encode_regions(&store.get(&s.image).unwrap()).unwrap(), model.encode_text(&s.phrase).unwrap())
            })
            .collect();
        let pairs: Vec<_> = encoded.iter().map(|(image, text)| (image, text)).collect();
        for (sample, found) in samples.iter().zip(model.ground_pairs(&pairs, 1).unwrap()) {
            assert!(boxes::iou(&found[0].box_xyxy, &sample.box_xyxy) >= 0.5, "{form}: {}", sample.phrase);
        }
        assert!(right >= 90, "{form}: {right} of 100");
    }
}

/// A network as a training on `train` would make it.
fn started(data: &VgdData, train: &[usize]) -> Result<Network, mmnas_search::Error> {
    let mut network = untrained(data)?;
    data.start(train, &mut network)?;
    Ok(network)
}

/// The same before it is given what it starts from.
fn untrained(data: &VgdData) -> Result<Network, mmnas_search::Error> {
    let d = Dimensions {
        feature: data.data().feature(),
        vocabulary: data.data().vocabulary().len(),
        embeddings: data.head_dimensions().embeddings,
        ..official(64, 1)
    };
    export::derived_network(TaskName::Vgd, &architecture(), &d)
}

/// Over all regions and all phrases that the matrices come from, whatever the features' size and mean; and what validation reads is what
/// bundles are checked against.
#[test]
fn the_linear_scores_have_the_deviation_of_the_recipe() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_regions(folder.path(), |is_kind, noise| 7.0 + 3.0 * (f32::from(u8::from(is_kind)) + noise));
    let recipe = recipe(&[LINEAR]);
    let data = load(folder.path(), &recipe);
    let train: Vec<usize> = data.data().samples_of_images().concat();
    let network = started(&data, &train).unwrap();
    let parameter = |name: &str| network.parameters()[name].detach();
    let images: Vec<usize> = (0..data.data().images()).collect();
    let (inputs, regions) = data.data().inputs_of_images(&images, &vec![[1].as_slice(); images.len()]).unwrap();
    let rows: Vec<Tensor> =
        regions.iter().zip(0..).map(|(r, k)| inputs.features.get(k).narrow(0, 0, r.boxes.len() as i64)).collect();
    let regions = Tensor::cat(&rows, 0).linear(&parameter("embed_a.weight"), Some(parameter("embed_a.bias")));
    let mean = regions.mean_dim(0i64, false, Kind::Float).abs().max().double_value(&[]);
    assert!(mean < 1e-4, "{mean}");
    let table = parameter("embed_w.weight");
    let texts: Vec<Tensor> = train
        .iter()
        .map(|&phrase| {
            table.index_select(0, &Tensor::from_slice(data.tokens(phrase))).sum_dim_intlist(0, false, Kind::Float)
        })
        .collect();
    let scores = Tensor::stack(&texts, 0).matmul(&regions.tr()) * parameter("embed_factor");
    let deviation = scores.square().mean(Kind::Float).sqrt().double_value(&[]);
    assert!((deviation - 6.0).abs() < 6e-3, "{deviation} for 6");

    // Phrases of several lengths and images of several numbers of regions.
    let batch = data.batch(&train[..40]).unwrap();
    assert!(batch.inputs.region_count.iter().min() < batch.inputs.region_count.iter().max());
    assert!(batch.inputs.token_count.iter().min() < batch.inputs.token_count.iter().max());
    let path = mmnas_search::ArchPath::single(&vec![0; network.space().len()]);
    let found = network.forward(&batch.inputs, &path, Dropout(0.0));
    assert!(found.embeddings.is_some());
    let found = with_linear_scores(&found);
    let expected = network.stage_outputs(&batch.inputs).output;
    for (row, &count) in (0..).zip(&batch.inputs.region_count) {
        let there = |output: &Tensor| output.get(row).narrow(0, 0, count);
        let worst = (there(&found) - there(&expected)).abs().max().double_value(&[]);
        assert!(worst < 1e-4, "{row}: {worst}");
    }
}

#[test]
fn a_unimodal_baseline_has_no_linear_scores() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let recipe = recipe(&[LINEAR]);
    let mut data = load(folder.path(), &recipe);
    let train: Vec<usize> = data.data().samples_of_images().concat();
    for modalities in [Modalities::Text, Modalities::Image, Modalities::Both] {
        data.data_mut().set_modalities(modalities);
        let network = started(&data, &train).unwrap();
        let sum = network.parameters()["embed_w.weight"].abs().sum(Kind::Float).double_value(&[]);
        assert_eq!(sum > 0.0, modalities == Modalities::Both, "{modalities:?} {sum}");
    }
}

/// Phrases that mean both of two opposite regions mean, on the whole, none: there is nothing to scale.
#[test]
fn phrases_that_go_with_no_region_are_an_error_that_says_so() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let boxes = [[0.0, 0.0, 40.0, 40.0], [100.0, 100.0, 140.0, 140.0]];
    let (mut images, mut samples) = (Vec::new(), Vec::new());
    for (number, thing) in ["dogs", "cats", "cars", "trees"].into_iter().enumerate() {
        let image = format!("{number}.png");
        let half = |sign: f32| (0..FEATURE).map(move |k| if k % 4 == number { sign } else { 0.0 });
        let features = half(1.0).chain(half(-1.0)).collect();
        let phrase = |box_xyxy| PhraseSample { image: image.clone(), phrase: format!("two {thing} {thing}"), box_xyxy };
        samples.extend(boxes.map(phrase));
        images.push((image.clone(), RegionFeatures { features, boxes: boxes.to_vec(), size: (240, 240) }));
    }
    std::fs::create_dir(folder.path().join("features")).unwrap();
    let mut writer = FeatureWriter::new(&folder.path().join("features"), FEATURE, "synthetic".into());
    writer.write_shard(images).unwrap();
    writer.finish().unwrap();
    std::fs::write(folder.path().join("phrases.jsonl"), to_json_lines(&samples).unwrap()).unwrap();
    let mut recipe = recipe(&[LINEAR]);
    recipe.vgd.any_box = true;
    let data = load(folder.path(), &recipe);
    let train: Vec<usize> = data.data().samples_of_images().concat();
    // Words need two phrases each.
    let error = started(&data, &[train.clone(), train].concat()).unwrap_err().to_string();
    assert!(error.contains("vgd.linear") && error.contains("go with what their regions are"), "{error}");
}

#[test]
fn regions_that_are_all_the_same_are_an_error_that_says_so() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_regions(folder.path(), |_, _| 0.3);
    let data = load(folder.path(), &recipe(&[LINEAR]));
    let train: Vec<usize> = data.data().samples_of_images().concat();
    let error = started(&data, &train).unwrap_err().to_string();
    assert!(error.contains("features that differ from region to region"), "{error}");
}

/// Another run's weights bring how features are standardised: the linear part is made for features as they are standardised in the end.
#[test]
fn it_fits_the_norm_that_initial_weights_bring() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    train(folder.path(), "first", &[], 1);
    let recipe = recipe(&[LINEAR]);
    let mut files = DataFiles::new(folder.path().join("phrases.jsonl"), folder.path().join("features"));
    files.initial = Some(folder.path().join("first"));
    let data = VgdData::load(&files, &recipe, tch::Device::Cpu).unwrap();
    let (other, _) = load_tensors(&folder.path().join("first/network.safetensors")).unwrap();
    let norm = |name: &str| other[name].shallow_clone();
    let features = data.data().feature() as i64;
    let own = || FeatureNorm {
        mean: Tensor::full([features], 5.0, (Kind::Float, tch::Device::Cpu)),
        std: Tensor::full([features], 2.0, (Kind::Float, tch::Device::Cpu)),
    };
    let train: Vec<usize> = data.data().samples_of_images().concat();
    let start = |data: &VgdData, norm: FeatureNorm| {
        let mut network = untrained(data).unwrap();
        network.set_feature_norm(Some(norm));
        data.start(&train, &mut network).unwrap();
        network
    };
    let brought = start(&data, own());
    let theirs = FeatureNorm { mean: norm("feature_norm.mean"), std: norm("feature_norm.std") };
    let at_once = start(&data, theirs);
    for name in FIXED {
        assert!(brought.parameters()[name].equal(&at_once.parameters()[name]), "{name}");
    }
    assert!(brought.parameters()["imgfeat_linear.weight"].equal(&other["imgfeat_linear.weight"]), "their layer");
}
