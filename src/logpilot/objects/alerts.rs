//! The alerts. Each alert has a section in docs/runbooks.md, a test in which it fires, and a test
//! in which it does not.

use std::{borrow::Cow, iter};

use crate::{
    logpilot::{
        model::Cluster,
        monitoring::{Alerting, Thresholds},
        objects::{
            promql::{self, GRPC_FAULTS, decimal},
            slo,
        },
    },
    workload::{
        StringMap,
        build::prometheus_rule::{self, Group, PrometheusRule, Rule},
    },
};

/// Label of every rule, which distinguishes several LogPilotClusters in one Prometheus.
pub const CLUSTER: &str = "logpilot_cluster";

/// The default URL of the runbooks, for users without a URL of their own.
const RUNBOOKS: &str = "docs/runbooks.md";

pub struct Alert {
    pub name: &'static str,
    pub severity: &'static str,
    pub for_: Cow<'static, str>,
    pub expr: String,
    pub summary: &'static str,
    pub description: String,
}

/// Returns `None` unless alerts or objectives are requested.
#[must_use]
pub fn prometheus_rule(cluster: &Cluster) -> Option<PrometheusRule> {
    let wanted = cluster.monitoring.alerting.as_ref()?;
    let mut groups = Vec::new();
    groups.extend(group(cluster, wanted));
    groups.extend(slo::groups(cluster, wanted));
    Some(prometheus_rule::build(&cluster.scope, cluster.monitoring_namespace(), &wanted.labels, groups))
}

/// Returns `None` if only objectives are requested.
#[must_use]
pub fn group(cluster: &Cluster, wanted: &Alerting) -> Option<Group> {
    let thresholds = wanted.thresholds.as_ref()?;
    let alerts = iter::empty()
        .chain(usage(cluster, thresholds))
        .chain(presence(cluster))
        .chain(storage(cluster, thresholds))
        .chain(rest(cluster, thresholds))
        .chain(grpc(cluster, thresholds))
        .chain(ingest(cluster, thresholds));
    Some(Group {
        name: "logpilot.rules".into(),
        interval: None,
        rules: alerts.map(|alert| rule(cluster, wanted, alert)).collect(),
    })
}

/// The labels that distinguish the rules of one resource.
#[must_use]
pub fn identity(cluster: &Cluster) -> StringMap {
    StringMap::from([
        ("namespace".to_owned(), cluster.namespace.name.clone()),
        (CLUSTER.to_owned(), cluster.scope.prefix.as_str().to_owned()),
    ])
}

/// The labels of the operator take precedence over those of the user, because routes and silences
/// rely on them.
#[must_use]
pub fn rule(cluster: &Cluster, wanted: &Alerting, alert: Alert) -> Rule {
    let mut labels = wanted.alert_labels.clone();
    labels.extend(identity(cluster));
    labels.insert("severity".into(), alert.severity.into());
    let section = alert.name.to_lowercase();
    let runbook = match &wanted.runbook_url {
        Some(page) => ("runbook_url".to_owned(), format!("{page}#{section}")),
        None => ("runbook".to_owned(), format!("{RUNBOOKS}#{section}")),
    };
    let mut annotations = wanted.alert_annotations.clone();
    annotations.extend([
        ("summary".to_owned(), alert.summary.to_owned()),
        ("description".to_owned(), alert.description),
        runbook,
    ]);
    Rule {
        alert: Some(alert.name.into()),
        expr: alert.expr,
        for_: Some(alert.for_.into_owned()),
        labels,
        annotations,
        record: None,
    }
}

fn percent(value: i32) -> String {
    decimal(value.unsigned_abs(), 2)
}

fn seconds(milliseconds: i32) -> String {
    decimal(milliseconds.unsigned_abs(), 3)
}

