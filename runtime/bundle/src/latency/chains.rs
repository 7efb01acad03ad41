//! What one block takes, from what chains of blocks take.

/// What blocks of one operation add to a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockCost {
    /// Of each block.
    pub each: f64,
    /// What the first block brings beyond that; blocks of several operations share it.
    pub first: f64,
}

/// What chains of one operation took.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Of the stage without the chain.
    pub base: f64,
    /// Length of a chain and what the stage takes with it.
    pub times: Vec<(usize, f64)>,
}

impl BlockCost {
    /// From what chains of some lengths took: the line of least squares through them.
    ///
    /// A chain weighs one over what it took: errors grow with times, and long chains are what deep networks are like.
    ///
    /// What the line has at no block beyond the base came with the first block. Noise may make that negative, and so do
    /// caches: a short chain's weights stay in them and a long chain's do not. The line then starts at the base: blocks
    /// cost what they do on average, more than one alone and less than those at the end of a long chain.
    pub(super) fn of(Chain { base, times }: &Chain) -> BlockCost {
        let weighted = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            times.iter().filter(|(_, time)| *time > 0.0).map(|(n, time)| of(*n as f64, *time) / time).sum()
        };
        let all = weighted(&|_, _| 1.0);
        if all == 0.0 {
            return BlockCost { each: 0.0, first: 0.0 };
        }
        let (n, t) = (weighted(&|n, _| n) / all, weighted(&|_, t| t) / all);
        let (squares, products) = (weighted(&|m, _| (m - n) * (m - n)), weighted(&|m, u| (m - n) * (u - t)));
        let several = times.iter().any(|(length, _)| Some(length) != times.first().map(|(first, _)| first));
        if !several {
            // One length alone gives no line of its own.
            return BlockCost { each: ((t - base) / n.max(1.0)).max(0.0), first: 0.0 };
        }
        let each = products / squares;
        let line = BlockCost { each, first: t - base - n * each };
        if line.each >= 0.0 && line.first >= 0.0 {
            return line;
        }
        // No cost is negative: the best line with one of them at 0, whichever errs less.
        let from_base = (weighted(&|n, t| n * (t - base)) / weighted(&|n, _| n * n)).max(0.0);
        let error = |cost: &BlockCost| weighted(&|n, t| (t - base - cost.first - n * cost.each).powi(2));
        let lines = [BlockCost { each: from_base, first: 0.0 }, BlockCost { each: 0.0, first: (t - base).max(0.0) }];
        lines.into_iter().min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &[(usize, f64)]) -> BlockCost {
        BlockCost::of(&Chain { base: 2.0, times: times.to_vec() })
    }

    fn near(found: BlockCost, each: f64, first: f64) {
        assert!((found.each - each).abs() < 1e-9 && (found.first - first).abs() < 1e-9, "{found:?} {each} {first}");
    }

    #[test]
    fn a_line_is_found_again() {
        near(of(&[(1, 2.75), (4, 4.25)]), 0.5, 0.25);
        near(of(&[(4, 4.25), (12, 8.25), (1, 2.75)]), 0.5, 0.25);
        near(of(&[(1, 2.5), (4, 4.0)]), 0.5, 0.0);
        near(of(&[(4, 4.0)]), 0.5, 0.0);
        for k in 0..1000 {
            let (length, each) = ([1, 2, 3, 6, 12][k % 5], 0.01 + 0.001 * k as f64);
            near(of(&[(length, 2.0 + length as f64 * each)]), each, 0.0);
        }
    }

    /// Blocks that take longer in long chains: the line starts at the base.
    #[test]
    fn chains_that_leave_the_caches_have_no_first_block() {
        // By hand: sums of length · time / time of the chain, over those of length² / time of the chain.
        near(of(&[(1, 2.25), (4, 4.0)]), (0.25 / 2.25 + 8.0 / 4.0) / (1.0 / 2.25 + 16.0 / 4.0), 0.0);
        let of_three = (0.25 / 2.25 + 8.0 / 4.0 + 84.0 / 9.0) / (1.0 / 2.25 + 16.0 / 4.0 + 144.0 / 9.0);
        near(of(&[(1, 2.25), (4, 4.0), (12, 9.0)]), of_three, 0.0);
    }

    #[test]
    fn noise_makes_no_negative_cost() {
        assert_eq!(of(&[(1, 1.9), (4, 1.8)]), BlockCost { each: 0.0, first: 0.0 });
        assert_eq!(of(&[]), BlockCost { each: 0.0, first: 0.0 });
        // Weights 0.4 and 4/9.
        near(of(&[(1, 2.5), (4, 2.25)]), 0.0, 2.0 / (0.4 + 4.0 / 9.0) - 2.0);
    }
}
