//! What one block takes, from what chains of blocks take.

use crate::latency::costs::BlockCost;

/// What chains of one operation took.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Of the stage without the chain.
    pub base: f64,
    /// Length of a chain and what the stage takes with it.
    pub times: Vec<(usize, f64)>,
}

impl BlockCost {
    /// From what chains of some lengths took.
    ///
    /// The shortest and the longest chain give what each block takes; what the shortest takes beyond that came with the
    /// first block. Noise may make either negative, which no block is.
    pub(super) fn of(Chain { base, times }: &Chain) -> BlockCost {
        let shortest = times.iter().min_by_key(|(count, _)| *count);
        let longest = times.iter().max_by_key(|(count, _)| *count);
        let (Some(&(few, short)), Some(&(many, long))) = (shortest, longest) else { return BlockCost::NONE };
        let each = if many > few { (long - short) / (many - few) as f64 } else { (long - base) / many.max(1) as f64 };
        let each = each.max(0.0);
        BlockCost { each, first: (short - base - few as f64 * each).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_makes_no_negative_cost() {
        let of = |times: &[(usize, f64)]| BlockCost::of(&Chain { base: 2.0, times: times.to_vec() });
        assert_eq!(of(&[(1, 1.9), (4, 1.8)]), BlockCost { each: 0.0, first: 0.0 });
        assert_eq!(of(&[(4, 4.0)]), BlockCost { each: 0.5, first: 0.0 });
        assert_eq!(of(&[]), BlockCost::NONE);
    }
}
