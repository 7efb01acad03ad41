//! How well a bundle finds texts for images and images for texts.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use mmnas_bundle::recall;
use mmnas_bundle::samples::CaptionSample;
use serde::Serialize;

use crate::engine::tensor_names::{IMAGE_EMBEDDING, TEXT_EMBEDDING};
use crate::error::{Error, Result};
use crate::evaluate::images::ImageSource;
use crate::evaluate::{Evaluated, checked, milliseconds};
use crate::model::Model;
use crate::model::state::{ImageState, TextState};

/// Shares of the queries whose match is among the best 1, 5 and 10.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recall {
    /// Recall@1.
    pub at_1: f64,
    /// Recall@5.
    pub at_5: f64,
    /// Recall@10.
    pub at_10: f64,
}

impl Recall {
    /// From the rank of each query's match, from 0.
    fn of(ranks: &[usize]) -> Recall {
        let share = |k: usize| ranks.iter().filter(|&&rank| rank < k).count() as f64 / ranks.len().max(1) as f64;
        Recall { at_1: share(1), at_5: share(5), at_10: share(10) }
    }

    fn mean(&self) -> f64 {
        (self.at_1 + self.at_5 + self.at_10) / 3.0
    }
}

/// Recall of images and of captions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BothWays {
    /// For each image the captions are ranked.
    pub image_to_text: Recall,
    /// For each caption the images are ranked.
    pub text_to_image: Recall,
    /// Mean of the six figures.
    pub mean_recall: f64,
}

impl BothWays {
    fn of(text_ranks: &[usize], image_ranks: &[usize]) -> BothWays {
        let (image_to_text, text_to_image) = (Recall::of(text_ranks), Recall::of(image_ranks));
        BothWays { image_to_text, text_to_image, mean_recall: (image_to_text.mean() + text_to_image.mean()) / 2.0 }
    }
}

/// How well a bundle finds texts for images and images for texts.
///
/// As published, a caption counts for its own image ([`mmnas_bundle::recall`]).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrievalEvaluation {
    /// The bundle.
    #[serde(flatten)]
    pub bundle: Evaluated,
    /// Number of images that were ranked.
    pub images: usize,
    /// Number of captions that were ranked.
    pub captions: usize,
    /// Candidates of each query that were scored; none: all.
    pub shortlist: Option<usize>,
    /// For each image the captions are ranked; one of its own counts.
    pub image_to_text: Recall,
    /// For each caption the images are ranked.
    pub text_to_image: Recall,
    /// Mean of the six figures.
    pub mean_recall: f64,
    /// Number of captions whose words another image has too.
    pub shared_captions: usize,
    /// The same recall where a caption counts for every image that has its words.
    ///
    /// Training takes it so. There is none where no two images share a caption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_words: Option<BothWays>,
    /// Milliseconds of a pair, scored in batches of kept images and texts.
    pub milliseconds_pair: f64,
}

/// What an evaluation of retrieval is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrievalStage {
    /// Image files become image states.
    EncodingImages,
    /// Captions become text states.
    EncodingCaptions,
    /// Of each caption its candidates are scored.
    ScoringCaptions,
    /// The candidates of each image are scored.
    ///
    /// This stage is run with a shortlist alone; without one the images' candidates are those of the captions.
    ScoringImages,
}

/// Ranks captions for images and images for captions, and counts what is found.
///
/// The `images` lie in a folder or are region features. An image's captions may stand in several
/// samples. Every pair is scored. With `shortlist` only that many candidates of each query are
/// scored: those nearest in the embedding of the dual encoder. A match that is not among them is
/// not found. `progress` is called with the stage, how many of its images or captions are done, and
/// of how many.
///
/// # Errors
/// No sample, or one without a caption; a shortlist of 0 or of a network without a dual encoder; a
/// sample whose image leaves the folder or cannot be read, or a caption without a word; a bundle of
/// another task than ITM; a failure of ONNX Runtime.
pub fn evaluate_retrieval<'a>(
    model: &Model,
    samples: &[CaptionSample],
    images: impl Into<ImageSource<'a>>,
    shortlist: Option<usize>,
    progress: &mut dyn FnMut(RetrievalStage, usize, usize),
) -> Result<RetrievalEvaluation> {
    let images = images.into().open(model)?;
    let by_image = checked(samples, &images)?;
    let of_sample = |place: usize| Error::of_sample(place, samples.get(place).map_or("", |sample| &sample.image));
    let captions: Vec<(usize, &String)> =
        samples.iter().enumerate().flat_map(|(k, sample)| sample.captions.iter().map(move |c| (k, c))).collect();
    let owners: Vec<usize> = captions.iter().map(|(place, _)| by_image.image_of_sample[*place]).collect();
    let mut states: Vec<ImageState> = Vec::with_capacity(by_image.images.len());
    for (image, of_image) in by_image.images.iter().zip(by_image.samples()) {
        let first = of_image.first().copied().unwrap_or_default();
        states.push(images.encode(model, image).map_err(of_sample(first))?);
        progress(RetrievalStage::EncodingImages, states.len(), by_image.images.len());
    }
    let mut texts: Vec<TextState> = Vec::with_capacity(captions.len());
    for (place, caption) in &captions {
        texts.push(model.encode_text(caption).map_err(of_sample(*place))?);
        progress(RetrievalStage::EncodingCaptions, texts.len(), captions.len());
    }
    let nearest = shortlist.map(|count| Nearest::new(model, &states, &texts, count)).transpose()?;
    // [image][caption]: what captions are ranked by for an image, and images for a caption. They differ in what was scored.
    let mut of_captions = vec![vec![f32::NEG_INFINITY; texts.len()]; states.len()];
    let (mut spent, mut scored) = (0.0, 0);
    let mut score = |pairs: &[(usize, usize)], into: &mut [Vec<f32>]| -> Result<()> {
        let both: Vec<_> = pairs.iter().map(|&(image, text)| (&states[image], &texts[text])).collect();
        let start = Instant::now();
        let matches = model.match_pairs(&both)?;
        spent += milliseconds(start);
        scored += pairs.len();
        pairs.iter().zip(matches).for_each(|(&(image, text), found)| into[image][text] = found.logit);
        Ok(())
    };
    for text in 0..texts.len() {
        let candidates = nearest.as_ref().map_or_else(|| (0..states.len()).collect(), |nearest| nearest.images(text));
        score(&candidates.iter().map(|&image| (image, text)).collect::<Vec<_>>(), &mut of_captions)?;
        progress(RetrievalStage::ScoringCaptions, text + 1, texts.len());
    }
    let mut of_images = Vec::new();
    if let Some(nearest) = &nearest {
        of_images = vec![vec![f32::NEG_INFINITY; texts.len()]; states.len()];
        for image in 0..states.len() {
            let pairs: Vec<_> = nearest.texts(image).into_iter().map(|text| (image, text)).collect();
            score(&pairs, &mut of_images)?;
            progress(RetrievalStage::ScoringImages, image + 1, states.len());
        }
    }
    let of_images = if nearest.is_some() { &of_images } else { &of_captions };
    let ranked = |is_true: &dyn Fn(usize, usize) -> bool| {
        BothWays::of(&recall::text_ranks(of_images, is_true), &recall::image_ranks(&of_captions, is_true))
    };
    let same_words = SameWords::of(model, &captions, &owners)?;
    let shared_captions = same_words.shared();
    let BothWays { image_to_text, text_to_image, mean_recall } = ranked(&|image, caption| owners[caption] == image);
    Ok(RetrievalEvaluation {
        bundle: Evaluated::of(model)?,
        images: states.len(),
        captions: captions.len(),
        shortlist,
        image_to_text,
        text_to_image,
        mean_recall,
        shared_captions,
        same_words: (shared_captions > 0).then(|| ranked(&|image, caption| same_words.is_true(image, caption))),
        milliseconds_pair: spent / scored.max(1) as f64,
    })
}

