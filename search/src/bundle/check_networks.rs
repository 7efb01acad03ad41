//! Random networks of a space, which are measured whole to see whether predictions hold.

use mmnas_bundle::Architecture;
use rand::RngExt as _;

use crate::seed::rng;
use crate::space::search_space::Space;

/// So many draws a network at most: a small space has few different ones.
const DRAWS: usize = 16;

/// Up to `count` different architectures of a space's operations; `seed` decides which.
///
/// Each side has 1 block up to the space's number. There are fewer than `count` where the space has not so many.
pub fn check_networks(space: &Space, count: usize, seed: u64) -> Vec<Architecture> {
    let mut found: Vec<Architecture> = Vec::new();
    for draw in 0..count.saturating_mul(DRAWS) {
        if found.len() == count {
            break;
        }
        let mut rng = rng(seed, "checks", draw as u64);
        let mut architecture = space.architecture(&space.draw(&mut rng));
        for side in [&mut architecture.encoder, &mut architecture.decoder] {
            side.truncate(rng.random_range(1..=side.len().max(1)));
        }
        if !found.contains(&architecture) {
            found.push(architecture);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_differ_and_have_every_number_of_blocks() {
        let space = Space::published(3, 5);
        let found = check_networks(&space, 60, 1);
        assert_eq!(found.len(), 60);
        assert_eq!(check_networks(&space, 60, 1), found);
        assert_eq!(check_networks(&space, 9, 1), found[..9]);
        assert_ne!(check_networks(&space, 60, 2), found);
        for (place, architecture) in found.iter().enumerate() {
            assert!(!found[..place].contains(architecture), "{architecture}");
        }
        for blocks in 1..=5 {
            assert!(found.iter().any(|a| a.decoder.len() == blocks), "{blocks}");
            assert!(blocks > 3 || found.iter().any(|a| a.encoder.len() == blocks), "{blocks}");
        }
        assert!(check_networks(&space, 0, 1).is_empty());
    }

    #[test]
    fn a_small_space_gives_what_it_has() {
        // Two operations in the encoder's block, four in the decoder's.
        assert_eq!(check_networks(&Space::published(1, 1), 30, 1).len(), 8);
    }
}
