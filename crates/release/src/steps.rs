//! Strategies and steps as a user declares them, and their translation into one list of [`Step`]s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest pause, seven days: a longer one is a forgotten one.
const MAX_PAUSE_SECONDS: i64 = 7 * 24 * 3600;
const MAX_STEPS: usize = 20;

/// How a new revision comes in. Canary by pods and canary by routes differ in what carries the weight, and
/// are therefore two strategies here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    RollingUpdate,
    /// No two revisions run at the same time. The machine moves as with `RollingUpdate`; the caller
    /// renders it.
    Recreate,
    CanaryByPods,
    CanaryByRoutes,
    BlueGreen,
}

impl Strategy {
    /// Whether the new revision first runs in a candidate Deployment of its own.
    #[must_use]
    pub fn has_candidate(self) -> bool {
        !matches!(self, Strategy::RollingUpdate | Strategy::Recreate)
    }
}

/// One step of the frozen list. `BlueGreen` uses the same three steps as a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// The share of traffic that the candidate gets, in percent.
    SetWeight(u8),
    /// Waits until it is promoted.
    Gate,
    /// Waits for this number of seconds, and for the analysis.
    Wait(u32),
    /// Verifies the candidate again, now under traffic.
    Verify,
}

/// The settings of a blue-green release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlueGreen {
    pub auto_promotion: bool,
    pub auto_promotion_seconds: u32,
    /// How long the old pods stay after the switch.
    pub scale_down_delay_seconds: u32,
}

impl BlueGreen {
    /// Returns the list of steps: a gate or a wait, the switch, the hold. Verification needs no step of its
    /// own, because every candidate is verified before its first step.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        let before = match (self.auto_promotion, self.auto_promotion_seconds) {
            (false, _) => Some(Step::Gate),
            (true, 0) => None,
            (true, seconds) => Some(Step::Wait(seconds)),
        };
        let switch = [Step::SetWeight(100), Step::Wait(self.scale_down_delay_seconds)];
        before.into_iter().chain(switch).collect()
    }
}

/// A duration as Argo Rollouts writes it: whole seconds, or a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pause {
    UntilPromoted,
    Seconds(i64),
    Text(String),
}

/// A step as the user wrote it. Exactly one field must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserStep {
    pub set_weight: Option<i64>,
    pub pause: Option<Pause>,
    pub verify: bool,
}

/// A violation in a list of steps. `path` is relative to the list's parent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: {message}")]
pub struct InvalidStep {
    pub path: String,
    pub message: String,
}

/// Parses a pause: `300`, `300s`, `10m` or `2h`, from 1 s to 7 days. Argo Rollouts accepts any text and fails
/// at run time; here a wrong one is rejected before the release starts.
///
/// # Errors
///
/// Returns the sentence for the user.
pub fn parse_duration(text: &str) -> Result<u32, String> {
    let form = || format!("must be a number of seconds or a duration such as 30s, 10m or 2h, not \"{text}\"");
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        _ => (Some(text), 1),
    };
    let digits = digits.filter(|digits| {
        (1..=6).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    });
    let number: i64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(form)?;
    bounded(number * unit)
}

fn bounded(seconds: i64) -> Result<u32, String> {
    u32::try_from(seconds).ok().filter(|_| (1..=MAX_PAUSE_SECONDS).contains(&seconds)).ok_or_else(|| {
        "must be between 1 second and 7 days (168h); use pause: {} to wait for promotion".into()
    })
}

