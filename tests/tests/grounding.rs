//! Visual grounding is searched and trained by the same code as question answering: on synthetic regions whose features say
//! what they are, a phrase finds its region and the deltas move its box.

use mmnas_bundle::boxes;
use mmnas_bundle::samples::{PhraseSample, read_json_lines, to_json_lines};
use mmnas_bundle::{FeatureStore, RegionFeatures};
use mmnas_runtime::{ErrorCode, LoadOptions, Model, Timed};
use mmnas_search::Pool;
use mmnas_search::bundle::export;
use mmnas_search::bundle::export::ExportOptions;
use mmnas_search::data::data_files::DataFiles;
use mmnas_search::model::head::HeadOutput;
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::recipe::Recipe;
use mmnas_search::task::Task;
use mmnas_search::task::vgd::data::VgdData;
use mmnas_search::train::{retrain, search};
use mmnas_search::{ArchPath, Inputs, Naming, Network, RunFolder, Space};
use mmnas_tests::alone::alone;
use mmnas_tests::c_consumer::workspace_root;
use mmnas_tests::phrases::{FEATURE, write_data};
use tch::Tensor;

#[test]
fn a_phrase_finds_its_region() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let set = [
        "search.weights.hidden=64",
        "search.weights.epochs=3",
        "search.weights.batch=16",
        "search.alpha_from_epoch=1",
        "search.alpha_batch=16",
        "retrain.hidden=64",
        "retrain.epochs=25",
        "retrain.batch=16",
        "retrain.decay_epochs=[20]",
        "retrain.adam.lr=1e-3",
    ];
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let recipe = Recipe::read(&workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml"), &set).unwrap();
    let files = DataFiles::new(folder.path().join("phrases.jsonl"), folder.path().join("features"));
    let data = VgdData::load(&files, &recipe, tch::Device::Cpu).unwrap();
    let open = |name: &str, architecture| {
        let inputs = data.data().run_inputs(VgdData::NAME, architecture);
        RunFolder::open(&folder.path().join(name), &recipe, &inputs, false).unwrap()
    };
    let found = search::search(&recipe, &Pool::standard(), &data, &open("search", None), None).unwrap();
    assert_eq!(found.records.len(), 3);
    // The shortest architecture that can do it, whatever so short a search has found.
    let json = r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"], ["feed_forward"]]}}"#;
    let architecture = mmnas_bundle::Architecture::from_published_json(json, std::path::Path::new("test")).unwrap();
    let trained =
        retrain::retrain(&recipe, &Pool::standard(), &architecture, &data, &open("retrain", Some(&architecture)))
            .unwrap();
    let first = &trained.records[0];
    assert!(trained.validation >= 0.9, "validation {} (first epoch {})", trained.validation, first.validation);
    let bundle = folder.path().join("bundle");
    export::export(&folder.path().join("retrain"), None, &bundle, &ExportOptions::default()).unwrap();
    let report = mmnas_runtime::verify(&bundle, &LoadOptions::default(), Timed::No).unwrap();
    assert!(report.passed() && report.measured.len() == 2, "{report:#?}");
    runtime_grounds(folder.path(), &bundle);
}

