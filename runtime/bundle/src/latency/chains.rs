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
    /// What the line has at no block beyond the base came with the first block. Noise may make either negative, which no
    /// block is. So do caches: a short chain's weights stay in them and a long chain's do not, so the first blocks are
    /// cheaper than those of a deep network. The slope is right for deep networks then, and too high for those of a
    /// block or two.
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
        // One length alone gives no line of its own.
        let each = if squares > 0.0 { products / squares } else { (t - base) / n.max(1.0) };
        let each = each.max(0.0);
        BlockCost { each, first: (t - base - n * each).max(0.0) }
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
    }

    /// Blocks that take longer in long chains: the slope is that of all lengths, and no first block is negative.
    #[test]
    fn chains_that_leave_the_caches_have_no_first_block() {
        near(of(&[(1, 2.25), (4, 4.0)]), 1.75 / 3.0, 0.0);
        // By hand: lengths 1, 4, 12 of weights 4/9, 1/4, 1/9 have mean 100/29, and times 2.25, 4, 9 mean 108/29.
        let (weights, n, t) = ([4.0 / 9.0, 0.25, 1.0 / 9.0], 100.0 / 29.0, 108.0 / 29.0);
        let (mut products, mut squares) = (0.0, 0.0);
        for (weight, (length, time)) in weights.into_iter().zip([(1.0, 2.25), (4.0, 4.0), (12.0, 9.0)]) {
            products += weight * (length - n) * (time - t);
            squares += weight * (length - n) * (length - n);
        }
        near(of(&[(1, 2.25), (4, 4.0), (12, 9.0)]), products / squares, 0.0);
    }

    #[test]
    fn noise_makes_no_negative_cost() {
        assert_eq!(of(&[(1, 1.9), (4, 1.8)]), BlockCost { each: 0.0, first: 0.0 });
        assert_eq!(of(&[]), BlockCost { each: 0.0, first: 0.0 });
        // Weights 0.4 and 4/9.
        near(of(&[(1, 2.5), (4, 2.25)]), 0.0, 2.0 / (0.4 + 4.0 / 9.0) - 2.0);
    }
}
