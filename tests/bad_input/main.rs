//! Bad inputs are rejected at the field that causes the error, with the path, the value and the remedy;
//! good inputs are accepted. The checks run without a server, with the code that `plan` uses. The same
//! table runs against a real API server in the cluster suite (`online.rs`).

mod presence;
mod stacks;

use harness::{bad_input::offline, bad_input::table, blocks, leaves};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use logpilot_operator::{
    api::{LogPilotCluster, cluster::Environment},
    logpilot::defaults::{self, ALL, GRPC_ONLY, REST},
    manifest::plain_path,
};
use offline::{Judge, Refusal};
use serde_json::json;
use table::{Layer, Row, rows, valid_rows};

/// Every bad input with its rejections.
static BAD: LazyLock<Vec<(Row, Vec<Refusal>)>> = LazyLock::new(|| {
    let judge = Judge::new();
    rows()
        .into_iter()
        .map(|row| {
            let found = judge.refusals(&row.object(Row::NAME), row.existing(Row::NAME).as_ref());
            (row, found)
        })
        .collect()
});

#[test]
fn every_bad_input_is_rejected_at_its_field() {
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::<Layer, usize>::new();
    for (row, found) in BAD.iter() {
        *counts.entry(row.layer).or_default() += 1;
        if row.layer == Layer::Operator {
            if !found.is_empty() {
                wrong.push(format!("{}: is the operator's to judge, but: {found:#?}", row.label()));
            }
            continue;
        }
        let path = plain_path(&row.path);
        let refused = found.iter().any(|refusal| {
            refusal.layer == row.layer
                && refusal.path == path
                && (row.layer != Layer::Cel || row.words.iter().all(|word| refusal.message.contains(word)))
        });
        if !refused {
            let (layer, words) = (row.layer, &row.words);
            wrong.push(format!("{}: want {layer:?} at {path} with {words:?}, found {found:#?}", row.label()));
        }
    }
    println!("bad inputs by layer: {counts:?}");
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// One mistake is reported at one place. If both a bound and a rule reject it, `plan` shows the rule. A
/// row that is rejected at two places says so here.
#[test]
fn a_bad_input_is_rejected_at_one_place() {
    let places = |found: &[Refusal]| found.iter().map(|it| it.path.clone()).collect::<BTreeSet<_>>().len();
    let noisy: Vec<_> = BAD
        .iter()
        .filter(|(_, found)| places(found) > 1)
        .map(|(row, found)| format!("{}: {found:#?}", row.label()))
        .collect();
    assert!(noisy.is_empty(), "{} rows:\n{}", noisy.len(), noisy.join("\n"));
}

#[test]
fn every_good_input_is_accepted() {
    let judge = Judge::new();
    let rows = valid_rows();
    println!("good inputs: {}", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let (object, existing) = (row.object(Row::NAME), row.existing(Row::NAME));
        for (object, existing) in [(Some(&object), existing.as_ref()), (existing.as_ref(), None)] {
            let Some(object) = object else { continue };
            let found = judge.refusals(object, existing);
            if !found.is_empty() {
                wrong.push(format!("{}: {found:#?}", row.label()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// One object that cannot be decoded would stop a typed watch, so every input that passes the schema
/// must be decodable.
#[test]
fn inputs_that_pass_the_schema_can_be_decoded() {
    let judge = Judge::new();
    let operators = rows().into_iter().filter(|row| row.layer == Layer::Operator);
    for row in valid_rows().into_iter().chain(operators) {
        let stored = judge.stored(&row.object(Row::NAME));
        let decoded = serde_json::from_value::<LogPilotCluster>(stored);
        assert!(decoded.is_ok(), "{}: {decoded:?}", row.label());
    }
}

/// A rule that no row violates could be removed or broken, and no test would notice.
#[test]
fn every_rule_rejects_a_row_wherever_it_applies() {
    let found: Vec<&Refusal> = BAD.iter().flat_map(|(_, found)| found).collect();
    let places = offline::places(&logpilot_operator::api::crd());
    let missed: Vec<_> =
        places.iter().filter(|place| !found.iter().any(|refusal| place.explains(refusal))).collect();
    println!("rules: {}", places.len());
    assert!(missed.is_empty(), "{} rules without a row: {missed:#?}", missed.len());
}

/// Rules repeat a few defaults, which are defined where the objects are rendered.
#[test]
fn rules_know_the_defaults_that_are_applied() {
    let judge = Judge::new();
    let backups = |count: i32| {
        let object = |backup| {
            json!({
                "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": Row::NAME },
                "spec": { "image": "danpung2/logpilot:1.2.0", "backup": backup },
            })
        };
        judge.refusals(&object(json!({})), Some(&object(json!({ "retention": { "count": count } }))))
    };
    assert!(backups(defaults::BACKUPS_KEPT).is_empty());
    assert!(!backups(defaults::BACKUPS_KEPT + 1).is_empty());
    let found = |spec: serde_json::Value| {
        let mut object = json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
            "metadata": { "name": Row::NAME }, "spec": spec,
        });
        object["spec"]["image"] = json!("danpung2/logpilot:1.2.0");
        judge.refusals(&object, None)
    };
    for role in [&ALL, &REST, &GRPC_ONLY] {
        for environment in [Environment::Development, Environment::Staging, Environment::Production] {
            let pods = defaults::replicas(environment, role.key);
            let found = found(json!({
                "environment": environment, "storage": { "backend": "File" }, "components": { role.name: {} },
            }));
            let said = found.iter().any(|refusal| refusal.message.contains(&format!("up to {pods} pods")));
            assert_eq!(said, pods > 1, "{} {environment:?}: {found:?}", role.name);
        }
        let resources = |resources| json!({ "components": { role.name: { "resources": resources } } });
        let amounts = [
            ("cpu", role.cpu_request, role.cpu_limit),
            ("memory", defaults::MEMORY_REQUEST, defaults::MEMORY_LIMIT),
        ];
        for (name, request, limit) in amounts {
            for (list, default) in [("requests", limit), ("limits", request)] {
                let given = resources(json!({ list: { name: default } }));
                assert!(found(given).is_empty(), "{} {list}.{name}: {default}", role.name);
            }
            // A CPU request without a limit has none.
            let limits = if name == "cpu" { json!({ "cpu": limit }) } else { json!({}) };
            let above = found(resources(json!({ "requests": { name: "100Gi" }, "limits": limits })));
            assert!(above.iter().any(|refusal| refusal.message.contains(&format!("'{limit}'"))), "{above:?}");
            let below =
                found(resources(json!({ "limits": { name: if name == "cpu" { "1m" } else { "16Mi" } } })));
            assert!(
                below.iter().any(|refusal| refusal.message.contains(&format!("'{request}'"))),
                "{below:?}"
            );
        }
    }
}
