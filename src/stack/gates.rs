//! Gates: what each component of a stack waits for.
//!
//! A gate holds the creation of a component and its changes, never its life. A component that was
//! complete once is created again without waiting, and an outage of a dependency holds nothing. A changed
//! template waits until each dependency has finished its own change.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{
    component::ComponentKind,
    status::{Blocker, ComponentStatus},
};

/// A component as planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub kind: ComponentKind,
    pub depends_on: BTreeSet<String>,
    /// Hash of its pod template, or of its Job. Empty for an address outside the stack.
    pub template: String,
}

/// The workload of a component as it is now.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Hash of the template that the live object has.
    pub template: String,
    /// Every pod of the newest template is available and none of an older one is left; of a Job: it
    /// succeeded.
    pub complete: bool,
    /// Enough pods are available now; of a Job: it succeeded.
    pub available: bool,
    /// It has no pods although the plan wants some: it was stopped and has not started again.
    pub idle: bool,
    /// The rollout or the Job failed.
    pub failed: bool,
    /// Why it is not ready, such as `0 of 1 ready: pulling image mysql:8.0`.
    pub why: String,
}

/// The decision about one component.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gate {
    /// Empty where the component may be written.
    pub blocked_by: Vec<Blocker>,
    /// It waits with a change, and its old version goes on running.
    pub changing: bool,
    /// A dependency that it waits for has failed.
    pub failed: bool,
    /// It was complete once, now or before.
    pub started: bool,
    /// Hash of the last template that was complete.
    pub reached: Option<String>,
}

impl Gate {
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.blocked_by.is_empty()
    }
}

/// Decides for every component of a stack. `before` is the status that was written last.
#[must_use]
pub fn decide(
    wanted: &BTreeMap<String, Wanted>,
    observed: &BTreeMap<String, Observed>,
    before: &[ComponentStatus],
) -> BTreeMap<String, Gate> {
    let before: BTreeMap<&str, &ComponentStatus> =
        before.iter().map(|status| (status.name.as_str(), status)).collect();
    let progress: BTreeMap<&str, (bool, Option<String>)> = wanted
        .keys()
        .map(|name| (name.as_str(), progress(observed.get(name), before.get(name.as_str()).copied())))
        .collect();
    let gate = |(name, component): (&String, &Wanted)| {
        let (started, reached) = progress.get(name.as_str()).cloned().unwrap_or_default();
        let mut gate = Gate { started, reached, ..Gate::default() };
        let Some(waits) = waits(component, observed.get(name), &gate) else { return (name.clone(), gate) };
        gate.changing = waits == Waits::ForChange;
        for dependency in needs(wanted, component) {
            let Some(on) = wanted.get(dependency) else { continue };
            let seen = observed.get(dependency);
            let reached = progress.get(dependency).and_then(|(_, reached)| reached.as_deref());
            let ready = match (waits, on.kind) {
                // A Job that completed stays completed, also when it was deleted since.
                (Waits::ForStart, ComponentKind::Job) | (Waits::ForChange, _) => {
                    reached == Some(on.template.as_str())
                }
                (Waits::ForStart, _) => seen.is_some_and(|seen| seen.complete && seen.available),
            };
            if !ready {
                let why = match seen {
                    None => "does not run yet".to_owned(),
                    Some(seen) if seen.why.is_empty() && seen.template != on.template => {
                        "has not changed yet".to_owned()
                    }
                    Some(seen) => seen.why.clone(),
                };
                gate.failed |= seen.is_some_and(|seen| seen.failed);
                gate.blocked_by.push(Blocker { name: dependency.to_owned(), why });
            }
        }
        (name.clone(), gate)
    };
    wanted.iter().map(gate).collect()
}

