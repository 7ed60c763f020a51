//! The whole reconcile against an in-memory API server: whatever happens in between, it converges
//! to the state of an undisturbed run, sends no forbidden request, and then is silent.

mod fields;
mod scalers;
mod server;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::proptest_config;

use self::{
    fields::Leaves,
    server::{Fault, Id},
    world::{Edit, World, beside},
};
use super::{
    leaves::LEAVES,
    specs::{Choice, Judge, schema},
};
use crate::engine::backoff;

/// A disturbance of an operator.
#[derive(Clone, Debug)]
enum Act {
    /// The user changes the spec, or reverts a part of it.
    Change(Vec<Choice>),
    TakeBack(usize),
    Reconcile,
    /// The watches deliver this many events.
    Deliver(usize),
    /// The write after this many others fails.
    Fault(usize, Fault),
    Restart,
    Delete(usize),
    Edit(usize, usize, Edit),
    /// Another client replaces one of the operator's objects with its own, and the system settles.
    Take(usize),
}

/// Restores need pods that run to completion, which this model does not simulate.
fn choice() -> impl Strategy<Value = Choice> {
    let all: Vec<usize> = (0..LEAVES.len()).filter(|at| !LEAVES[*at].0.starts_with("restore")).collect();
    (prop::sample::select(all), any::<bool>())
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(choice(), 0..6)
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        prop::sample::select(vec![409, 429, 500, 503, 504]).prop_map(Fault::Refused),
        Just(Fault::Lost),
        Just(Fault::DeadBefore),
        Just(Fault::DeadAfter),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let edit = prop::sample::select(vec![Edit::Add, Edit::Change, Edit::Strip]);
    prop_oneof![
        3 => choices().prop_map(Act::Change),
        1 => any::<usize>().prop_map(Act::TakeBack),
        4 => Just(Act::Reconcile),
        3 => (0_usize..30).prop_map(Act::Deliver),
        3 => (0_usize..40, fault()).prop_map(|(after, fault)| Act::Fault(after, fault)),
        1 => Just(Act::Restart),
        2 => any::<usize>().prop_map(Act::Delete),
        1 => any::<usize>().prop_map(Act::Take),
        2 => (any::<usize>(), any::<usize>(), edit).prop_map(|(of, which, how)| Act::Edit(of, which, how)),
    ]
}

async fn carry_out(world: &mut World, judge: &Judge, act: &Act) -> Result<(), String> {
    let victim = |at: usize, world: &World| {
        let all = world.victims();
        (!all.is_empty()).then(|| all[at % all.len()].clone())
    };
    match act {
        Act::Change(choices) => world.write(judge.change(&world.spec(), choices)),
        Act::TakeBack(at) => {
            let before = world.spec();
            let names: Vec<String> = before.as_object().expect("a spec").keys().cloned().collect();
            let mut spec = before.clone();
            spec.as_object_mut().expect("a spec").remove(&names[at % names.len()]);
            if spec.get("image").is_some() && judge.accepts(&spec, Some(&before)) {
                world.write(spec);
            }
        }
        Act::Reconcile => world.reconcile().await,
        Act::Deliver(most) => world.deliver(*most),
        Act::Fault(after, fault) => world.server().fault = Some((*after, *fault)),
        Act::Restart => world.restart(),
        Act::Delete(at) => {
            if let Some(id) = victim(*at, world) {
                world.delete(&id);
            }
        }
        Act::Edit(at, which, how) => {
            if let Some(id) = victim(*at, world) {
                world.edit(&id, *which, *how);
            }
        }
        Act::Take(at) => {
            if let Some(id) = victim(*at, world) {
                world.take(&id);
                world.quiet().await?;
                world.nothing_acts_on_others()?;
            }
        }
    }
    Ok(())
}

/// Returns the end state of an undisturbed run, which must be reached in one round.
async fn reference(spec: &Value, schema: &Value) -> Result<BTreeMap<Id, Leaves>, String> {
    let mut world = World::new(spec, schema, 0);
    beside(&world, &["logpilot", "other"]);
    world.quiet().await?;
    blameless(&world)?;
    Ok(world.ours())
}

