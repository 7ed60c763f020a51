//! Why an autoscaler does not scale.

use super::warning;
use crate::{api::status::Problem, engine::child::Child, logpilot::reasons, workload::health::Autoscaler};

pub(super) fn autoscaler_problem(child: &Child, autoscaler: &Autoscaler) -> Option<Problem> {
    let Autoscaler { unable, inactive } = autoscaler;
    // Zero pods by the user's own wish disable scaling and are no fault.
    let cause = unable.as_ref().or(inactive.as_ref()).filter(|cause| cause.reason != "ScalingDisabled")?;
    Some(warning(child, reasons::METRICS_UNAVAILABLE, format!("{}: {}", cause.reason, cause.message)))
}
