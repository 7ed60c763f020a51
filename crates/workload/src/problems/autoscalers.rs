//! Problems of autoscalers that do not scale.

use engine::child::Child;

use super::{Problem, Profile};
use crate::{health::Autoscaler, reasons};

pub(super) fn autoscaler_problem(
    profile: &Profile,
    child: &Child,
    autoscaler: &Autoscaler,
) -> Option<Problem> {
    let Autoscaler { unable, inactive, .. } = autoscaler;
    // Zero pods at the user's request disable scaling and are no problem.
    let cause = unable.as_ref().or(inactive.as_ref()).filter(|cause| cause.reason != "ScalingDisabled")?;
    Some(profile.warning(child, reasons::METRICS_UNAVAILABLE, format!("{}: {}", cause.reason, cause.message)))
}
