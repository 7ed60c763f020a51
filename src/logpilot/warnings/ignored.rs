//! Warnings about settings that another setting makes ineffective or duplicate.

use super::{object, warning};
use crate::{
    api::status::Problem,
    logpilot::{
        model::{Cluster, Component},
        objects::backup_pod,
    },
    workload::{build::disk, resolve::monitoring::seconds},
};

pub use crate::reasons::{SCRAPE_INTERVAL_LONG, SCRAPED_TWICE, SCRATCH_LIMITED, SETTING_IGNORED};

/// The same bound as the rule on `spec.monitoring`; a stored resource may be older than that rule.
const LONGEST_INTERVAL: u64 = 240;

pub fn warnings(cluster: &Cluster) -> Vec<Problem> {
    let spread = cluster.components.iter().filter_map(|component| spread(cluster, component));
    spread.chain(scraped_twice(cluster)).chain(interval(cluster)).chain(scratch(cluster)).collect()
}

fn spread(cluster: &Cluster, component: &Component) -> Option<Problem> {
    let given = component.topology_spread.as_ref().is_some_and(|list| !list.is_empty());
    (given && component.co_scheduled).then(|| {
        warning(
            SETTING_IGNORED,
            &object(cluster, "Deployment", &component.name),
            format!(
                "`components.{}.topologySpread` has no effect: pods that share a volume run on one node",
                component.role.name
            ),
            "Remove it, or use `storage.sharing: PerComponent` with one pod each.",
        )
    })
}

fn scraped_twice(cluster: &Cluster) -> Option<Problem> {
    let (kind, name) = match (&cluster.monitoring.service_monitor, &cluster.monitoring.pod_monitor) {
        (Some(_), _) => ("ServiceMonitor", cluster.scope.prefix.service_monitor()),
        (None, Some(_)) => ("PodMonitor", cluster.scope.prefix.pod_monitor()),
        (None, None) => return None,
    };
    let annotated = |component: &Component| {
        component.pod_annotations.get("prometheus.io/scrape").map(|value| value == "true")
    };
    let also = |component: &Component| annotated(component).unwrap_or(cluster.monitoring.scrape_annotations);
    cluster.components.iter().any(also).then(|| {
        let namespace = cluster.monitoring_namespace();
        warning(
            SCRAPED_TWICE,
            &format!("{kind} {namespace}/{name}"),
            format!(
                "the pods have a {kind} and `prometheus.io/scrape` annotations: a Prometheus that follows both counts each of them twice"
            ),
            "Keep one: set `enabled: false` in `monitoring.scrapeAnnotations`, or in the monitor.",
        )
    })
}

fn interval(cluster: &Cluster) -> Option<Problem> {
    let monitoring = &cluster.monitoring;
    monitoring.alerting.as_ref()?;
    let monitor = monitoring.service_monitor.as_ref().or(monitoring.pod_monitor.as_ref())?;
    (seconds(&monitor.interval)? > LONGEST_INTERVAL).then(|| {
        warning(
            SCRAPE_INTERVAL_LONG,
            &object(cluster, "PrometheusRule", &cluster.scope.prefix.prometheus_rule()),
            format!(
                "a scrape interval of {} is too long for alerts: Prometheus treats a series as stale after 5 minutes, so some alerts never fire and others fire without a cause",
                monitor.interval
            ),
            "Set `interval` of the monitor to 4m or less, or `enabled: false` in `monitoring.rules` and `slo`.",
        )
    })
}

/// Warns if the scratch space of a bucket backup is bounded while the size of the data is unknown.
fn scratch(cluster: &Cluster) -> Option<Problem> {
    let job = cluster.backup.as_ref()?.jobs.iter().find(|job| {
        let pod = backup_pod::spec(cluster, job, "", "", [], backup_pod::store(job));
        disk::unbounded(&cluster.scope.limits, &pod)
    })?;
    Some(warning(
        SCRATCH_LIMITED,
        &object(cluster, "CronJob", &job.name),
        "`limits` of the namespace restrict `ephemeral-storage`, and the size of a copy of an existing PVC is not known: the pod of a backup or restore that writes more is evicted, and without a default none starts".into(),
        "Set `limits.defaults.limits.ephemeral-storage` above the size of the data, or omit it.",
    ))
}
