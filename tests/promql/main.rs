//! Every alert fires exactly when it should, and every expression queries existing metrics.
//! promtool evaluates them and must be in PATH; without it, the tests that need it are skipped with
//! a message.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::large_futures,
    clippy::duration_suboptimal_units,
    clippy::single_match_else,
    clippy::default_trait_access,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    reason = "a test that cannot continue fails"
)]

mod names;
mod rules;
mod stacks;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use logpilot_operator::exposition::Format;
use rules::{dashboards, everything, expressions, of_cluster, of_operator};
use serde::Deserialize;
use serde_json::{Value, json};

/// A case in which an alert fires, and one in which it does not.
#[derive(Deserialize)]
struct Cases {
    alert: String,
    fires: Vec<Case>,
    quiet: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    what: String,
    at: String,
    #[serde(default)]
    with: String,
    /// A mapping that keeps its order.
    series: serde_json::Map<String, Value>,
}

const POD: &str = r#"namespace="logpilot",pod="logpilot-all-7c9f-ab12c""#;
const CALL: &str = r#"namespace="logpilot",pod="logpilot-all-7c9f-ab12c",grpc_method="logpilot.LogService/SendLog",grpc_status="OK""#;

/// Cases for a scrape every 4 minutes.
fn rare_cases() -> Vec<Cases> {
    serde_yaml::from_str(include_str!("rarely.yaml")).expect("rarely.yaml")
}

fn cases() -> Vec<Cases> {
    serde_yaml::from_str(include_str!("cases.yaml")).expect("cases.yaml")
}

/// Runs promtool; `None` where it is not installed.
fn promtool(directory: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new("promtool").current_dir(directory).args(arguments).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            Some((output.status.success(), text.concat()))
        }
        Err(error) => {
            println!("skipped: promtool is not in PATH ({error}); Debian has it in the package prometheus");
            None
        }
    }
}

fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("promql").join(name);
    fs::create_dir_all(&path).expect("a directory");
    path
}

fn write(path: &Path, value: &Value) {
    fs::write(path, serde_yaml::to_string(value).expect("YAML")).expect("written");
}

#[test]
fn prometheus_accepts_every_rule() {
    let directory = directory("check");
    let mut all = everything();
    // Dashboard queries are no rules, but must parse as well.
    let queries: Vec<Value> = dashboards()
        .iter()
        .enumerate()
        .map(|(index, (_, expr))| json!({ "record": format!("dashboard:{index}"), "expr": expr }))
        .collect();
    assert!(queries.len() > 40, "{}", queries.len());
    all.push(("dashboards".into(), json!({ "groups": [{ "name": "queries", "rules": queries }] })));
    for (name, groups) in &all {
        write(&directory.join(format!("{name}.yaml")), groups);
        let Some((good, text)) =
            promtool(&directory, &["check", "rules", "--lint-fatal", &format!("{name}.yaml")])
        else {
            return;
        };
        assert!(good, "{name}: {text}");
    }
    println!("{} files of rules checked", all.len());
}

