//! Service level objectives: recording rules for the share of bad events over several windows, and
//! alerts on the burn rate of the error budget of 30 days. An alert needs a long window to be
//! significant, and a short one to resolve when the problem ends.

use crate::{
    api::alerting::Percent,
    logpilot::{
        model::Cluster,
        monitoring::{Alerting, Objectives},
        objects::{
            alerts::{self, Alert},
            promql::{self, GRPC_FAULTS, decimal, share},
        },
    },
    workload::build::prometheus_rule::{Group, Rule},
};

const ERRORS: &str = "logpilot:slo_errors:ratio_rate";
/// 1 while the mean duration of requests exceeds the objective, else 0. The window is appended.
const SLOW: &str = "logpilot:rest_slow:bool";

/// Windows that are recorded at every evaluation, and those that are recorded less often because
/// they read days of samples. The shortest one is [`SHORTEST`], or longer if the scrape interval is
/// long.
const SHORT: &[&str] = &[SHORTEST, "30m", "1h", "2h", "6h"];
const SHORTEST: &str = "5m";
const LONG: &[&str] = &["1d", "3d"];
/// Less than the 5 minutes after which Prometheus drops a series.
const LONG_INTERVAL: &str = "2m";

/// Short window, long window, burn rate in tenths, duration, severity. A rate of 14.4 uses 2 % of
/// the budget in an hour, 6 uses 5 % in six hours, 3 uses 10 % in a day, 1 uses 10 % in three days.
const BURNS: &[(&str, &str, u32, &str, &str)] = &[
    (SHORTEST, "1h", 144, "2m", "critical"),
    ("30m", "6h", 60, "15m", "critical"),
    ("2h", "1d", 30, "1h", "warning"),
    ("6h", "3d", 10, "3h", "warning"),
];

/// One objective: its name, and the share of bad events over a window.
struct Indicator {
    name: &'static str,
    objective: Percent,
    errors: Box<dyn Fn(&str) -> String>,
    /// A series that the share is computed from.
    before: Option<(String, String)>,
}

/// Empty unless requested. Contains only the interfaces that a component serves.
#[must_use]
pub fn groups(cluster: &Cluster, wanted: &Alerting) -> Vec<Group> {
    let Some(slo) = &wanted.slo else { return Vec::new() };
    let shortest = promql::window(cluster);
    let mut indicators = Vec::new();
    if let Some(requests) = promql::rest(cluster) {
        indicators.extend(rest(cluster, &requests, &slo.rest));
    }
    if let Some(calls) = promql::grpc(cluster) {
        indicators.extend(grpc(&calls, &slo.grpc));
    }
    if indicators.is_empty() {
        return Vec::new();
    }
    let recorded = |windows: &[&str], first: bool| -> Vec<Rule> {
        let before = indicators.iter().filter_map(|it| it.before.as_ref()).filter(|_| first);
        let before = before.map(|(name, expr)| Rule {
            record: Some(name.clone()),
            expr: expr.clone(),
            labels: alerts::identity(cluster),
            ..Rule::default()
        });
        let shares = indicators.iter().flat_map(|it| {
            windows.iter().map(|window| {
                let window = actual(window, &shortest);
                let mut labels = alerts::identity(cluster);
                labels.insert("slo".into(), it.name.into());
                Rule {
                    record: Some(format!("{ERRORS}{window}")),
                    expr: (it.errors)(window),
                    labels,
                    ..Rule::default()
                }
            })
        });
        before.chain(shares).collect()
    };
    vec![
        Group { name: "logpilot.slo.short".into(), interval: None, rules: recorded(SHORT, true) },
        Group {
            name: "logpilot.slo.long".into(),
            interval: Some(LONG_INTERVAL.into()),
            rules: recorded(LONG, false),
        },
        Group {
            name: "logpilot.slo.alerts".into(),
            interval: None,
            rules: indicators.iter().flat_map(|it| burns(cluster, wanted, it, &shortest)).collect(),
        },
    ]
}

/// Returns the actual window for one of the table.
fn actual<'a>(window: &'a str, shortest: &'a str) -> &'a str {
    if window == SHORTEST { shortest } else { window }
}

