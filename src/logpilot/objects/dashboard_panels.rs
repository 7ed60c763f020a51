//! The panels of the dashboards. A panel for an interface that no component serves is omitted.

use crate::{
    logpilot::{
        model::Cluster,
        objects::promql::{self, GRPC_FAULTS, share},
    },
    workload::dashboard::{Panel, lines, number},
};

/// Returns the name, title and panels of each dashboard.
#[must_use]
pub fn all(cluster: &Cluster) -> Vec<(&'static str, &'static str, Vec<Panel>)> {
    let (Some(pods), Some(containers)) = (promql::pods(cluster, |_| true), promql::containers(cluster))
    else {
        return Vec::new();
    };
    let of = Of {
        pods,
        containers,
        rest: promql::rest(cluster),
        grpc: promql::grpc(cluster),
        claims: promql::claims(cluster),
        deployments: promql::deployments(cluster),
    };
    vec![
        ("overview", "Overview", of.overview()),
        ("business", "Business", of.business()),
        ("performance", "Performance", of.performance()),
        ("infrastructure", "Infrastructure", of.infrastructure()),
    ]
}

/// The label matchers of one resource.
struct Of {
    pods: String,
    containers: String,
    rest: Option<String>,
    grpc: Option<String>,
    claims: String,
    deployments: String,
}

/// Returns a sum of rates over an interval that Grafana derives from the scrape interval and the
/// width of the panel.
fn rate(metric: &str, matchers: &str, by: &str) -> String {
    let by = if by.is_empty() { String::new() } else { format!(" by ({by})") };
    format!("sum{by} (rate({metric}{{{matchers}}}[$__rate_interval]))")
}

const REQUESTS: &str = "http_server_requests_seconds_count";
const CALLS: &str = "grpc_server_call_duration_seconds_count";
const RECEIVED: &str = "logpilot_logs_received_total";

impl Of {
    fn rest(&self, panels: impl FnOnce(&str) -> Vec<Panel>) -> Vec<Panel> {
        self.rest.as_deref().map(panels).unwrap_or_default()
    }

    fn grpc(&self, panels: impl FnOnce(&str) -> Vec<Panel>) -> Vec<Panel> {
        self.grpc.as_deref().map(panels).unwrap_or_default()
    }

    /// The overview: availability, load and errors.
    fn overview(&self) -> Vec<Panel> {
        let Self { pods, containers, claims, .. } = self;
        let mut panels = vec![
            number("Pods Up", "short", format!("sum(up{{{pods}}})")),
            number("Logs Received", "cps", rate(RECEIVED, pods, "")),
            number("Log Storage Usage", "percentunit", storage(claims)),
            number(
                "Errors Logged",
                "cps",
                rate("logback_events_total", &format!("{pods},level=\"error\""), ""),
            ),
        ];
        panels.extend(self.rest(|rest| {
            let errors = rate(REQUESTS, &format!("{rest},status=~\"5..\""), "");
            vec![
                lines("Request Rate", "reqps", vec![("REST", rate(REQUESTS, rest, ""))]),
                lines("Error Rate", "percentunit", vec![("5xx", share(&errors, &rate(REQUESTS, rest, "")))]),
            ]
        }));
        panels.extend(self.grpc(|grpc| {
            let faults = rate(CALLS, &format!("{grpc},{GRPC_FAULTS}"), "");
            vec![
                lines("gRPC Call Rate", "reqps", vec![("gRPC", rate(CALLS, grpc, ""))]),
                lines(
                    "gRPC Error Rate",
                    "percentunit",
                    vec![("faults", share(&faults, &rate(CALLS, grpc, "")))],
                ),
            ]
        }));
        panels.push(lines("Memory Usage", "bytes", vec![("{{pod}}", memory(containers))]));
        panels.push(lines("CPU Usage", "short", vec![("{{pod}}", cpu(containers))]));
        panels
    }

    /// The business dashboard: the number and kind of the log records, and the rejected clients.
    fn business(&self) -> Vec<Panel> {
        let Self { pods, claims, .. } = self;
        let day = |more: &str| format!("sum(increase({RECEIVED}{{{pods}{more}}}[1d]))");
        let mut panels = vec![
            number("Logs Received in 24 Hours", "short", day("")),
            number("Errors in 24 Hours", "short", day(",level=\"ERROR\"")),
            number("Log Storage Usage", "percentunit", storage(claims)),
            number(
                "Storage Growth in 24 Hours",
                "bytes",
                format!("clamp_min(max(delta(kubelet_volume_stats_used_bytes{{{claims}}}[1d])), 0)"),
            ),
            lines("Log Throughput by Level", "cps", vec![("{{level}}", rate(RECEIVED, pods, "level"))]),
            lines(
                "Log Storage",
                "bytes",
                vec![
                    ("{{persistentvolumeclaim}} used", volume("used_bytes", claims)),
                    ("{{persistentvolumeclaim}} capacity", volume("capacity_bytes", claims)),
                ],
            ),
        ];
        panels.extend(self.rest(|rest| {
            let turned_away = |status: &str| rate(REQUESTS, &format!("{pods},status=\"{status}\""), "");
            vec![
                lines(
                    "REST Operations",
                    "reqps",
                    vec![("{{method}} {{uri}}", rate(REQUESTS, rest, "method, uri"))],
                ),
                lines(
                    "Rejected Requests",
                    "reqps",
                    vec![("rate limit (429)", turned_away("429")), ("API key (403)", turned_away("403"))],
                )
                .explained("The rate limit is one token bucket per pod, shared by all clients."),
            ]
        }));
        panels.extend(self.grpc(|grpc| {
            vec![lines(
                "gRPC Operations",
                "reqps",
                vec![("{{grpc_method}}", rate(CALLS, grpc, "grpc_method"))],
            )]
        }));
        panels
    }

