//! Why clients from outside do not get in.

use super::{error, problem, warning};
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
    engine::{child::Child, health::Cause},
    logpilot::reasons,
    workload::contention::{ExposureKind, RouteConflict},
};

/// One problem for each way in that an older resource is in the way of, told by its first location.
pub(super) fn route_conflict_problems(
    taken: &[RouteConflict],
    cluster: &str,
) -> impl Iterator<Item = Problem> {
    [(ExposureKind::Ingress, "ingress"), (ExposureKind::Gateway, "gateway")].into_iter().filter_map(
        move |(way, field)| {
            let mut all = taken.iter().filter(|taken| taken.way == way);
            let RouteConflict { host, path, by, .. } = all.next()?;
            let others = match all.count() {
                0 => String::new(),
                others => format!(" (and {others} more)"),
            };
            let (kind, theirs) = (api::KIND, by.kind().kind);
            let by = by.key();
            let host = if host.is_empty() { "*" } else { host };
            let message = format!(
                "spec.exposure.{field}: host '{host}' path '{path}' is already used by {theirs} '{by}'{others}"
            );
            Some(problem(Severity::Error, reasons::ROUTE_CONFLICT, format!("{kind} {cluster}"), message))
        },
    )
}

pub(super) fn gateway_problem(child: &Child, unable: Option<&Cause>, unseen: bool) -> Option<Problem> {
    match unable {
        Some(cause) => Some(error(
            child,
            reasons::GATEWAY_NOT_PROGRAMMED,
            format!("{}: {}", cause.reason, cause.message),
        )),
        // Nobody has answered: for a moment after each change, or for ever where a name is wrong.
        None => unseen.then(|| {
            let message = "no controller has answered for it yet";
            warning(child, reasons::GATEWAY_NOT_PROGRAMMED, message)
        }),
    }
}

pub(super) fn route_problem(child: &Child, refused: Option<&Cause>, unseen: Option<&str>) -> Option<Problem> {
    match refused {
        Some(cause) => {
            Some(error(child, reasons::ROUTE_NOT_ACCEPTED, format!("{}: {}", cause.reason, cause.message)))
        }
        None => unseen.map(|gateway| {
            let message = format!("no controller has answered for Gateway {gateway} yet");
            warning(child, reasons::ROUTE_NOT_ACCEPTED, message)
        }),
    }
}