/// The dependencies of a component that the stack runs. An address outside the stack is never waited for,
/// but the components that it depends on are.
fn needs<'a>(wanted: &'a BTreeMap<String, Wanted>, component: &'a Wanted) -> BTreeSet<&'a str> {
    let mut open: Vec<&String> = component.depends_on.iter().collect();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        match wanted.get(name).filter(|it| it.kind == ComponentKind::External) {
            Some(outside) => open.extend(&outside.depends_on),
            None => {
                found.insert(name.as_str());
            }
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// For dependencies that are complete and available.
    ForStart,
    /// For dependencies that have finished their own change.
    ForChange,
}

/// `None` where a component may be written whatever its dependencies do.
fn waits(component: &Wanted, observed: Option<&Observed>, gate: &Gate) -> Option<Waits> {
    if component.kind == ComponentKind::External {
        return None;
    }
    match observed {
        // A Job of another content is a change of one that completed before.
        None if gate.started && component.kind == ComponentKind::Job => Some(Waits::ForChange),
        None if gate.started => None,
        None => Some(Waits::ForStart),
        Some(seen) if seen.idle && !gate.started => Some(Waits::ForStart),
        Some(seen) if seen.template != component.template => Some(Waits::ForChange),
        Some(_) => None,
    }
}

/// Whether a component was complete once, and with which template last.
fn progress(observed: Option<&Observed>, before: Option<&ComponentStatus>) -> (bool, Option<String>) {
    let started = before.is_some_and(|before| before.started);
    let reached = before.and_then(|before| before.reached.clone());
    match observed {
        Some(seen) if seen.complete && !seen.idle => (true, Some(seen.template.clone())),
        _ => (started, reached),
    }
}

/// The components that others wait for and that wait for none themselves: the cause of the waiting.
#[must_use]
pub fn roots(gates: &BTreeMap<String, Gate>) -> BTreeSet<&str> {
    let blockers = gates.values().flat_map(|gate| &gate.blocked_by).map(|blocker| blocker.name.as_str());
    blockers.filter(|name| gates.get(*name).is_none_or(Gate::is_open)).collect()
}

/// The components that may have pods while a stack stops: those with a dependent that still has some.
#[must_use]
pub fn still_needed(wanted: &BTreeMap<String, Wanted>, with_pods: &BTreeSet<String>) -> BTreeSet<String> {
    let running = wanted.iter().filter(|(name, _)| with_pods.contains(*name));
    running.flat_map(|(_, component)| needs(wanted, component)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The observed state of a component in a test.
    #[derive(Clone, Copy)]
    enum Now {
        Absent,
        /// Complete and available, with this template.
        Up(&'static str),
        /// It was complete and its pods are not available now.
        Down(&'static str),
        /// This template is being rolled out.
        Rolling(&'static str),
        Failed(&'static str),
        Idle(&'static str),
    }

    impl Now {
        fn observed(self) -> Option<Observed> {
            let base = |template: &str| Observed {
                template: template.into(),
                why: "0 of 1 ready".into(),
                ..Observed::default()
            };
            Some(match self {
                Self::Absent => return None,
                Self::Up(template) => {
                    Observed { complete: true, available: true, why: String::new(), ..base(template) }
                }
                Self::Down(template) | Self::Rolling(template) => base(template),
                Self::Failed(template) => Observed { failed: true, ..base(template) },
                Self::Idle(template) => {
                    Observed { idle: true, complete: true, available: true, ..base(template) }
                }
            })
        }
    }

    fn status(name: &str, started: bool, reached: Option<&str>) -> ComponentStatus {
        ComponentStatus { name: name.into(), started, reached: reached.map(Into::into), ..Default::default() }
    }

    fn wanted(kind: ComponentKind, on: &[&str], template: &str) -> Wanted {
        let depends_on = on.iter().map(|name| (*name).to_owned()).collect();
        Wanted { kind, depends_on, template: template.into() }
    }

    /// Decides about `c`, which depends on `d`. Both are planned with the template `new`.
    fn decided(d: (ComponentKind, Now, Option<&str>), c: (Now, Option<&str>)) -> Gate {
        let plan = BTreeMap::from([
            ("c".to_owned(), wanted(ComponentKind::Deployment, &["d"], "new")),
            ("d".to_owned(), wanted(d.0, &[], "new")),
        ]);
        let observed = [("c", c.0), ("d", d.1)]
            .into_iter()
            .filter_map(|(name, now)| Some((name.to_owned(), now.observed()?)))
            .collect();
        let before = [status("c", c.1.is_some(), c.1), status("d", d.2.is_some(), d.2)];
        decide(&plan, &observed, &before).remove("c").unwrap()
    }

    const STATEFUL: ComponentKind = ComponentKind::StatefulSet;

    #[rstest]
    #[case::dependency_absent((STATEFUL, Now::Absent, None), (Now::Absent, None), false)]
    #[case::dependency_starts((STATEFUL, Now::Rolling("new"), None), (Now::Absent, None), false)]
    #[case::dependency_is_up((STATEFUL, Now::Up("new"), None), (Now::Absent, None), true)]
    #[case::dependency_went_down((STATEFUL, Now::Down("new"), Some("new")), (Now::Absent, None), false)]
    #[case::started_and_deleted((STATEFUL, Now::Down("new"), Some("new")), (Now::Absent, Some("new")), true)]
    #[case::nothing_to_change((STATEFUL, Now::Absent, None), (Now::Up("new"), Some("new")), true)]
    #[case::change_while_down((STATEFUL, Now::Down("new"), Some("new")), (Now::Up("old"), Some("old")), true)]
    #[case::both_change((STATEFUL, Now::Rolling("new"), Some("old")), (Now::Up("old"), Some("old")), false)]
    #[case::dependency_not_begun((STATEFUL, Now::Up("old"), Some("old")), (Now::Up("old"), Some("old")), false)]
    #[case::dependency_failed((STATEFUL, Now::Failed("new"), Some("old")), (Now::Up("old"), Some("old")), false)]
    #[case::dependency_changed((STATEFUL, Now::Up("new"), Some("old")), (Now::Up("old"), Some("old")), true)]
    #[case::external((ComponentKind::External, Now::Absent, None), (Now::Absent, None), true)]
    #[case::job_runs((ComponentKind::Job, Now::Rolling("new"), None), (Now::Absent, None), false)]
    #[case::job_completed((ComponentKind::Job, Now::Up("new"), None), (Now::Absent, None), true)]
    #[case::job_deleted_since((ComponentKind::Job, Now::Absent, Some("new")), (Now::Absent, None), true)]
    #[case::idle_after_a_stop((STATEFUL, Now::Rolling("new"), None), (Now::Idle("new"), None), false)]
    #[case::idle_dependency((STATEFUL, Now::Up("new"), None), (Now::Idle("new"), None), true)]
    fn a_gate_opens(
        #[case] d: (ComponentKind, Now, Option<&str>),
        #[case] c: (Now, Option<&str>),
        #[case] open: bool,
    ) {
        let gate = decided(d, c);
        assert_eq!(gate.is_open(), open, "{gate:?}");
        assert_eq!(gate.failed, matches!(d.1, Now::Failed(_)));
    }

    #[test]
    fn a_blocker_says_why() {
        let gate = decided((STATEFUL, Now::Rolling("new"), None), (Now::Absent, None));
        assert_eq!(gate.blocked_by, [Blocker { name: "d".into(), why: "0 of 1 ready".into() }]);
        assert!(!gate.changing);
        let gate = decided((STATEFUL, Now::Absent, None), (Now::Absent, None));
        assert_eq!(gate.blocked_by[0].why, "does not run yet");
        let gate = decided((STATEFUL, Now::Up("old"), Some("old")), (Now::Up("old"), Some("old")));
        assert_eq!((gate.blocked_by[0].why.as_str(), gate.changing), ("has not changed yet", true));
    }

    #[test]
    fn a_removed_edge_opens_the_gate() {
        let plan = BTreeMap::from([
            ("c".to_owned(), wanted(ComponentKind::Deployment, &[], "new")),
            ("d".to_owned(), wanted(STATEFUL, &[], "new")),
        ]);
        assert!(decide(&plan, &BTreeMap::new(), &[])["c"].is_open());
    }

    #[test]
    fn completeness_is_remembered() {
        let gate = decided((STATEFUL, Now::Up("new"), None), (Now::Up("old"), None));
        assert_eq!((gate.started, gate.reached.as_deref()), (true, Some("old")));
        let gate = decided((STATEFUL, Now::Up("new"), None), (Now::Down("new"), Some("old")));
        assert_eq!((gate.started, gate.reached.as_deref()), (true, Some("old")));
    }

    #[test]
    fn only_causes_are_roots() {
        let plan = BTreeMap::from([
            ("a".to_owned(), wanted(STATEFUL, &[], "new")),
            ("b".to_owned(), wanted(STATEFUL, &["a"], "new")),
            ("c".to_owned(), wanted(STATEFUL, &["a", "b"], "new")),
        ]);
        let gates = decide(&plan, &BTreeMap::new(), &[]);
        assert_eq!(roots(&gates).into_iter().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn an_outside_address_passes_its_own_dependencies_on() {
        let plan = BTreeMap::from([
            ("a".to_owned(), wanted(STATEFUL, &[], "new")),
            ("outside".to_owned(), wanted(ComponentKind::External, &["a"], "")),
            ("b".to_owned(), wanted(STATEFUL, &["outside"], "new")),
        ]);
        let gates = decide(&plan, &BTreeMap::new(), &[]);
        assert_eq!(gates["b"].blocked_by.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["a"]);
        assert!(gates["outside"].is_open());
        let pods = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(still_needed(&plan, &pods(&["a", "b"])), pods(&["a"]));
    }

    #[test]
    fn dependencies_stop_after_their_dependents() {
        let plan = BTreeMap::from([
            ("a".to_owned(), wanted(STATEFUL, &[], "new")),
            ("b".to_owned(), wanted(STATEFUL, &["a"], "new")),
        ]);
        let pods = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(still_needed(&plan, &pods(&["a", "b"])), pods(&["a"]));
        assert!(still_needed(&plan, &pods(&["a"])).is_empty());
    }
}
