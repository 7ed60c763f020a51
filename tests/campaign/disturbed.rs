//! A workload with a disturbance: the operator crashes, is rejected, sees stale or late data, or is
//! not alone.

use std::{collections::BTreeSet, time::Instant};

use fault_proxy::{Fault, Moment, Reply, Rule, RuleId, Times, When};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};
use local_cluster::wait_for;
use logpilot_operator::{
    engine::{INSTANCE_LABEL, kind::Management},
    kinds::{DOMAIN, KINDS},
};
use serde_json::{Value, json};

use super::{
    cluster::{Running, case::Case, kinds},
    end_state::{self, EndState},
    monitor::{self, Ordinary},
    stand::{CONVERGED, IMAGE, Outcome, Slot},
    workload::Workload,
};

/// The disturbance of the n-th write of a workload.
#[derive(Clone, Debug)]
pub enum Disturbance {
    /// The operator crashes, and another one starts.
    Crash(Moment),
    /// The other one crashes too, at its own n-th write, and so on until one of them has nothing
    /// left to write.
    Crashes(Moment),
    /// The operator crashes, and its successor sees the objects as they were before the change.
    Stale,
    /// This many requests, starting with this one, fail.
    Answered { fault: Fault, count: u64 },
    /// A second operator starts, and both are active.
    Joined,
    /// The resource is deleted.
    Deleted,
    /// A watch has this fault, whichever write it is.
    Watch { resource: &'static str, fault: Fault },
}

/// One trial.
#[derive(Clone, Debug)]
pub struct Plan {
    pub class: &'static str,
    pub detail: String,
    pub nth: usize,
    pub disturbance: Disturbance,
}

/// The end state of undisturbed runs of a workload, and their behaviour.
pub struct Reference {
    state: EndState,
    mask: BTreeSet<String>,
    pub ordinary: Ordinary,
    /// Resources of which objects were written: their watches report events.
    written: BTreeSet<String>,
}

/// The number of writes from which a workload counts as large.
const MANY: usize = 20;
const MOMENTS: [(&str, Moment); 3] =
    [("before", Moment::Before), ("committed", Moment::Committed), ("replied", Moment::Replied)];

/// Returns every trial of a workload. Some faults alternate, depending on the seed.
pub fn plans(reference: &Reference, seed: usize) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut plan =
        |class, detail: String, nth, disturbance| plans.push(Plan { class, detail, nth, disturbance });
    let answers = answers();
    let watches = watch_faults();
    for nth in [1, 2] {
        for (name, moment) in MOMENTS {
            plan("crashes", name.to_owned(), nth, Disturbance::Crashes(moment));
        }
    }
    for nth in 1..=reference.ordinary.writes {
        let turn = nth + seed;
        // Only every second write of a large workload: the trials with successive crashes cover all
        // writes.
        if reference.ordinary.writes < MANY || turn.is_multiple_of(2) {
            let (name, moment) = MOMENTS[turn % MOMENTS.len()];
            plan("crash", name.to_owned(), nth, Disturbance::Crash(moment));
        }
        match turn % 6 {
            0 => plan("split brain", "joined".to_owned(), nth, Disturbance::Joined),
            2 => plan("deleted", "deleted".to_owned(), nth, Disturbance::Deleted),
            4 => plan("stale view", "stale".to_owned(), nth, Disturbance::Stale),
            _ => {}
        }
        if turn.is_multiple_of(3) {
            let (name, fault, count) = &answers[turn / 3 % answers.len()];
            let answered = Disturbance::Answered { fault: fault.clone(), count: *count };
            plan("answer", (*name).to_owned(), nth, answered);
        }
    }
    let written = |resource: &&str| reference.written.contains(*resource);
    let kinds = KINDS.iter().filter(|kind| kind.management.watched()).map(|kind| kind.plural);
    let resources = DOMAIN.resources.iter().map(|kind| kind.plural);
    for (place, resource) in kinds.chain(resources).filter(written).enumerate() {
        if (place + seed).is_multiple_of(6) {
            let (name, fault) = &watches[(place / 6 + seed) % watches.len()];
            let disturbance = Disturbance::Watch { resource, fault: fault.clone() };
            plan("watch", format!("{name} {resource}"), 0, disturbance);
        }
    }
    plans
}

fn answers() -> Vec<(&'static str, Fault, u64)> {
    let told = |status, reason: &str| Fault::Answer(Reply::new(status, reason));
    let later = Reply { retry_after_seconds: Some(1), ..Reply::new(429, "TooManyRequests") };
    vec![
        ("conflict", told(409, "Conflict"), 1),
        ("timeout after commit", Fault::AnswerAfter(Reply::new(504, "Timeout")), 1),
        ("too many", Fault::Answer(later), 3),
        ("error storm", told(500, "InternalError"), 5),
        ("reply lost", Fault::LoseReply, 1),
        ("conflict storm", told(409, "Conflict"), 5),
        ("unavailable", told(503, "ServiceUnavailable"), 3),
        ("truncated", Fault::Truncate { bytes: 40 }, 1),
        ("refused", Fault::Refuse, 4),
    ]
}

