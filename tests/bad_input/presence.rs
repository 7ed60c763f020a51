//! Absent, empty and null mean the same, or are refused, or the table of docs/configuration.md says what each means.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test stops where its table is broken")]

use std::collections::BTreeSet;

use logpilot_operator::{
    api::LogPilotCluster,
    logpilot::{facts::Facts, plan::plan, validate::validate},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{blocks::blocks, offline::Judge};

/// A block whose empty value means something else than leaving it out.
#[derive(Deserialize)]
struct Row {
    block: String,
    /// The one of that name, where there are none.
    #[serde(default)]
    paths: Vec<String>,
    absent: String,
    empty: String,
}

fn rows() -> Vec<Row> {
    serde_yaml::from_str(include_str!("presence.yaml")).expect("presence.yaml is a list of rows")
}

fn object(spec: &Value) -> Value {
    json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
        "metadata": { "name": "logpilot", "uid": "u" }, "spec": spec,
    })
}

/// What the operator makes of a spec; `None` where it is refused.
fn meaning(judge: &Judge, spec: &Value) -> Option<(Vec<Value>, Option<i64>)> {
    let object = object(spec);
    if !judge.refusals(&object, None).is_empty() {
        return None;
    }
    let cluster = validate(&serde_json::from_value::<LogPilotCluster>(object).unwrap()).ok()?;
    let planned = plan(&cluster, &Facts::default()).objects.into_iter().map(|planned| planned.body);
    // Jobs that try a configuration are in no plan without a cluster.
    Some((planned.collect(), cluster.config_check_seconds))
}

#[test]
fn an_empty_block_means_what_the_table_says() {
    let judge = Judge::new();
    let paths = |row: Row| if row.paths.is_empty() { vec![row.block] } else { row.paths };
    let rows: BTreeSet<String> = rows().into_iter().flat_map(paths).collect();
    let (mut wrong, mut refused, mut same) = (Vec::new(), 0, 0);
    let blocks = blocks();
    for block in &blocks {
        let Some(empty) = meaning(&judge, &block.empty()) else {
            refused += 1;
            if rows.contains(&block.path) {
                wrong.push(format!("{}: has a row, and is refused where it is empty", block.path));
            }
            continue;
        };
        let absent = meaning(&judge, &block.absent());
        let differs = absent.as_ref() != Some(&empty);
        same += usize::from(!differs);
        if differs != rows.contains(&block.path) {
            wrong.push(format!("{}: absent and empty differ: {differs}", block.path));
        }
    }
    println!(
        "{} blocks: {refused} refused where empty, {same} the same, {} by the table",
        blocks.len(),
        rows.len()
    );
    let known: BTreeSet<_> = blocks.iter().map(|block| block.path.clone()).collect();
    assert_eq!(rows.difference(&known).collect::<Vec<_>>(), [""; 0], "no such block");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_document_has_the_table() {
    let text = include_str!("../../docs/configuration.md");
    for row in rows() {
        let line = format!("| `{}` | {} | {} |", row.block, row.absent, row.empty);
        assert!(text.contains(&line), "not in docs/configuration.md: {line}");
    }
}
