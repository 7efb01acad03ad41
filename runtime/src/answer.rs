use mmnas_bundle::manifest::AnswerScores;

/// An answer with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer as the bundle's labels spell it.
    pub label: String,
    /// 0 to 1, as the bundle's `answer_scores` says: the sigmoid of the logit, where answers are scored one by one (a binary
    /// cross-entropy each, published) and the probabilities of all answers need not sum to 1; or their softmax.
    pub probability: f32,
    /// The network's output.
    pub logit: f32,
    /// Place of the answer in the bundle's labels, from 0.
    pub index: usize,
}

/// The `top_k` best of `labels`, the best first, equal ones in the order of the labels. One finite logit a label.
pub(crate) fn best(logits: &[f32], labels: &[String], scores: AnswerScores, top_k: usize) -> Vec<Answer> {
    let mut order: Vec<usize> = (0..logits.len().min(labels.len())).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order.truncate(top_k);
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = |logit: f32| f64::from(logit - highest).exp();
    let sum = (scores == AnswerScores::Softmax).then(|| logits.iter().copied().map(above).sum::<f64>());
    let probability = |logit: f32| sum.map_or_else(|| sigmoid(logit), |sum| (above(logit) / sum) as f32);
    let answer = |index: usize| Answer {
        label: labels[index].clone(),
        probability: probability(logits[index]),
        logit: logits[index],
        index,
    };
    order.into_iter().map(answer).collect()
}

pub(crate) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_ties_keep_their_order() {
        let labels = ["a", "b", "c", "d"].map(str::to_owned);
        let answers = best(&[0.0, 2.0, -1000.0, 2.0], &labels, AnswerScores::Sigmoid, 3);
        assert_eq!(answers.iter().map(|a| a.index).collect::<Vec<_>>(), [1, 3, 0]);
        assert_eq!(answers[2].probability, 0.5);
        assert_eq!(best(&[0.0, 2.0, -1000.0, 2.0], &labels, AnswerScores::Sigmoid, 9).last().unwrap().probability, 0.0);
        let together = best(&[1e4, 1e4 + 3f32.ln(), -1e4], &labels, AnswerScores::Softmax, 9);
        let found: Vec<(usize, f32)> = together.iter().map(|a| (a.index, a.probability)).collect();
        assert!(
            found.iter().zip([(1, 0.75), (0, 0.25), (2, 0.0)]).all(|(f, e)| f.0 == e.0 && (f.1 - e.1).abs() < 1e-3)
        );
    }
}
