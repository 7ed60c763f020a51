//! Breadth-first search over all states, with the events that lead from one to the next.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use release::{Directive, Fingerprint, Phase, RevisionState, Status, Step, Strategy, SuspendedBy, recover};

use crate::checks::{check_act, check_persisted, check_removal, check_state};
use crate::world::{ByRevision, NOW, Plant, Pods, Scenario, State};

/// Every state with this remainder is also followed to its end.
const SAMPLE: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub states: usize,
    pub transitions: usize,
    pub completed: usize,
    pub settled: usize,
    pub bounded: bool,
}

impl Report {
    pub fn add(&mut self, other: &Report) {
        self.states += other.states;
        self.transitions += other.transitions;
        self.completed += other.completed;
        self.settled += other.settled;
        self.bounded |= other.bounded;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} states, {} transitions, {} followed to the end{}",
            self.states,
            self.transitions,
            self.settled,
            if self.bounded { ", bounded" } else { "" }
        )
    }
}

type Successors = Vec<(&'static str, State)>;

/// Visits the states that the scenario can reach, at most `max_states`, the nearest first. Returns the first
/// violation with the events before it.
pub fn explore(scenario: &Scenario, plant: Plant, max_states: usize) -> Result<Report, String> {
    let mut report = Report::default();
    let mut known = HashSet::new();
    let mut parents: Vec<(usize, &'static str)> = vec![(0, "start")];
    let initial = State::initial(scenario);
    known.insert(digest(&initial));
    let mut queue = VecDeque::from([(0, initial)]);
    while let Some((index, state)) = queue.pop_front() {
        report.states += 1;
        let explain =
            |fault: String, last: &str| format!("{fault}\n{} {last}\n{state:?}", trace(&parents, index));
        check_state(scenario, &state).map_err(|fault| explain(fault, ""))?;
        report.completed += usize::from(state.status.release.is_none() && state.objects.primary > 1);
        if index % SAMPLE == 0 {
            settles(scenario, &state, plant).map_err(|fault| explain(fault, "settle"))?;
            report.settled += 1;
        }
        let next = successors(scenario, &state, plant).map_err(|fault| explain(fault, "next"))?;
        for (event, mut next) in next {
            report.transitions += 1;
            next.notice_outage();
            if known.insert(digest(&next)) && known.len() <= max_states {
                parents.push((index, event));
                queue.push_back((parents.len() - 1, next));
            }
        }
    }
    report.bounded = known.len() > max_states;
    Ok(report)
}

fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn trace(parents: &[(usize, &'static str)], mut index: usize) -> String {
    let mut events = Vec::new();
    while index != 0 {
        events.push(parents[index].1);
        index = parents[index].0;
    }
    events.reverse();
    events.join(", ")
}

fn successors(scenario: &Scenario, state: &State, plant: Plant) -> Result<Successors, String> {
    let mut next = Vec::new();
    reconciles(scenario, state, plant, &mut next)?;
    cluster_moves(scenario, state, &mut next)?;
    faults(scenario, state, &mut next);
    users(state, &mut next);
    if state.status.release.is_some() {
        let mut later = state.clone();
        later.pass(scenario);
        next.push(("time", later));
    }
    Ok(next)
}

/// The operator acts on what it sees. A lost write leaves the state as it is, which needs no successor.
fn reconciles(scenario: &Scenario, state: &State, plant: Plant, next: &mut Successors) -> Result<(), String> {
    let decision = state.decide(scenario, plant);
    match decision.directive {
        Directive::Persist => {
            let mut persisted = state.clone();
            persisted.status = decision.status;
            check_persisted(state, &mut persisted)?;
            next.push(("persist", persisted));
        }
        Directive::Apply(plan) => {
            check_act(scenario, state, &plan)?;
            for writes in 1..=3 {
                let mut written = state.clone();
                written.apply(&plan, writes);
                written.note_weight();
                next.push((["", "write 1", "write 2", "apply"][writes], written));
            }
        }
        Directive::Nothing => {}
    }
    if state.seen != state.cluster {
        let mut synced = state.clone();
        synced.seen = state.cluster.clone();
        next.push(("sync", synced));
    }
    Ok(())
}

/// Adds the state twice: with a view that is up to date, and with one that lags by this change.
fn push_changed(next: &mut Successors, event: &'static str, before: &State, mut after: State) {
    after.seen = before.cluster.clone();
    let mut fresh = after.clone();
    fresh.seen = fresh.cluster.clone();
    next.push((event, after));
    next.push((event, fresh));
}

fn entry(pods: &mut ByRevision, revision: u32) -> &mut Pods {
    let index = pods.iter().position(|(number, _)| *number == revision).unwrap_or_else(|| {
        pods.push((revision, Pods::default()));
        pods.len() - 1
    });
    &mut pods[index].1
}

fn tidy(pods: &mut ByRevision) {
    pods.retain(|(_, pods)| pods.all() > 0);
    pods.sort_unstable();
}

/// Removes the pod that matters least. Returns whether it was available.
fn remove(pods: &mut ByRevision, of: impl Fn(u32) -> bool) -> bool {
    let group = |pods: &ByRevision, has: fn(&Pods) -> bool| {
        pods.iter().position(|(revision, pods)| of(*revision) && has(pods))
    };
    let mut available = false;
    if let Some(index) = group(pods, |pods| pods.starting > 0) {
        pods[index].1.starting -= 1;
    } else if let Some(index) = group(pods, |pods| pods.broken > 0) {
        pods[index].1.broken -= 1;
    } else if let Some(index) = group(pods, |pods| pods.available > 0) {
        pods[index].1.available -= 1;
        available = true;
    }
    tidy(pods);
    available
}

fn total(pods: &ByRevision) -> u32 {
    pods.iter().map(|(_, pods)| pods.all()).sum()
}

pub fn available(pods: &ByRevision) -> u32 {
    pods.iter().map(|(_, pods)| u32::from(pods.available)).sum()
}

fn cluster_moves(scenario: &Scenario, state: &State, next: &mut Successors) -> Result<(), String> {
    for (event, moved, removed) in
        [primary_controller(scenario, state), candidate_controller(state)].into_iter().flatten()
    {
        if removed {
            check_removal(scenario, state, &moved)?;
        }
        push_changed(next, event, state, moved);
    }
    let tracks: [fn(&mut State) -> &mut ByRevision; 2] =
        [|state| &mut state.cluster.primary, |state| &mut state.cluster.candidate];
    for track in tracks {
        let mut probe = state.clone();
        for index in 0..track(&mut probe).len() {
            let pods = track(&mut probe)[index].1;
            if pods.starting > 0 && !state.trouble {
                let mut after = state.clone();
                let pods = &mut track(&mut after)[index].1;
                pods.starting -= 1;
                pods.available += 1;
                push_changed(next, "available", state, after);
            }
            if pods.broken > 0 {
                let mut after = state.clone();
                let pods = &mut track(&mut after)[index].1;
                pods.broken -= 1;
                pods.available += 1;
                push_changed(next, "back", state, after);
            }
        }
    }
    Ok(())
}

type Moved = Option<(&'static str, State, bool)>;

/// The Deployment controller: one pod at a time, within `maxSurge` and `maxUnavailable`.
fn primary_controller(scenario: &Scenario, state: &State) -> Moved {
    let (wanted, revision) = (state.objects.replicas, state.objects.primary);
    let (surge, unavailable) = state.objects.rolling.unwrap_or((1, 0));
    let pods = &state.cluster.primary;
    let all = total(pods);
    let new = pods.iter().find(|(number, _)| *number == revision).map_or(0, |(_, pods)| pods.all());
    let others = all - new;
    let unhealthy = pods.iter().any(|(number, pods)| *number != revision && pods.starting + pods.broken > 0);
    let mut after = state.clone();
    let recreate = scenario.strategy == Strategy::Recreate;
    let create = if recreate { others == 0 && new < wanted } else { new < wanted && all < wanted + surge };
    if create {
        entry(&mut after.cluster.primary, revision).starting += 1;
        tidy(&mut after.cluster.primary);
        return Some(("create", after, false));
    }
    let spare = available(pods) > wanted.saturating_sub(unavailable);
    if others > 0 && (recreate || unhealthy || spare) {
        let removed = remove(&mut after.cluster.primary, |number| number != revision);
        return Some(("delete old", after, removed && !recreate));
    }
    (new > wanted).then(|| {
        let removed = remove(&mut after.cluster.primary, |number| number == revision);
        ("scale down", after, removed)
    })
}

fn candidate_controller(state: &State) -> Moved {
    let (revision, wanted) = state.objects.candidate.unwrap_or((0, 0));
    let pods = &state.cluster.candidate;
    let mut after = state.clone();
    if pods.iter().any(|(number, _)| *number != revision) {
        let removed = remove(&mut after.cluster.candidate, |number| number != revision);
        return Some(("delete candidate", after, removed));
    }
    if total(pods) < wanted {
        entry(&mut after.cluster.candidate, revision).starting += 1;
        return Some(("create candidate", after, false));
    }
    (total(pods) > wanted).then(|| {
        let removed = remove(&mut after.cluster.candidate, |_| true);
        ("scale down candidate", after, removed)
    })
}

fn faults(scenario: &Scenario, state: &State, next: &mut Successors) {
    if state.budget.crashes > 0 {
        for candidate in [false, true] {
            let pods = if candidate { &state.cluster.candidate } else { &state.cluster.primary };
            for index in 0..pods.len() {
                if pods[index].1.available == 0 {
                    continue;
                }
                for restarts in [0, 1] {
                    let mut after = state.clone();
                    let cluster = &mut after.cluster;
                    let pods = if candidate { &mut cluster.candidate } else { &mut cluster.primary };
                    pods[index].1.available -= 1;
                    pods[index].1.broken += 1;
                    after.budget.crashes -= 1;
                    let newest = state.status.revisions.first().map_or(0, |revision| revision.number);
                    // Without a restart, the pod is only not ready.
                    if pods[index].0 == newest {
                        cluster.restarts += restarts;
                    } else if restarts == 1 {
                        continue;
                    }
                    push_changed(next, if restarts == 1 { "crash" } else { "unready" }, state, after);
                }
            }
        }
    }
    if let Some(release) = &state.status.release {
        let verifies = match (release.phase, release.current_step()) {
            (Phase::Starting, _) => available(&state.cluster.candidate) > 0,
            (Phase::Stepping, Some(Step::Verify)) => true,
            _ => false,
        };
        if verifies
            && state
                .verify
                .is_none_or(|(revision, step, _)| (revision, step) != (release.revision, release.step))
        {
            for passed in [true, false] {
                let mut after = state.clone();
                after.verify = Some((release.revision, release.step, passed));
                if passed && !after.truth.verified.contains(&release.revision) {
                    after.truth.verified.push(release.revision);
                }
                next.push((if passed { "verified" } else { "verify failed" }, after));
            }
        }
    }
    if state.budget.troubles > 0 || state.trouble {
        let mut after = state.clone();
        after.trouble = !state.trouble;
        after.budget.troubles -= u8::from(after.trouble);
        next.push(("trouble", after));
    }
    if state.budget.losses > 0 && state.status.release.is_some() {
        let mut after = state.clone();
        let revisions = state.status.revisions.clone();
        after.status = recover(revisions, scenario.strategy, &scenario.steps, NOW);
        after.budget.losses -= 1;
        after.truth.allowed_starts += 1;
        next.push(("status lost", after));
    }
}

fn users(state: &State, next: &mut Successors) {
    if state.budget.edits > 0 {
        // Which of the contents that were never declared comes next makes no difference.
        let unused =
            state.status.revisions.iter().map(|revision| revision.fingerprint.0).max().unwrap_or(0) + 1;
        let last = unused.max(state.declared.0 + 1).min(3);
        for declared in (1..=last).map(Fingerprint).filter(|declared| *declared != state.declared) {
            let mut after = state.clone();
            after.declared = declared;
            after.budget.edits -= 1;
            after.truth.allowed_starts += 1;
            next.push(("edit", after));
        }
    }
    let newest = state.status.revisions.first().map_or(0, |revision| revision.number);
    if let Some(release) = &state.status.release {
        let opened = (release.revision, release.step);
        if release.current_step() == Some(Step::Gate) && state.annotations.promote != Some(opened) {
            let mut after = state.clone();
            after.annotations.promote = Some(opened);
            after.truth.opened = opened;
            next.push(("promote", after));
        }
    }
    if state.budget.verbs == 0 {
        return;
    }
    let mut act = |event: &'static str, starts: u32, set: &mut dyn FnMut(&mut State)| {
        let mut after = state.clone();
        set(&mut after);
        after.truth.allowed_starts += starts;
        after.budget.verbs -= 1;
        next.push((event, after));
    };
    if state.status.release.is_some() {
        for now in [false, true] {
            act("abort", 0, &mut |state| state.annotations.abort = Some((newest, now)));
        }
    } else if state.status.newest_with(state.declared).is_some_and(|revision| revision.state.needs_retry()) {
        act("retry", 1, &mut |state| {
            state.annotations.retry = Some(newest);
            let declared = state.declared;
            state.truth.rejected.retain(|fingerprint| *fingerprint != declared);
        });
    }
    let served = |status: &Status| {
        status
            .revisions
            .iter()
            .find(|revision| revision.state == RevisionState::Superseded)
            .map(|it| it.number)
    };
    if let Some(to) = served(&state.status) {
        act("rollback", 1, &mut |state| {
            state.annotations.rollback = Some((newest, to));
            state.truth.rejected.clear();
        });
    }
}

/// Follows the state without further faults. It must end, or wait for a user.
fn settles(scenario: &Scenario, state: &State, plant: Plant) -> Result<(), String> {
    let mut state = state.clone();
    state.trouble = false;
    for _ in 0..300 {
        state.seen = state.cluster.clone();
        state.notice_outage();
        let waits = state.status.release.as_ref().is_none_or(|release| {
            let gate = release.phase == Phase::Stepping && release.current_step() == Some(Step::Gate);
            let user = release.suspended.is_some_and(|suspended| {
                matches!(suspended.by, SuspendedBy::Verdict(_) | SuspendedBy::PromotionIncomplete)
            });
            gate || user
        });
        let decision = state.decide(scenario, plant);
        let rests = match decision.directive {
            Directive::Persist => {
                state.status = decision.status;
                continue;
            }
            Directive::Apply(plan) => {
                let before = state.objects.clone();
                state.apply(&plan, 3);
                before == state.objects
            }
            Directive::Nothing => true,
        };
        if let Some(release) = &state.status.release
            && (release.phase == Phase::Starting || release.current_step() == Some(Step::Verify))
        {
            let run = Some((release.revision, release.step, true));
            if available(&state.cluster.candidate) > 0
                && state
                    .verify
                    .is_none_or(|(revision, step, _)| (revision, step) != (release.revision, release.step))
            {
                state.verify = run;
                continue;
            }
        }
        let moved = [primary_controller(scenario, &state), candidate_controller(&state)];
        if let Some((_, after, _)) = moved.into_iter().flatten().next() {
            state = after;
            continue;
        }
        let mut came = false;
        for (_, pods) in state.cluster.primary.iter_mut().chain(&mut state.cluster.candidate) {
            came |= pods.starting + pods.broken > 0;
            pods.available += pods.starting + pods.broken;
            (pods.starting, pods.broken) = (0, 0);
        }
        if came || !rests {
            continue;
        }
        if waits {
            return Ok(());
        }
        state.pass(scenario);
    }
    Err(format!("I7: the state does not end by itself: {state:?}"))
}

impl State {
    pub fn notice_outage(&mut self) {
        let wanted = self.objects.candidate.is_some_and(|(_, replicas)| replicas > 0);
        if !wanted || available(&self.cluster.candidate) > 0 {
            self.outage = None;
        } else {
            self.outage = self.outage.or(Some(NOW));
        }
    }

    pub fn note_weight(&mut self) {
        if let Some((revision, _)) = self.objects.candidate
            && self.objects.weight > 0
        {
            self.truth.weight = (revision, self.objects.weight);
        }
    }
}