/// Returns a promtool test file for one alert.
fn test_of(cases: &Cases, rules: &str, interval: &str) -> Value {
    let firing =
        cases.fires.iter().map(|case| (case, true)).chain(cases.quiet.iter().map(|case| (case, false)));
    let tests: Vec<_> = firing
        .map(|(case, fires)| {
            let series: Vec<_> = case
                .series
                .iter()
                .map(|(series, values)| {
                    let series = series.replace("POD", POD).replace("CALL", CALL);
                    json!({ "series": series, "values": values.as_str().expect("values are text") })
                })
                .collect();
            let alert = format!(r#"ALERTS{{alertname="{}",alertstate="firing",{}}}"#, cases.alert, case.with);
            let expected = if fires { json!([{ "labels": "{}", "value": 1 }]) } else { json!([]) };
            json!({
                "name": format!("{}: {}", cases.alert, case.what),
                "interval": interval,
                "input_series": series,
                "promql_expr_test": [{ "expr": format!("max({alert})"), "eval_time": case.at, "exp_samples": expected }],
            })
        })
        .collect();
    json!({ "rule_files": [rules], "evaluation_interval": "1m", "tests": tests })
}

#[test]
fn every_alert_fires_exactly_when_expected() {
    let directory = directory("cases");
    let mut wrong = Vec::new();
    // Each case with its own groups only: promtool evaluates all rules of a file in every minute of
    // every case.
    let sources = [of_cluster(rules::ALERTS), of_cluster(rules::OBJECTIVES), of_operator()];
    for cases in cases() {
        let source =
            sources.iter().find(|groups| rules::of(groups).iter().any(|rule| rule["alert"] == *cases.alert));
        write(&directory.join(format!("{}.rules.yaml", cases.alert)), source.expect("an alert of these"));
        let file = format!("{}.yaml", cases.alert);
        write(&directory.join(&file), &test_of(&cases, &format!("{}.rules.yaml", cases.alert), "1m"));
        let Some((good, text)) = promtool(&directory, &["test", "rules", &file]) else { return };
        println!("{}: {} cases", cases.alert, cases.fires.len() + cases.quiet.len());
        if !good {
            wrong.push(text);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// In the format for a client without preferences, ordered by name.
#[test]
fn the_operators_metrics_pass_the_linter() {
    let directory = directory("metrics");
    let text = Format::Text.written(names::of_operator());
    fs::write(directory.join("metrics.txt"), &text).expect("written");
    let file = fs::File::open(directory.join("metrics.txt")).expect("a file");
    let Ok(output) = Command::new("promtool").args(["check", "metrics"]).stdin(file).output() else {
        println!("skipped: promtool is not in PATH");
        return;
    };
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}\n{text}");
}

/// With windows of 5 minutes they never had two samples to compare, and a single failed scrape
/// looked like an outage.
#[test]
fn alerts_work_with_a_long_scrape_interval() {
    let directory = directory("rarely");
    let mut wrong = Vec::new();
    write(&directory.join("rules.yaml"), &of_cluster(rules::RARELY));
    for cases in rare_cases() {
        let file = format!("{}.yaml", cases.alert);
        write(&directory.join(&file), &test_of(&cases, "rules.yaml", "4m"));
        let Some((good, text)) = promtool(&directory, &["test", "rules", &file]) else { return };
        if !good {
            wrong.push(text);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// Labels and annotations as a user reads them.
#[test]
fn every_alert_has_a_description_and_runbook() {
    let directory = directory("texts");
    write(&directory.join("cluster.yaml"), &of_cluster(rules::EVERYTHING));
    let series = |metric: &str, more: &str, value: &str| json!({ "series": format!("{metric}{{{POD},container=\"logpilot\"{more}}}"), "values": value });
    let test = json!({
        "rule_files": ["cluster.yaml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                series("container_memory_working_set_bytes", "", "480x20"),
                series("kube_pod_container_resource_limits", ",resource=\"memory\"", "512x20"),
            ],
            "alert_rule_test": [{
                "alertname": "LogPilotHighMemoryUsage",
                "eval_time": "10m",
                "exp_alerts": [{
                    "exp_labels": {
                        "severity": "warning", "team": "logs", "namespace": "logpilot", "logpilot_cluster": "logpilot",
                        "pod": "logpilot-all-7c9f-ab12c", "container": "logpilot",
                    },
                    "exp_annotations": {
                        "summary": "LogPilot high memory usage",
                        "description": "Pod logpilot-all-7c9f-ab12c uses 93.75% of its memory limit.",
                        "runbook": "docs/runbooks.md#logpilothighmemoryusage",
                        "note": "by $labels.pod",
                    },
                }],
            }],
        }],
    });
    write(&directory.join("test.yaml"), &test);
    let Some((good, text)) = promtool(&directory, &["test", "rules", "test.yaml"]) else { return };
    assert!(good, "{text}");
}

#[test]
fn every_alert_has_cases_and_a_runbook() {
    let runbooks = include_str!("../../docs/runbooks.md");
    let all = everything();
    let alerts: BTreeSet<&str> = all
        .iter()
        .flat_map(|(_, groups)| rules::of(groups))
        .filter_map(|rule| rule["alert"].as_str())
        .collect();
    let cases = cases();
    assert_eq!(alerts, cases.iter().map(|it| it.alert.as_str()).collect());
    for of in &cases {
        assert!(!of.fires.is_empty() && !of.quiet.is_empty(), "{}", of.alert);
        assert!(runbooks.contains(&format!("\n## {}\n", of.alert)), "{} has no section", of.alert);
    }
    for section in runbooks.lines().filter_map(|line| line.strip_prefix("## LogPilot")) {
        assert!(alerts.contains(format!("LogPilot{section}").as_str()), "{section} is no alert");
    }
    for rule in all.iter().flat_map(|(_, groups)| rules::of(groups)).filter(|rule| !rule["alert"].is_null()) {
        let alert = rule["alert"].as_str().expect("a name");
        for text in ["summary", "description"] {
            assert!(
                rule["annotations"][text].as_str().is_some_and(|text| !text.is_empty()),
                "{alert}: {text}"
            );
        }
        assert!(["warning", "critical"].map(|it| json!(it)).contains(&rule["labels"]["severity"]), "{alert}");
        let section = format!("#{}", alert.to_lowercase());
        let line = rule["annotations"].get("runbook").or(rule["annotations"].get("runbook_url"));
        assert!(
            line.and_then(Value::as_str).is_some_and(|line| line.ends_with(&section)),
            "{alert}: {line:?}"
        );
    }
}

#[test]
fn every_queried_metric_exists() {
    let known = names::known();
    let mut unknown = BTreeSet::new();
    let expressions = expressions();
    for (whose, expr) in &expressions {
        for name in names::used(expr) {
            if !known.contains(&name) {
                unknown.insert(format!("{name} ({whose})"));
            }
        }
    }
    println!("{} expressions, {} known names", expressions.len(), known.len());
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// An expression without a resource would select the series of every cluster.
#[test]
fn every_expression_selects_one_resource() {
    for (whose, expr) in expressions() {
        for selector in names::selectors(&expr) {
            let own = selector.contains("namespace=\"logpilot\"")
                || selector.contains("namespace=\"logpilot-operator-system\"");
            assert!(own || selector.starts_with("logpilot_operator_"), "{whose}: {selector}");
        }
    }
}
