//! Objects that the API server refuses, so that whatever else happens to their resource is no reason to try them again
//! before their time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    backoff,
    error::{Disposition, Error},
    live::Id,
};

struct Refusal {
    /// What was refused; anything else is tried at once.
    wanted: u64,
    error: Error,
    times: u32,
    until: Instant,
}

#[derive(Default)]
struct Family {
    generation: Option<i64>,
    refused: HashMap<Id, Refusal>,
}

/// By resource and object.
#[derive(Default)]
pub struct Refusals {
    known: Mutex<HashMap<String, Family>>,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Family>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new spec is a new try.
    pub fn begin(&self, owner: &str, generation: Option<i64>) {
        let mut known = self.lock();
        if known.get(owner).is_some_and(|family| family.generation != generation) {
            known.remove(owner);
        }
        known.entry(owner.to_owned()).or_default().generation = generation;
    }

    /// Why the same object was refused, while it is not to be tried again.
    #[must_use]
    pub fn resting(&self, owner: &str, id: &Id, wanted: u64) -> Option<Error> {
        let known = self.lock();
        let refusal = known.get(owner)?.refused.get(id)?;
        (refusal.wanted == wanted && Instant::now() < refusal.until).then(|| refusal.error.clone())
    }

    /// Notes what came of a try: an error, or none.
    pub fn tried(&self, owner: &str, id: &Id, wanted: u64, error: Option<&Error>) {
        let mut known = self.lock();
        let refused = &mut known.entry(owner.to_owned()).or_default().refused;
        let before =
            refused.remove(id).filter(|before| before.wanted == wanted).map_or(0, |before| before.times);
        if let Some(error) = error.filter(|error| error.disposition() == Disposition::NeedsHelp) {
            let until = Instant::now() + backoff::wait(before, backoff::LONGEST);
            let times = before.saturating_add(1);
            refused.insert(id.clone(), Refusal { wanted, error: error.clone(), times, until });
        }
    }

    /// How long until it may be tried again; nothing for what was not refused.
    #[must_use]
    pub fn rest(&self, owner: &str, id: &Id) -> Option<Duration> {
        let known = self.lock();
        Some(known.get(owner)?.refused.get(id)?.until.saturating_duration_since(Instant::now()))
    }

    /// Nothing is kept of a resource that is gone.
    pub fn forget(&self, owner: &str) {
        self.lock().remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;

    use super::*;
    use crate::engine::{kind::Managed, plan::Key};

    fn refused(code: u16) -> Error {
        Error::Refused {
            verb: "apply",
            object: "d".into(),
            code,
            reason: String::new(),
            message: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn what_was_refused_rests_ever_longer_until_it_changes_or_its_resource_does() {
        let refusals = Refusals::default();
        let id: Id = (Deployment::KIND, Key { namespace: None, name: "d".into() });
        refusals.begin("a", Some(1));
        assert_eq!(refusals.resting("a", &id, 1), None);
        for _ in 0..4 {
            refusals.tried("a", &id, 1, Some(&refused(403)));
        }
        assert_eq!(refusals.resting("a", &id, 1), Some(refused(403)));
        let rest = refusals.rest("a", &id).unwrap();
        assert!(rest > Duration::from_secs(5) && rest <= Duration::from_secs(8), "{rest:?}");
        refusals.begin("a", Some(1));
        assert_eq!(refusals.resting("a", &id, 1), Some(refused(403)), "the same spec");
        assert_eq!(refusals.resting("a", &id, 2), None, "another body");
        assert_eq!(refusals.resting("b", &id, 1), None, "another resource");
        refusals.tried("a", &id, 1, Some(&refused(500)));
        assert_eq!(refusals.resting("a", &id, 1), None, "may succeed by itself");
        refusals.tried("a", &id, 1, Some(&refused(403)));
        assert!(refusals.rest("a", &id).unwrap() <= Duration::from_secs(1), "begins anew");
        refusals.begin("a", Some(2));
        assert_eq!((refusals.resting("a", &id, 1), refusals.rest("a", &id)), (None, None));
        refusals.forget("a");
        assert!(refusals.lock().is_empty());
    }
}
