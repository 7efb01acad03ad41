//! Words and regions that are hidden from a network while it trains, so that it relies on none of them: what helps where data
//! are few.

use mmnas_bundle::UNK;
use rand::RngExt as _;
use tch::Tensor;

use crate::data::dataset::ImageTextData;
use crate::model::inputs::Inputs;
use crate::recipe::model::Hiding;
use crate::seed::rng;

impl ImageTextData {
    /// The inputs to train on, with what the recipe hides; what that is is drawn from `seed`.
    pub(crate) fn hide(&self, inputs: Inputs, seed: u64) -> Inputs {
        let Hiding { words, regions } = self.hiding;
        let mut rng = rng(seed, "hiding", 0);
        let mut drawn = |shape: &[i64], share: f64| {
            let count = shape.iter().product::<i64>() as usize;
            let flags: Vec<bool> = (0..count).map(|_| rng.random_bool(share)).collect();
            Tensor::from_slice(&flags).view(shape).to_device(self.device)
        };
        let mut inputs = inputs;
        if words > 0.0 {
            let hidden = drawn(&inputs.tokens.size(), words).logical_and(&inputs.tokens.not_equal(mmnas_bundle::PAD));
            inputs.tokens = inputs.tokens.masked_fill(&hidden, UNK);
        }
        if regions > 0.0 {
            let hidden = drawn(&inputs.features.size()[..2], regions).unsqueeze(-1);
            inputs.features = inputs.features.masked_fill(&hidden, 0.0);
        }
        inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::data_files::DataFiles;
    use crate::data::test_data::{features, lines, question};
    use crate::recipe::text::TextRules;
    use crate::task::Task as _;
    use crate::task::vqa::data::VqaData;
    use mmnas_bundle::manifest::AnswerScores;
    use tch::{Device, Kind};

    #[test]
    fn words_and_regions_are_hidden_by_the_seed_and_in_training_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        features(&path("f"), 3, "vision", &[("a", 40), ("b", 30)]);
        let file =
            lines(&path("s.jsonl"), &[question("a", "one two three four five six"), question("b", "seven eight")]);
        let rules = TextRules {
            max_tokens: 9,
            min_answer_count: 1,
            answer_scores: AnswerScores::Sigmoid,
            any_box: false,
            ranked_images: 1,
            shortlist: None,
        };
        let mut data = VqaData::load(&DataFiles::new(file, path("f")), &rules, Device::Cpu).unwrap();
        let whole = data.batch(&[0, 1]).unwrap().inputs;
        data.data_mut().hiding = Hiding { words: 0.5, regions: 0.3 };
        let train = |seed: u64| crate::task::Task::batch(&data, &[0, 1], &(), seed).unwrap().inputs;
        let (first, same, other) = (train(1), train(1), train(2));
        assert!(first.tokens.equal(&same.tokens) && first.features.equal(&same.features));
        assert!(!first.tokens.equal(&other.tokens) && !first.features.equal(&other.features));
        // Hidden or as it was; padding is none of either.
        let changed = first.tokens.not_equal_tensor(&whole.tokens);
        assert!(changed.any().int64_value(&[]) == 1);
        let unknown = first.tokens.eq(UNK).logical_or(&changed.logical_not());
        assert!(unknown.all().int64_value(&[]) == 1);
        assert!(first.tokens.eq(mmnas_bundle::PAD).equal(&whole.tokens.eq(mmnas_bundle::PAD)));
        let kept = first.features.eq_tensor(&whole.features).logical_or(&first.features.eq(0.0));
        assert!(kept.all().int64_value(&[]) == 1);
        let hidden = first.features.eq(0.0).all_dim(-1, false).sum(Kind::Int64).int64_value(&[]);
        assert!((11..=31).contains(&(hidden - 10)), "{hidden} of 70, ten of them padding");
        // What is measured is whole.
        assert!(data.batch(&[0, 1]).unwrap().inputs.features.equal(&whole.features));
    }
}
