//! The order of operations, and the resource of each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    chance::Chance,
    leaves::{Leaf, leaves, pointer, spec, with, without},
    meaning::MEANINGS,
    mutations::{Expected, Operation, operations},
};

/// Leaves per walk: enough that creating the resource is a small part of it.
const LEAVES_OF_A_WALK: usize = 5;
/// Dry-run operations per walk.
const JUDGED_OF_A_WALK: usize = 400;
/// Walks that return only to the first state, and their steps.
const RANDOM: usize = 40;
pub const STEPS: usize = 12;
/// A sample contains one walk in this many.
const STRIDE: u64 = 58;
/// And one part in this many of the dry-run operations.
const JUDGED_STRIDE: u64 = 6;

/// One trial.
#[derive(Clone, Debug)]
pub struct Walk {
    pub id: String,
    pub way: Way,
}

#[derive(Clone, Debug)]
pub enum Way {
    /// Sent to the API server as dry runs only.
    Judge(Vec<Operation>),
    /// One leaf after the other, and a return to the first state after each.
    Leaves { first: Value, turns: Vec<Vec<Operation>>, luck: u64 },
    /// From one valid state to the next, and a return at the end.
    Random { first: Value, over: Vec<Operation>, luck: u64 },
}

/// Operations that a simulated cluster cannot carry out, or only in hours. All of them are tried as
/// dry runs.
const NEVER_LIVE: &[(&str, &str, &str)] = &[
    ("components.*.replicas", "most", "1,000 pods"),
    ("components.*.autoscaling.minReplicas", "most", "1,000 pods"),
    ("components.*.minReadySeconds", "most", "an hour"),
];

pub fn live(operation: &Operation) -> bool {
    !NEVER_LIVE.iter().any(|(leaf, what, _)| operation.leaf == *leaf && operation.what == *what)
}

/// Returns all walks; or a sample that depends on the seed.
pub fn plans(seed: u64, full: bool) -> Vec<Walk> {
    let (leaves, without) = leaves();
    assert!(without.is_empty(), "leaves without an operation: {without:?}");
    let all = operations(&leaves);
    let parts = all.chunks(JUDGED_OF_A_WALK).enumerate();
    let mut walks: Vec<Walk> = parts
        .filter(|(place, _)| full || (*place as u64 + seed).is_multiple_of(JUDGED_STRIDE))
        .map(|(place, some)| Walk { id: format!("operations/judge/{place}"), way: Way::Judge(some.to_vec()) })
        .collect();
    let mut chains = of_leaves(&leaves, &all, seed);
    chains.extend(of_meanings(seed));
    let random = (0..RANDOM).map(|number| at_random(number, &leaves, &all, seed));
    let taken = |place: usize| full || (place as u64 + seed).is_multiple_of(STRIDE);
    let chosen = chains.into_iter().chain(random).enumerate().filter(|(place, _)| taken(*place));
    walks.extend(chosen.map(|(_, walk)| walk));
    walks
}

/// Leaves with the same first spec share a resource.
fn of_leaves(leaves: &[Leaf], all: &[Operation], seed: u64) -> Vec<Walk> {
    let mut alike: BTreeMap<String, Vec<&Leaf>> = BTreeMap::new();
    for leaf in leaves {
        alike.entry(leaf.one.to_string()).or_default().push(leaf);
    }
    let chunks = alike.values().flat_map(|alike| alike.chunks(LEAVES_OF_A_WALK));
    chunks
        .map(|chunk| {
            let id = format!("operations/leaf/{} of {seed}", chunk[0].path);
            let turn = |leaf: &&Leaf| {
                let own = all.iter().filter(|it| it.leaf == leaf.path);
                own.filter(|it| it.expected != Expected::Refused && live(it)).cloned().collect()
            };
            let turns = chunk.iter().map(turn).filter(|turn: &Vec<_>| !turn.is_empty()).collect();
            let luck = Chance::of(seed, &id).seed;
            Walk { id, way: Way::Leaves { first: chunk[0].one.clone(), turns, luck } }
        })
        .collect()
}

/// Changes with a meaning for users, and misoperations.
fn of_meanings(seed: u64) -> Vec<Walk> {
    MEANINGS
        .iter()
        .map(|(name, one, others)| {
            let id = format!("operations/meaning/{name} of {seed}");
            let step = |other: &&str| Operation {
                leaf: format!("meaning: {name}"),
                what: (*other).to_owned(),
                at: Vec::new(),
                spec: spec(other),
                expected: Expected::Accepted,
            };
            let turns = others.iter().map(|other| vec![step(other)]).collect();
            let luck = Chance::of(seed, &id).seed;
            Walk { id, way: Way::Leaves { first: spec(one), turns, luck } }
        })
        .collect()
}

/// Each step merges one leaf's second spec over the current spec, or removes a leaf; twice as many
/// as must be valid.
fn at_random(number: usize, leaves: &[Leaf], all: &[Operation], seed: u64) -> Walk {
    let id = format!("operations/random/{number} of {seed}");
    let mut chance = Chance::of(seed, &id);
    let live: Vec<&Operation> =
        all.iter().filter(|it| it.expected != Expected::Refused && live(it)).collect();
    let over = (0..3 * STEPS).map(|_| live[chance.below(live.len())].clone()).collect();
    let first = leaves[chance.below(leaves.len())].one.clone();
    Walk { id, way: Way::Random { first, over, luck: chance.seed } }
}

/// Returns the current spec with one operation applied.
pub fn over(now: &Value, operation: &Operation) -> Value {
    let mut spec = now.clone();
    lay_over(&mut spec, &operation.spec);
    let there = spec.pointer(&pointer(&operation.at)).is_some();
    match operation.spec.pointer(&pointer(&operation.at)) {
        None if there && !operation.at.is_empty() => without(&spec, &operation.at),
        Some(value) if there => with(&spec, &operation.at, value.clone()),
        _ => spec,
    }
}

fn lay_over(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (field, over) in over {
                lay_over(base.entry(field.clone()).or_insert(Value::Null), over);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_leaf_is_walked_and_replays_identically() {
        let ways = plans(3, true);
        let walked: Vec<&Operation> = ways
            .iter()
            .flat_map(|walk| match &walk.way {
                Way::Leaves { turns, .. } => turns.iter().flatten().collect(),
                _ => Vec::new(),
            })
            .collect();
        for leaf in leaves().0 {
            let changed = walked.iter().any(|it| it.leaf == leaf.path && it.what == "change");
            assert!(changed, "{}", leaf.path);
        }
        let again = plans(3, true);
        assert_eq!(format!("{ways:?}"), format!("{again:?}"));
        let ids: std::collections::BTreeSet<&str> = ways.iter().map(|walk| walk.id.as_str()).collect();
        assert_eq!(ids.len(), ways.len());
        println!("{} walks, {} operations in the cluster", ways.len(), walked.len());
    }

    #[test]
    fn an_operation_is_applied_over_the_current_spec() {
        let operation = |spec: Value| Operation {
            leaf: String::new(),
            what: String::new(),
            at: vec!["a".to_owned(), "b".to_owned()],
            spec,
            expected: Expected::Judged,
        };
        let now = json!({ "a": { "b": { "x": 1 }, "c": 2 }, "d": 3 });
        assert_eq!(
            over(&now, &operation(json!({ "a": { "b": { "y": 1 } } }))),
            json!({ "a": { "b": { "y": 1 }, "c": 2 }, "d": 3 })
        );
        assert_eq!(over(&now, &operation(json!({ "a": {} }))), json!({ "a": { "c": 2 }, "d": 3 }));
    }
}
