//! A permission revoked while the operator runs: to watch, to write, or to delete one kind. Only
//! what needs the permission is affected, the status names it, and the operator uses it again when
//! it is restored.

use std::time::Duration;

use fault_proxy::{Fault, Reply, Rule, RuleId, Times, When};
use logpilot_operator::{
    engine::kind::{Kind, Management},
    kinds::of_management,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    IMAGE,
    cluster::{
        Running,
        case::{Case, REPAIR, SOON, condition, problems},
        kinds::{self, kind},
    },
    fleet::Fleet,
    size,
};

const HEALED: Duration = Duration::from_secs(30);

fn many_kinds(name: &str) -> Value {
    json!({
        "image": IMAGE,
        "components": {
            "all": { "replicas": 2, "podDisruptionBudget": { "maxUnavailable": 1 }, "loadBalancer": {} },
            "grpc": { "autoscaling": { "maxReplicas": 4 } },
        },
        "exposure": { "ingress": { "className": "nginx", "rules": [{ "host": format!("{name}.example.com"), "component": "all" }] } },
        "limits": { "defaults": {}, "quota": { "pods": 50 } },
        "backup": {},
    })
}

/// Forbids the verb from now on, with the API server's message.
fn forbid(fleet: &Fleet, verb: &str, kind: &Kind) -> RuleId {
    let message = format!(
        "{} is forbidden: User \"system:serviceaccount:logpilot-operator-system:logpilot-operator\" cannot {verb} \
         resource \"{}\" in API group \"{}\" at the cluster scope",
        kind.crd_name().trim_end_matches('.'),
        kind.plural,
        kind.group
    );
    let reply = Reply { message, ..Reply::new(403, "Forbidden") };
    fleet.proxy.rule(Rule {
        when: When::of(verb, kind.plural),
        times: Times::Every,
        then: Fault::Answer(reply),
    })
}

fn named(status: &Value, kind: &Kind) -> bool {
    status["problems"].as_array().into_iter().flatten().any(|problem| {
        problem["reason"] == "Forbidden"
            && problem["message"].as_str().unwrap_or_default().contains(kind.plural)
    })
}

/// Checks that changes of another kind are reverted as usual.
async fn others_are_repaired(case: &Case, but: &Kind) {
    let other = if but.kind == "Service" { "NetworkPolicy" } else { "Service" };
    let name = format!("{}-all", case.name);
    let before = case.child(other, &name).await;
    kinds::delete(&case.client, kind(other), case.ns(), &name).await;
    case.child_until(other, &name, "made again", REPAIR, |seen| seen.metadata.uid != before.metadata.uid)
        .await;
}

async fn heals(case: &Case, kind: &Kind) {
    case.until(&format!("{} may be used again", kind.plural), HEALED, |status| {
        !named(status, kind) && condition(status, "Applied").0 == "True"
    })
    .await;
}

/// An operator behind a proxy, and a resource whose objects all exist.
async fn applied(name: &'static str) -> (Fleet, Running, Case) {
    let fleet = Fleet::new(name).await;
    let operator = fleet.operator().await;
    let case = fleet.case(name).await;
    fleet.apply(&case, &many_kinds(name)).await;
    case.until("Applied", SOON, |status| condition(status, "Applied").0 == "True").await;
    fleet.quiet(Duration::from_secs(1), SOON).await;
    (fleet, operator, case)
}

/// Every second kind: one operator for all of them would take minutes.
/// Fault catalogue: F47.
#[rstest]
#[case(0, "rights")]
#[case(1, "rights-next")]
#[tokio::test]
async fn a_revoked_permission_is_reported_in_isolation(#[case] part: usize, #[case] name: &'static str) {
    let Some(_turn) = super::beside_others().await else { return };
    let (fleet, operator, case) = applied(name).await;
    // Only a ServiceStack has StatefulSets.
    let required = |kind: &&Kind| !kind.optional && kind.kind != "StatefulSet";
    let all: Vec<_> = of_management(Management::Managed).filter(required).collect();
    let some = ["PodDisruptionBudget", "Service"];
    let chosen = all.into_iter().filter(|kind| size(some.contains(&kind.kind), true));
    for kind in chosen.skip(part).step_by(2) {
        let watching = [forbid(&fleet, "watch", kind), forbid(&fleet, "list", kind)];
        fleet.proxy.cut();
        case.until(&format!("{} cannot be watched", kind.plural), HEALED, |status| named(status, kind)).await;
        others_are_repaired(&case, kind).await;
        for rule in watching {
            fleet.proxy.lift(rule);
        }
        heals(&case, kind).await;

        let writing = forbid(&fleet, "patch", kind);
        let lost = case.children(kind).await.remove(0).metadata.name.unwrap();
        kinds::delete(&case.client, kind, case.ns(), &lost).await;
        case.until(&format!("{} cannot be written", kind.plural), SOON, |status| named(status, kind)).await;
        others_are_repaired(&case, kind).await;
        fleet.proxy.lift(writing);
        heals(&case, kind).await;
        case.child(kind.kind, &lost).await;
    }
    fleet.unmake().await;
    operator.kill();
}

/// Fault catalogue: F47.
#[tokio::test]
async fn a_revoked_delete_permission_is_reported_until_restored() {
    let Some(_turn) = super::beside_others().await else { return };
    let name = "rights-delete";
    let (fleet, operator, case) = applied(name).await;
    let budgets = kind("PodDisruptionBudget");
    let deleting = forbid(&fleet, "delete", budgets);
    let mut without = many_kinds(name);
    without["components"]["all"]["podDisruptionBudget"] = json!({ "enabled": false });
    fleet.apply(&case, &without).await;
    let status = case.until("a budget that stays", SOON, |status| named(status, budgets)).await;
    assert!(problems(&status).contains("Forbidden"));
    others_are_repaired(&case, budgets).await;
    fleet.proxy.lift(deleting);
    case.gone("PodDisruptionBudget", &format!("{name}-all"), HEALED).await;
    heals(&case, budgets).await;
    fleet.unmake().await;
    operator.kill();
}