/// The limit comes from kube-state-metrics or from the kubelet, because common installations drop
/// one of them. A container without a limit has 0 there, and a division by 0 would make the alert
/// fire permanently.
fn usage(cluster: &Cluster, thresholds: &Thresholds) -> Vec<Alert> {
    let Some(containers) = promql::containers(cluster) else { return Vec::new() };
    let by = "(namespace, pod, container)";
    let against = |used: String, resource: &str, from_kubelet: &str, percent: String| {
        format!(
            "max by {by} ({used}) / on {by} (max by {by} (kube_pod_container_resource_limits{{{containers},resource=\"{resource}\"}}) or max by {by} ({from_kubelet})) > {percent}"
        )
    };
    vec![
        Alert {
            name: "LogPilotHighMemoryUsage",
            severity: "warning",
            for_: "5m".into(),
            expr: against(
                format!("container_memory_working_set_bytes{{{containers}}}"),
                "memory",
                &format!("container_spec_memory_limit_bytes{{{containers}}} > 0"),
                percent(thresholds.memory_percent),
            ),
            summary: "LogPilot high memory usage",
            description: "Pod {{ $labels.pod }} uses {{ $value | humanizePercentage }} of its memory limit."
                .into(),
        },
        Alert {
            name: "LogPilotHighCPUUsage",
            severity: "warning",
            for_: "5m".into(),
            expr: against(
                format!("rate(container_cpu_usage_seconds_total{{{containers}}}[5m])"),
                "cpu",
                &format!(
                    "(container_spec_cpu_quota{{{containers}}} > 0) / container_spec_cpu_period{{{containers}}}"
                ),
                percent(thresholds.cpu_percent),
            ),
            summary: "LogPilot high CPU usage",
            description: "Pod {{ $labels.pod }} uses {{ $value | humanizePercentage }} of its CPU limit."
                .into(),
        },
    ]
}

/// A pod that starts is down for up to 110 s, the time of its startup probe, and counts as up one
/// scrape later.
const STARTING_SECONDS: u64 = 110;

fn presence(cluster: &Cluster) -> Vec<Alert> {
    let Some(pods) = promql::pods(cluster, |_| true) else { return Vec::new() };
    let deployments = promql::deployments(cluster);
    let down =
        cluster.monitoring.interval_seconds().saturating_add(STARTING_SECONDS).div_ceil(60).clamp(3, 6);
    let mut alerts = vec![
        Alert {
            name: "LogPilotPodDown",
            severity: "critical",
            for_: format!("{down}m").into(),
            expr: format!("up{{{pods}}} == 0"),
            summary: "LogPilot pod is down",
            description: "Pod {{ $labels.pod }} does not respond on its management port.".into(),
        },
        Alert {
            name: "LogPilotUnavailable",
            severity: "critical",
            for_: "3m".into(),
            expr: format!(
                "(kube_deployment_status_replicas_available{{{deployments}}} == 0) and on (namespace, deployment) (kube_deployment_spec_replicas{{{deployments}}} > 0)"
            ),
            summary: "LogPilot has no available pod",
            description: "No pod of Deployment {{ $labels.deployment }} is available.".into(),
        },
    ];
    // Without a monitor of the operator, not scraping may be intended. A stopped resource has
    // nothing to scrape.
    if cluster.monitoring.scraped() && !cluster.stopped {
        alerts.push(Alert {
            name: "LogPilotMetricsMissing",
            severity: "warning",
            for_: "10m".into(),
            expr: format!(
                "absent(up{{{pods}}}) unless on () (sum(kube_deployment_spec_replicas{{{deployments}}}) == 0)"
            ),
            summary: "Prometheus scrapes no LogPilot pod",
            description: "Prometheus has no target for this LogPilotCluster, so other alerts cannot fire."
                .into(),
        });
    }
    alerts
}

fn storage(cluster: &Cluster, thresholds: &Thresholds) -> Vec<Alert> {
    if cluster.components.is_empty() {
        return Vec::new();
    }
    let claims = promql::claims(cluster);
    vec![Alert {
        name: "LogPilotStorageNearlyFull",
        severity: "warning",
        for_: "10m".into(),
        expr: format!(
            "max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_used_bytes{{{claims}}} / (kubelet_volume_stats_capacity_bytes{{{claims}}} > 0)) > {}",
            percent(thresholds.storage_percent)
        ),
        summary: "LogPilot storage nearly full",
        description: "Volume {{ $labels.persistentvolumeclaim }} is {{ $value | humanizePercentage }} full."
            .into(),
    }]
}

