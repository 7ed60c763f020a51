//! Rules of monitors, alerts and the labels and annotations that users add to them.
//!
//! Alert texts are templates and expressions are code for Prometheus. Text of a user must become
//! neither.

use kube::core::Rule;

use super::{explained, forbidden};

/// Otherwise each pod would be scraped twice, and every sum over pods would be twice as high.
pub fn one_monitor() -> Rule {
    let on =
        |block: &str| format!("(has(self.{block}) && (!has(self.{block}.enabled) || self.{block}.enabled))");
    forbidden(
        format!("!{} || !{}", on("podMonitor"), on("serviceMonitor")),
        "may not be combined with `serviceMonitor`: every pod would be counted twice; remove one, or set `enabled: false` in the other",
    )
    .field_path(".podMonitor")
}

const NAME: &str = "'^[a-zA-Z_][a-zA-Z0-9_]*$'";

pub fn prometheus_names() -> Rule {
    explained(
        format!("self.all(k, k.matches({NAME}))"),
        format!(
            "'key ' + strings.quote(self.filter(k, !k.matches({NAME}))[0]) + \" must be a Prometheus label name such as 'team': letters, digits and '_', not starting with a digit\""
        ),
    )
}

fn not_among(reserved: &str) -> Rule {
    explained(
        format!("!self.exists(k, {reserved})"),
        format!(
            "'may not set ' + strings.quote(self.filter(k, {reserved})[0]) + ', which the alerts already set; choose another key'"
        ),
    )
}

pub fn no_reserved_alert_labels() -> Rule {
    not_among(
        "k in ['alertname', 'severity', 'namespace', 'logpilot_cluster', 'slo', 'long_window', 'short_window', 'pod', 'container', 'persistentvolumeclaim', 'deployment'] || k.startsWith('__')",
    )
}

pub fn no_reserved_alert_annotations() -> Rule {
    not_among("k in ['summary', 'description', 'runbook', 'runbook_url']")
}

pub fn no_templates() -> Rule {
    explained(
        "self.all(k, !self[k].contains('{{'))",
        "'value of ' + strings.quote(self.filter(k, self[k].contains('{{'))[0]) + \" must not contain '{{': Prometheus would evaluate it as a template\"",
    )
}

pub fn page_url() -> Rule {
    Rule::new("self.matches('^https?://[^ #{}\"<>]+$')").message(
        "must be the URL of a page, such as 'https://docs.example.com/runbooks', without '#': each alert adds its own section",
    )
}

/// The longest interval that alerts support. A Prometheus drops a series 5 minutes after its last
/// sample. With a longer interval a series is missing in between, and some alerts fire on missing
/// series.
pub const LONGEST_INTERVAL: &str = "4m";

/// Applies at `monitoring`. Alerts and objectives need several samples in their windows.
pub fn interval_suits_alerts(monitor: &str) -> Rule {
    let on =
        |block: &str| format!("(has(self.{block}) && (!has(self.{block}.enabled) || self.{block}.enabled))");
    let interval = format!("self.{monitor}.interval");
    explained(
        format!(
            "!({} || {}) || !{} || !has({interval}) || !{interval}.matches('^[1-9][0-9]{{0,4}}(s|m|h)$') || duration({interval}) <= duration('{LONGEST_INTERVAL}')",
            on("rules"),
            on("slo"),
            on(monitor)
        ),
        format!(
            "\"must be at most {LONGEST_INTERVAL} if `rules` or `slo` are enabled, was '\" + {interval} + \"': Prometheus forgets a series after 5 minutes without a sample; shorten it, or set `enabled: false` in `rules` and `slo`\""
        ),
    )
    .field_path(format!(".{monitor}.interval"))
}
