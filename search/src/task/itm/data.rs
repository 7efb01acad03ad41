//! Image-text matching data: captions and their images.

use std::collections::{BTreeSet, HashMap};

use mmnas_bundle::samples::CaptionSample;
use rand::RngExt as _;
use tch::{Device, Tensor};

use crate::data::data_files::DataFiles;
use crate::data::dataset::{ImageTextData, Loaded};
use crate::error::Result;
use crate::model::inputs::Inputs;
use crate::recipe::Recipe;
use crate::recipe::itm::ItmSettings;
use crate::seed::rng;
use crate::task::itm::negatives::Negatives;

/// An image-text matching data set.
///
/// A sample is a caption; the pairs with its own image are the true ones.
#[derive(Debug)]
pub struct ItmData {
    common: ImageTextData,
    captions: Vec<Vec<i64>>,
    /// Images by the words of a caption.
    ///
    /// The same words are true of each of them.
    images_of_words: HashMap<Vec<i64>, BTreeSet<usize>>,
    settings: ItmSettings,
}

impl ItmData {
    /// Reads JSON lines (see [`CaptionSample`]) and opens the features of their images.
    ///
    /// A validation ranks at most [`ItmSettings::ranked_images`] images against each other's
    /// captions. Its time grows with their square, unless there is a shortlist.
    pub(super) fn read(files: &DataFiles, recipe: &Recipe, device: Device) -> Result<ItmData> {
        let Loaded { mut common, samples, tokens } = ImageTextData::load::<CaptionSample>(files, recipe, device)?;
        common.split_samples(&samples.iter().map(|sample| sample.captions.len()).collect::<Vec<_>>());
        let mut images_of_words: HashMap<Vec<i64>, BTreeSet<usize>> = HashMap::new();
        for (caption, words) in tokens.iter().enumerate() {
            images_of_words.entry(words.clone()).or_default().insert(common.image_of(caption));
        }
        Ok(ItmData { common, captions: tokens, images_of_words, settings: recipe.itm })
    }

    /// The recipe's settings of this task.
    pub(super) fn settings(&self) -> ItmSettings {
        self.settings
    }

    /// Whether each of the captions is true of the image of each other, `[captions, captions]`.
    pub(crate) fn also_true(&self, captions: &[usize]) -> Tensor {
        let images: Vec<usize> = captions.iter().map(|&caption| self.common.image_of(caption)).collect();
        let pairs = captions.iter().enumerate().flat_map(|(i, &caption)| {
            images.iter().enumerate().map(move |(j, &image)| i != j && self.is_true(caption, image))
        });
        let (pairs, n) = (pairs.collect::<Vec<bool>>(), captions.len() as i64);
        Tensor::from_slice(&pairs).view([n, n]).to_device(self.common.device())
    }

    pub(crate) fn common(&self) -> &ImageTextData {
        &self.common
    }

    pub(crate) fn common_mut(&mut self) -> &mut ImageTextData {
        &mut self.common
    }

    /// The token ids of a caption.
    pub fn tokens(&self, caption: usize) -> &[i64] {
        &self.captions[caption]
    }

    /// Whether `caption` is true of `image`.
    ///
    /// It is one of its captions, or has the words of one.
    pub fn is_true(&self, caption: usize, image: usize) -> bool {
        self.images_of_words.get(&self.captions[caption]).is_some_and(|images| images.contains(&image))
    }

    /// Number of images that have a caption with the words of this one.
    pub(crate) fn images_with_words(&self, caption: usize) -> usize {
        self.images_of_words.get(&self.captions[caption]).map_or(0, BTreeSet::len)
    }

    /// The images of some captions, each once, in their order.
    pub fn images_of(&self, captions: &[usize]) -> Vec<usize> {
        captions.iter().map(|&caption| self.common.image_of(caption)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The network's inputs for pairs of a caption and an image.
    pub(crate) fn pairs(&self, pairs: &[(usize, usize)]) -> Result<Inputs> {
        // Negatives come out of checkpoints too.
        let exists =
            |&&(caption, image): &&(usize, usize)| caption < self.captions.len() && image < self.common.images();
        if let Some(pair) = pairs.iter().find(|pair| !exists(pair)) {
            let expected =
                format!("a caption below {} and an image below {}", self.captions.len(), self.common.images());
            return Err(mmnas_bundle::Error::invalid("negatives", "pair", expected, format!("{pair:?}")).into());
        }
        let tokens: Vec<&[i64]> = pairs.iter().map(|&(caption, _)| self.captions[caption].as_slice()).collect();
        let images: Vec<usize> = pairs.iter().map(|&(_, image)| image).collect();
        Ok(self.common.inputs_of_images(&images, &tokens)?.0)
    }

    /// The pairs of a batch, in the order of [`ItmBatch`](crate::task::itm::batch::ItmBatch).
    ///
    /// Which negative a sample gets is drawn from `seed`. In an epoch without negatives the true
    /// pairs are all.
    pub(crate) fn triplets(&self, captions: &[usize], negatives: &Negatives, seed: u64) -> Result<Inputs> {
        let mut rng = rng(seed, "negatives", 0);
        let mut pick = |list: Option<&Vec<usize>>| {
            list.filter(|list| !list.is_empty()).map(|list| list[rng.random_range(0..list.len())])
        };
        let image_of = |caption: usize| self.common.image_of(caption);
        let mut pairs: Vec<(usize, usize)> = captions.iter().map(|&caption| (caption, image_of(caption))).collect();
        if negatives.is_empty() {
            return self.pairs(&pairs);
        }
        for &caption in captions {
            let negative = pick(negatives.captions.get(&image_of(caption)));
            pairs.push((negative.ok_or_else(|| self.no_negative(caption))?, image_of(caption)));
        }
        for &caption in captions {
            let negative = pick(negatives.images.get(&caption));
            pairs.push((caption, negative.ok_or_else(|| self.no_negative(caption))?));
        }
        self.pairs(&pairs)
    }

    fn no_negative(&self, caption: usize) -> crate::error::Error {
        let expected = "an image that it is not true of, and a caption that is not true of its image, in the same part";
        let found = format!("none for {:?}", self.common.words_of(&self.captions[caption]));
        mmnas_bundle::Error::invalid("captions", "negatives", expected, found).into()
    }
}
