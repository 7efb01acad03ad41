use std::time::Instant;

use mmnas_bundle::samples::CaptionSample;
use serde::Serialize;

use super::{Evaluated, ImageSource, milliseconds};
use crate::wiring::{IMAGE_EMBEDDING, TEXT_EMBEDDING};
use crate::{Error, ImageState, Model, Result, TextState};

/// Shares of the queries whose match is among the best 1, 5 and 10, 0 to 1.
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
    /// From the number of rivals that score as high as the best match of each query.
    fn of(ranks: &[usize]) -> Recall {
        let share = |k: usize| ranks.iter().filter(|&&rank| rank < k).count() as f64 / ranks.len().max(1) as f64;
        Recall { at_1: share(1), at_5: share(5), at_10: share(10) }
    }

    fn mean(&self) -> f64 {
        (self.at_1 + self.at_5 + self.at_10) / 3.0
    }
}

/// How well a bundle finds texts for images and images for texts.
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
    /// Of each image its candidates are scored; with a shortlist alone, without they are those of the captions.
    ScoringImages,
}

/// Ranks the captions of `samples` for their `images`, which lie in a folder or are region features, and the images for their captions. Every
/// pair is scored; with `shortlist` only the so many candidates of each query whose joint embeddings are nearest, and a match
/// that is not among them is not found. `progress` is called with the stage, how many of its images or captions are done, and of how many.
///
/// # Errors
/// No sample or none with a caption; a shortlist of 0 or of a network without a joint embedding; a sample whose image leaves the folder or cannot be read, or a caption without a word; a
/// bundle of another task than ITM; a failure of ONNX Runtime.
pub fn evaluate_retrieval<'a>(
    model: &Model,
    samples: &[CaptionSample],
    images: impl Into<ImageSource<'a>>,
    shortlist: Option<usize>,
    progress: &mut dyn FnMut(RetrievalStage, usize, usize),
) -> Result<RetrievalEvaluation> {
    let of_sample = |place: usize| Error::of_sample(place, samples.get(place).map_or("", |sample| &sample.image));
    let captions: Vec<(usize, &String)> =
        samples.iter().enumerate().flat_map(|(k, sample)| sample.captions.iter().map(move |c| (k, c))).collect();
    if captions.is_empty() {
        return Err(Error::argument("samples", "at least one caption", 0));
    }
    let mut states: Vec<ImageState> = Vec::with_capacity(samples.len());
    let images = images.into().open(model)?;
    for (place, sample) in samples.iter().enumerate() {
        states.push(images.encode(model, &sample.image).map_err(of_sample(place))?);
        progress(RetrievalStage::EncodingImages, states.len(), samples.len());
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
    let owners: Vec<usize> = captions.iter().map(|(owner, _)| *owner).collect();
    let (image_to_text, _) = ranks(of_images, &owners);
    let (_, text_to_image) = ranks(&of_captions, &owners);
    let (of_images, of_texts) = (Recall::of(&image_to_text), Recall::of(&text_to_image));
    Ok(RetrievalEvaluation {
        bundle: Evaluated::of(model)?,
        images: states.len(),
        captions: captions.len(),
        shortlist,
        image_to_text: of_images,
        text_to_image: of_texts,
        mean_recall: (of_images.mean() + of_texts.mean()) / 2.0,
        milliseconds_pair: spent / scored.max(1) as f64,
    })
}

/// Which texts and images lie near one another in the joint embedding.
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
            || Error::argument("shortlist", "a network with a joint embedding (recipe: [contrastive])", count);
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

/// How many rivals score as high as the match: of each image that has a caption the captions of other images beside its best
/// own, of each caption the other images beside its own. An equal score counts against the match, so that a network which
/// gives all pairs the same finds nothing.
fn ranks(scores: &[Vec<f32>], owners: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let of_image = |(image, row): (usize, &Vec<f32>)| {
        let own = row.iter().zip(owners).filter(|(_, owner)| **owner == image).map(|(score, _)| *score);
        let best = own.reduce(f32::max)?;
        Some(row.iter().zip(owners).filter(|(score, owner)| **owner != image && **score >= best).count())
    };
    let of_caption = |(caption, &owner): (usize, &usize)| {
        let own = scores[owner][caption];
        scores.iter().enumerate().filter(|(image, row)| *image != owner && row[caption] >= own).count()
    };
    (scores.iter().enumerate().filter_map(of_image).collect(), owners.iter().enumerate().map(of_caption).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_rivals_that_score_as_high() {
        // Two images with two captions and one.
        let scores = [vec![0.1, 0.9, 0.8], vec![0.5, 0.2, 0.8]];
        let (of_images, of_captions) = ranks(&scores, &[0, 0, 1]);
        assert_eq!((of_images, of_captions), (vec![0, 0], vec![1, 0, 1]));
        let same = [vec![0.5; 3], vec![0.5; 3]];
        assert_eq!(ranks(&same, &[0, 0, 1]), (vec![1, 2], vec![1, 1, 1]));
        // Outside the shortlist: not found, also where no rival was scored.
        let none = f32::NEG_INFINITY;
        assert_eq!(ranks(&[vec![0.5, none], vec![none; 2]], &[0, 1]).0, [0, 1]);
        let recall = Recall::of(&[0, 4, 9, 10]);
        assert_eq!((recall.at_1, recall.at_5, recall.at_10), (0.25, 0.5, 0.75));
    }
}
