//! The modelled cluster: a Deployment controller that moves one pod at a time, and the faults around it.

use release::{
    Analysis, Component, Counts, Decision, Desired, Directive, Fingerprint, Observed, Operation, Outcome,
    Phase, Plan, Policy, RevisionState, Status, Step, Strategy, Time, Track, Verbs, VerifyRun, decide,
    parse_verbs,
};

/// Times in a state are relative to now.
pub const NOW: Time = Time(0);
pub const DEADLINE: i64 = 20;

/// A bug that is planted in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    None,
    GateOpensByItself,
    ReadinessResetsClock,
    RejectedStartsAgain,
    BothTracksAtZero,
    ReplicasUnderAutoscaler,
    TrafficBeforeVerification,
}

/// The content of a run: the strategy, and how many faults and acts of users.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub strategy: Strategy,
    pub steps: Vec<Step>,
    pub pods: u32,
    pub autoscaled: bool,
    pub crashes: u8,
    pub edits: u8,
    pub verbs: u8,
    pub losses: u8,
    pub troubles: u8,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            strategy: Strategy::RollingUpdate,
            steps: Vec::new(),
            pods: 2,
            autoscaled: false,
            crashes: 0,
            edits: 1,
            verbs: 0,
            losses: 0,
            troubles: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pods {
    pub starting: u8,
    pub available: u8,
    /// Was available, and crashed.
    pub broken: u8,
}

impl Pods {
    pub fn all(self) -> u32 {
        u32::from(self.starting) + u32::from(self.available) + u32::from(self.broken)
    }
}

/// Pods by the revision of their template.
pub type ByRevision = Vec<(u32, Pods)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub primary: ByRevision,
    pub candidate: ByRevision,
    /// The primary's Deployment as its controller has observed it.
    pub template: u32,
    pub replicas: u32,
    /// The candidate's Deployment as its controller has observed it.
    pub observed: Option<(u32, u32)>,
    /// Restarts of the newest revision's pods.
    pub restarts: u32,
}

/// The objects as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Objects {
    pub primary: u32,
    pub replicas: u32,
    pub rolling: Option<(u32, u32)>,
    pub candidate: Option<(u32, u32)>,
    pub weight: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Annotations {
    pub promote: Option<(u32, u8)>,
    pub abort: Option<(u32, bool)>,
    pub retry: Option<u32>,
    pub rollback: Option<(u32, u32)>,
}

/// The rest of the scenario's budgets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    pub edits: u8,
    pub verbs: u8,
    pub losses: u8,
    pub troubles: u8,
}

/// The real events, which the machine does not see. The checks compare the machine with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Truth {
    pub verified: Vec<u32>,
    pub rejected: Vec<Fingerprint>,
    pub starts: u32,
    pub allowed_starts: u32,
    /// The highest step that a user opened, and the release for which.
    pub opened: (u32, u8),
    /// The highest weight of the newest release.
    pub weight: (u32, u8),
    pub harmed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub status: Status,
    pub objects: Objects,
    pub cluster: Cluster,
    /// The operator's view: the cluster, or the cluster before its last change.
    pub seen: Cluster,
    pub outage: Option<Time>,
    pub verify: Option<(u32, u8, bool)>,
    pub declared: Fingerprint,
    pub annotations: Annotations,
    pub trouble: bool,
    pub budget: Budget,
    pub truth: Truth,
}

pub fn desired(scenario: &Scenario, declared: Fingerprint) -> Desired {
    Desired {
        fingerprint: declared,
        rendering: declared,
        strategy: scenario.strategy,
        steps: scenario.steps.clone(),
        policy: Policy {
            automatic: true,
            max_restarts: 0,
            max_consecutive: 2,
            deadline_seconds: DEADLINE,
            verify: true,
            preview_pods: None,
            history_limit: 10,
        },
    }
}

impl State {
    pub fn initial(scenario: &Scenario) -> State {
        let pods = u8::try_from(scenario.pods).unwrap();
        let cluster = Cluster {
            primary: vec![(1, Pods { available: pods, ..Pods::default() })],
            candidate: Vec::new(),
            template: 1,
            replicas: scenario.pods,
            observed: None,
            restarts: 0,
        };
        let declared = Fingerprint(1);
        let mut state = State {
            status: Status::default(),
            objects: Objects {
                primary: 1,
                replicas: scenario.pods,
                rolling: None,
                candidate: None,
                weight: 0,
            },
            seen: cluster.clone(),
            cluster,
            outage: None,
            verify: None,
            declared,
            annotations: Annotations::default(),
            trouble: false,
            budget: Budget {
                crashes: scenario.crashes,
                edits: scenario.edits,
                verbs: scenario.verbs,
                losses: scenario.losses,
                troubles: scenario.troubles,
            },
            truth: Truth::default(),
        };
        state.status = state.decide(scenario, Plant::None).status;
        state
    }

