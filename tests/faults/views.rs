//! Views that are stale or incomplete when an operator starts.

use fault_proxy::{Fault, Rule, Times, When};
use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt, api::PostParams};
use logpilot_operator::{
    engine::{INSTANCE_LABEL, MANAGED_BY_LABEL, watches::PAGE},
    kinds::{FIELD_MANAGER, KINDS},
};
use serde_json::{Value, json};

use super::{
    cluster::kinds,
    quickstart,
    trial::{Trial, refused},
    with_replicas,
};

/// Fault catalogue: F08, F38.
#[tokio::test]
async fn an_expired_list_page_restarts_the_list() {
    let mut trial = Trial::running(&quickstart()).await;
    trial.stop();
    let maps: Api<ConfigMap> = Api::namespaced(trial.case.client.clone(), trial.case.ns());
    let make = |number: u32| {
        let map = json!({ "metadata": {
            "name": format!("filler-{number}"),
            "labels": { MANAGED_BY_LABEL: FIELD_MANAGER, INSTANCE_LABEL: trial.case.name },
        } });
        let (maps, map) = (maps.clone(), serde_json::from_value(map).unwrap());
        async move { maps.create(&PostParams::default(), &map).await.unwrap() }
    };
    join_all((0..PAGE).map(make)).await;
    trial.slot.proxy.forget();
    let when = When::of("list", "configmaps");
    trial.restart(vec![Rule { when, times: Times::Nth(2), then: refused(410, "Expired") }]).await;
    trial.is_settled(&quickstart()).await;
    let pages = trial.requests(|record| record.asked.verb == "list" && record.asked.resource == "configmaps");
    assert_eq!(pages.iter().map(|page| page.status).collect::<Vec<_>>(), [200, 410, 200, 200]);
    // The resource and an event may report that a page was refused.
    let written = trial.requests(|record| {
        record.asked.writes() && record.asked.subresource.is_none() && record.asked.resource != "events"
    });
    assert!(written.is_empty(), "{written:#?}");
    trial.end().await;
}

/// UID and generation of every object: a replacement or an overwrite changes one of them.
async fn children(trial: &Trial) -> Vec<(String, String, Option<i64>)> {
    let mut all = Vec::new();
    for kind in ["Deployment", "Service", "NetworkPolicy", "ServiceAccount", "PersistentVolumeClaim"] {
        for child in trial.case.children(kinds::kind(kind)).await {
            let generation = if kind == "Deployment" { child.metadata.generation } else { None };
            all.push((format!("{kind} {}", child.name_any()), child.uid().unwrap(), generation));
        }
    }
    all
}

/// Starts an operator that sees these lists as they were before the resource grew and an object was
/// recreated.
async fn shown_old(lists: impl Iterator<Item = &'static str>) {
    let mut trial = Trial::running(&quickstart()).await;
    trial.stop();
    trial.slot.proxy.forget();
    // Its lists are the ones that its successor sees.
    trial.restart(Vec::new()).await;
    trial.apply(&with_replicas(3)).await;
    let lost = trial.lose("Service").await;
    trial.back(&lost, super::cluster::case::SOON).await;
    trial.is_settled(&with_replicas(3)).await;
    let before = children(&trial).await;
    let sent = trial.requests(|_| true).len();
    let old = lists.map(|resource| Rule {
        when: When::of("list", resource),
        times: Times::First(1),
        then: Fault::Replay,
    });
    trial.restart(old.collect()).await;
    trial.is_settled(&with_replicas(3)).await;
    let records = trial.requests(|_| true);
    assert!(records[sent..].iter().any(|record| record.fault.is_some()), "nothing was old");
    let deleted = records[sent..].iter().find(|record| record.asked.verb == "delete");
    assert!(deleted.is_none(), "{deleted:#?}");
    assert_eq!(children(&trial).await, before, "something was replaced or written over");
    let status: Value = trial.case.status().await;
    assert_eq!(status["pods"], "3/3");
    trial.end().await;
}

/// Fault catalogue: F39.
#[tokio::test]
async fn stale_object_lists_revert_nothing() {
    shown_old(KINDS.iter().filter(|kind| kind.management.watched()).map(|kind| kind.plural)).await;
}