fn blameless(world: &World) -> Result<(), String> {
    let server = world.server();
    if server.violations.is_empty() { Ok(()) } else { Err(format!("{:#?}", server.violations)) }
}

/// Returns the differences between two end states. Objects that hold data or a secret outlive the
/// component they were created for.
fn differences(
    reference: &BTreeMap<Id, Leaves>,
    found: &BTreeMap<Id, Leaves>,
    may_stay: impl Fn(&Id) -> bool,
) -> Vec<String> {
    let mut told = Vec::new();
    for (id, wanted) in reference {
        match found.get(id) {
            None => told.push(format!("{} {} is missing", id.0, id.1)),
            Some(leaves) if leaves != wanted => {
                let other = |a: &Leaves, b: &Leaves| -> Vec<String> {
                    a.iter()
                        .filter(|(path, it)| b.get(*path) != Some(it))
                        .map(|it| format!("{it:?}"))
                        .collect()
                };
                told.push(format!(
                    "{} {}: wanted {:#?}, found {:#?}",
                    id.0,
                    id.1,
                    other(wanted, leaves),
                    other(leaves, wanted)
                ));
            }
            Some(_) => {}
        }
    }
    let more = found.keys().filter(|id| !reference.contains_key(*id) && !may_stay(id));
    told.extend(more.map(|id| format!("{} {} should not be", id.0, id.1)));
    told
}

/// Runs the disturbances and compares the end state with that of an undisturbed run. Returns the
/// number of rounds.
async fn trial(
    judge: &Judge,
    schema: &Value,
    first: &[Choice],
    order: u64,
    acts: &[Act],
) -> Result<usize, String> {
    let base = json!({ "image": "danpung2/logpilot:1.2.0" });
    let mut world = World::new(&judge.change(&base, first), schema, order);
    beside(&world, &["logpilot", "other"]);
    for act in acts {
        carry_out(&mut world, judge, act).await?;
        blameless(&world)?;
    }
    world.server().fault = None;
    world.release();
    // Only a periodic read detects that a name has become free.
    tokio::time::advance(backoff::LONGEST_FOR_NAME).await;
    let rounds = world.quiet().await?;
    blameless(&world)?;
    let wanted = reference(&world.spec(), schema).await?;
    let told = differences(&wanted, &world.ours(), |id| world.may_stay(id));
    if !told.is_empty() {
        return Err(told.join("\n"));
    }
    // The next operator finds nothing to do.
    world.restart();
    let before = world.server().writes;
    world.reconcile().await;
    let server = world.server();
    let more = server.writes - before;
    if more > 0 {
        return Err(format!(
            "another operator wrote: {:?}",
            server.log.iter().rev().take(more).collect::<Vec<_>>()
        ));
    }
    Ok(rounds)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

thread_local! {
    static JUDGE: Judge = Judge::new();
    static SCHEMA: Value = schema();
}

fn tried(first: &[Choice], order: u64, acts: &[Act]) -> Result<usize, String> {
    JUDGE.with(|judge| SCHEMA.with(|schema| run(trial(judge, schema, first, order, acts))))
}

proptest! {
    #![proptest_config(proptest_config(10))]

    #[test]
    fn a_disturbed_run_converges_like_an_undisturbed_one(
        first in choices(), order in any::<u64>(), acts in prop::collection::vec(act(), 0..12),
    ) {
        let ended = tried(&first, order, &acts);
        prop_assert!(ended.is_ok(), "{}", ended.unwrap_err());
    }

    #[test]
    fn no_own_object_acts_on_a_foreign_replacement(
        first in choices(), order in any::<u64>(), at in any::<usize>(), then in prop::collection::vec(act(), 0..3),
    ) {
        let acts: Vec<Act> = [Act::Reconcile, Act::Take(at)].into_iter().chain(then).collect();
        let ended = tried(&first, order, &acts);
        prop_assert!(ended.is_ok(), "{}", ended.unwrap_err());
    }

    #[test]
    fn a_partly_applied_plan_finishes_in_two_rounds(
        first in choices(), order in any::<u64>(), after in 0_usize..40, fault in fault(),
    ) {
        let ended = tried(&first, order, &[Act::Fault(after, fault), Act::Reconcile]);
        prop_assert!(matches!(ended, Ok(0..=2)), "{ended:?}");
    }
}
