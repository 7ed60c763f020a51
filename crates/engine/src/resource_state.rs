//! State of each resource between reconciles: one record for each, created on first use and removed
//! with the resource. State of the whole process, such as the live objects or the circuit breaker, is
//! kept elsewhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as Guarded, OwnedMutexGuard},
    time::timeout,
};

use super::{
    backoff::Backoff, decide::AcceptedDivergence, resource::ResourceRef, status_history::StatusHistory,
    write_backoff::WriteBackoff,
};

/// Maximum wait for a record whose reconcile was aborted. The record is released immediately,
/// unless the reconcile does not even stop.
const RELEASE: Duration = Duration::from_secs(1);

/// State of one resource. `product` is the product's part. No correct decision depends on it: an
/// operator that has just started has none of it, and reads once what it would have known.
#[derive(Default)]
pub struct ResourceState<P> {
    /// Failed reconciles since the last success.
    pub retry: Backoff,
    /// Failed writes of the status since the last success.
    pub status_retry: Backoff,
    /// Has a lock of its own, because several writes of one reconcile are in progress at the same time.
    pub writes: WriteBackoff,
    /// Has a lock of its own, as `writes`.
    pub divergence: AcceptedDivergence,
    /// Has a lock of its own, because the watch of resources reads it while a reconcile holds the
    /// record.
    pub history: Arc<StatusHistory>,
    pub product: P,
}

/// A record while a reconcile holds it.
pub type Held<P> = OwnedMutexGuard<ResourceState<P>>;

struct Record<P> {
    /// UID of the resource. A name may be reused, and the state of an earlier resource does not apply
    /// to the next one.
    uid: Option<String>,
    history: Arc<StatusHistory>,
    state: Arc<Guarded<ResourceState<P>>>,
}

/// The records of all resources.
#[derive(Default)]
pub struct ResourceStates<P> {
    records: Mutex<HashMap<ResourceRef, Record<P>>>,
}

impl<P: Default> ResourceStates<P> {
    /// Returns the record of this resource for one reconcile; a new one if none exists, or if it
    /// belongs to an earlier resource of the same name. No two reconciles of a resource run at the same
    /// time, so this does not block.
    pub async fn hold(&self, resource: &ResourceRef, uid: Option<&str>) -> Held<P> {
        self.state(resource, uid).lock_owned().await
    }

    /// Returns the record after a reconcile that failed to finish. A reconcile that does not end keeps
    /// the old record, and a new one replaces it.
    pub async fn take_over(&self, resource: &ResourceRef, uid: Option<&str>) -> Held<P> {
        if let Ok(held) = timeout(RELEASE, self.hold(resource, uid)).await {
            return held;
        }
        self.forget(resource);
        self.hold(resource, uid).await
    }

    /// Returns the status history of this resource, if there is a record. Does not wait for a
    /// reconcile.
    #[must_use]
    pub fn history(&self, resource: &ResourceRef, uid: Option<&str>) -> Option<Arc<StatusHistory>> {
        let records = self.lock();
        let record = records.get(resource).filter(|record| record.uid.as_deref() == uid)?;
        Some(Arc::clone(&record.history))
    }

    /// Removes the state of a resource that no longer exists.
    pub fn forget(&self, resource: &ResourceRef) {
        self.lock().remove(resource);
    }

    fn state(&self, resource: &ResourceRef, uid: Option<&str>) -> Arc<Guarded<ResourceState<P>>> {
        let mut records = self.lock();
        if let Some(record) = records.get(resource).filter(|record| record.uid.as_deref() == uid) {
            return Arc::clone(&record.state);
        }
        let state = ResourceState::default();
        let history = Arc::clone(&state.history);
        let state = Arc::new(Guarded::new(state));
        let record = Record { uid: uid.map(str::to_owned), history, state: Arc::clone(&state) };
        records.insert(resource.clone(), record);
        state
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ResourceRef, Record<P>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::{backoff::FAILURE, test_kinds::TOY};

    type States = ResourceStates<Vec<&'static str>>;

    /// Two resources of the same name, in two namespaces.
    fn resources() -> [ResourceRef; 2] {
        ["a", "b"].map(|namespace| ResourceRef::new(&TOY, Some(namespace), "erp"))
    }

    async fn learn(states: &States, resource: &ResourceRef, uid: &str) {
        let mut state = states.hold(resource, Some(uid)).await;
        state.retry.failed(FAILURE);
        state.product.push("key");
    }

    /// Returns the failures and the product's state.
    async fn known(states: &States, resource: &ResourceRef, uid: &str) -> (u32, usize) {
        let state = states.hold(resource, Some(uid)).await;
        (state.retry.failures(), state.product.len())
    }

    #[tokio::test]
    async fn a_record_lasts_until_its_resource_is_gone() {
        let (states, [a, _]) = (States::default(), resources());
        learn(&states, &a, "1").await;
        learn(&states, &a, "1").await;
        assert_eq!(known(&states, &a, "1").await, (2, 2));
        states.forget(&a);
        assert!(states.lock().is_empty() && states.history(&a, Some("1")).is_none());
        assert_eq!(known(&states, &a, "1").await, (0, 0));
    }

    #[tokio::test]
    async fn another_uid_has_a_new_record() {
        let (states, [a, _]) = (States::default(), resources());
        learn(&states, &a, "1").await;
        assert_eq!(known(&states, &a, "2").await, (0, 0));
        assert!(states.history(&a, Some("1")).is_none() && states.history(&a, Some("2")).is_some());
        assert_eq!(states.lock().len(), 1);
    }

    #[tokio::test]
    async fn two_resources_of_one_name_share_nothing() {
        let (states, [a, b]) = (States::default(), resources());
        learn(&states, &a, "1").await;
        assert_eq!(known(&states, &b, "1").await, (0, 0));
        learn(&states, &b, "1").await;
        states.forget(&a);
        assert_eq!(known(&states, &b, "1").await, (1, 1), "the other's removal takes nothing of it");
    }

    #[tokio::test]
    async fn the_history_is_readable_during_a_reconcile() {
        let (states, [a, _]) = (States::default(), resources());
        assert!(states.history(&a, Some("1")).is_none(), "asking makes no record");
        let held = states.hold(&a, Some("1")).await;
        let object = |version: &str, status: &str| -> DynamicObject {
            let metadata = json!({ "name": "erp", "uid": "1", "resourceVersion": version });
            serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap()
        };
        held.history.record(&serde_json::to_value(object("2", "ours")).unwrap());
        let history = states.history(&a, Some("1")).unwrap();
        assert!(history.is_foreign(&object("3", "theirs")) && !history.is_foreign(&object("3", "ours")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconcile_that_never_ends_blocks_no_report() {
        let (states, [a, _]) = (States::default(), resources());
        let endless = states.hold(&a, Some("1")).await;
        assert_eq!(states.take_over(&a, Some("1")).await.retry.failures(), 0);
        learn(&states, &a, "1").await;
        drop(endless);
        assert_eq!(states.take_over(&a, Some("1")).await.retry.failures(), 1, "the record stays otherwise");
    }
}
