//! Recall@k of retrieval, both ways.
//!
//! What counts as found is [`mmnas_bundle::recall`]'s rule, as in evaluation.

use std::collections::BTreeMap;

use mmnas_bundle::recall;

use crate::task::Evaluation;

/// The k of the published tables.
const CUTS: [usize; 3] = [1, 5, 10];

/// Scores of all pairs of some images and their captions.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// One row per image, one number per caption.
    pub scores: Vec<Vec<f32>>,
    /// The same scores for ranking images for captions.
    ///
    /// None where both ways share `scores`; the candidates of a shortlist differ.
    pub of_captions: Option<Vec<Vec<f32>>>,
    /// The image, as a row, that each caption belongs to.
    pub image_of_caption: Vec<usize>,
}

impl Ranking {
    /// The scores that images are ranked by for captions.
    pub fn caption_scores(&self) -> &[Vec<f32>] {
        self.of_captions.as_ref().unwrap_or(&self.scores)
    }

    /// Sorts the images, as rows, by their scores with a caption, the best first.
    pub fn images_by_score(&self, caption: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.scores.len()).collect();
        let scores = self.caption_scores();
        order.sort_by(|&a, &b| scores[b][caption].total_cmp(&scores[a][caption]));
        order
    }
}

impl Ranking {
    /// Ranks of each image's best caption among all captions, from 0.
    pub fn text_ranks(&self) -> Vec<usize> {
        recall::text_ranks(&self.scores, |image, caption| self.image_of_caption[caption] == image)
    }

    /// Ranks of each caption's image among all images, from 0.
    pub fn image_ranks(&self) -> Vec<usize> {
        recall::image_ranks(self.caption_scores(), |image, caption| self.image_of_caption[caption] == image)
    }

    /// Recall@1, 5 and 10, image to text and text to image.
    ///
    /// Their mean is the score.
    pub fn evaluation(&self) -> Evaluation {
        let mut metrics = BTreeMap::new();
        for (way, ranks) in [("image→text", self.text_ranks()), ("text→image", self.image_ranks())] {
            for k in CUTS {
                let found = ranks.iter().filter(|&&rank| rank < k).count();
                metrics.insert(format!("recall@{k} {way}"), found as f64 / ranks.len().max(1) as f64);
            }
        }
        let score = metrics.values().sum::<f64>() / metrics.len() as f64;
        metrics.insert("images ranked".to_owned(), self.scores.len() as f64);
        Evaluation { score, metrics, examples: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_others_that_score_as_high() {
        // Two images with two captions each.
        let ranking = Ranking {
            scores: vec![vec![0.9, 0.1, 0.5, 0.2], vec![0.95, 0.3, 0.2, 0.3]],
            of_captions: None,
            image_of_caption: vec![0, 0, 1, 1],
        };
        // Image 0: its best caption has 0.9, no other as high. Image 1: its best has 0.3; 0.95 and
        // the other 0.3 are as high.
        assert_eq!(ranking.text_ranks(), [0, 2]);
        // Captions: 0.9 < 0.95; 0.1 < 0.3; 0.2 < 0.5; 0.3 > 0.2.
        assert_eq!(ranking.image_ranks(), [1, 1, 1, 0]);
        let evaluation = ranking.evaluation();
        assert_eq!(evaluation.metrics["recall@1 image→text"], 0.5);
        assert_eq!(evaluation.metrics["recall@1 text→image"], 0.25);
        assert_eq!(evaluation.metrics["recall@5 image→text"], 1.0);
        assert!((evaluation.score - (0.5 + 0.25 + 4.0) / 6.0).abs() < 1e-12);
    }

    fn constant(score: f32) -> Ranking {
        let image_of_caption = (0..24).map(|k| k / 2).collect();
        Ranking { scores: vec![vec![score; 24]; 12], of_captions: None, image_of_caption }
    }

    #[test]
    fn a_match_outside_the_shortlist_is_not_found() {
        let none = f32::NEG_INFINITY;
        let ranking = Ranking {
            scores: vec![vec![0.5, none], vec![0.2, none]],
            of_captions: Some(vec![vec![0.5, 0.3], vec![none, none]]),
            image_of_caption: vec![0, 1],
        };
        assert_eq!((ranking.text_ranks(), ranking.image_ranks()), (vec![0, 1], vec![0, 1]));
    }

    #[test]
    fn a_constant_score_finds_nothing() {
        let ranking = constant(0.5);
        assert_eq!(ranking.evaluation().score, 0.0);
        let broken = constant(f32::NAN);
        assert_eq!(broken.evaluation().score, 0.0);
        let mut own = broken.clone();
        for (image, scores) in own.scores.iter_mut().enumerate() {
            for caption in (0..24).filter(|k| k / 2 != image) {
                scores[caption] = 0.1;
            }
        }
        assert_eq!(own.evaluation().score, 0.0, "a pair without a score is not found");
    }
}
