//! Problems of routes that external clients cannot use.

use super::problem;
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
    reasons,
    workload::contention::{ExposureKind, RouteConflict},
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
