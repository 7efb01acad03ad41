//! Image-text matching is searched and trained by the same code as the other tasks: on synthetic regions whose features say
//! what they are, captions find their images and images their captions. Negatives are never true matches.

use mmnas_search::Pool;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mmnas_bundle::FeatureStore;
use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions};
use mmnas_bundle::samples::{CaptionSample, read_json_lines};
use mmnas_runtime::{ErrorCode, LoadOptions, Model, Timed};
use mmnas_search::bundle::export;
use mmnas_search::bundle::export::ExportOptions;
use mmnas_search::data::split::Splits;
use mmnas_search::model::head::{CosineLogit, Embeddings, HeadOutput};
use mmnas_search::nn::dropout::Dropout;
use mmnas_search::recipe::contrastive::ContrastiveSettings;
use mmnas_search::recipe::itm::Shortlist;
use mmnas_search::recipe::negatives::{HardBy, NegativeSettings};
use mmnas_search::task::example::Example;
use mmnas_search::task::itm::data::ItmData;
use mmnas_search::task::itm::dual_encoder::contrastive_loss;
use mmnas_search::task::itm::loss as itm;
use mmnas_search::task::itm::negatives::Negatives;
use mmnas_search::task::{EpochStart, EpochState as _, Task};
use mmnas_search::train::{retrain, search};
use mmnas_search::{ArchPath, Inputs, Naming, Network, Space, TensorMap, load_tensors};
use mmnas_tests::alone::alone;
use mmnas_tests::captions::{Data, architecture, open, recipe, write_data};
use mmnas_tests::stopping::{Stopping, was_stopped};
use tch::Tensor;

