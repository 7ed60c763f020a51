//! Why clients from outside do not get in.

use super::{error, problem, warning};
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
    engine::child::Child,
    logpilot::{
        facts::{ExposureKind, RouteConflict},
        reasons,
    },
    workload::health::{Gateway, Route},
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
            let kind = api::KIND;
            let host = if host.is_empty() { "*" } else { host };
            let message = format!(
                "spec.exposure.{field}: host '{host}' path '{path}' is already used by {kind} '{by}'{others}"
            );
            Some(problem(Severity::Error, reasons::ROUTE_CONFLICT, format!("{kind} {cluster}"), message))
        },
    )
}

pub(super) fn gateway_problem(child: &Child, gateway: &Gateway) -> Option<Problem> {
    match &gateway.unable {
        Some(cause) => Some(error(
            child,
            reasons::GATEWAY_NOT_PROGRAMMED,
            format!("{}: {}", cause.reason, cause.message),
        )),
        // Nobody has answered: for a moment after each change, or for ever where a name is wrong.
        None => gateway.unseen.then(|| {
            let message = "no controller has answered for it yet";
            warning(child, reasons::GATEWAY_NOT_PROGRAMMED, message)
        }),
    }
}

pub(super) fn route_problem(child: &Child, route: &Route) -> Option<Problem> {
    match &route.refused {
        Some(cause) => {
            Some(error(child, reasons::ROUTE_NOT_ACCEPTED, format!("{}: {}", cause.reason, cause.message)))
        }
        None => route.unseen.as_ref().map(|gateway| {
            let message = format!("no controller has answered for Gateway {gateway} yet");
            warning(child, reasons::ROUTE_NOT_ACCEPTED, message)
        }),
    }
}