    /// The performance dashboard: latencies, and the state of the JVM.
    fn performance(&self) -> Vec<Panel> {
        let pods = &self.pods;
        let mut panels = self.rest(|rest| {
            let mean = format!(
                "{} / {}",
                rate("http_server_requests_seconds_sum", rest, "uri"),
                rate(REQUESTS, rest, "uri")
            );
            vec![
                lines("REST Mean Latency", "s", vec![("{{uri}}", mean)])
                    .explained("The server has no histogram of REST requests, so there are no percentiles."),
                lines(
                    "REST Slowest Request",
                    "s",
                    vec![("{{pod}}", format!("max by (pod) (http_server_requests_seconds_max{{{rest}}})"))],
                ),
                lines(
                    "REST Responses by Status",
                    "reqps",
                    vec![("{{status}}", rate(REQUESTS, rest, "status"))],
                ),
            ]
        });
        panels.extend(self.grpc(|grpc| {
            let quantile = |which: &str| {
                let buckets = rate("grpc_server_call_duration_seconds_bucket", grpc, "le");
                format!("histogram_quantile({which}, {buckets})")
            };
            vec![
                lines(
                    "gRPC Latency",
                    "s",
                    vec![("50 %", quantile("0.5")), ("95 %", quantile("0.95")), ("99 %", quantile("0.99"))],
                ),
                lines(
                    "gRPC Responses by Status",
                    "reqps",
                    vec![("{{grpc_status}}", rate(CALLS, grpc, "grpc_status"))],
                ),
            ]
        }));
        panels.extend([
            lines(
                "JVM Heap",
                "bytes",
                vec![
                    ("{{pod}} used", format!("sum by (pod) (jvm_memory_used_bytes{{{pods},area=\"heap\"}})")),
                    (
                        "{{pod}} limit",
                        format!("sum by (pod) (jvm_memory_max_bytes{{{pods},area=\"heap\"}} > 0)"),
                    ),
                ],
            ),
            lines(
                "Garbage Collection",
                "percentunit",
                vec![("{{pod}}", rate("jvm_gc_pause_seconds_sum", pods, "pod"))],
            ),
            lines("Threads", "short", vec![("{{pod}}", format!("jvm_threads_live_threads{{{pods}}}"))]),
            lines(
                "Waiting Tasks",
                "short",
                vec![("{{pod}} {{name}}", format!("executor_queued_tasks{{{pods}}}"))],
            ),
        ]);
        panels
    }

    /// The infrastructure dashboard: the resources from the Kubernetes cluster.
    fn infrastructure(&self) -> Vec<Panel> {
        let Self { pods, containers, claims, deployments, .. } = self;
        let network =
            |direction: &str| rate(&format!("container_network_{direction}_bytes_total"), pods, "pod");
        vec![
            lines(
                "CPU Usage",
                "short",
                vec![("{{pod}}", cpu(containers)), ("{{pod}} limit", limit(containers, "cpu"))],
            ),
            lines(
                "Memory Usage",
                "bytes",
                vec![("{{pod}}", memory(containers)), ("{{pod}} limit", limit(containers, "memory"))],
            ),
            lines(
                "Network",
                "Bps",
                vec![("{{pod}} received", network("receive")), ("{{pod}} sent", network("transmit"))],
            ),
            lines(
                "Volumes",
                "percentunit",
                vec![(
                    "{{persistentvolumeclaim}}",
                    format!("{} / {}", volume("used_bytes", claims), volume("capacity_bytes", claims)),
                )],
            ),
            lines("Free Inodes", "short", vec![("{{persistentvolumeclaim}}", volume("inodes_free", claims))]),
            lines(
                "Pods",
                "short",
                vec![
                    ("{{deployment}} wanted", format!("kube_deployment_spec_replicas{{{deployments}}}")),
                    (
                        "{{deployment}} available",
                        format!("kube_deployment_status_replicas_available{{{deployments}}}"),
                    ),
                ],
            ),
            lines(
                "Restarts per Hour",
                "short",
                vec![(
                    "{{pod}}",
                    format!(
                        "sum by (pod) (increase(kube_pod_container_status_restarts_total{{{containers}}}[1h]))"
                    ),
                )],
            ),
            lines("Open Files", "short", vec![("{{pod}}", format!("process_files_open_files{{{pods}}}"))]),
        ]
    }
}

fn memory(containers: &str) -> String {
    format!("max by (pod) (container_memory_working_set_bytes{{{containers}}})")
}

fn cpu(containers: &str) -> String {
    format!("max by (pod) (rate(container_cpu_usage_seconds_total{{{containers}}}[$__rate_interval]))")
}

fn limit(containers: &str, resource: &str) -> String {
    format!("max by (pod) (kube_pod_container_resource_limits{{{containers},resource=\"{resource}\"}})")
}

fn volume(what: &str, claims: &str) -> String {
    format!("max by (persistentvolumeclaim) (kubelet_volume_stats_{what}{{{claims}}})")
}

fn storage(claims: &str) -> String {
    format!("max({} / {})", volume("used_bytes", claims), volume("capacity_bytes", claims))
}