/// Texts and images that lie near one another in the embedding of the dual encoder.
struct Nearest {
    /// Cosines, `[image][text]`.
    cosines: Vec<Vec<f32>>,
    count: usize,
}

impl Nearest {
    fn new(model: &Model, images: &[ImageState], texts: &[TextState], count: usize) -> Result<Nearest> {
        if count == 0 {
            return Err(Error::argument("shortlist", "at least 1", 0));
        }
        let without =
            || Error::argument("shortlist", "a network with a dual encoder (recipe: [itm.contrastive])", count);
        let of_texts = texts.iter().map(|text| model.text_tensor(text, TEXT_EMBEDDING)?.ok_or_else(without));
        let of_texts = of_texts.collect::<Result<Vec<&[f32]>>>()?;
        let row = |image: &ImageState| {
            let own = model.image_tensor(image, IMAGE_EMBEDDING)?.ok_or_else(without)?;
            let cosine = |text: &&[f32]| text.iter().zip(own).map(|(a, b)| a * b).sum();
            Ok(of_texts.iter().map(cosine).collect())
        };
        Ok(Nearest { cosines: images.iter().map(row).collect::<Result<_>>()?, count })
    }

    fn images(&self, text: usize) -> Vec<usize> {
        best(self.cosines.iter().map(|row| row[text]), self.count)
    }

    fn texts(&self, image: usize) -> Vec<usize> {
        best(self.cosines[image].iter().copied(), self.count)
    }
}

/// The places of the `count` largest numbers, the largest first.
fn best(values: impl Iterator<Item = f32>, count: usize) -> Vec<usize> {
    let mut places: Vec<(f32, usize)> = values.zip(0..).collect();
    places.sort_by(|a, b| b.0.total_cmp(&a.0));
    places.into_iter().take(count).map(|(_, place)| place).collect()
}

/// Whether captions are true of images.
///
/// A caption is true of its own image, and of those that have one of the same words, to the network.
struct SameWords {
    /// Images by the ids of a caption's words.
    images: HashMap<Vec<i64>, BTreeSet<usize>>,
    /// The ids of each caption's words.
    words: Vec<Vec<i64>>,
}

impl SameWords {
    /// Of captions and the images that they belong to.
    fn of(model: &Model, captions: &[(usize, &String)], owners: &[usize]) -> Result<SameWords> {
        let words = captions.iter().map(|(_, caption)| model.token_ids(caption)).collect::<Result<Vec<_>>>()?;
        let mut images: HashMap<Vec<i64>, BTreeSet<usize>> = HashMap::new();
        words.iter().zip(owners).for_each(|(words, &owner)| {
            images.entry(words.clone()).or_default().insert(owner);
        });
        Ok(SameWords { images, words })
    }

    fn is_true(&self, image: usize, caption: usize) -> bool {
        self.images.get(&self.words[caption]).is_some_and(|images| images.contains(&image))
    }

    /// Number of captions whose words another image has too.
    fn shared(&self) -> usize {
        let images = |words: &Vec<i64>| self.images.get(words).map_or(0, BTreeSet::len);
        self.words.iter().filter(|words| images(words) > 1).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_is_the_share_of_ranks_below_each_cut() {
        let recall = Recall::of(&[0, 4, 9, 10]);
        assert_eq!((recall.at_1, recall.at_5, recall.at_10), (0.25, 0.5, 0.75));
        let both = BothWays::of(&[0], &[0, 4, 9, 10]);
        assert!((both.mean_recall - (3.0 + 1.5) / 6.0).abs() < 1e-12, "{both:?}");
    }
}
