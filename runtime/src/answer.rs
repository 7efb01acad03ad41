/// An answer with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer as the bundle's labels spell it.
    pub label: String,
    /// Sigmoid of the logit, 0 to 1. The answers are scored one by one (the loss is a binary cross-entropy each), so the
    /// probabilities of all answers need not sum to 1.
    pub probability: f32,
    /// The network's output.
    pub logit: f32,
    /// Place of the answer in the bundle's labels, from 0.
    pub index: usize,
}

/// The `top_k` best of `labels`, the best first, equal ones in the order of the labels. One finite logit a label.
pub(crate) fn best(logits: &[f32], labels: &[String], top_k: usize) -> Vec<Answer> {
    let mut order: Vec<usize> = (0..logits.len().min(labels.len())).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order.truncate(top_k);
    let answer = |index: usize| Answer {
        label: labels[index].clone(),
        probability: sigmoid(logits[index]),
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
        let answers = best(&[0.0, 2.0, -1000.0, 2.0], &labels, 3);
        assert_eq!(answers.iter().map(|a| a.index).collect::<Vec<_>>(), [1, 3, 0]);
        assert_eq!(answers[2].probability, 0.5);
        assert_eq!(best(&[0.0, 2.0, -1000.0, 2.0], &labels, 9).last().unwrap().probability, 0.0);
    }
}
