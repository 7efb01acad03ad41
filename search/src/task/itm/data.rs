//! Image-text matching data: captions and their images.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mmnas_bundle::samples::CaptionSample;
use rand::RngExt as _;
use tch::{Device, Kind, Tensor};

use crate::data::data_files::DataFiles;
use crate::data::dataset::{ImageTextData, Loaded};
use crate::error::Result;
use crate::model::inputs::Inputs;
use crate::recipe::contrastive::ContrastiveSettings;
use crate::recipe::text::{Shortlist, TextRules};
use crate::seed::rng;
use crate::task::example::{Example, RankedCandidate};
use crate::task::itm::embedding_space::EmbeddingSpace;
use crate::task::itm::negatives::Negatives;
use crate::task::itm::recall::Ranking;
use crate::task::{Evaluation, Forward};

/// An image-text matching data set. A sample is a caption; the pairs with its own image are the true ones.
#[derive(Debug)]
pub struct ItmData {
    common: ImageTextData,
    captions: Vec<Vec<i64>>,
    /// Images by the words of a caption: the same words are true of each of them.
    images_of_words: HashMap<Vec<i64>, BTreeSet<usize>>,
    ranked_images: usize,
    shortlist: Option<Shortlist>,
    contrastive: Option<ContrastiveSettings>,
}

/// Scores of all pairs of some images and captions, and which ones they are.
#[derive(Debug)]
pub(crate) struct Ranked {
    images: Vec<usize>,
    captions: Vec<usize>,
    pub(crate) ranking: Ranking,
}

impl ItmData {
    /// Reads JSON lines (see [`CaptionSample`]) and opens the features of their images; captions longer than
    /// `rules.max_tokens` are cut. A validation ranks at most `rules.ranked_images` images against each other's captions: its
    /// time grows with their square, unless there is a shortlist.
    pub fn load(files: &DataFiles, rules: &TextRules, device: Device) -> Result<ItmData> {
        let Loaded { mut common, samples, tokens } =
            ImageTextData::load::<CaptionSample>(files, rules.max_tokens, device)?;
        common.split_samples(&samples.iter().map(|sample| sample.captions.len()).collect::<Vec<_>>());
        let mut images_of_words: HashMap<Vec<i64>, BTreeSet<usize>> = HashMap::new();
        for (caption, words) in tokens.iter().enumerate() {
            images_of_words.entry(words.clone()).or_default().insert(common.image_of(caption));
        }
        Ok(ItmData {
            common,
            captions: tokens,
            images_of_words,
            ranked_images: rules.ranked_images,
            shortlist: rules.shortlist,
            contrastive: None,
        })
    }

    /// How the joint embedding of a network that has one is trained from now on.
    pub fn set_contrastive(&mut self, settings: Option<ContrastiveSettings>) {
        self.contrastive = settings;
    }

