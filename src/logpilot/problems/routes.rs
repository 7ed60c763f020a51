//! Problems of routes that external clients cannot use.

use super::{error, problem, warning};
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
    engine::{child::Child, health::Cause},
    logpilot::{
        facts::{ExposureKind, RouteConflict},
        reasons,
    },
};

/// Returns one problem per kind of exposure that conflicts with an older resource, with the first
/// location as an example.
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

pub(super) fn gateway_problem(child: &Child, unable: Option<&Cause>, unseen: bool) -> Option<Problem> {
    match unable {
        Some(cause) => Some(error(
            child,
            reasons::GATEWAY_NOT_PROGRAMMED,
            format!("{}: {}", cause.reason, cause.message),
        )),
        // No controller has answered: for a moment after each change, or permanently if a name is wrong.
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