fn rest(cluster: &Cluster, thresholds: &Thresholds) -> Vec<Alert> {
    let Some(requests) = promql::rest(cluster) else { return Vec::new() };
    let window = promql::window(cluster);
    let rate = |metric: &str, more: &str| format!("sum(rate({metric}{{{requests}{more}}}[{window}]))");
    vec![
        Alert {
            name: "LogPilotHighErrorRate",
            severity: "warning",
            for_: "5m".into(),
            expr: format!(
                "{} / {} > {}",
                rate("http_server_requests_seconds_count", ",status=~\"5..\""),
                rate("http_server_requests_seconds_count", ""),
                percent(thresholds.error_percent)
            ),
            summary: "LogPilot high error rate",
            description: "{{ $value | humanizePercentage }} of REST requests are answered with a 5xx status."
                .into(),
        },
        Alert {
            name: "LogPilotHighLatency",
            severity: "warning",
            for_: "5m".into(),
            expr: format!(
                "{} / {} > {}",
                rate("http_server_requests_seconds_sum", ""),
                rate("http_server_requests_seconds_count", ""),
                seconds(thresholds.latency_milliseconds)
            ),
            summary: "LogPilot REST requests are slow",
            description: "REST requests take {{ $value | humanizeDuration }} on average.".into(),
        },
    ]
}

fn grpc(cluster: &Cluster, thresholds: &Thresholds) -> Vec<Alert> {
    let Some(calls) = promql::grpc(cluster) else { return Vec::new() };
    let window = promql::window(cluster);
    let count =
        |more: &str| format!("sum(rate(grpc_server_call_duration_seconds_count{{{calls}{more}}}[{window}]))");
    vec![
        Alert {
            name: "LogPilotHighGrpcErrorRate",
            severity: "warning",
            for_: "5m".into(),
            expr: format!(
                "{} / {} > {}",
                count(&format!(",{GRPC_FAULTS}")),
                count(""),
                percent(thresholds.grpc_error_percent)
            ),
            summary: "LogPilot gRPC calls fail",
            description: "{{ $value | humanizePercentage }} of gRPC calls fail because of a server error."
                .into(),
        },
        Alert {
            name: "LogPilotHighGrpcLatency",
            severity: "warning",
            for_: "5m".into(),
            expr: format!(
                "histogram_quantile(0.99, sum by (le) (rate(grpc_server_call_duration_seconds_bucket{{{calls}}}[{window}]))) > {}",
                seconds(thresholds.grpc_latency_milliseconds)
            ),
            summary: "LogPilot gRPC calls are slow",
            description: "1 % of gRPC calls take {{ $value | humanizeDuration }} or more.".into(),
        },
    ]
}

/// Compares with the last day: a resource without any clients has not stopped receiving logs.
fn ingest(cluster: &Cluster, thresholds: &Thresholds) -> Vec<Alert> {
    let Some(pods) = promql::pods(cluster, |_| true) else { return Vec::new() };
    // A period that is shorter than some scrapes has no meaning.
    let minutes =
        u64::from(thresholds.ingest_stopped_minutes.unsigned_abs()).max(cluster.monitoring.window_minutes());
    let received = |window: &str| format!("sum(increase(logpilot_logs_received_total{{{pods}}}[{window}]");
    vec![Alert {
        name: "LogPilotIngestStopped",
        severity: "warning",
        for_: "5m".into(),
        expr: format!(
            "({})) == 0) and ({} offset {minutes}m)) > 0)",
            received(&format!("{minutes}m")),
            received("1d")
        ),
        summary: "LogPilot receives no logs",
        description: format!(
            "No log record arrived in the last {minutes} minutes, although some did within the last day."
        ),
    }]
}
