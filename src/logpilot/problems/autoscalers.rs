//! Why an autoscaler does not scale.

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
    // Zero pods by the user's own wish disable scaling and are no fault.
    let cause = unable.or(inactive).filter(|cause| cause.reason != "ScalingDisabled")?;
    Some(warning(child, reasons::METRICS_UNAVAILABLE, format!("{}: {}", cause.reason, cause.message)))
}