fn watch_faults() -> Vec<(&'static str, Fault)> {
    let expired = json!({
        "type": "ERROR",
        "object": { "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired" },
    });
    vec![
        ("late", Fault::Late { event: 1, millis: 1500 }),
        ("expired", Fault::Insert { event: 1, line: expired }),
        ("twice", Fault::Repeat { event: 1 }),
        ("ends", Fault::End { events: 1 }),
        ("broken", Fault::Garble { event: 1, pointer: "/object/metadata".to_owned(), value: json!("none") }),
        ("late again", Fault::Late { event: 2, millis: 1500 }),
    ]
}

fn named(spec: &Value, name: &str) -> Value {
    serde_json::from_str(&spec.to_string().replace("L.example.com", &format!("{name}.example.com"))).unwrap()
}

fn image_after(workload: &Workload) -> &'static str {
    if workload.upgrade { "logpilot-operator:next" } else { IMAGE }
}

/// Makes the workload's change, up to the spec.
async fn change(case: &Case, workload: &Workload) {
    if workload.again {
        case.delete().await;
        let api = case.api();
        wait_for("the resource to be deleted", CONVERGED, async || match api.get_opt(&case.name).await {
            Ok(None) => Ok(()),
            other => Err(format!("{:?}", other.map(|object| object.is_some()))),
        })
        .await
        .unwrap();
    }
    case.apply(named(&workload.to, case.ns())).await;
}

async fn prepared(slot: &Slot, workload: &Workload) -> (Case, Running) {
    let case = slot.case_of(workload.of).await;
    let operator = slot.operator(IMAGE).await;
    for from in &workload.from {
        case.apply(named(from, case.ns())).await;
        slot.is_settled(&case, from).await.unwrap();
    }
    (case, operator)
}

/// Two runs without a disturbance; with an upgrade, the newer operator starts afterwards.
pub async fn reference(slot: &Slot, workload: &Workload) -> Reference {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (case, mut operator) = prepared(slot, workload).await;
        let before = slot.proxy.count(|_| true);
        change(&case, workload).await;
        slot.is_settled(&case, &workload.to).await.unwrap();
        if workload.upgrade {
            operator.kill();
            operator = slot.operator(image_after(workload)).await;
            slot.is_settled(&case, &workload.to).await.unwrap();
        }
        let state = end_state::read(&case).await;
        let history = slot.witness.history(&case).await;
        let records = slot.proxy.records();
        let wrong = monitor::always(case.ns(), &history, &records);
        assert!(wrong.is_empty(), "{} without a disturbance: {wrong:#?}", workload.name);
        let written = records[before..].iter().filter(|record| record.asked.writes());
        let written = written.map(|record| record.asked.resource.clone()).collect();
        runs.push((state, Ordinary::learn(case.ns(), &history, &records[before..]), written));
        slot.done(case, vec![operator]).await;
    }
    let (second, first) = (runs.pop().unwrap(), runs.pop().unwrap());
    let mask = end_state::mask(&first.0, &second.0);
    Reference { mask, state: first.0, ordinary: first.1.or(second.1), written: first.2 }
}