/// Checks the steps of a canary and translates them. The last step, `setWeight: 100`, is the update of the
/// primary Deployment itself, so it does not appear in the result.
///
/// # Errors
///
/// Returns all violations, each with its path and what to change.
pub fn validate_steps(steps: &[UserStep]) -> Result<Vec<Step>, Vec<InvalidStep>> {
    let mut violations = Vec::new();
    let mut reject = |path: String, message: String| violations.push(InvalidStep { path, message });
    let mut frozen = Vec::new();
    let mut highest = 0;
    if steps.is_empty() || steps.len() > MAX_STEPS {
        reject("steps".into(), format!("must have 1 to {MAX_STEPS} steps; start with setWeight: 100"));
    }
    for (index, step) in steps.iter().enumerate() {
        let path = format!("steps[{index}]");
        match (step.set_weight, &step.pause, step.verify) {
            (Some(weight), None, false) => match u8::try_from(weight) {
                Ok(percent @ 1..=100) if percent > highest => {
                    highest = percent;
                    frozen.push(Step::SetWeight(percent));
                }
                Ok(1..=100) => reject(
                    format!("{path}.setWeight"),
                    format!("weights must rise: {weight} follows {highest}; remove the step or raise it"),
                ),
                _ => reject(
                    format!("{path}.setWeight"),
                    format!("must be between 1 and 100, not {weight}; a release begins at 0 by itself"),
                ),
            },
            (None, Some(pause), false) => {
                let seconds = match pause {
                    Pause::UntilPromoted => Ok(None),
                    Pause::Seconds(seconds) => bounded(*seconds).map(Some),
                    Pause::Text(text) => parse_duration(text).map(Some),
                };
                match seconds {
                    Ok(None) => frozen.push(Step::Gate),
                    Ok(Some(seconds)) => frozen.push(Step::Wait(seconds)),
                    Err(message) => reject(format!("{path}.pause.duration"), message),
                }
            }
            (None, None, true) => frozen.push(Step::Verify),
            _ => reject(
                path,
                "must be exactly one of setWeight, pause, verify; other steps of Argo Rollouts do not exist here"
                    .into(),
            ),
        }
    }
    if steps.last().is_some_and(|step| step.set_weight != Some(100)) {
        reject("steps".into(), "must end with setWeight: 100, which updates all pods".into());
    }
    frozen.pop_if(|last| *last == Step::SetWeight(100));
    if violations.is_empty() { Ok(frozen) } else { Err(violations) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn weight(percent: i64) -> UserStep {
        UserStep { set_weight: Some(percent), ..UserStep::default() }
    }

    fn pause(text: &str) -> UserStep {
        UserStep { pause: Some(Pause::Text(text.into())), ..UserStep::default() }
    }

    #[test]
    fn the_canary_of_the_documents_is_accepted() {
        let gate = UserStep { pause: Some(Pause::UntilPromoted), ..UserStep::default() };
        let steps = [weight(5), gate, weight(50), pause("10m"), weight(100)];
        let frozen = vec![Step::SetWeight(5), Step::Gate, Step::SetWeight(50), Step::Wait(600)];
        assert_eq!(validate_steps(&steps), Ok(frozen));
    }

    #[rstest]
    #[case::empty(vec![], "steps: must have 1 to 20 steps; start with setWeight: 100")]
    #[case::falling(vec![weight(50), weight(5), weight(100)],
        "steps[1].setWeight: weights must rise: 5 follows 50; remove the step or raise it")]
    #[case::repeated(vec![weight(5), weight(5), weight(100)],
        "steps[1].setWeight: weights must rise: 5 follows 5; remove the step or raise it")]
    #[case::zero(vec![weight(0), weight(100)],
        "steps[0].setWeight: must be between 1 and 100, not 0; a release begins at 0 by itself")]
    #[case::too_high(vec![weight(101), weight(100)],
        "steps[0].setWeight: must be between 1 and 100, not 101; a release begins at 0 by itself")]
    #[case::below_100(vec![weight(50)], "steps: must end with setWeight: 100, which updates all pods")]
    #[case::argo(vec![UserStep::default(), weight(100)],
        "steps[0]: must be exactly one of setWeight, pause, verify; other steps of Argo Rollouts do not exist here")]
    #[case::negative(vec![UserStep { pause: Some(Pause::Seconds(-1)), ..UserStep::default() }, weight(100)],
        "steps[0].pause.duration: must be between 1 second and 7 days (168h); use pause: {} to wait for promotion")]
    #[case::words(vec![pause("10 minutes"), weight(100)],
        "steps[0].pause.duration: must be a number of seconds or a duration such as 30s, 10m or 2h, not \"10 minutes\"")]
    fn a_wrong_step_is_rejected_at_its_field(#[case] steps: Vec<UserStep>, #[case] message: &str) {
        let violations = validate_steps(&steps).unwrap_err();
        assert_eq!(violations.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    }

    #[rstest]
    #[case("1", 1)]
    #[case("300", 300)]
    #[case("30s", 30)]
    #[case("10m", 600)]
    #[case("168h", 604_800)]
    fn a_duration_is_read(#[case] text: &str, #[case] seconds: u32) {
        assert_eq!(parse_duration(text), Ok(seconds));
    }

    #[rstest]
    fn a_wrong_duration_is_rejected(
        #[values(
            "", "s", "0", "0s", "-1", "01", "1.5h", "1d", "1h30m", " 1", "169h", "604801", "9999999", "ß"
        )]
        text: &str,
    ) {
        assert!(parse_duration(text).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_bounded_duration_or_an_error(text in ".{0,12}") {
            if let Ok(seconds) = parse_duration(&text) {
                prop_assert!((1..=604_800).contains(&seconds));
            }
        }
    }

    #[rstest]
    #[case::gate(false, 0, vec![Step::Gate, Step::SetWeight(100), Step::Wait(300)])]
    #[case::automatic(true, 0, vec![Step::SetWeight(100), Step::Wait(300)])]
    #[case::delayed(true, 60, vec![Step::Wait(60), Step::SetWeight(100), Step::Wait(300)])]
    fn blue_green_is_a_list_of_steps(#[case] auto: bool, #[case] seconds: u32, #[case] steps: Vec<Step>) {
        let settings = BlueGreen {
            auto_promotion: auto,
            auto_promotion_seconds: seconds,
            scale_down_delay_seconds: 300,
        };
        assert_eq!(settings.steps(), steps);
    }
}
