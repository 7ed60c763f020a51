//! Every field of the spec changed, removed, set to its bounds and beyond them; and random walks
//! from one valid spec to the next. An invalid spec is refused at its field. A valid spec is
//! carried out, or its status names the obstacle. After a return to the first spec, the resource is
//! as it was, and at every step it equals a resource created with that spec.

mod chance;
mod compare;
mod coverage;
mod meaning;
mod mutations;
mod trial;
mod walks;

use chance::Chance;
pub use coverage::report;
use futures::{StreamExt, stream};
use harness::leaves;
use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
    core::Status,
};
use mutations::{Expected, Operation};
use serde_json::{Value, json};
use trial::{Trial, anew};
use walks::{STEPS, Way, over};
pub use walks::{Walk, plans};

use super::{
    cluster::{install_gateway_api, resource, try_apply},
    stand::{Outcome, Slot, Stand},
};

/// The number of concurrent dry-run requests.
const ASKED_AT_ONCE: usize = 4;

/// Creates the objects to which specs of the table refer.
pub async fn prepare(stand: &Stand) {
    let client = stand.world.client().await;
    install_gateway_api(&client).await;
    for class in ["fast", "slow"] {
        let manifest = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": class },
            "provisioner": local_cluster::volumes::PROVISIONER, "allowVolumeExpansion": true,
        });
        try_apply(&client, &manifest).await.unwrap();
    }
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "a" }, "value": 1,
    });
    try_apply(&client, &class).await.unwrap();
}

pub async fn run(slot: &Slot, walk: &Walk) -> Outcome {
    if !matches!(walk.way, Way::Judge(_)) {
        trial::learn(slot).await;
    }
    match &walk.way {
        Way::Judge(operations) => judged(slot, operations).await,
        Way::Leaves { first, turns, luck } => of_leaves(slot, first, turns, *luck).await,
        Way::Random { first, over, luck } => at_random(slot, first, over, *luck).await,
    }
}

/// Tries one leaf after the other, and returns to the first spec after each. Occasionally does not
/// wait for a spec.
async fn of_leaves(slot: &Slot, first: &Value, turns: &[Vec<Operation>], luck: u64) -> Outcome {
    let mut chance = Chance { seed: luck };
    let mut trial = Trial::begin(slot, first).await;
    for turn in turns {
        for operation in turn {
            let waited = operation.expected == Expected::Accepted || chance.below(3) > 0;
            trial.step(&operation.spec, operation, waited).await;
        }
        trial = trial.back(turn.last().unwrap()).await;
    }
    compared(slot, trial, chance).await
}

/// Walks from one valid spec to the next, then back.
async fn at_random(slot: &Slot, first: &Value, candidates: &[Operation], luck: u64) -> Outcome {
    let mut chance = Chance { seed: luck };
    let mut trial = Trial::begin(slot, first).await;
    let mut now = first.clone();
    let mut taken = 0;
    for operation in candidates {
        let spec = over(&now, operation);
        if taken == STEPS || spec == now {
            continue;
        }
        let asked = Operation { expected: Expected::Judged, ..operation.clone() };
        let waited = chance.below(3) > 0 || taken + 1 == STEPS;
        if trial.step(&spec, &asked, waited).await {
            now = spec;
            taken += 1;
        }
    }
    let last = Operation { what: trial::WALK.to_owned(), ..candidates[0].clone() };
    let trial = trial.back(&last).await;
    compared(slot, trial, chance).await
}

/// Compares one of the states of the walk, and those that cannot be left again, with a new resource.
async fn compared(slot: &Slot, trial: Trial<'_>, mut chance: Chance) -> Outcome {
    let (mut outcome, settled, unreached) = trial.end().await;
    if !settled.is_empty() {
        let chosen = &settled[chance.below(settled.len())];
        anew(slot, &chosen.spec, &chosen.label, Some(chosen), &mut outcome).await;
    }
    for (label, spec) in unreached {
        anew(slot, &spec, &label, None, &mut outcome).await;
    }
    outcome
}

/// Tests the API server's verdict on each operation, without storing it.
async fn judged(slot: &Slot, operations: &[Operation]) -> Outcome {
    let client = slot.world.client().await;
    let asked = operations.iter().enumerate().map(async |(place, operation)| {
        let answer = refusal(&client, &format!("judged-{place}"), &operation.spec).await;
        coverage::judged(operation, answer.as_ref());
        wrong(operation, answer.as_ref()).map(|wrong| format!("{}: {wrong}", operation.label()))
    });
    let violations =
        stream::iter(asked).buffer_unordered(ASKED_AT_ONCE).filter_map(async |it| it).collect().await;
    Outcome { steps: 0, violations, ..Outcome::default() }
}

/// Returns the reason why a resource with this spec cannot be created.
async fn refusal(client: &Client, name: &str, spec: &Value) -> Option<Status> {
    let manifest = json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": name },
        "spec": trial::own(spec, name),
    });
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource());
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&parameters, &serde_json::from_value(manifest).unwrap()).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(*status),
        Err(error) => panic!("{error}"),
    }
}

fn wrong(operation: &Operation, answer: Option<&Status>) -> Option<String> {
    let Some(status) = answer else {
        return (operation.expected == Expected::Refused).then(|| format!("accepted: {}", operation.spec));
    };
    if operation.expected == Expected::Accepted {
        return Some(format!("refused: {}", status.message));
    }
    let fields = fields(status);
    if status.code != 422 || !fields.iter().all(|field| field.starts_with("spec")) || fields.is_empty() {
        return Some(format!("refused with {} at {fields:?}: {}", status.code, status.message));
    }
    let at = format!("spec.{}", operation.at.join("."));
    let named = fields.iter().any(|field| field.starts_with(&at));
    (operation.expected == Expected::Refused && !named)
        .then(|| format!("refused elsewhere than at {at}: {}", status.message))
}

/// Returns the fields that a refusal names. A note that rules were not evaluated names none.
fn fields(status: &Status) -> Vec<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes).filter(|it| it.field != "<nil>");
    causes.map(|cause| cause.field.replace(".[", ".").replace('[', ".").replace(']', "")).collect()
}
