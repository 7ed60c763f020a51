//! The number of cases of the property tests. They leave no files: a failure prints its seed.

use proptest::test_runner::{Config, RngSeed};

/// `usual` cases; `PROPTEST_CASES` scales them against proptest's own 256, so that 5120 runs twenty
/// times as many. `PROPTEST_RNG_SEED` repeats the cases of a run.
#[must_use]
pub fn proptest_config(usual: u32) -> Config {
    let given = Config::default();
    let seed = match given.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => rand::random(),
    };
    // Shown for a failing test.
    println!("PROPTEST_RNG_SEED={seed}");
    let scaled = u64::from(usual) * u64::from(given.cases) / 256;
    Config {
        cases: u32::try_from(scaled).unwrap_or(u32::MAX).max(1),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..given
    }
}
