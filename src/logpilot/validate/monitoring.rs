//! Validation of monitors, alerts and dashboards.

use crate::{
    api::{
        alerting::{GrpcObjectives, RestObjectives, Rules},
        cluster::LogPilotClusterSpec,
        monitoring,
    },
    logpilot::{
        defaults,
        monitoring::{Alerting, Monitoring, Objectives, Slo, Thresholds},
        objects::server::METRICS_PATH,
    },
    workload::{
        StringMap,
        resolve::{
            Violations,
            monitoring::{Defaults, monitor},
        },
    },
};

const SCRAPES: Defaults<'static> = Defaults {
    port: defaults::MANAGEMENT.name,
    path: METRICS_PATH,
    interval: defaults::SCRAPE_INTERVAL,
    scrape_timeout: defaults::SCRAPE_TIMEOUT,
};

/// Resolves the monitoring block. Monitors are created in `namespace`.
pub(super) fn resolve(
    spec: &LogPilotClusterSpec,
    namespace: &str,
    violations: &mut Violations,
) -> Monitoring {
    let Some(given) = &spec.monitoring else { return Monitoring::default() };
    let service_monitor = monitor(
        given.service_monitor.as_ref(),
        namespace,
        &SCRAPES,
        "spec.monitoring.serviceMonitor",
        violations,
    );
    let pod_monitor =
        monitor(given.pod_monitor.as_ref(), namespace, &SCRAPES, "spec.monitoring.podMonitor", violations);
    violations.require(
        service_monitor.is_none() || pod_monitor.is_none(),
        "spec.monitoring.podMonitor",
        "may not be combined with `serviceMonitor`: every pod would be counted twice; remove one",
    );
    Monitoring {
        service_monitor,
        pod_monitor,
        scrape_annotations: given.scrape_annotations.as_ref().is_some_and(|it| on(it.enabled)),
        alerting: alerting(given, violations),
        dashboards: given.dashboards.as_ref().filter(|it| on(it.enabled)).map(|it| it.labels.clone()),
    }
}

/// A block that is present is enabled unless it says otherwise.
fn on(enabled: Option<bool>) -> bool {
    enabled != Some(false)
}

/// Returns `None` if neither alerts nor objectives are requested.
fn alerting(given: &monitoring::Monitoring, violations: &mut Violations) -> Option<Alerting> {
    let wanted = given.rules.as_ref().filter(|it| on(it.enabled));
    let slo = given
        .slo
        .as_ref()
        .filter(|it| on(it.enabled))
        .map(|slo| Slo { rest: rest(slo.rest.as_ref()), grpc: grpc(slo.grpc.as_ref()) });
    if wanted.is_none() && slo.is_none() {
        return None;
    }
    // Objectives without alerts use the same labels as alerts.
    let common = given.rules.clone().unwrap_or_default();
    check_alert_texts(&common.alert_labels, "spec.monitoring.rules.alertLabels", violations);
    check_alert_texts(&common.alert_annotations, "spec.monitoring.rules.alertAnnotations", violations);
    Some(Alerting {
        thresholds: wanted.map(thresholds),
        labels: common.labels,
        alert_labels: common.alert_labels,
        alert_annotations: common.alert_annotations,
        runbook_url: common.runbook_url,
        slo,
    })
}

/// One invalid name or template makes Prometheus reject the whole rule file, including the rules of
/// other owners.
fn check_alert_texts(texts: &StringMap, path: &str, violations: &mut Violations) {
    for (key, value) in texts {
        let name = !key.starts_with(|first: char| first.is_ascii_digit())
            && !key.is_empty()
            && key.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        violations.require(name, path, format!("key '{key}' must be a Prometheus label name such as 'team'"));
        violations.require(
            !value.contains("{{"),
            path,
            format!("value of '{key}' must not contain '{{{{': Prometheus would evaluate it as a template"),
        );
    }
}

fn thresholds(rules: &Rules) -> Thresholds {
    let given = rules.thresholds.clone().unwrap_or_default();
    let default = Thresholds::default();
    Thresholds {
        memory_percent: given.memory_percent.unwrap_or(default.memory_percent),
        cpu_percent: given.cpu_percent.unwrap_or(default.cpu_percent),
        storage_percent: given.storage_percent.unwrap_or(default.storage_percent),
        error_percent: given.error_percent.unwrap_or(default.error_percent),
        grpc_error_percent: given.grpc_error_percent.unwrap_or(default.grpc_error_percent),
        latency_milliseconds: given.latency_milliseconds.unwrap_or(default.latency_milliseconds),
        grpc_latency_milliseconds: given
            .grpc_latency_milliseconds
            .unwrap_or(default.grpc_latency_milliseconds),
        ingest_stopped_minutes: given.ingest_stopped_minutes.unwrap_or(default.ingest_stopped_minutes),
    }
}

fn rest(given: Option<&RestObjectives>) -> Objectives {
    let given = given.cloned().unwrap_or_default();
    let default = Objectives::default();
    Objectives {
        availability: given.availability_percent.unwrap_or(default.availability),
        latency: given.latency_percent.unwrap_or(default.latency),
        latency_milliseconds: given.latency_milliseconds.unwrap_or(default.latency_milliseconds),
    }
}

fn grpc(given: Option<&GrpcObjectives>) -> Objectives {
    let given = given.cloned().unwrap_or_default();
    let default = Objectives::default();
    Objectives {
        availability: given.availability_percent.unwrap_or(default.availability),
        latency: given.latency_percent.unwrap_or(default.latency),
        latency_milliseconds: given.latency_milliseconds.unwrap_or(default.latency_milliseconds),
    }
}