#[test]
fn captions_find_their_images() {
    let _alone = alone();
    let data = write_data(120);
    let recipe = recipe(&["itm.contrastive={ width = 32, features = true, weight = 1.0, temperature = 0.1 }"]);
    let task = data.load_for(&recipe);
    let folder = |name: &str| data.folder.path().join(name);
    let found =
        search::search(&recipe, &Pool::standard(), &task, &open(&folder("search"), &recipe, &task, None, false), None);
    assert_eq!(found.unwrap().records.len(), 2);
    // The shortest architecture that can do it, whatever so short a search has found.
    let architecture = architecture();
    let run = open(&folder("retrain"), &recipe, &task, Some(&architecture), false);
    let trained = retrain::retrain(&recipe, &Pool::standard(), &architecture, &task, &run).unwrap();
    let last = trained.records.last().unwrap();
    // 12 images and 60 captions: by chance R@1 is 8 % and the mean of the six recalls 44 %.
    assert_eq!(last.metric("images ranked"), Some(12.0));
    assert!(last.metric("recall@1 text→image").unwrap() >= 0.6, "{:?}", last.notes);
    assert!(trained.validation >= 0.8, "{:?}", last.notes);
    // The switch arrives: the image's embedding has a layer of its features.
    let record = std::fs::read_to_string(folder("retrain/network.json")).unwrap();
    assert!(record.contains("\"joint_features\": true"), "{record}");
    let bundle = folder("bundle");
    export::export(&folder("retrain"), None, &bundle, &ExportOptions::default()).unwrap();
    let report = mmnas_runtime::verify(&bundle, &LoadOptions::default(), Timed::No).unwrap();
    assert!(report.passed() && report.measured.len() == 2, "{report:#?}");
    runtime_ranks(&data, &bundle);
    let examples: Vec<Example> = read_json_lines(&folder("retrain/examples.jsonl")).unwrap();
    assert_eq!(examples.len(), 60);
    for example in &examples {
        assert_eq!(example.candidates.len(), 5);
        assert_eq!(example.right, example.found == example.expected);
        assert!(example.candidates.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }
}

/// What the runtime makes of the bundle: images for texts and texts for images, in batches as one by one.
fn runtime_ranks(data: &Data, bundle: &Path) {
    let store = FeatureStore::open(&data.folder.path().join("features")).unwrap();
    let samples: Vec<CaptionSample> = read_json_lines(&data.folder.path().join("captions.jsonl")).unwrap();
    let model = Model::load(bundle, &LoadOptions::default()).unwrap();
    // 36 images, more than a batch holds.
    let encode = |sample: &CaptionSample| model.encode_regions(&store.get(&sample.image).unwrap()).unwrap();
    let images: Vec<_> = samples[..36].iter().map(encode).collect();
    let texts: Vec<_> = samples[..36].iter().map(|s| model.encode_text(&s.captions[0]).unwrap()).collect();
    let (mut of_texts, mut of_images) = (0, 0);
    for (place, kinds) in data.kinds[..36].iter().enumerate() {
        let ranked = model.rank_images(&texts[place], &images, 36).unwrap();
        assert_eq!(ranked.len(), 36);
        assert!(ranked.windows(2).all(|w| w[0].score.logit >= w[1].score.logit));
        // Several images may show the same kinds, and then their captions are the same.
        of_texts += usize::from(data.kinds[ranked[0].index] == *kinds);
        for ranked in &ranked[..3] {
            let alone = model.match_pairs(&[(&images[ranked.index], &texts[place])]).unwrap()[0];
            assert!((alone.logit - ranked.score.logit).abs() <= 1e-4 * alone.logit.abs().max(1.0));
            assert!((0.0..=1.0).contains(&alone.probability));
        }
        let best = model.rank_texts(&images[place], &texts, 1).unwrap();
        of_images += usize::from(data.kinds[best[0].index] == *kinds);
    }
    assert!(of_texts >= 25 && of_images >= 25, "{of_texts} and {of_images} of 36");
    let (texts_of, in_batches) =
        (samples[..36].iter().map(|s| s.captions[0].as_str()), |texts: &[&str]| model.encode_texts(texts));
    let in_batches = in_batches(&texts_of.collect::<Vec<_>>()).unwrap();
    let scored = |text: &mmnas_runtime::TextState| model.match_pairs(&[(&images[0], text)]).unwrap()[0].logit;
    for (batched, alone) in in_batches.iter().zip(&texts) {
        assert!((scored(batched) - scored(alone)).abs() <= 1e-4 * scored(alone).abs().max(1.0));
    }
    let wrong = model.ground(&images[0], "a dog", 1).unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::WrongTask, "{wrong}");
    assert_eq!(model.rank_images(&texts[0], &images, 0).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert!(model.match_pairs(&[]).unwrap().is_empty());
    let other = Model::load(bundle, &LoadOptions::default()).unwrap();
    assert_eq!(other.match_pairs(&[(&images[0], &texts[0])]).unwrap_err().code(), ErrorCode::InvalidArgument);
}

/// A network that gives each pair a score made of its tokens and boxes, whatever the batch.
fn score(inputs: &Inputs) -> HeadOutput {
    let tokens = inputs.tokens.sum_dim_intlist(-1, true, tch::Kind::Float) * 0.37;
    let boxes = inputs.boxes.sum_dim_intlist([1i64, 2].as_slice(), false, tch::Kind::Float).unsqueeze(-1) * 0.11;
    HeadOutput { scores: (tokens + boxes).sin(), embeddings: None }
}

#[test]
fn negatives_are_never_true_and_mined_ones_are_the_hardest() {
    let data = write_data(60);
    let task = data.load();
    let captions: Vec<usize> = (0..5 * 60).collect();
    // Two parts: negatives of a part come from the part.
    let (first, second) = captions.split_at(200);
    let of = |mine_from_epoch: usize, keep: usize, pool: usize| {
        let start = EpochStart {
            epoch: 3,
            seed: 7,
            parts: &[first, second],
            negatives: NegativeSettings { pool, keep, from_epoch: 0, mine_from_epoch, by: HardBy::Score },
            false_negatives: false,
            batch: 64,
        };
        let mut epoch_state = Negatives::default();
        task.begin_epoch(&start, &mut epoch_state, &mut score).unwrap();
        epoch_state
    };
    let (random, mined, all) = (of(9, 5, 24), of(0, 5, 24), of(0, 24, 24));
    for negatives in [&random, &mined, &all] {
        assert_eq!((negatives.captions.len(), negatives.images.len()), (60, 300));
        let pairs = negatives.captions.iter().flat_map(|(&image, list)| list.iter().map(move |&c| (c, image)));
        let pairs = pairs.chain(negatives.images.iter().flat_map(|(&c, list)| list.iter().map(move |&i| (c, i))));
        for (caption, image) in pairs {
            assert_ne!(data.kinds[caption / 5], data.kinds[image], "caption {caption} is true of image {image}");
            assert_eq!(caption < 200, image < 40, "from another part");
        }
    }
    // The candidates of `all` are those of `mined`, sorted by score: mining keeps the first five.
    for (image, list) in &all.captions {
        assert_eq!(list.len(), 24);
        assert_eq!(list[..5], mined.captions[image][..]);
    }
    for (caption, list) in &all.images {
        assert_eq!(list[..5], mined.images[caption][..]);
    }
    assert_ne!(random, mined);
    // What a checkpoint keeps comes back; a damaged one is named.
    let mut saved = TensorMap::new();
    mined.save(&mut saved);
    assert_eq!(Negatives::load(&saved).unwrap(), mined);
    saved.remove("negatives.images.values");
    assert_eq!(Negatives::load(&saved).unwrap_err(), "negatives.images.values");
}

/// The published search validates on the part that trains alpha; what is trained from scratch never does on what it
/// learns.
#[test]
fn a_training_never_validates_on_what_it_learns() {
    let data = write_data(40);
    let task = data.load();
    let recipe = recipe(&["published.validate_on_alpha=true"]);
    let (search, training) =
        (Splits::for_search(task.data(), &recipe).unwrap(), Splits::for_training(task.data(), &recipe).unwrap());
    assert_eq!(search.validation, search.alpha);
    let images = |part: &[usize]| part.iter().map(|caption| caption / 5).collect::<BTreeSet<_>>();
    assert!(images(&search.weights).is_disjoint(&images(&search.alpha)), "no image is cut in two");
    let learnt = [&training.weights[..], &training.alpha].concat();
    assert!(images(&learnt).is_disjoint(&images(&training.validation)));
}

#[test]
fn false_negatives_come_back_with_the_published_switch() {
    let data = write_data(60);
    let task = data.load();
    let captions: Vec<usize> = (0..5 * 60).collect();
    let start = EpochStart {
        epoch: 0,
        seed: 7,
        parts: &[&captions],
        negatives: NegativeSettings { pool: 24, keep: 24, from_epoch: 0, mine_from_epoch: 1, by: HardBy::Score },
        false_negatives: true,
        batch: 64,
    };
    let mut epoch_state = Negatives::default();
    task.begin_epoch(&start, &mut epoch_state, &mut score).unwrap();
    let is_true = |(image, list): (&usize, &Vec<usize>)| list.iter().any(|&caption| task.is_true(caption, *image));
    assert!(epoch_state.captions.iter().any(is_true));
}

#[test]
fn a_search_that_is_stopped_resumes_with_its_negatives() {
    let _alone = alone();
    let data = write_data(40);
    for strategy in [r#"{ kind = "gradient", mode = "full" }"#, r#"{ kind = "gumbel", temperature = [5.0, 0.5] }"#] {
        resumes_with_its_negatives(&data, strategy);
    }
}

fn resumes_with_its_negatives(data: &Data, strategy: &str) {
    let set = ["search.weights.checkpoint_steps=3".to_owned(), format!("search.strategy={strategy}")];
    let (task, recipe) = (data.load(), recipe(&set.each_ref().map(String::as_str)));
    let kind = &strategy[10..14];
    let run = |name: &str, resume: bool, stop: Option<u64>| -> PathBuf {
        let folder = data.folder.path().join(format!("{kind}-{name}"));
        let (pool, run) = (Pool::standard(), open(&folder, &recipe, &task, None, resume));
        match stop {
            Some(step) => {
                let stopping = Stopping::before(&task, step, recipe.seed);
                assert!(was_stopped(search::search(&recipe, &pool, &stopping, &run, None)));
            }
            None => drop(search::search(&recipe, &pool, &task, &run, None).unwrap()),
        }
        folder
    };
    let tensors = |folder: &Path| load_tensors(&folder.join("checkpoint.safetensors")).unwrap().0;
    let whole = tensors(&run("whole", false, None));
    assert!(whole.contains_key("negatives.captions.values"));
    // In the epoch without mining, and in the one with it.
    for stop in [5, 13] {
        let name = format!("part-{stop}");
        run(&name, false, Some(stop));
        let part = tensors(&run(&name, true, None));
        assert_eq!(whole.keys().collect::<Vec<_>>(), part.keys().collect::<Vec<_>>());
        for (name, tensor) in &whole {
            assert!(tensor.equal(&part[name]), "{name} differs");
        }
    }
}

/// A network with a dual encoder, two numbers made of the tokens and two of the boxes.
fn embed(inputs: &Inputs) -> HeadOutput {
    let direction = |angle: Tensor| Tensor::stack(&[angle.cos(), angle.sin()], -1);
    let texts = direction(inputs.tokens.sum_dim_intlist(-1, false, tch::Kind::Float) * 0.1);
    let images = direction(inputs.boxes.sum_dim_intlist([1i64, 2].as_slice(), false, tch::Kind::Float) * 0.01);
    HeadOutput { embeddings: Some(Embeddings { text: texts, image: images, logit: None }), ..score(inputs) }
}

fn embeddings(inputs: &Inputs) -> (Tensor, Tensor) {
    let embeddings = embed(inputs).embeddings.unwrap();
    (embeddings.text, embeddings.image)
}

#[test]
fn embeddings_say_which_negatives_are_hard() {
    let data = write_data(60);
    let task = data.load();
    let captions: Vec<usize> = (0..5 * 60).collect();
    let of = |keep: usize| {
        let negatives = NegativeSettings { pool: 40, keep, from_epoch: 0, mine_from_epoch: 0, by: HardBy::Embedding };
        let start = EpochStart { epoch: 3, seed: 7, parts: &[&captions], negatives, false_negatives: false, batch: 64 };
        let mut epoch_state = Negatives::default();
        task.begin_epoch(&start, &mut epoch_state, &mut embed).unwrap();
        epoch_state
    };
    let (few, all) = (of(5), of(40));
    // The same pool, ordered by the cosine with the query, whose first five are kept.
    let cosine = |caption: usize, image: usize| {
        let pair = task.data().inputs_of_images(&[image], &[task.tokens(caption)]).unwrap().0;
        let (text, image) = embeddings(&pair);
        (text * image).sum(tch::Kind::Float).double_value(&[])
    };
    let small = |difference: f64| difference.abs() < 1e-5;
    for (&image, list) in all.captions.iter().take(10) {
        assert!(list.windows(2).all(|w| cosine(w[0], image) >= cosine(w[1], image) - 1e-5));
        // Some are as near as others, so it is how near they are that counts.
        let pairs = list.iter().zip(&few.captions[&image]);
        assert!(pairs.clone().count() == 5 && pairs.map(|(&a, &b)| cosine(a, image) - cosine(b, image)).all(small));
        assert!(list.iter().all(|&caption| !task.is_true(caption, image)));
    }
    for (&caption, list) in all.images.iter().take(10) {
        assert!(list.windows(2).all(|w| cosine(caption, w[0]) >= cosine(caption, w[1]) - 1e-5));
        let pairs = list.iter().zip(&few.images[&caption]);
        assert!(pairs.clone().count() == 5 && pairs.map(|(&a, &b)| cosine(caption, a) - cosine(caption, b)).all(small));
    }
}

#[test]
fn epochs_without_negatives_train_the_dual_encoder_alone() {
    let data = write_data(60);
    let task = data.load();
    let captions: Vec<usize> = (0..5 * 60).collect();
    let negatives = |task: &ItmData, epoch: usize| {
        let negatives = NegativeSettings { pool: 9, keep: 5, from_epoch: 2, mine_from_epoch: 0, by: HardBy::Embedding };
        let start = EpochStart { epoch, seed: 7, parts: &[&captions], negatives, false_negatives: false, batch: 64 };
        let mut epoch_state = Negatives::default();
        task.begin_epoch(&start, &mut epoch_state, &mut embed).unwrap();
        epoch_state
    };
    // Without a dual encoder there would be nothing to train.
    assert_eq!(negatives(&task, 1).images.len(), 300);
    let settings = ContrastiveSettings {
        width: 2,
        features: false,
        cosine_init: true,
        linear: None,
        weight: 0.5,
        temperature: 0.2,
    };
    let task = data.load_for(&recipe(&["itm.contrastive={ width = 2, weight = 0.5, temperature = 0.2 }"]));
    assert_eq!(negatives(&task, 1), Negatives::default());
    assert_eq!(negatives(&task, 2).images.len(), 300);

    let some = [0, 7, 31, 40, 101];
    let alone = task.batch(&some, &negatives(&task, 1), 3).unwrap();
    let whole = task.batch(&some, &negatives(&task, 2), 3).unwrap();
    assert_eq!((alone.inputs.tokens.size()[0], whole.inputs.tokens.size()[0]), (5, 15));
    let (texts, images) = embeddings(&alone.inputs);
    let contrastive = contrastive_loss(&texts, &images, &alone.also_true, settings).double_value(&[]);
    let loss = task.loss(&alone, &mut embed).double_value(&[]);
    assert!(contrastive > 0.0 && (loss - contrastive).abs() < 1e-6 * contrastive, "{loss} {contrastive}");
    // With negatives the published loss comes to it.
    let published = embed(&whole.inputs).scores.chunk(3, 0);
    let published = itm::loss(&published[0], &published[1], &published[2]).double_value(&[]);
    let loss = task.loss(&whole, &mut embed).double_value(&[]);
    assert!((loss - contrastive - published).abs() < 1e-5 * loss, "{loss} {contrastive} {published}");
}

/// Before the first step a pair's logit is its cosine's part alone, or nothing.
#[test]
fn a_logit_begins_with_the_cosine_unless_the_recipe_says_no() {
    // A new network draws from the generator that trainings draw from.
    let _alone = alone();
    let data = write_data(12);
    let captions: Vec<usize> = (0..5 * 12).collect();
    let logits = |cosine_init: bool| {
        let set =
            format!("itm.contrastive={{ width = 4, cosine_init = {cosine_init}, weight = 1.0, temperature = 0.1 }}");
        let task = data.load_for(&recipe(&[&set]));
        let batch = task.batch(&[0, 7, 31], &Negatives::default(), 3).unwrap();
        let dimensions = Dimensions {
            hidden: 64,
            feature: batch.inputs.features.size()[2] as usize,
            embedding: 8,
            vocabulary: task.data().vocabulary().len(),
            outputs: 1,
            attflat: 16,
            head: 64,
            relation: 8,
            embeddings: Some(EmbeddingDimensions::dual_encoder(4)),
        };
        let space = Space::published(1, 2);
        let mut network = Network::new(&space, &dimensions, Naming::Supernet, tch::Device::Cpu, ItmData::head);
        task.start(&captions, &mut network).unwrap();
        let path = ArchPath::single(&[0, 1, 2]);
        let output = tch::no_grad(|| network.forward(&batch.inputs, &path, Dropout(0.0)));
        let embeddings = output.embeddings.unwrap();
        let cosines = (embeddings.text * embeddings.image).sum_dim_intlist(1i64, true, tch::Kind::Float);
        (output.scores, cosines)
    };
    let (with, cosines) = logits(true);
    assert!((with - (cosines * 10.0 - 4.5)).abs().max().double_value(&[]) < 1e-4);
    let (alone, cosines) = logits(false);
    assert_eq!(alone.abs().max().double_value(&[]), 0.0);
    assert!(cosines.abs().max().double_value(&[]) > 0.0);
}

#[test]
fn two_steps_with_every_candidate_rank_as_all_pairs() {
    let data = write_data(30);
    let captions: Vec<usize> = (0..5 * 30).collect();
    let evaluate = |shortlist: Option<Shortlist>| {
        let mut recipe = recipe(&[]);
        recipe.itm.shortlist = shortlist;
        let task = data.load_for(&recipe);
        task.evaluate(&captions, 64, &mut embed).unwrap()
    };
    let all = evaluate(None);
    let every = evaluate(Some(Shortlist { images: 1000, candidates: 150 }));
    assert_eq!(every, all);
    let few = evaluate(Some(Shortlist { images: 1000, candidates: 3 }));
    // A match among three of thirty, at best.
    assert_eq!(few.metrics["recall@5 text→image"], few.metrics["recall@10 text→image"]);
    assert!(few.metrics["recall@10 text→image"] < all.metrics["recall@10 text→image"]);
    assert_eq!(evaluate(Some(Shortlist { images: 7, candidates: 3 })).metrics["images ranked"], 7.0);
}

/// Until the network of pairs is trained, a pass for every caption ranks as one for every pair does.
#[test]
fn where_the_cosine_decides_captions_alone_are_run() {
    let data = write_data(30);
    let captions: Vec<usize> = (0..5 * 30).collect();
    for (candidates, pairs) in [(100, 2000 + 2000), (3, 3 * 20 + 3 * 100)] {
        let mut recipe = recipe(&[]);
        recipe.itm.shortlist = Some(Shortlist { images: 20, candidates });
        let task = data.load_for(&recipe);
        let mut rows = 0;
        // A network whose head has learnt nothing, or so little that it changes no rank: then its pairs are run.
        let mut evaluate = |weight: f32| {
            let mut forward = |inputs: &Inputs| {
                let (text, image) = embeddings(inputs);
                rows += text.size()[0];
                let cosine = (&text * &image).sum_dim_intlist(1i64, true, None);
                let [scale, weight, bias] = [10.0, weight, -4.5].map(|value| Tensor::from_slice(&[value]));
                let logit = Some(CosineLogit::new(scale, weight, bias));
                HeadOutput { scores: cosine * 10.0 - 4.5, embeddings: Some(Embeddings { text, image, logit }) }
            };
            task.evaluate(&captions, 64, &mut forward).unwrap()
        };
        let (of_captions, of_pairs) = (evaluate(0.0), evaluate(1e-30));
        assert_eq!((&of_captions.metrics, of_captions.score), (&of_pairs.metrics, of_pairs.score));
        assert_eq!(of_captions.examples.len(), of_pairs.examples.len());
        // 100 captions are embedded twice; pairs are run the second time.
        assert_eq!(rows, 100 + pairs + 100);
    }
}
