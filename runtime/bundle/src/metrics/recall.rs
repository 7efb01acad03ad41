//! Ranks behind recall@k of retrieval: one rule for training's validation and for evaluation.
//!
//! As published, a caption counts for its own image alone, also where another image has the same words. Another
//! candidate stands before the match if it scores as high or has no score, so a network that gives every pair the same
//! score finds nothing.

/// Rank, from 0, of each image's best true caption; images without one left out.
///
/// The rank is among the captions that are not true of the image. `scores` has a row for each image and a number for
/// each caption (one that is missing is no score); `is_true` is asked for the image and the caption.
pub fn text_ranks(scores: &[Vec<f32>], is_true: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let of_image = |(image, row): (usize, &Vec<f32>)| {
        rank(row.iter().enumerate().map(|(caption, &score)| (score, is_true(image, caption))))
    };
    scores.iter().enumerate().filter_map(of_image).collect()
}

/// Rank, from 0, of each caption's best true image.
///
/// The rank is among the images that it is not true of; otherwise as [`text_ranks`].
pub fn image_ranks(scores: &[Vec<f32>], is_true: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let captions = scores.first().map_or(0, Vec::len);
    let of_caption = |caption: usize| {
        rank(
            scores
                .iter()
                .enumerate()
                .map(|(image, row)| (row.get(caption).copied().unwrap_or(f32::NAN), is_true(image, caption))),
        )
    };
    (0..captions).filter_map(of_caption).collect()
}

/// How many that are not true score as high as the best that is.
///
/// None where nothing is true.
fn rank(candidates: impl Iterator<Item = (f32, bool)> + Clone) -> Option<usize> {
    // A match without a score loses against all.
    let best = candidates.clone().filter(|(_, is_true)| *is_true).map(|(score, _)| score.max(f32::NEG_INFINITY));
    let best = best.reduce(f32::max)?;
    let others = candidates.filter(|(_, is_true)| !is_true);
    Some(others.filter(|(score, _)| score.partial_cmp(&best) != Some(std::cmp::Ordering::Less)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_owners(scores: &[Vec<f32>], owners: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let own = |image: usize, caption: usize| owners[caption] == image;
        (text_ranks(scores, own), image_ranks(scores, own))
    }

    #[test]
    fn ranks_count_rivals_that_score_as_high() {
        // Two images with two captions and one.
        let scores = [vec![0.1, 0.9, 0.8], vec![0.5, 0.2, 0.8]];
        assert_eq!(of_owners(&scores, &[0, 0, 1]), (vec![0, 0], vec![1, 0, 1]));
        let same = [vec![0.5; 3], vec![0.5; 3]];
        assert_eq!(of_owners(&same, &[0, 0, 1]), (vec![1, 2], vec![1, 1, 1]));
        // Outside the shortlist: not found, also where no other was scored.
        let none = f32::NEG_INFINITY;
        assert_eq!(of_owners(&[vec![0.5, none], vec![none; 2]], &[0, 1]).0, [0, 1]);
        // An image without a caption has no rank.
        assert_eq!(of_owners(&scores, &[0, 0, 0]).0, [0]);
        assert_eq!(of_owners(&[], &[]), (vec![], vec![]));
    }

    #[test]
    fn a_pair_without_a_score_is_not_found() {
        let nan = f32::NAN;
        assert_eq!(of_owners(&[vec![nan, 0.1], vec![0.1, 0.3]], &[0, 1]), (vec![1, 0], vec![1, 0]));
        assert_eq!(of_owners(&[vec![0.9, nan], vec![nan, 0.3]], &[0, 1]), (vec![1, 1], vec![1, 1]));
    }

    #[test]
    fn where_several_images_have_the_words_each_of_them_can_count() {
        // Captions 0 and 1 have the same words, of images 0 and 1: the network cannot tell them apart.
        let scores = [vec![0.9, 0.9, 0.1], vec![0.9, 0.9, 0.2], vec![0.3, 0.3, 0.8]];
        assert_eq!(of_owners(&scores, &[0, 1, 2]), (vec![1, 1, 0], vec![1, 1, 0]));
        let same_words = |image: usize, caption: usize| if caption < 2 { image < 2 } else { image == 2 };
        assert_eq!(text_ranks(&scores, same_words), [0, 0, 0]);
        assert_eq!(image_ranks(&scores, same_words), [0, 0, 0]);
    }
}
