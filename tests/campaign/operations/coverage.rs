//! The coverage over all walks of a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Mutex,
};

use kube::core::Status;

use super::{
    leaves::leaves,
    mutations::{Expected, Operation},
};

#[derive(Default)]
struct SyncState {
    judged: usize,
    refused: usize,
    /// Refused by a rule, although each field alone satisfies its schema.
    by_rules: BTreeMap<String, String>,
    transitions: usize,
    reverts: usize,
    healed: usize,
    anew: usize,
    alike: usize,
    changed: BTreeSet<String>,
    /// Values that only a new resource may have.
    kept: BTreeSet<String>,
    /// The reasons that kept a resource from being ready, and after which operations.
    named: BTreeMap<String, BTreeSet<String>>,
}

static COVERAGE: Mutex<Option<SyncState>> = Mutex::new(None);

fn note(note: impl FnOnce(&mut SyncState)) {
    note(COVERAGE.lock().unwrap().get_or_insert_default());
}

pub fn judged(operation: &Operation, answer: Option<&Status>) {
    note(|coverage| {
        coverage.judged += 1;
        coverage.refused += usize::from(answer.is_some());
        if let (Expected::Judged, Some(status)) = (operation.expected, answer) {
            coverage.by_rules.insert(operation.label(), status.message.clone());
        }
    });
}

pub fn transition(operation: &Operation) {
    note(|coverage| {
        coverage.transitions += 1;
        coverage.changed.insert(operation.leaf.clone());
    });
}

/// Records a refused change that a new resource may have.
pub fn kept(operation: &Operation) {
    note(|coverage| {
        coverage.kept.insert(operation.leaf.clone());
    });
}

pub fn revert(healed: bool) {
    note(|coverage| {
        coverage.transitions += 1;
        coverage.reverts += 1;
        coverage.healed += usize::from(healed);
    });
}

pub fn anew(alike: bool) {
    note(|coverage| {
        coverage.anew += 1;
        coverage.alike += usize::from(alike);
    });
}

pub fn named(reason: &str, label: &str) {
    note(|coverage| {
        coverage.named.entry(reason.to_owned()).or_default().insert(label.to_owned());
    });
}

/// Returns the figures; in full, also what rules refused and which reasons were reported.
pub fn report(full: bool) -> String {
    let all = leaves().0;
    let coverage = COVERAGE.lock().unwrap();
    let Some(coverage) = coverage.as_ref() else { return "no operations".to_owned() };
    let unchanged = all.iter().map(|leaf| &leaf.path).filter(|path| !coverage.changed.contains(*path));
    let (kept, never): (Vec<_>, Vec<_>) = unchanged.partition(|path| coverage.kept.contains(*path));
    let mut text = format!(
        "FIGURE operations: of {} leaves {} changed, {} more accepted only for new resources, {} operations tried as dry runs, {} refused, {} transitions, {} of {} reverts healed, {} of {} states equal to a new resource",
        all.len(),
        all.len() - kept.len() - never.len(),
        kept.len(),
        coverage.judged,
        coverage.refused,
        coverage.transitions,
        coverage.healed,
        coverage.reverts,
        coverage.alike,
        coverage.anew,
    );
    if full {
        write!(text, "\nfor new resources only: {kept:?}\nnever changed: {never:?}").unwrap();
        for (reason, labels) in &coverage.named {
            write!(text, "\nnamed {reason}: {labels:?}").unwrap();
        }
        for (label, message) in &coverage.by_rules {
            write!(text, "\nrefused {label}: {message}").unwrap();
        }
    }
    text
}
