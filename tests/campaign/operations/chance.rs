//! A random generator: the same choices for the same seed.

use std::hash::{DefaultHasher, Hash, Hasher};

pub struct Chance {
    pub seed: u64,
}

impl Chance {
    pub fn of(seed: u64, id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, id).hash(&mut hasher);
        Self { seed: hasher.finish() }
    }

    /// SplitMix64.
    pub fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }
}
