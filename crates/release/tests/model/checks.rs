//! The invariants. Their numbers are those of `docs/dev/release-machine.md`.

use release::{Phase, Plan, Rejection, RevisionState, Step, Strategy, Verbs, parse_verbs};

use crate::explore::available;
use crate::world::{Scenario, State};

fn require(holds: bool, fault: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

/// Checks a state.
pub fn check_state(scenario: &Scenario, state: &State) -> Result<(), String> {
    let objects = &state.objects;
    let served = |revision: u32| state.truth.verified.contains(&revision);
    if let (Some((revision, _)), true) = (objects.candidate, objects.weight > 0) {
        require(served(revision), || format!("I2: revision {revision} has traffic and was not verified"))?;
    }
    if let Some(release) = &state.status.release {
        let early = matches!(release.phase, Phase::Preparing | Phase::Starting | Phase::Stepping);
        require(!(early && objects.primary == release.revision), || {
            "I3: the primary Deployment has the new template before Finishing".into()
        })?;
    }
    require(state.truth.starts <= state.truth.allowed_starts, || {
        format!("I8: {} starts, {} edits and verbs", state.truth.starts, state.truth.allowed_starts)
    })?;
    if !scenario.strategy.has_candidate() {
        let revisions = state.cluster.primary.len();
        require(scenario.strategy != Strategy::Recreate || revisions <= 1, || {
            "I9: processes of two revisions run at once".into()
        })?;
        require(state.cluster.candidate.is_empty(), || "I9: a candidate without its strategy".into())?;
    }
    let newest = state.status.revisions.first().map_or(0, |revision| revision.number);
    for number in [newest.saturating_sub(1), newest + 1] {
        let value = number.to_string();
        let gate = format!("{number}.full");
        let (verbs, ignored) =
            parse_verbs(&state.status, |verb| Some(if verb == "promote" { &gate } else { value.as_str() }));
        require(verbs == Verbs::default() && ignored.len() == 5, || {
            format!("I13: a verb for release {number} has an effect on {newest}")
        })?;
    }
    Ok(())
}

/// Checks a stored status against the next one, and keeps the truth up to date.
pub fn check_persisted(before: &State, after: &mut State) -> Result<(), String> {
    let (old, new) = (&before.status.release, &after.status.release);
    if let (Some(old), Some(new)) = (old, new) {
        let same = (old.revision, old.phase, old.step) == (new.revision, new.phase, new.step);
        require(!same || old.suspended.is_some() || old.step_started_at == new.step_started_at, || {
            "clock: the start of a step moved without a suspension".into()
        })?;
        let leaves = !same && old.phase == Phase::Stepping && new.phase != Phase::RollingBack;
        let (revision, step) = before.truth.opened;
        let opened = revision == old.revision && step >= old.step;
        require(!leaves || old.current_step() != Some(Step::Gate) || opened, || {
            format!("gate: step {} was left, and no user promoted it", old.step)
        })?;
        require(!same || new.step >= old.step, || "I4: a step was repeated".into())?;
    }
    let newest = after.status.revisions.first().map_or(0, |revision| revision.number);
    let grew = newest > before.status.revisions.first().map_or(0, |revision| revision.number);
    if let Some(release) = new.as_ref().filter(|_| grew) {
        after.truth.starts += 1;
        let revision = after.status.revisions.iter().find(|revision| revision.number == release.revision);
        let rejected = revision.is_some_and(|revision| after.truth.rejected.contains(&revision.fingerprint));
        require(!rejected, || format!("I6: rejected revision starts again as {}", release.revision))?;
        after.cluster.restarts = 0;
        after.seen.restarts = 0;
    }
    for revision in &after.status.revisions {
        let counted = matches!(revision.state, RevisionState::Rejected(_));
        let was = before.status.revisions.iter().any(|old| old == revision);
        if counted && !was && !after.truth.rejected.contains(&revision.fingerprint) {
            after.truth.rejected.push(revision.fingerprint);
        }
        after.truth.harmed |= revision.state == RevisionState::Rejected(Rejection::Aborted);
    }
    Ok(())
}

/// Checks a plan.
pub fn check_act(scenario: &Scenario, state: &State, plan: &Plan) -> Result<(), String> {
    let counts = &plan.components[0];
    let primary = counts.primary.unwrap_or(state.objects.replicas);
    if let (Some((revision, _)), true) = (state.objects.candidate, plan.weight > 0) {
        let (newest, weight) = state.truth.weight;
        require(revision != newest || plan.weight >= weight, || {
            format!("I4: the weight of {revision} falls from {weight} to {}", plan.weight)
        })?;
    }
    if let Some(candidate) = plan.candidate.filter(|_| counts.candidate > 0) {
        let others = state.cluster.candidate.iter().any(|(revision, _)| *revision != candidate);
        let lagging = state.seen != state.cluster;
        require(!others || lagging, || format!("I5: candidate {candidate} starts beside another one"))?;
    }
    require(!scenario.autoscaled || counts.primary.is_none(), || {
        format!("I10: replicas {primary} are written under an autoscaler")
    })?;
    require(primary + counts.candidate > 0, || "I12: both tracks are planned at 0".into())
}

/// Checks the removal of an available pod by a controller. A pod that crashed counts as capacity: the machine
/// did not take it away.
pub fn check_removal(scenario: &Scenario, before: &State, after: &State) -> Result<(), String> {
    let at_once = before.status.release.as_ref().is_some_and(|release| release.at_once);
    if at_once || before.truth.harmed {
        return Ok(());
    }
    let behind = |state: &State| {
        let traffic = state.objects.weight > 0;
        let sum = |pods: &crate::world::ByRevision, serving: bool| {
            let count = |pods: &crate::world::Pods| pods.broken + if serving { pods.available } else { 0 };
            pods.iter().map(|(_, pods)| u32::from(count(pods))).sum::<u32>()
        };
        sum(&state.cluster.primary, true) + sum(&state.cluster.candidate, traffic)
    };
    let (had, has) = (behind(before), behind(after));
    require(has >= scenario.pods || has == had, || {
        format!(
            "I1: {has} of {} pods stay behind the Services, {} of the primary",
            scenario.pods,
            available(&after.cluster.primary)
        )
    })
}
