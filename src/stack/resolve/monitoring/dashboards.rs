//! The four dashboards of the bundled Grafana.
//!
//! A query for a metric that a component does not have shows nothing for it: metrics are the program's.

use crate::workload::{
    dashboard::{Panel, Variable, lines, model, number},
    names::short_hash,
};

/// Counters of requests, by the names that common libraries give them. The first that a component has counts.
const REQUESTS: [&str; 4] = [
    "http_server_requests_seconds_count",
    "http_requests_total",
    "http_server_request_duration_seconds_count",
    "flask_http_request_total",
];
/// Chosen components.
const CHOSEN: &str = "component=~\"$component\"";

/// File names without their ending, and the JSON.
pub fn all(stack: &str) -> Vec<(&'static str, String)> {
    let chosen = || vec![Variable::queried("component", "Component", "label_values(up, component)")];
    let dashboards = [
        ("overview", "Overview", Vec::new(), overview()),
        ("components", "Components", chosen(), components()),
        ("infrastructure", "Infrastructure", Vec::new(), infrastructure()),
        ("alerts", "Alerts", Vec::new(), alerts()),
    ];
    let json = |(name, title, variables, panels): (&'static str, &str, Vec<Variable>, Vec<Panel>)| {
        // Links and favourites refer to it. Grafana allows 40 characters.
        let uid = format!("stack-{}", short_hash(format!("{stack}/{name}").as_bytes()));
        (name, model(uid, format!("{stack}: {title}"), "stack", variables, panels))
    };
    dashboards.into_iter().map(json).collect()
}

fn rate(metric: &str, matchers: &str) -> String {
    format!("sum by (component) (rate({metric}{{{matchers}}}[$__rate_interval]))")
}

fn requests(matchers: &str) -> String {
    REQUESTS.map(|metric| rate(metric, matchers)).join(" or ")
}

const BY_COMPONENT: &str = "{{component}}";

fn overview() -> Vec<Panel> {
    vec![
        number("Components Up", "short", "count(max by (component) (up) == 1) or vector(0)".into()),
        number("Components Down", "short", "count(max by (component) (up) == 0) or vector(0)".into()),
        number("Failing Probes", "short", "count(probe_success == 0) or vector(0)".into()),
        number("Alerts Firing", "short", "count(ALERTS{alertstate=\"firing\"}) or vector(0)".into()),
        lines("Pods Up", "short", vec![(BY_COMPONENT, "sum by (component) (up)".into())]),
        lines("Request Rate", "reqps", vec![(BY_COMPONENT, requests(""))]),
        lines(
            "Probe Duration",
            "s",
            vec![(BY_COMPONENT, "max by (component) (probe_duration_seconds)".into())],
        ),
        lines("Probe Success", "short", vec![(BY_COMPONENT, "min by (component) (probe_success)".into())]),
    ]
}

fn components() -> Vec<Panel> {
    let of = |metric: &str| format!("sum by (component, instance) ({metric}{{{CHOSEN}}})");
    let pod = "{{component}} {{instance}}";
    vec![
        lines("Up", "short", vec![(pod, format!("up{{{CHOSEN}}}"))]),
        lines("Request Rate", "reqps", vec![(BY_COMPONENT, requests(CHOSEN))]),
        lines(
            "CPU",
            "short",
            vec![(
                pod,
                format!(
                    "sum by (component, instance) (rate(process_cpu_seconds_total{{{CHOSEN}}}[$__rate_interval]))"
                ),
            )],
        ),
        lines("Memory", "bytes", vec![(pod, of("process_resident_memory_bytes"))]),
        lines("JVM Memory", "bytes", vec![(pod, of("jvm_memory_used_bytes"))]),
        lines("Open Files", "short", vec![(pod, of("process_open_fds"))]),
        lines(
            "Probe Phases",
            "s",
            vec![(
                "{{component}} {{phase}}",
                format!("max by (component, phase) (probe_http_duration_seconds{{{CHOSEN}}})"),
            )],
        ),
        lines(
            "Probe Status Code",
            "short",
            vec![(BY_COMPONENT, format!("probe_http_status_code{{{CHOSEN}}}"))],
        ),
    ]
}

fn infrastructure() -> Vec<Panel> {
    vec![
        number("PostgreSQL Up", "short", "min(pg_up)".into()),
        number("Redis Up", "short", "min(redis_up)".into()),
        number("Series", "short", "sum(prometheus_tsdb_head_series)".into()),
        number("Stored Samples", "bytes", "sum(prometheus_tsdb_storage_blocks_bytes)".into()),
        lines(
            "PostgreSQL Connections",
            "short",
            vec![("{{datname}}", "sum by (datname) (pg_stat_database_numbackends)".into())],
        ),
        lines("Redis", "bytes", vec![("memory", "sum by (component) (redis_memory_used_bytes)".into())]),
        lines(
            "Redis Clients",
            "short",
            vec![(BY_COMPONENT, "sum by (component) (redis_connected_clients)".into())],
        ),
        lines(
            "Samples Read",
            "short",
            vec![(BY_COMPONENT, "sum by (component) (scrape_samples_scraped)".into())],
        ),
        lines(
            "Scrape Duration",
            "s",
            vec![(BY_COMPONENT, "max by (component) (scrape_duration_seconds)".into())],
        ),
        lines(
            "Samples Stored per Second",
            "short",
            vec![(
                "samples",
                "sum(rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval]))".into(),
            )],
        ),
    ]
}

fn alerts() -> Vec<Panel> {
    let count = |matchers: &str| format!("count(ALERTS{{{matchers}}}) or vector(0)");
    vec![
        number("Critical", "short", count("alertstate=\"firing\",severity=\"critical\"")),
        number("Warning", "short", count("alertstate=\"firing\",severity=\"warning\"")),
        number("Pending", "short", count("alertstate=\"pending\"")),
        number(
            "Failed Rule Evaluations in 1 Hour",
            "short",
            "sum(increase(prometheus_rule_evaluation_failures_total[1h]))".into(),
        ),
        lines(
            "Firing",
            "short",
            vec![(
                "{{alertname}} {{component}}",
                "sum by (alertname, component) (ALERTS{alertstate=\"firing\"})".into(),
            )],
        ),
        lines(
            "Pending for Now",
            "short",
            vec![(
                "{{alertname}} {{component}}",
                "sum by (alertname, component) (ALERTS{alertstate=\"pending\"})".into(),
            )],
        ),
    ]
}
