//! Tests Argo CD's health script with the interpreter that Argo CD uses.

use logpilot_operator::reasons::REASONS;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{go, read};

#[derive(Deserialize)]
struct Row {
    what: String,
    health: String,
    object: Value,
}

#[derive(Deserialize)]
struct Verdict {
    status: String,
    message: String,
}

fn script_of(kind: &str) -> String {
    let map: Value = serde_yaml::from_str(&read("config/argocd/argocd-cm.yaml")).unwrap();
    map["data"][format!("resource.customizations.health.logpilot.io_{kind}")].as_str().unwrap().to_owned()
}

fn script() -> String {
    script_of("LogPilotCluster")
}

#[test]
fn both_kinds_have_the_same_script() {
    assert_eq!(script_of("ServiceStack"), script());
}

#[test]
fn argo_cd_reads_the_status_right() {
    let mut rows: Vec<Row> = serde_yaml::from_str(&read("tests/manifests/health.yaml")).unwrap();
    let mut deleted = rows.iter().find(|row| row.health == "Healthy").unwrap().object.clone();
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let row =
        |what: &str, object: Value| Row { what: what.to_owned(), health: "Progressing".to_owned(), object };
    rows.push(row("being deleted", deleted));
    rows.push(row("not seen yet", json!({ "metadata": { "name": "new", "generation": 1 } })));

    let objects: Vec<&Value> = rows.iter().map(|row| &row.object).collect();
    let input = json!({ "script": script(), "objects": objects }).to_string();
    let verdicts: Vec<Verdict> = serde_json::from_str(&go::run("health", &[], &input)).unwrap();
    assert_eq!(verdicts.len(), rows.len());
    for health in ["Healthy", "Progressing", "Degraded", "Suspended"] {
        assert!(rows.iter().any(|row| row.health == health), "no row is {health}");
    }
    for (row, verdict) in rows.iter().zip(&verdicts) {
        assert_eq!(verdict.status, row.health, "{}: {}", row.what, verdict.message);
        assert!(!verdict.message.is_empty(), "{}", row.what);
    }
}

/// A renamed reason would silently be no cause any more.
#[test]
fn the_script_names_reasons_that_exist() {
    let script = script();
    let broken = script.split_once("broken = {").unwrap().1.split_once('}').unwrap().0;
    let named: Vec<&str> = broken.split(',').filter_map(|it| Some(it.split_once(" = ")?.0.trim())).collect();
    assert_eq!(named.len(), 8, "{named:?}");
    for reason in named.into_iter().chain(["Paused", "Stopped"]) {
        assert!(REASONS.iter().any(|it| it.name == reason), "{reason} is no reason of the operator");
        assert!(script.contains(reason));
    }
}