    /// How the joint embedding of a network that has one is trained.
    pub(crate) fn contrastive(&self) -> Option<ContrastiveSettings> {
        self.contrastive
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

    /// Whether `caption` is true of `image`: it is one of its captions, or has the words of one.
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

    /// The pairs of a batch, in the order that [`ItmBatch`](crate::task::itm::itm_task::ItmBatch) says. Which negative a sample gets
    /// is drawn from `seed`. In an epoch without negatives the true pairs are all.
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

    /// The logits of pairs of a caption and an image.
    pub(crate) fn score_pairs(
        &self,
        pairs: &[(usize, usize)],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Vec<f32>> {
        let mut scores = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(batch) {
            let logits = forward(&self.pairs(pairs)?).narrow(-1, 0, 1).to_kind(Kind::Float).flatten(0, -1);
            scores.extend(Vec::<f32>::try_from(logits)?);
        }
        Ok(scores)
    }

    /// Scores images and captions with one another. With a shortlist, and a network that has a joint embedding, only the
    /// candidates nearest to each are scored, and the others rank behind them.
    pub(crate) fn score_pairs_to_rank(
        &self,
        captions: &[usize],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Ranked> {
        let Some(shortlist) = self.shortlist else { return self.score_all_pairs(captions, batch, forward) };
        let (images, short) = self.ranked(captions, shortlist.images);
        let Some(space) = self.embedding_space(&short, batch, forward)? else {
            return self.score_all_pairs(captions, batch, forward);
        };
        self.rank_candidates((images, short), &space, shortlist.candidates, |pairs| {
            self.score_pairs(pairs, batch, forward)
        })
    }

    /// Of every image the `count` captions that lie nearest, and of every caption the images, by the scores of these pairs; the others
    /// rank behind them.
    fn rank_candidates(
        &self,
        (images, captions): (Vec<usize>, Vec<usize>),
        space: &EmbeddingSpace,
        count: usize,
        mut score: impl FnMut(&[(usize, usize)]) -> Result<Vec<f32>>,
    ) -> Result<Ranked> {
        let place: BTreeMap<usize, usize> = images.iter().enumerate().map(|(k, &image)| (image, k)).collect();
        let mut scores = vec![vec![f32::NEG_INFINITY; captions.len()]; images.len()];
        let mut of_captions = scores.clone();
        let column: BTreeMap<usize, usize> = captions.iter().enumerate().map(|(k, &c)| (c, k)).collect();
        let (mut pairs, mut pairs_of_captions) = (Vec::new(), Vec::new());
        for &image in &images {
            let short = space.nearest_captions(image, &captions, count)?;
            pairs.extend(short.into_iter().map(|caption| (caption, image)));
        }
        for &caption in &captions {
            let short = space.nearest_images(caption, &images, count)?;
            pairs_of_captions.extend(short.into_iter().map(|image| (caption, image)));
        }
        for (pairs, into) in [(pairs, &mut scores), (pairs_of_captions, &mut of_captions)] {
            for (&(caption, image), score) in pairs.iter().zip(score(&pairs)?) {
                into[place[&image]][column[&caption]] = score;
            }
        }
        let image_of_caption = captions.iter().map(|&caption| place[&self.common.image_of(caption)]).collect();
        let ranking = Ranking { scores, of_captions: Some(of_captions), image_of_caption };
        Ok(Ranked { images, captions, ranking })
    }

    /// The same ranking by a network whose logits are `scale · cosine + bias` of the joint embeddings: one pass for every
    /// caption in place of one for every pair. None without a shortlist, or without a joint embedding.
    pub(crate) fn rank_by_cosine(
        &self,
        captions: &[usize],
        batch: usize,
        (scale, bias): (f64, f64),
        forward: &mut Forward<'_>,
    ) -> Result<Option<Ranked>> {
        let Some(shortlist) = self.shortlist else { return Ok(None) };
        let (images, captions) = self.ranked(captions, shortlist.images);
        let Some(space) = self.embedding_space(&captions, batch, forward)? else { return Ok(None) };
        let score = |pairs: &[(usize, usize)]| Ok((space.cosines(pairs)? * scale + bias).try_into()?);
        Ok(Some(self.rank_candidates((images, captions), &space, shortlist.candidates, score)?))
    }

    /// What a ranking is worth, with some of it to look at.
    pub(crate) fn evaluation(&self, ranked: &Ranked) -> Evaluation {
        Evaluation { examples: self.examples(ranked), ..ranked.ranking.evaluation() }
    }

    /// The first `count` images of `captions`, and their captions.
    fn ranked(&self, captions: &[usize], count: usize) -> (Vec<usize>, Vec<usize>) {
        let images: Vec<usize> = self.images_of(captions).into_iter().take(count).collect();
        let known: BTreeSet<usize> = images.iter().copied().collect();
        let captions = captions.iter().copied().filter(|&caption| known.contains(&self.common.image_of(caption)));
        (images, captions.collect())
    }

    /// Scores every image of `captions` with every one of the captions; of at most `ranked_images` images.
    pub(crate) fn score_all_pairs(
        &self,
        captions: &[usize],
        batch: usize,
        forward: &mut Forward<'_>,
    ) -> Result<Ranked> {
        let (images, captions) = self.ranked(captions, self.ranked_images);
        let place: BTreeMap<usize, usize> = images.iter().enumerate().map(|(k, &image)| (image, k)).collect();
        let mut scores = Vec::with_capacity(images.len());
        for &image in &images {
            let pairs: Vec<(usize, usize)> = captions.iter().map(|&caption| (caption, image)).collect();
            scores.push(self.score_pairs(&pairs, batch, forward)?);
        }
        let image_of_caption = captions.iter().map(|&caption| place[&self.common.image_of(caption)]).collect();
        Ok(Ranked { images, captions, ranking: Ranking { scores, of_captions: None, image_of_caption } })
    }

    /// Some captions and the images that score highest with them.
    pub(crate) fn examples(&self, ranked: &Ranked) -> Vec<Example> {
        let Ranked { images, captions, ranking } = ranked;
        let name = |row: usize| self.common.image_name(images[row]).to_owned();
        let probability =
            |row: usize, caption: usize| 1.0 / (1.0 + f64::from(-ranking.caption_scores()[row][caption]).exp());
        let wanted = (0..captions.len()).filter(|&k| Evaluation::is_example(k, captions.len()));
        let example = |caption: usize| {
            let (own, order) = (ranking.image_of_caption[caption], ranking.images_by_score(caption));
            let candidate = |&row: &usize| RankedCandidate {
                image: name(row),
                text: String::new(),
                score: probability(row, caption),
                right: row == own,
            };
            Example {
                image: name(own),
                text: self.common.words_of(&self.captions[captions[caption]]),
                expected: name(own),
                found: order.first().map_or_else(String::new, |&row| name(row)),
                right: order.first() == Some(&own),
                score: order.first().map(|&row| probability(row, caption)),
                candidates: order.iter().take(5).map(candidate).collect(),
                ..Example::default()
            }
        };
        wanted.map(example).collect()
    }
}
