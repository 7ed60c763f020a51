//! Verbs are annotations whose value names the release that they mean. A value that was left behind is
//! therefore void for every later release.

use crate::{Fingerprint, Status};

/// The verbs that are valid for the present status. They are read again for every decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Verbs {
    pub promote: Option<Promote>,
    /// Whether traffic leaves first, at any capacity.
    pub abort: Option<bool>,
    pub retry: bool,
    pub rollback: Option<Rollback>,
    pub hold: bool,
}

/// Opens gates and ends waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Promote {
    /// The last step that is open; `None` opens all.
    pub through: Option<u8>,
    /// Also passes an analysis without data. A failed one is never passed.
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rollback {
    pub to: u32,
}

/// A verb without effect, and what would have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredVerb {
    pub verb: &'static str,
    pub value: String,
    pub advice: String,
}

/// Reads the verbs. `annotation` returns the value of the annotation of the resource for a verb.
///
/// A value begins with the newest number in the history, or with the fingerprint of that revision, which has
/// eight hexadecimal digits and is known before the release starts, so that Git can contain it.
#[must_use]
pub fn parse_verbs<'a>(
    status: &Status,
    annotation: impl Fn(&str) -> Option<&'a str>,
) -> (Verbs, Vec<IgnoredVerb>) {
    let mut verbs = Verbs::default();
    let mut ignored = Vec::new();
    let newest = status.revisions.first();
    let number = newest.map_or(0, |revision| revision.number);
    let running = status.release.as_ref();
    let steps = running.map_or(0, |release| release.steps.len());
    let step = running.map_or(1, |release| release.step.max(1));
    let mut read = |verb: &'static str, advice: String, accept: &mut dyn FnMut(&str) -> bool| {
        let Some(value) = annotation(verb) else { return };
        let (target, rest) = match value.find(['.', ':']) {
            Some(at) => value.split_at(at),
            None => (value, ""),
        };
        let meant = newest.is_some_and(|revision| names(target, revision.number, revision.fingerprint));
        if !(meant && accept(rest)) {
            ignored.push(IgnoredVerb { verb, value: value.to_owned(), advice });
        }
    };
    let no_release = || "no release is running".to_owned();
    let advice = |value: String| if running.is_some() { format!("use {value}") } else { no_release() };

    read("promote", advice(format!("{number}.{step}")), &mut |rest| {
        let (through, force) = match rest.strip_prefix('.') {
            Some("full") => (None, false),
            Some("force") => (None, true),
            Some(step) => {
                let (step, force) = step.strip_suffix(".force").map_or((step, false), |step| (step, true));
                match step.parse::<u8>() {
                    Ok(step) if step >= 1 && usize::from(step) <= steps => (Some(step), force),
                    _ => return false,
                }
            }
            None => return false,
        };
        verbs.promote = Some(Promote { through, force });
        running.is_some()
    });
    read("abort", advice(number.to_string()), &mut |rest| {
        let at_once = match rest {
            "" => false,
            ".now" => true,
            _ => return false,
        };
        verbs.abort = Some(at_once);
        running.is_some()
    });
    read("hold", advice(number.to_string()), &mut |rest| {
        verbs.hold = rest.is_empty() && running.is_some();
        verbs.hold
    });
    let retry = if running.is_some() { "a release is running".into() } else { format!("use {number}") };
    read("retry", retry, &mut |rest| {
        verbs.retry = rest.is_empty() && running.is_none();
        verbs.retry
    });
    let kept =
        |to: u32| status.revisions.iter().any(|revision| revision.number == to && revision.state.served());
    let rollback = format!("use {number}:M, where M is a revision of status.revisions that has served");
    read("rollback", rollback, &mut |rest| {
        verbs.rollback = rest
            .strip_prefix(':')
            .and_then(|to| to.parse().ok())
            .filter(|to| kept(*to))
            .map(|to| Rollback { to });
        verbs.rollback.is_some()
    });
    if running.is_none() {
        (verbs.promote, verbs.abort) = (None, None);
    }
    (verbs, ignored)
}

/// Whether `target` names this revision. A number has at most seven digits, a fingerprint has eight.
fn names(target: &str, number: u32, fingerprint: Fingerprint) -> bool {
    if target.len() == 8 { target == fingerprint.to_string() } else { target == number.to_string() }
}
