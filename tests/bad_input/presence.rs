//! An absent, an empty and a null field have the same meaning, or are rejected, or the table in
//! docs/configuration.md explains each.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test stops where its table is broken")]

use std::collections::BTreeSet;

use logpilot_operator::{
    api::LogPilotCluster,
    logpilot::{facts::Facts, plan::plan, validate::validate},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{blocks::blocks, leaves, offline::Judge};

/// A block whose empty value has another meaning than its absence.
#[derive(Deserialize)]
struct Row {
    block: String,
    /// If empty, the path is the name of the block.
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

/// Returns the plan for a spec, or `None` if the spec is rejected.
fn meaning(judge: &Judge, spec: &Value) -> Option<(Vec<Value>, Option<i64>)> {
    let object = object(spec);
    if !judge.refusals(&object, None).is_empty() {
        return None;
    }
    let cluster = validate(&serde_json::from_value::<LogPilotCluster>(object).unwrap()).ok()?;
    let planned = plan(&cluster, &Facts::default()).objects.into_iter().map(|planned| planned.body);
    // The Jobs that check a configuration are in no plan without a Kubernetes cluster.
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

/// Fields that may be removed after they were set.
#[derive(Deserialize)]
struct Harmless {
    /// Paths in the schema. A `.**` at the end includes everything below.
    paths: Vec<String>,
    /// The reason why no rule preserves them.
    why: String,
}

impl Harmless {
    fn covers<'a>(&'a self, path: &str) -> Option<&'a String> {
        self.paths.iter().find(|row| match row.strip_suffix(".**") {
            Some(above) => {
                path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            }
            None => *row == path,
        })
    }
}

/// The rules of presence are based on this walk over the schema: each field is set, then removed.
#[test]
fn removing_a_field_is_rejected_or_harmless() {
    let harmless: Vec<Harmless> =
        serde_yaml::from_str(include_str!("harmless.yaml")).expect("harmless.yaml is a list of rows");
    assert!(harmless.iter().all(|row| !row.why.is_empty()));
    let judge = Judge::new();
    let of_blocks = blocks().into_iter().map(|it| (it.path.clone(), it.given().clone(), it.absent()));
    let of_leaves = leaves::leaves().0.into_iter().map(|leaf| {
        let absent = leaves::without(&leaf.other, &leaf.at);
        (leaf.path, leaf.other, absent)
    });
    let (mut wrong, mut used, mut refused, mut walked) = (Vec::new(), BTreeSet::new(), 0, 0);
    for (path, given, absent) in of_blocks.chain(of_leaves) {
        walked += 1;
        if !judge.refusals(&object(&absent), Some(&object(&given))).is_empty() {
            refused += 1;
            continue;
        }
        match harmless.iter().find_map(|row| row.covers(&path)) {
            Some(row) => drop(used.insert(row)),
            None => wrong.push(path),
        }
    }
    println!("{walked} fields: {refused} refused where they are left out later");
    let unused: Vec<_> = harmless.iter().flat_map(|row| &row.paths).filter(|it| !used.contains(it)).collect();
    assert!(wrong.is_empty(), "neither refused nor in harmless.yaml:\n{}", wrong.join("\n"));
    assert_eq!(unused, [""; 0], "refused, or no such field");
}

#[test]
fn the_document_has_the_table() {
    let text = include_str!("../../docs/configuration.md");
    for row in rows() {
        let line = format!("| `{}` | {} | {} |", row.block, row.absent, row.empty);
        assert!(text.contains(&line), "not in docs/configuration.md: {line}");
    }
}
