//! Data that the data sets of all tasks share: samples, features of their images, words.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mmnas_bundle::samples::{Broken, Sample};
use mmnas_bundle::{Error as BundleError, RegionFeatures, TextEncoder, UNK, Vocabulary};
use rayon::prelude::*;
use tch::Device;

use crate::data::data_files::{DataFiles, HashedFile};
use crate::data::feature_folders::{FeatureFolders, FoundImage};
use crate::data::samples::{ReadSamples, read_samples};
use crate::data::word_vectors;
use crate::data::word_vectors::WordVectors;
use crate::error::Result;
use crate::model::network::Network;
use crate::recipe::Recipe;
use crate::recipe::model::Modalities;
use crate::run::warm_start::InitialWeights;

/// The common part of all tasks' data sets.
///
/// It has samples that belong to images, features of the images on disk, and words.
#[derive(Debug)]
pub struct ImageTextData {
    pub(super) files: Vec<HashedFile>,
    pub(super) broken: Broken,
    features: FeatureFolders,
    pub(super) features_sha256: String,
    images: Vec<FoundImage>,
    image_of_sample: Vec<usize>,
    samples_of_images: Vec<Vec<usize>>,
    /// Words of the texts that the vocabulary lacks, and all of them.
    unknown_words: (usize, usize),
    validation: Option<Vec<usize>>,
    vocabulary: Vocabulary,
    word_vectors: Option<WordVectors>,
    initial: Option<PathBuf>,
    /// Most regions of an image that are used.
    pub(crate) max_regions: usize,
    /// Published behaviour: number of tokens that batches are padded to.
    ///
    /// They are padded to all regions that are used, too.
    pub(crate) padded_tokens: Option<usize>,
    /// Modalities that a network is shown.
    pub(crate) modalities: Modalities,
    pub(crate) device: Device,
}

/// A data set as read.
///
/// It has what all tasks share, its samples, and the token ids of their texts.
#[derive(Debug)]
pub struct Loaded<S> {
    /// The part that all tasks share.
    pub common: ImageTextData,
    /// The samples, in the order of the files.
    pub samples: Vec<S>,
    /// Token ids of their texts, one after the other.
    pub tokens: Vec<Vec<i64>>,
}

