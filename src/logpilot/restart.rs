//! Restarts requested by annotation on the resource: each new value replaces the pods once.
//!
//! Removing the annotation must not trigger a restart, so the status records the requests as hashes: a
//! value may have any length and content.

use std::collections::BTreeMap;

use super::model::ServerRole;
use crate::workload::names::short_hash;

/// Restarts every component.
pub const RESTART: &str = "logpilot.io/restart";

/// Returns whether an annotation of the resource requests a restart. New pods read their Secrets, so
/// the operator reads them too: otherwise the pods would roll once more when it notices the change.
#[must_use]
pub fn asks(key: &str) -> bool {
    key.strip_prefix(RESTART).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Hashes of the values of the two annotations, if they are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    all: Option<String>,
    own: Option<String>,
}

impl Restart {
    /// Returns the restarts that the resource's annotations request: `logpilot.io/restart`, and
    /// `logpilot.io/restart-rest` and similar.
    #[must_use]
    pub fn asked(annotations: Option<&BTreeMap<String, String>>, role: &ServerRole) -> Self {
        let hash = |key: &str| annotations?.get(key).map(|value| short_hash(value.as_bytes()));
        Self { all: hash(RESTART), own: hash(&format!("{RESTART}-{}", role.name)) }
    }

    /// Returns the token in the pod template: it changes only when one of the annotations is set to
    /// another value. `None` if none was ever set.
    #[must_use]
    pub fn token(&self, remembered: Option<&String>) -> Option<String> {
        let (all, own) = remembered.and_then(|token| token.split_once('.')).unwrap_or_default();
        let token = format!("{}.{}", self.all.as_deref().unwrap_or(all), self.own.as_deref().unwrap_or(own));
        (token != ".").then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logpilot::defaults::{ALL, REST};

    fn asked(annotations: &[(&str, &str)], role: &ServerRole) -> Restart {
        let annotations = annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Restart::asked(Some(&annotations), role)
    }

    #[test]
    fn each_new_value_is_a_new_token_and_a_removed_one_is_none() {
        assert_eq!(asked(&[], &ALL).token(None), None);
        let first = asked(&[(RESTART, "1")], &ALL).token(None);
        assert!(first.is_some());
        assert_eq!(asked(&[(RESTART, "1")], &ALL).token(first.as_ref()), first);
        assert_eq!(asked(&[], &ALL).token(first.as_ref()), first, "taken away");
        let second = asked(&[(RESTART, "2")], &ALL).token(first.as_ref());
        assert_ne!(second, first);
        let own = asked(&[("logpilot.io/restart-all", "1")], &ALL).token(second.as_ref());
        assert_ne!(own, second);
        assert_eq!(asked(&[], &ALL).token(own.as_ref()), own);
        assert_eq!(asked(&[(RESTART, "2")], &ALL).token(own.as_ref()), own, "the same value again");
    }

    #[test]
    fn a_restart_of_any_component_asks() {
        for (key, wanted) in
            [(RESTART, true), ("logpilot.io/restart-rest", true), ("logpilot.io/restarted", false)]
        {
            assert_eq!(asks(key), wanted, "{key}");
        }
    }

    #[test]
    fn one_component_can_be_restarted_alone() {
        let annotations = [("logpilot.io/restart-rest", "1")];
        assert_eq!(asked(&annotations, &ALL).token(None), None);
        assert!(asked(&annotations, &REST).token(None).is_some());
    }

    #[test]
    fn an_annotation_of_a_restart_asks_for_a_look() {
        for (key, looks) in
            [(RESTART, true), ("logpilot.io/restart-rest", true), ("logpilot.io/restarted", false)]
        {
            assert_eq!(asks(key), looks, "{key}");
        }
    }
}
