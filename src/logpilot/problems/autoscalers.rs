//! Problems of autoscalers that do not scale.

use super::warning;
use crate::{
    api::status::Problem,
    engine::{child::Child, health::Cause},
    logpilot::reasons,
};

pub(super) fn autoscaler_problem(
    child: &Child,
    unable: Option<&Cause>,
    inactive: Option<&Cause>,
) -> Option<Problem> {
    // Zero pods at the user's request disable scaling and are no problem.
    let cause = unable.or(inactive).filter(|cause| cause.reason != "ScalingDisabled")?;
    Some(warning(child, reasons::METRICS_UNAVAILABLE, format!("{}: {}", cause.reason, cause.message)))
}
