//! How many pods each track has. All formulas are closed: they depend on live counts and not on what was done
//! before, so no progress is stored.

/// Returns the candidate's and the primary's pods for a weight, by the rule of Argo Rollouts: of all splits
/// of `pods`, or of one pod more where a surge is allowed, the one nearest to the weight; of two equally near
/// ones the one with more candidate pods. Neither track is ever 0.
#[must_use]
pub fn split(pods: u32, weight: u8, surge: u32) -> (u32, u32) {
    let totals = [Some(pods), (surge > 0 || pods < 2).then_some(pods + 1)];
    totals
        .into_iter()
        .flatten()
        .filter(|total| *total >= 2)
        .flat_map(|total| (1..total).map(move |candidate| (candidate, total)))
        .min_by(|a, b| {
            let distance = |(candidate, total): (u32, u32)| {
                (u64::from(candidate) * 100).abs_diff(u64::from(total) * u64::from(weight))
            };
            let (left, right) = (distance(*a) * u64::from(b.1), distance(*b) * u64::from(a.1));
            left.cmp(&right).then(b.0.cmp(&a.0))
        })
        .map_or((1, 1), |(candidate, total)| (candidate, total - candidate))
}

/// The share of the candidate in percent, rounded, when traffic follows the number of pods.
#[must_use]
pub fn share(candidate: u32, primary: u32) -> u8 {
    let total = u64::from(candidate) + u64::from(primary);
    let percent = (u64::from(candidate) * 100 + total / 2).checked_div(total).unwrap_or(0);
    u8::try_from(percent).unwrap_or(100)
}

/// The part of `pods` that carries `weight` percent, rounded up, at least 1.
#[must_use]
pub fn portion(pods: u32, weight: u8) -> u32 {
    (pods * u32::from(weight)).div_ceil(100).max(1)
}

/// Exchanges pods of two tracks, capacity first. `target` is how many pods the leaving track keeps in the
/// end, `available` how many of the arriving track are available. Returns how many pods the leaving track
/// has now: as many as are still missing from `pods`, and never fewer than `target`.
#[must_use]
pub fn exchange(pods: u32, target: u32, available: u32) -> u32 {
    target.max(pods.saturating_sub(available))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// The table was computed from the source of Argo Rollouts.
    #[rstest]
    #[case(1, 5, (1, 1), 50)]
    #[case(2, 5, (1, 2), 33)]
    #[case(3, 5, (1, 3), 25)]
    #[case(5, 5, (1, 5), 17)]
    #[case(10, 5, (1, 10), 9)]
    #[case(20, 5, (1, 19), 5)]
    #[case(2, 50, (1, 1), 50)]
    #[case(3, 50, (2, 2), 50)]
    #[case(5, 50, (3, 3), 50)]
    #[case(10, 50, (5, 5), 50)]
    fn the_split_equals_that_of_argo_rollouts(
        #[case] pods: u32,
        #[case] weight: u8,
        #[case] expected: (u32, u32),
        #[case] percent: u8,
    ) {
        assert_eq!(split(pods, weight, 1), expected);
        assert_eq!(share(expected.0, expected.1), percent);
    }

    proptest! {
        #[test]
        fn a_split_leaves_no_track_empty(pods in 1..200_u32, weight in 1..100_u8, surge in 0..3_u32) {
            let (candidate, primary) = split(pods, weight, surge);
            prop_assert!(candidate >= 1 && primary >= 1);
            prop_assert!(candidate + primary <= pods + 1);
        }

        #[test]
        fn a_higher_weight_has_no_fewer_pods(pods in 1..60_u32, weight in 1..99_u8) {
            prop_assert!(split(pods, weight, 1).0 <= split(pods, weight + 1, 1).0);
        }
    }
}
