//! Why clients from outside do not get in.

use super::problem;
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
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
