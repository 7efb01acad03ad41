//! Seeds and generators: one a purpose and step, all from the run's seed.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A seed for one purpose at one moment of a run.
///
/// Every random decision is drawn from such a seed, and none from a generator that lives on. So a
/// run that resumes at a step decides what the uninterrupted run would have decided.
pub fn seed(run: u64, purpose: &str, counter: u64) -> u64 {
    // FNV-1a over the purpose, then splitmix64 twice, so that neighbouring counters are far apart.
    let name =
        purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    splitmix(splitmix(run ^ name).wrapping_add(counter))
}

/// A generator seeded by [`seed`].
pub fn rng(run: u64, purpose: &str, counter: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed(run, purpose, counter))
}

/// Seeds libtorch's own generator (dropout, initial weights).
pub(crate) fn seed_torch(run: u64, purpose: &str, counter: u64) {
    tch::manual_seed((seed(run, purpose, counter) >> 1) as i64);
}

fn splitmix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