fn rest(cluster: &Cluster, requests: &str, objectives: &Objectives) -> Vec<Indicator> {
    let shortest = promql::window(cluster);
    let name = format!("{SLOW}{shortest}");
    let limit = decimal(objectives.latency_milliseconds.unsigned_abs(), 3);
    let rate =
        |metric: &str| format!("sum(rate(http_server_requests_seconds_{metric}{{{requests}}}[{shortest}]))");
    let slow = format!("{} / ({} > 0) > bool {limit}", rate("sum"), rate("count"));
    let recorded = format!("{name}{{{}}}", selector(cluster, None));
    let requests = requests.to_owned();
    vec![
        Indicator {
            name: "rest-availability",
            objective: objectives.availability,
            errors: Box::new(move |window| {
                let count = |more: &str| {
                    format!("sum(rate(http_server_requests_seconds_count{{{requests}{more}}}[{window}]))")
                };
                share(&count(",status=~\"5..\""), &count(""))
            }),
            before: None,
        },
        // The server has no histogram of REST requests, so time is counted instead of requests.
        Indicator {
            name: "rest-latency",
            objective: objectives.latency,
            errors: Box::new(move |window| format!("avg_over_time({recorded}[{window}])")),
            before: Some((name, slow)),
        },
    ]
}

fn grpc(calls: &str, objectives: &Objectives) -> Vec<Indicator> {
    let count = |calls: String, more: String| {
        move |window: &str| {
            format!("sum(rate(grpc_server_call_duration_seconds_count{{{calls}{more}}}[{window}]))")
        }
    };
    let (all, faults) =
        (count(calls.to_owned(), String::new()), count(calls.to_owned(), format!(",{GRPC_FAULTS}")));
    let good = count(calls.to_owned(), ",grpc_status=\"OK\"".to_owned());
    let limit = decimal(objectives.latency_milliseconds.unsigned_abs(), 3);
    // Depending on the version of Prometheus, whole bounds are written as `1.0` or `1`.
    let bound = if limit.contains('.') { limit.replace('.', "[.]") } else { format!("{limit}([.]0)?") };
    let calls = calls.to_owned();
    vec![
        Indicator {
            name: "grpc-availability",
            objective: objectives.availability,
            errors: Box::new(move |window| share(&faults(window), &all(window))),
            before: None,
        },
        Indicator {
            name: "grpc-latency",
            objective: objectives.latency,
            errors: Box::new(move |window| {
                format!(
                    "1 - sum(rate(grpc_server_call_duration_seconds_bucket{{{calls},grpc_status=\"OK\",le=~\"{bound}\"}}[{window}])) / ({} > 0)",
                    good(window)
                )
            }),
            before: None,
        },
    ]
}

fn selector(cluster: &Cluster, slo: Option<&str>) -> String {
    alerts::identity(cluster)
        .iter()
        .map(|(label, value)| format!("{label}={}", promql::quoted(value)))
        .chain(slo.map(|name| format!("slo={}", promql::quoted(name))))
        .collect::<Vec<_>>()
        .join(",")
}

fn burns(cluster: &Cluster, wanted: &Alerting, indicator: &Indicator, shortest: &str) -> Vec<Rule> {
    let series = selector(cluster, Some(indicator.name));
    let budget = decimal(100_000_u32.saturating_sub(indicator.objective.0), 5);
    let one = |(short, long, tenths, for_, severity): &(
        &'static str,
        &'static str,
        u32,
        &'static str,
        &'static str,
    )| {
        let short = actual(short, shortest);
        let over =
            |window: &str| format!("{ERRORS}{window}{{{series}}} > {} * {budget}", decimal(*tenths, 1));
        let mut rule = alerts::rule(
            cluster,
            wanted,
            Alert {
                name: "LogPilotErrorBudgetBurn",
                severity,
                for_: (*for_).into(),
                expr: format!("{} and {}", over(long), over(short)),
                summary: "LogPilot consumes its error budget too fast",
                description: format!(
                    "Objective {}: error ratio of {{{{ $value | humanizePercentage }}}} over {long}, more than {} times the allowed ratio.",
                    indicator.name,
                    decimal(*tenths, 1)
                ),
            },
        );
        rule.labels.extend([
            ("slo".to_owned(), indicator.name.to_owned()),
            ("long_window".to_owned(), (*long).to_owned()),
            ("short_window".to_owned(), short.to_owned()),
        ]);
        rule
    };
    BURNS.iter().map(one).collect()
}
