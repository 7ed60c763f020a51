//! Conditions according to the API conventions: the transition time changes only with the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// A condition before it has a transition time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredCondition {
    pub type_: &'static str,
    pub status: bool,
    pub reason: String,
    pub message: String,
}

/// Longest message. The API's limit is 32 KiB; this one keeps messages readable.
const LONGEST_MESSAGE: usize = 2048;

/// Returns the conditions to report. A condition that is no longer wanted is omitted: an abnormal
/// condition is absent, not False.
#[must_use]
pub fn merge(
    before: &[Condition],
    wanted: Vec<DesiredCondition>,
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    wanted
        .into_iter()
        .map(|wanted| {
            let status = if wanted.status { "True" } else { "False" };
            let since = before
                .iter()
                .find(|condition| condition.type_ == wanted.type_ && condition.status == status)
                .map_or_else(|| now.clone(), |condition| condition.last_transition_time.clone());
            Condition {
                type_: wanted.type_.to_owned(),
                status: status.to_owned(),
                reason: wanted.reason,
                message: wanted.message.chars().take(LONGEST_MESSAGE).collect(),
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap())
    }

    fn ready(status: bool, reason: &str) -> DesiredCondition {
        DesiredCondition { type_: "Ready", status, reason: reason.into(), message: String::new() }
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let first = merge(&[], vec![ready(false, "A")], Some(1), &at(1));
        let second = merge(&first, vec![ready(false, "B")], Some(2), &at(2));
        assert_eq!((second[0].last_transition_time.clone(), second[0].reason.as_str()), (at(1), "B"));
        let third = merge(&second, vec![ready(true, "C")], Some(2), &at(3));
        assert_eq!(third[0].last_transition_time, at(3));
    }

    /// Fault catalogue: F53.
    #[test]
    fn a_clock_that_jumps_changes_no_condition() {
        let said = |now| {
            merge(&merge(&[], vec![ready(true, "A")], Some(1), &at(0)), vec![ready(true, "A")], Some(1), &now)
        };
        let (hour, year) = (3600, 400 * 24 * 3600);
        for jump in [-year, -hour, hour, year] {
            assert_eq!(said(at(jump)), said(at(0)), "{jump}");
        }
    }

    #[test]
    fn a_past_condition_is_absent() {
        let first = merge(&[], vec![ready(true, "A")], Some(1), &at(1));
        assert!(merge(&first, Vec::new(), Some(1), &at(2)).is_empty());
    }
}