impl ImageTextData {
    /// Reads the samples of `files` as `recipe` says and finds the features of their images.
    ///
    /// # Errors
    /// - A file that cannot be read.
    /// - A sample that is broken, by file and line, if those are not left out.
    /// - An image of the validation file that other samples have too.
    /// - Features that differ from those of the initial weights.
    /// - Word vectors of another width.
    pub fn load<S: Sample + Sync>(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<Loaded<S>> {
        let features = FeatureFolders::open(&files.features)?;
        if let Some(run) = files.initial.as_ref().filter(|_| !files.any_features) {
            InitialWeights::check_features(run, features.feature(), features.vision_sha256())?;
        }
        let ReadSamples { read, images, vocabulary } = read_samples::<S>(files, &features)?;
        let encoder = TextEncoder::from_json(&vocabulary.to_tokenizer_json(), Path::new("tokenizer.json"))?;
        let encode = |sample: &S| -> mmnas_bundle::Result<Vec<Vec<i64>>> {
            sample.texts().into_iter().map(|text| encoder.encode(text, recipe.text.max_tokens)).collect()
        };
        let tokens: Vec<Vec<Vec<i64>>> = read.samples.par_iter().map(encode).collect::<mmnas_bundle::Result<_>>()?;
        let ids = || tokens.iter().flatten().flatten();
        let vectors = |file: &PathBuf| {
            let words: Vec<String> = vocabulary.words().into_iter().map(str::to_owned).collect();
            word_vectors::load(file, &words, recipe.model.embedding)
        };
        let mut common = ImageTextData {
            files: files.hashes()?,
            broken: read.broken,
            features,
            features_sha256: files.features_sha256()?,
            images: Vec::new(),
            image_of_sample: Vec::new(),
            samples_of_images: Vec::new(),
            unknown_words: (ids().filter(|id| **id == UNK).count(), ids().count()),
            validation: files.validation.as_ref().map(|_| (read.training..read.samples.len()).collect()),
            word_vectors: files.word_vectors.as_ref().map(vectors).transpose()?,
            vocabulary,
            initial: files.initial.clone(),
            max_regions: recipe.regions.max,
            // The published softmax over scores runs over all the padding that there is.
            padded_tokens: (recipe.published.padding || recipe.published.score_padding)
                .then_some(recipe.text.max_tokens),
            modalities: recipe.model.modalities,
            device,
        };
        let mut known: HashMap<FoundImage, usize> = HashMap::new();
        // Whatever samples call it, an image is one.
        for (sample, found) in images.into_iter().enumerate() {
            let image = *known.entry(found).or_insert_with_key(|found| {
                common.images.push(found.clone());
                common.images.len() - 1
            });
            if let (Some(file), true) = (&files.validation, sample >= read.training)
                && image < common.samples_of_images.len()
            {
                let name = read.samples[sample].image();
                let found = format!("{name:?}, which is {:?} of other samples", common.images[image].name);
                return Err(BundleError::invalid(file, "image", "images of the validation file alone", found).into());
            }
            common.image_of_sample.push(image);
            // Images of the validation file come last and share none with the others.
            if sample < read.training {
                common.samples_of_images.resize_with(common.images.len(), Vec::new);
                common.samples_of_images[image].push(sample);
            }
        }
        Ok(Loaded { common, samples: read.samples, tokens: tokens.into_iter().flatten().collect() })
    }

    /// Indices of the samples of each image, without those of the validation file.
    ///
    /// Parts are cut between images.
    pub fn samples_of_images(&self) -> &[Vec<usize>] {
        &self.samples_of_images
    }

    /// Sets the modalities that a network is shown of every sample from now on.
    pub fn set_modalities(&mut self, modalities: Modalities) {
        self.modalities = modalities;
    }

    /// The modalities that a network is shown of every sample.
    pub(crate) fn modalities(&self) -> Modalities {
        self.modalities
    }

    /// Vectors of the data's words that a file has, where one was read.
    pub fn word_vectors(&self) -> Option<&WordVectors> {
        self.word_vectors.as_ref()
    }

    /// Starts `network` from the data's files: word vectors, then another run's weights.
    pub(crate) fn start(&self, network: &mut Network) -> Result<()> {
        if let Some(vectors) = &self.word_vectors {
            network.set_word_vectors(&vectors.rows)?;
        }
        if let Some(initial) = &self.initial {
            InitialWeights::read(initial)?.start(network, &self.vocabulary.words())?;
        }
        Ok(())
    }

    /// Indices of the samples of the validation file, where one was given.
    pub fn validation_samples(&self) -> Option<&[usize]> {
        self.validation.as_deref()
    }

    /// Samples that were left out.
    pub fn broken(&self) -> &Broken {
        &self.broken
    }

    /// Words of the texts that the vocabulary lacks, and all of them.
    ///
    /// Words beyond the recipe's cut are not counted.
    pub(crate) fn unknown_words(&self) -> (usize, usize) {
        self.unknown_words
    }

    /// The name, without folders, of the first file of a role.
    ///
    /// Roles are "samples", "labels", "tokenizer", "word vectors" and others.
    pub(crate) fn file_of(&self, role: &str) -> Option<&str> {
        self.files.iter().find(|file| file.role == role).map(|file| file.name.as_str())
    }

    /// The words of the samples.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The device where batches lie.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Width D of a region's features.
    pub fn feature(&self) -> usize {
        self.features.feature()
    }

    /// SHA-256 of the vision graph that gave the features.
    pub fn vision_sha256(&self) -> &str {
        self.features.vision_sha256()
    }

    /// The image of `sample`.
    pub fn image_of(&self, sample: usize) -> usize {
        self.image_of_sample[sample]
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// The name of an image.
    pub fn image_name(&self, image: usize) -> &str {
        &self.images[image].name
    }

    /// The words of some token ids, for people to read.
    pub fn words_of(&self, tokens: &[i64]) -> String {
        let words = self.vocabulary.words();
        let word = |&id: &i64| words.get(id as usize).map_or("UNK", |word| word.as_ref());
        tokens.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    /// Makes `counts[k]` samples of the sample k; none for 0.
    pub(crate) fn split_samples(&mut self, counts: &[usize]) {
        let starts: Vec<usize> = counts.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
        let parts = |samples: &[usize]| samples.iter().flat_map(|&k| starts[k]..starts[k] + counts[k]).collect();
        self.samples_of_images = self.samples_of_images.iter().map(|samples| parts(samples)).collect();
        self.validation = self.validation.as_deref().map(parts);
        let images = self.image_of_sample.iter().zip(counts);
        self.image_of_sample = images.flat_map(|(&image, &count)| std::iter::repeat_n(image, count)).collect();
    }

    /// The regions of an image, at most as many as the recipe uses.
    pub(crate) fn regions_of_image(&self, image: usize) -> Result<RegionFeatures> {
        let mut regions = self.features.regions(&self.images[image])?;
        let kept = self.max_regions.min(regions.boxes.len());
        regions.boxes.truncate(kept);
        regions.features.truncate(kept * self.feature());
        Ok(regions)
    }
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::samples::VqaSample;
    use mmnas_bundle::sha256_hex;

    use super::*;
    use crate::data::test_data::{features, lines, question, recipe};

    fn load(files: &DataFiles) -> std::result::Result<Loaded<VqaSample>, String> {
        ImageTextData::load(files, &recipe(&[]), Device::Cpu).map_err(|e| e.to_string())
    }

    #[test]
    fn several_files_are_one_data_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f1"), 3, "vision", &[("a", 2), ("b", 1)]);
        features(&path("f2"), 3, "vision", &[("c", 4), ("d", 1)]);
        let a = lines(&path("a.jsonl"), &[question("a", "what is it"), question("c", "is it new")]);
        let b = lines(&path("b.jsonl"), &[question("a", "what now"), question("b", "where")]);
        let v = lines(&path("v.jsonl"), &[question("d", "who")]);
        let files = DataFiles {
            samples: vec![a.clone(), b],
            validation: Some(v),
            features: vec![path("f1"), path("f2")],
            ..DataFiles::default()
        };
        let Loaded { common, samples, tokens } = load(&files).unwrap();
        assert_eq!(samples.iter().map(Sample::image).collect::<Vec<_>>(), ["a", "c", "a", "b", "d"]);
        assert_eq!(common.samples_of_images(), [vec![0, 2], vec![1], vec![3]]);
        assert_eq!(common.validation_samples(), Some([4].as_slice()));
        assert_eq!(tokens, [vec![3, 4, 5], vec![4, 5, 6], vec![3, 7], vec![8], vec![9]]);
        let chosen = [4, 1, 0];
        let ids: Vec<&[i64]> = chosen.iter().map(|&k| tokens[k].as_slice()).collect();
        let (inputs, regions) = common.inputs(&chosen, &ids).unwrap();
        assert_eq!(inputs.region_count, [1, 4, 2]);
        assert_eq!(inputs.features.size(), [3, 4, 3]);
        for (row, image) in ["d", "c", "a"].into_iter().enumerate() {
            let expected = crate::data::test_data::regions(image, regions[row].boxes.len(), 3);
            assert_eq!(regions[row], expected, "{image}");
            let found = Vec::<f32>::try_from(inputs.features.get(row as i64).flatten(0, -1)).unwrap();
            assert_eq!(found[..expected.features.len()], expected.features, "{image}");
            assert!(found[expected.features.len()..].iter().all(|v| *v == 0.0));
        }
        let names: Vec<String> = common.provenance().into_keys().collect();
        assert_eq!(names, ["a.jsonl", "b.jsonl", "v.jsonl"]);
        // One file alone keeps its own hash, and every file counts.
        let one = DataFiles { samples: vec![a.clone()], validation: None, ..files.clone() };
        let hash = |files: &DataFiles| load(files).unwrap().common.run_inputs("vqa", None).samples_sha256;
        assert_eq!(hash(&one), sha256_hex(&std::fs::read(&a).unwrap()));
        assert_ne!(hash(&files), hash(&DataFiles { validation: None, ..files.clone() }));
        assert_ne!(hash(&one), hash(&DataFiles { samples: vec![a.clone(), a], ..one.clone() }));
    }

    #[test]
    fn broken_samples_are_errors_or_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2)]);
        let file = lines(&path("s.jsonl"), &[question("a", "one"), question("x", "two"), question("a", "?!")]);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}nonsense\n{text}")).unwrap();
        let strict = DataFiles::new(&file, path("f"));
        let error = load(&strict).err().unwrap();
        assert!(error.contains("s.jsonl") && error.contains("line 2: image") && error.contains("found x"), "{error}");
        let lenient = DataFiles { skip_broken: true, ..strict };
        let Loaded { common, samples, tokens } = load(&lenient).unwrap();
        assert_eq!((samples.len(), tokens), (2, vec![vec![3], vec![3]]));
        assert_eq!(common.vocabulary().words(), ["PAD", "UNK", "CLS", "one"]);
        assert_eq!(common.broken().count, 5);
        let first = &common.broken().first;
        for (error, part) in first.iter().zip(["line 2: image", "line 3: text", "line 4", "line 6", "line 7"]) {
            assert!(error.contains(part), "{error}");
        }
        // A run on what is left is none on the whole file.
        let hash = common.run_inputs("vqa", None).samples_sha256;
        assert_ne!(hash, sha256_hex(&std::fs::read(&file).unwrap()));
        std::fs::write(&file, "nonsense\n").unwrap();
        let error = load(&lenient).err().unwrap();
        assert!(error.contains("at least one sample"), "{error}");
    }

    #[test]
    fn an_image_that_trains_and_validates_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2), ("b", 2)]);
        let train = lines(&path("t.jsonl"), &[question("a", "one"), question("b", "two")]);
        let validation = lines(&path("v.jsonl"), &[question("b", "three")]);
        let files = DataFiles { validation: Some(validation), ..DataFiles::new(train, path("f")) };
        let error = load(&files).err().unwrap();
        assert!(error.contains("v.jsonl") && error.contains("\"b\""), "{error}");
    }

    /// An image is one, whatever samples call it.
    ///
    /// That holds in the parts, and where it must not be in two of them.
    #[test]
    fn images_are_found_by_what_samples_call_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (ninth, other) = ("COCO_train2014_000000000009.jpg", "COCO_val2014_000000000042.jpg");
        features(&path("f"), 3, "vision", &[(ninth, 2), (other, 1), ("cat_1.jpg", 1), ("dog_1.jpg", 1)]);
        let train = lines(&path("t.jsonl"), &[question("9", "one"), question(ninth, "two"), question("dog_1", "two")]);
        let data = load(&DataFiles::new(&train, path("f"))).unwrap().common;
        assert_eq!(data.samples_of_images(), [vec![0, 1], vec![2]]);
        assert_eq!((data.image_name(0), data.image_name(1)), (ninth, "dog_1.jpg"));
        let with = |image: &str| {
            let validation = lines(&path("v.jsonl"), &[question(image, "three")]);
            load(&DataFiles { validation: Some(validation), ..DataFiles::new(&train, path("f")) })
        };
        assert_eq!(with("42").unwrap().common.validation_samples(), Some(&[3][..]));
        let error = with("COCO_train2014_000000000009").err().unwrap();
        assert!(error.contains("v.jsonl: image") && error.contains("of other samples"), "{error}");
        let error = with("1").err().unwrap();
        assert!(error.contains("line 1: image: expected the name of one image, found 1, which may be"), "{error}");
    }

    #[test]
    fn features_that_disagree_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2)]);
        features(&path("wide"), 4, "vision", &[("b", 2)]);
        features(&path("other"), 3, "another", &[("b", 2)]);
        let file = lines(&path("s.jsonl"), &[question("a", "one")]);
        for (second, part) in [("wide", "feature: expected 3, as in"), ("other", "vision_sha256: expected vision")] {
            let files = DataFiles { features: vec![path("f"), path(second)], ..DataFiles::new(&file, path("f")) };
            let error = load(&files).err().unwrap();
            assert!(error.contains(part) && error.contains(second), "{error}");
        }
        assert!(load(&DataFiles { features: Vec::new(), ..DataFiles::new(&file, path("f")) }).is_err());
    }

    #[test]
    fn a_tokenizers_file_gives_the_ids() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 2)]);
        let file = lines(&path("s.jsonl"), &[question("a", "one new two")]);
        let mut vocabulary = Vocabulary::new();
        vocabulary.add_text("two one").unwrap();
        // The mark that some editors put first is no part of it.
        std::fs::write(path("t.json"), format!("\u{feff}{}", vocabulary.to_tokenizer_json())).unwrap();
        let files = DataFiles { tokenizer: Some(path("t.json")), ..DataFiles::new(file, path("f")) };
        let Loaded { common, tokens, .. } = load(&files).unwrap();
        assert_eq!(tokens, [[4, mmnas_bundle::UNK, 3]]);
        assert_eq!(common.vocabulary().to_tokenizer_json(), vocabulary.to_tokenizer_json());
        assert_eq!(common.unknown_words(), (1, 3));
    }

    #[test]
    fn names_of_one_image_are_one_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a/b", 2), ("c", 1)]);
        let names = ["./a/b", "c", "a//b", "a\\b", ".//c"];
        let samples: Vec<VqaSample> = names.iter().map(|name| question(name, "what")).collect();
        let files = DataFiles::new(lines(&path("s.jsonl"), &samples), path("f"));
        let Loaded { common, samples, .. } = load(&files).unwrap();
        assert_eq!(samples.iter().map(Sample::image).collect::<Vec<_>>(), ["a/b", "c", "a/b", "a/b", "c"]);
        assert_eq!((common.images(), common.image_name(0)), (2, "a/b"));
        assert_eq!(common.samples_of_images(), [vec![0, 2, 3], vec![1, 4]]);
        // An image that validates under another name trains all the same.
        let validation = lines(&path("v.jsonl"), &[question(".\\c", "who")]);
        let error = load(&DataFiles { validation: Some(validation), ..files }).err().unwrap();
        assert!(error.contains("v.jsonl") && error.contains("\"c\""), "{error}");
    }
}