    pub fn observed(&self, scenario: &Scenario) -> Observed {
        let new = self.status.release.as_ref().map_or(0, |release| release.revision);
        let track = |pods: &ByRevision, is: &dyn Fn(u32) -> bool| {
            let mut track = Track::default();
            for (_, pods) in pods.iter().filter(|(revision, _)| is(*revision)) {
                track.pods += pods.all();
                track.available += u32::from(pods.available);
            }
            track
        };
        let mut candidate = track(&self.seen.candidate, &|_| true);
        // The answer of a write is newer than the view.
        if self.seen.observed != self.objects.candidate {
            candidate.pods = candidate.pods.max(1);
        }
        candidate.pods = candidate.pods.max(self.objects.candidate.map_or(0, |(_, replicas)| replicas));
        candidate.restarts = self.seen.restarts;
        candidate.unavailable_since = self.outage;
        let component = Component {
            name: "all".into(),
            pods: scenario.pods,
            max_surge: 1,
            max_unavailable: 0,
            autoscaled: scenario.autoscaled,
            template: if self.seen.template == self.objects.primary { self.seen.template } else { 0 },
            replicas: self.seen.replicas.min(self.objects.replicas),
            old: track(&self.seen.primary, &|revision| revision != new),
            new: track(&self.seen.primary, &|revision| revision == new),
            candidate,
        };
        Observed {
            components: vec![component],
            operation: Operation::Running,
            check: Outcome::Passed,
            verify: self.verify.map(|(revision, step, passed)| VerifyRun {
                revision,
                step,
                outcome: if passed { Outcome::Passed } else { Outcome::Failed },
            }),
            analysis: None::<Analysis>,
            infrastructure_trouble: self.trouble,
            stable_harmed: false,
            weight: Some(self.objects.weight),
        }
    }

    pub fn verbs(&self) -> Verbs {
        let text = |verb: &str| match verb {
            "promote" => self.annotations.promote.map(|(number, step)| format!("{number}.{step}")),
            "abort" => self
                .annotations
                .abort
                .map(|(number, now)| format!("{number}{}", if now { ".now" } else { "" })),
            "retry" => self.annotations.retry.map(|number| number.to_string()),
            "rollback" => self.annotations.rollback.map(|(number, to)| format!("{number}:{to}")),
            _ => None,
        };
        let texts = ["promote", "abort", "retry", "rollback"].map(|verb| (verb, text(verb)));
        let value =
            |verb: &str| texts.iter().find(|(name, _)| *name == verb).and_then(|(_, value)| value.as_deref());
        parse_verbs(&self.status, value).0
    }

    /// The machine, with the planted bug.
    pub fn decide(&self, scenario: &Scenario, plant: Plant) -> Decision {
        let desired = desired(scenario, self.declared);
        let observed = self.observed(scenario);
        let mut verbs = self.verbs();
        let mut status = self.status.clone();
        match plant {
            Plant::GateOpensByItself => {
                verbs.promote = Some(release::Promote { through: None, force: false });
            }
            Plant::RejectedStartsAgain => {
                for revision in &mut status.revisions {
                    if matches!(revision.state, RevisionState::Rejected(_)) {
                        revision.state = RevisionState::Cancelled;
                    }
                }
            }
            _ => {}
        }
        let mut decision = decide(&status, &desired, &verbs, &observed, NOW);
        match (plant, &mut decision.directive, &mut decision.status.release) {
            (Plant::ReadinessResetsClock, directive, Some(release))
                if observed.components[0].candidate.available > 0 && release.suspended.is_none() =>
            {
                release.step_started_at = NOW;
                if decision.status != self.status {
                    *directive = Directive::Persist;
                }
            }
            (Plant::BothTracksAtZero, Directive::Apply(plan), Some(release))
                if release.phase == Phase::RollingBack =>
            {
                plan.components[0].primary = Some(plan.components[0].candidate);
            }
            (Plant::ReplicasUnderAutoscaler, Directive::Apply(plan), _) => {
                plan.components[0].primary = Some(scenario.pods);
            }
            (Plant::TrafficBeforeVerification, Directive::Apply(plan), Some(release))
                if release.phase == Phase::Starting =>
            {
                plan.weight = 50;
            }
            _ => {}
        }
        decision
    }

    /// Writes the objects, the first `writes` of them: the operator may crash in between. The order is that
    /// of the page: traffic away, the candidate if it grows, traffic to it, the primary; if the candidate
    /// shrinks, it comes last.
    pub fn apply(&mut self, plan: &Plan, writes: usize) {
        let counts: &Counts = &plan.components[0];
        let replicas = counts.primary.unwrap_or(self.objects.replicas);
        let candidate = plan.candidate.map(|revision| (revision, counts.candidate));
        let count = |candidate: Option<(u32, u32)>| candidate.map_or(0, |(_, replicas)| replicas);
        let candidate_grows = count(candidate) >= count(self.objects.candidate);
        let mut order = [
            (if plan.weight < self.objects.weight { 0 } else { 2 }, "weight"),
            (if candidate_grows { 1 } else { 3 }, "candidate"),
            (if candidate_grows { 3 } else { 1 }, "primary"),
        ];
        order.sort_unstable();
        for (_, object) in order.into_iter().take(writes) {
            match object {
                "weight" => self.objects.weight = plan.weight,
                "candidate" => {
                    self.objects.candidate = candidate;
                    self.cluster.observed = candidate;
                }
                _ => {
                    self.objects.primary = plan.primary;
                    self.cluster.template = plan.primary;
                    self.cluster.replicas = replicas;
                    self.objects.replicas = replicas;
                    self.objects.rolling = counts.rolling;
                }
            }
        }
    }

    /// Lets the time pass after which something may change: all stored times move into the past. Older ones
    /// than that make no difference to any decision, so they stay where they are.
    pub fn pass(&mut self, scenario: &Scenario) {
        let seconds = if scenario.troubles > 0 { 60 } else { DEADLINE };
        let shift = |time: &mut Time| time.0 = (time.0 - seconds).max(-seconds);
        if let Some(release) = &mut self.status.release {
            shift(&mut release.step_started_at);
            if let Some(suspended) = &mut release.suspended {
                shift(&mut suspended.at);
            }
        }
        if let Some(outage) = &mut self.outage {
            shift(outage);
        }
    }
}