/// What the runtime makes of the bundle: a phrase's box, in pixels.
fn runtime_grounds(folder: &std::path::Path, bundle: &std::path::Path) {
    let store = FeatureStore::open(&folder.join("features")).unwrap();
    let samples: Vec<PhraseSample> = read_json_lines(&folder.join("phrases.jsonl")).unwrap();
    for form in ["ort-fp32", "ort-int8"] {
        let options = LoadOptions { form: Some(form.parse().unwrap()), ..LoadOptions::default() };
        let model = Model::load(bundle, &options).unwrap();
        let mut right = 0;
        for sample in &samples[..100] {
            let regions = store.get(&sample.image).unwrap();
            let image = model.encode_regions(&regions).unwrap();
            let found = model.ground(&image, &sample.phrase, 100).unwrap();
            assert_eq!(found.len(), regions.boxes.len());
            assert!((found.iter().map(|g| g.probability).sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(found.windows(2).all(|w| w[0].probability >= w[1].probability));
            assert!(found[0].box_xyxy.iter().all(|v| (0.0..=239.0).contains(v)), "{:?}", found[0]);
            right += usize::from(boxes::iou(&found[0].box_xyxy, &sample.box_xyxy) >= 0.5);
            assert_eq!(model.ground(&image, &sample.phrase, 1).unwrap(), found[..1]);
        }
        assert!(right >= 85, "{form}: {right} of 100");
        let image = model.encode_regions(&store.get(&samples[0].image).unwrap()).unwrap();
        let wrong = model.answer(&image, "what is it?", 1).unwrap_err();
        assert_eq!(wrong.code(), ErrorCode::WrongTask, "{wrong}");
        assert_eq!(model.ground(&image, "a dog", 0).unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(model.ground(&image, "...", 1).unwrap_err().code(), ErrorCode::EmptyText);
        let unknown = RegionFeatures { size: (0, 0), ..store.get(&samples[0].image).unwrap() };
        let error = model.ground(&model.encode_regions(&unknown).unwrap(), "a dog", 1).unwrap_err();
        assert!(error.to_string().contains("1 × 1"), "{error}");
    }
}

#[test]
fn a_box_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let sample = PhraseSample { image: "0.png".into(), phrase: "the dog".into(), box_xyxy: [9.0, 0.0, 3.0, 8.0] };
    let file = folder.path().join("bad.jsonl");
    std::fs::write(&file, to_json_lines(&[sample]).unwrap()).unwrap();
    let files = DataFiles::new(file, folder.path().join("features"));
    let recipe = Recipe::read(&workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml"), &[]).unwrap();
    let loaded = VgdData::load(&files, &recipe, tch::Device::Cpu);
    let error = loaded.unwrap_err().to_string();
    assert!(error.contains("bad.jsonl") && error.contains("line 1: box_xyxy") && error.contains("x2 ≥ x1"), "{error}");
}

/// A phrase of several things: one sample whose every box is right, or a sample for each box as published.
#[test]
fn a_phrase_may_mean_any_of_its_boxes() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let store = FeatureStore::open(&folder.path().join("features")).unwrap();
    let boxes = store.get("0.png").unwrap().boxes;
    let sample = |image: &str, phrase: &str, box_xyxy| PhraseSample {
        image: image.to_owned(),
        phrase: phrase.to_owned(),
        box_xyxy,
    };
    let other = store.get("1.png").unwrap().boxes[0];
    let lines = [
        sample("0.png", "two dogs", boxes[0]),
        sample("1.png", "two dogs", other),
        sample("0.png", "a cat", boxes[1]),
        sample("0.png", "two dogs", boxes[1]),
    ];
    let file = folder.path().join("several.jsonl");
    std::fs::write(&file, to_json_lines(&lines).unwrap()).unwrap();
    let load = |any_box: bool| {
        let set = [format!("vgd.any_box={any_box}")];
        let recipe = Recipe::read(&workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml"), &set).unwrap();
        let files = DataFiles::new(file.clone(), folder.path().join("features"));
        VgdData::load(&files, &recipe, tch::Device::Cpu).unwrap()
    };
    let (each, any) = (load(false), load(true));
    assert_eq!(each.data().samples_of_images(), [vec![0, 2, 3], vec![1]]);
    assert_eq!(any.data().samples_of_images(), [vec![0, 2], vec![1]]);
    let batch = any.batch(&[0, 1, 2]).unwrap();
    assert_eq!(batch.targets, [vec![boxes[0], boxes[1]], vec![other], vec![boxes[1]]]);
    let scores = |row: i64| Vec::<f32>::try_from(batch.scores.get(row)).unwrap();
    assert!(scores(0)[0] > 0.0 && scores(0)[1] > 0.0 && scores(2)[1] > 0.0, "{:?}", scores(0));
    // A network that always says the second region, unmoved: right for both phrases, though the first box of one is another.
    let mut second = |inputs: &Inputs| {
        let shape = inputs.features.size();
        let output = Tensor::zeros([shape[0], shape[1], 5], (tch::Kind::Float, tch::Device::Cpu));
        output.narrow(1, 1, 1).narrow(2, 0, 1).copy_(&Tensor::from(9f32));
        HeadOutput { scores: output, embeddings: None }
    };
    assert_eq!(any.evaluate(&[0, 2], 8, &mut second).unwrap().score, 1.0);
    assert_eq!(each.evaluate(&[0, 2, 3], 8, &mut second).unwrap().score, 2.0 / 3.0);
}

/// As published, everything is padded to the most tokens and regions; that changes shapes and no result.
#[test]
fn published_padding_changes_shapes_and_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let recipe = workspace_root().join("search/experiments/easy_vqa/easy_vqa.toml");
    let load = |max_regions: usize, published: &[&str]| {
        let published: Vec<String> = published.iter().map(|s| (*s).to_owned()).collect();
        let set = [format!("regions.max={max_regions}")];
        let recipe = Recipe::read_published(&recipe, &set, &published).unwrap();
        let files = DataFiles::new(folder.path().join("phrases.jsonl"), folder.path().join("features"));
        VgdData::load(&files, &recipe, tch::Device::Cpu).unwrap()
    };
    let (short, padded) = (load(8, &[]), load(8, &["padding"]));
    let dimensions = mmnas_bundle::manifest::Dimensions {
        hidden: 64,
        feature: FEATURE,
        embedding: 8,
        vocabulary: short.data().vocabulary().len(),
        outputs: 1,
        attflat: 16,
        head: 64,
        relation: 8,
        embeddings: None,
    };
    let network = Network::new(&Space::published(1, 3), &dimensions, Naming::Supernet, tch::Device::Cpu, VgdData::head);
    let path = ArchPath::single(&[0, 1, 2, 3]);
    let run = |data: &VgdData| {
        let batch = Task::batch(data, &[0, 1, 2, 9, 20], &(), 0).unwrap();
        let loss = data.loss(&batch, &mut |inputs| network.forward(inputs, &path, Dropout(0.0)));
        (batch.inputs.features.size()[1], batch.inputs.tokens.size()[1], loss.double_value(&[]))
    };
    let (of_short, of_padded) = (run(&short), run(&padded));
    assert!(of_short.0 <= 6 && of_short.1 <= 3, "{of_short:?}");
    assert_eq!((of_padded.0, of_padded.1), (8, 14));
    assert!((of_short.2 - of_padded.2).abs() <= 1e-5 * of_short.2.abs(), "{of_short:?} {of_padded:?}");
    // Regions beyond the recipe's most are left out.
    assert_eq!(run(&load(2, &[])).0, 2);
}