pub async fn run(slot: &Slot, workload: &Workload, plan: &Plan, reference: &Reference) -> Outcome {
    let (case, mut operator) = prepared(slot, workload).await;
    let mut operators = Vec::new();
    if matches!(plan.disturbance, Disturbance::Stale) {
        // Its lists are the ones that its successor will see.
        operator.kill();
        slot.proxy.forget();
        operator = slot.operator(IMAGE).await;
    }
    let before = slot.proxy.count(|_| true);
    let nth = u64::try_from(plan.nth).unwrap();
    let (fault, times, when) = match &plan.disturbance {
        Disturbance::Crash(moment) => (Fault::Crash(*moment), Times::Nth(nth), When::writes()),
        Disturbance::Crashes(moment) => (Fault::Crash(*moment), write_of_each(*moment, nth), When::writes()),
        Disturbance::Stale => (Fault::Crash(Moment::Before), Times::Nth(nth), When::writes()),
        Disturbance::Answered { fault, count } => {
            (fault.clone(), Times::Span { from: nth, count: *count }, When::writes())
        }
        // Long enough for the second operator to start.
        Disturbance::Joined => (Fault::Delay { millis: 800 }, Times::Nth(nth), When::writes()),
        Disturbance::Deleted => (Fault::Delay { millis: 100 }, Times::Nth(nth), When::writes()),
        Disturbance::Watch { resource, fault } => {
            (fault.clone(), Times::First(1), When::of("watch", resource))
        }
    };
    let asked = Rule { when, times, then: fault };
    let mut rule = slot.proxy.rule(asked.clone());
    if let Disturbance::Watch { .. } = plan.disturbance {
        // New watches are counted from their first event.
        slot.proxy.cut();
        slot.proxy.wait_for(rule, CONVERGED).await;
    }
    change(&case, workload).await;
    let mut hit = reached(slot, &case, workload, rule).await;
    let began = Instant::now();
    let mut outcome = Outcome { missed: !hit, steps: 1, ..Outcome::default() };
    match &plan.disturbance {
        Disturbance::Crashes(_) => {
            let most = 2 * reference.ordinary.writes + 20;
            while hit && outcome.crashes < most {
                outcome.crashes += 1;
                operator.crash();
                slot.proxy.lift(rule);
                rule = slot.proxy.rule(asked.clone());
                slot.proxy.revive();
                operator = slot.operator(image_after(workload)).await;
                hit = reached(slot, &case, workload, rule).await;
            }
            slot.proxy.lift(rule);
            if hit {
                outcome
                    .violations
                    .push(format!("{most} operators died, and there was still something to write"));
                slot.proxy.revive();
            }
            operators.push(operator);
        }
        Disturbance::Crash(_) | Disturbance::Stale => {
            outcome.crashes = usize::from(hit);
            operator.crash();
            slot.proxy.lift(rule);
            if matches!(plan.disturbance, Disturbance::Stale) {
                for kind in KINDS.iter().filter(|kind| kind.management.watched()) {
                    let when = When::of("list", kind.plural);
                    slot.proxy.rule(Rule { when, times: Times::First(1), then: Fault::Replay });
                }
            }
            slot.proxy.revive();
            operators.push(slot.operator(image_after(workload)).await);
        }
        Disturbance::Joined => {
            // A rule that the first operator never triggered must not delay the second: the delay
            // would look like its silence.
            slot.proxy.lift(rule);
            operators.push(slot.operator(image_after(workload)).await);
            if workload.upgrade {
                // Two versions want different states: one of them has to end, as in a rolling update.
                operator.kill();
            } else {
                operators.push(operator);
            }
        }
        Disturbance::Deleted => {
            case.delete().await;
            operators.push(operator);
        }
        Disturbance::Answered { .. } | Disturbance::Watch { .. } => {
            operators.push(operator);
            if workload.upgrade {
                slot.is_settled(&case, &workload.to).await.unwrap();
                operators.drain(..).for_each(Running::kill);
                operators.push(slot.operator(image_after(workload)).await);
            }
        }
    }
    let ended = if matches!(plan.disturbance, Disturbance::Deleted) {
        gone(slot, &case).await
    } else {
        slot.is_settled(&case, &workload.to).await
    };
    match ended {
        Err(error) => outcome.violations.push(error),
        Ok(()) if matches!(plan.disturbance, Disturbance::Deleted) => {}
        Ok(()) => {
            let seen = end_state::read(&case).await;
            outcome.violations.extend(end_state::differences(&reference.state, &seen, &reference.mask));
        }
    }
    outcome.recovery = began.elapsed();
    let history = slot.witness.history(&case).await;
    let records = slot.proxy.records();
    outcome.violations.extend(monitor::always(case.ns(), &history, &records));
    if !matches!(plan.disturbance, Disturbance::Deleted) {
        outcome.violations.extend(reference.ordinary.violations(case.ns(), &history));
    }
    let writes = records[before..].iter().filter(|record| record.asked.writes()).count();
    // Each crashed operator may have made one unsuccessful attempt.
    let most = 3 * reference.ordinary.writes + 20 + outcome.crashes;
    if writes > most {
        outcome.violations.push(format!("{writes} writes, otherwise {}", reference.ordinary.writes));
    }
    slot.done(case, operators).await;
    outcome
}

/// A write that never succeeds would keep all operators from the next one: before it, each has
/// written one more.
fn write_of_each(moment: Moment, nth: u64) -> Times {
    Times::Nth(nth + u64::from(matches!(moment, Moment::Before)))
}

/// Returns whether a rule acts before the workload is complete.
async fn reached(slot: &Slot, case: &Case, workload: &Workload, rule: RuleId) -> bool {
    tokio::select! {
        hit = slot.proxy.wait_for(rule, CONVERGED) => hit,
        _ = slot.is_settled(case, &workload.to) => slot.proxy.acted(rule) > 0,
    }
}

/// Waits until only objects that are never deleted remain, and no further request is sent.
async fn gone(slot: &Slot, case: &Case) -> Result<(), String> {
    let selector = format!("{INSTANCE_LABEL}={}", case.name);
    let labelled = ListParams::default().labels(&selector);
    wait_for("the objects of a deleted resource to be deleted", CONVERGED, async || {
        for kind in KINDS
            .iter()
            .filter(|kind| matches!(kind.management, Management::Managed | Management::RunToCompletion))
        {
            match kinds::api(&case.client, kind, case.ns()).list(&labelled).await {
                Ok(list) if list.items.is_empty() => {}
                Ok(list) => return Err(format!("{} {}", list.items.len(), kind.plural)),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    })
    .await
    .map_err(|error| error.to_string())?;
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    if namespaces.get_opt(case.ns()).await.is_ok_and(|namespace| {
        namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
    }) {
        return Err("the namespace is being deleted".to_owned());
    }
    slot.quiet().await
}
