//! Cache of live objects, reduced to digests. The watches and the responses to the operator's own
//! writes fill it; reconciles read it. The lock is held for map operations only, never across an await.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    child::Child,
    kind::{Kind, Management, Nature},
    plan::Key,
    resource::ResourceRef,
};

/// Identifies any watched object.
pub type Id = (&'static Kind, Key);

/// Progress of the watch of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SyncState {
    /// No list has completed, so the absence of an object means nothing yet.
    #[default]
    Pending,
    /// A list has completed. An object that is not in the cache does not exist.
    Synced,
    /// The API server does not serve this optional kind.
    NotServed,
    /// The list fails. The message says why.
    Failing(String),
    /// A list completed once, but further lists fail, so the cached view gets stale. The message says
    /// why.
    Stale(String),
}

/// The objects of one resource at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub children: BTreeMap<(&'static str, Key), Arc<Child>>,
    /// Objects that left their watch, in their last known state: they were deleted, or lost the label
    /// that the watch selects by.
    pub gone: HashMap<Id, Arc<Child>>,
    pub coverage: HashMap<&'static Kind, SyncState>,
}

/// Maximum number of disappeared objects that are remembered for one resource.
const MAX_REMEMBERED_DELETIONS: usize = 1024;

impl Snapshot {
    #[must_use]
    pub fn get(&self, kind: &'static Kind, key: &Key) -> Option<&Arc<Child>> {
        self.children.get(&(kind.plural, key.clone()))
    }

    pub fn of_kind<'a>(&'a self, kind: &'static Kind) -> impl Iterator<Item = &'a Arc<Child>> {
        self.children.values().filter(move |child| child.kind == kind)
    }

    /// Returns whether a Job has pods and none of them was assigned to a node: the Job has done nothing
    /// yet. If no pod of the Job is visible, it may have started.
    #[must_use]
    pub fn has_not_begun(&self, job: &str) -> bool {
        let parts = self.children.values().filter_map(|child| child.observed.part_of_run());
        let mut begun = parts.filter(|(run, _)| *run == job).map(|(_, begun)| begun);
        begun.next().is_some_and(|first| !first && begun.all(|begun| !begun))
    }

    #[must_use]
    pub fn coverage(&self, kind: &'static Kind) -> SyncState {
        self.coverage.get(kind).cloned().unwrap_or_default()
    }

    /// Removes the pods and Jobs of other namespaces, and the kinds that are watched with them. Only
    /// their labels say which resource they belong to, and anyone who may create pods can set those
    /// labels.
    #[must_use]
    pub fn running_in(mut self, namespace: &str) -> Self {
        let by_label = |child: &Child| {
            matches!(child.kind.management, Management::ReadOnly | Management::RunToCompletion)
        };
        self.children
            .retain(|(_, key), child| !by_label(child) || key.namespace.as_deref() == Some(namespace));
        self
    }
}

#[derive(Default)]
pub struct ObjectCache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    owners: HashMap<ResourceRef, ResourceObjects>,
    owner_of: HashMap<Id, ResourceRef>,
    /// Every namespace, including foreign ones: a plan must know who owns the namespaces that it names.
    namespaces: HashMap<String, Arc<Child>>,
    coverage: HashMap<&'static Kind, SyncState>,
    /// Existing resources, for which disappeared objects are remembered. Each has the UIDs of the
    /// objects that were already being deleted when the resource was first seen.
    tracked: HashMap<ResourceRef, HashSet<String>>,
    /// The version at which an object left its watch, by UID. The response to a write may arrive after
    /// the event of a later deletion, and must not bring the object back.
    tombstones: HashMap<String, (u64, Instant)>,
}

/// Lifetime of a tombstone: a response arrives within the deadline of its request, which is far
/// shorter.
const LATE_RESPONSE_WINDOW: Duration = Duration::from_mins(2);
/// From this number on, old tombstones are removed.
const MAX_TOMBSTONES: usize = 1024;

#[derive(Default)]
struct ResourceObjects {
    children: BTreeMap<(&'static str, Key), Arc<Child>>,
    gone: HashMap<Id, Arc<Child>>,
}

impl ObjectCache {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves the maps consistent, so the data behind a poisoned lock is
        // still valid.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds or updates a live object. Returns the resources whose view changed.
    pub fn upsert(&self, child: Child) -> Vec<ResourceRef> {
        self.lock().upsert(child)
    }

    /// Marks an object that the operator deleted, or found deleted, so that it is not deleted twice,
    /// whether or not it is in view. The event may arrive before the response to the delete request;
    /// in that case the object must not reappear.
    pub fn mark_deleting(&self, child: &Child) {
        let mut inner = self.lock();
        let id: Id = (child.kind, child.key.clone());
        let Some(owner) = inner.owner_of.get(&id).cloned() else {
            let family = child.resource().and_then(|owner| inner.owners.get_mut(&owner));
            let gone =
                family.and_then(|family| family.gone.get_mut(&id)).filter(|gone| gone.uid == child.uid);
            if let Some(gone) = gone {
                *gone = Arc::new(Child { deleting: true, ..Child::clone(gone) });
            }
            return;
        };
        let known = inner.find(&owner, &id).filter(|known| known.uid == child.uid).cloned();
        if let Some(known) = known {
            inner.insert(&owner, id, Arc::new(Child { deleting: true, ..Child::clone(&known) }));
        }
    }

    /// Removes an object that left its watch. Returns the resources whose view changed.
    pub fn remove(&self, child: &Child) -> Vec<ResourceRef> {
        let mut inner = self.lock();
        inner.record_tombstone(child);
        inner.remove(child.kind, &child.key, &child.uid)
    }

    /// Replaces all objects of a kind with a complete list. Returns the resources whose view changed.
    pub fn replace_all(&self, kind: &'static Kind, list: Vec<Child>) -> Vec<ResourceRef> {
        let mut inner = self.lock();
        let mut changed = Vec::new();
        let present: HashSet<Key> = list.iter().map(|child| child.key.clone()).collect();
        for (key, uid) in inner.known(kind) {
            if !present.contains(&key) {
                changed.extend(inner.remove(kind, &key, &uid));
            }
        }
        for child in list {
            changed.extend(inner.upsert(child));
        }
        if inner.coverage.insert(kind, SyncState::Synced) != Some(SyncState::Synced) {
            changed.extend(inner.owners.keys().cloned());
        }
        changed
    }

    /// Records why a kind cannot be listed. Returns whether that is new. After a complete list, the
    /// listed objects remain the best available view, and only a lost permission (`forbidden`) is worth
    /// reporting.
    pub fn mark_failing(&self, kind: &'static Kind, message: &str, forbidden: bool) -> bool {
        let mut inner = self.lock();
        let coverage = inner.coverage.entry(kind).or_default();
        let now = match coverage {
            SyncState::Synced | SyncState::Stale(_) if forbidden => SyncState::Stale(message.to_owned()),
            SyncState::Synced | SyncState::Stale(_) => return false,
            _ => SyncState::Failing(message.to_owned()),
        };
        std::mem::replace(coverage, now.clone()) != now
    }

    /// Records that an optional kind is not served, or no longer served. Its objects were deleted with
    /// it.
    pub fn mark_not_served(&self, kind: &'static Kind) {
        let mut inner = self.lock();
        for (key, uid) in inner.known(kind) {
            inner.remove(kind, &key, &uid);
        }
        inner.coverage.insert(kind, SyncState::NotServed);
    }

    #[must_use]
    pub fn coverage(&self, kind: &'static Kind) -> SyncState {
        self.lock().coverage.get(kind).cloned().unwrap_or_default()
    }

    /// Returns the current objects of one resource.
    #[must_use]
    pub fn snapshot(&self, owner: &ResourceRef) -> Snapshot {
        let inner = self.lock();
        let family = inner.owners.get(owner);
        Snapshot {
            children: family.map(|family| family.children.clone()).unwrap_or_default(),
            gone: family.map(|family| family.gone.clone()).unwrap_or_default(),
            coverage: inner.coverage.clone(),
        }
    }

    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<Child>> {
        self.lock().namespaces.get(name).cloned()
    }

    /// Records that a resource exists. From now on its disappeared objects are remembered.
    pub fn track(&self, owner: &ResourceRef) {
        let mut inner = self.lock();
        if !inner.tracked.contains_key(owner) {
            let children = inner.owners.get(owner).into_iter().flat_map(|family| family.children.values());
            let dying = children.filter(|child| child.deleting).map(|child| child.uid.clone()).collect();
            inner.tracked.insert(owner.clone(), dying);
        }
    }

    /// Forgets a resource that no longer exists. Objects that outlive it are removed by their own
    /// events.
    pub fn forget(&self, owner: &ResourceRef) {
        let mut inner = self.lock();
        inner.tracked.remove(owner);
        if let Some(family) = inner.owners.get_mut(owner) {
            family.gone.clear();
            if family.children.is_empty() {
                inner.owners.remove(owner);
            }
        }
    }

    /// Number of cached objects, for metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().owner_of.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inner {
    fn known(&self, kind: &'static Kind) -> Vec<(Key, String)> {
        let children = self
            .owners
            .values()
            .flat_map(|family| family.children.values())
            .chain(self.namespaces.values())
            .filter(|child| child.kind == kind)
            .map(|child| (child.key.clone(), child.uid.clone()));
        let mut known: Vec<_> = children.collect();
        known.sort();
        known.dedup();
        known
    }

    fn record_tombstone(&mut self, child: &Child) {
        // Only kinds that the operator writes can have a late response.
        if child.kind.management == Management::ReadOnly {
            return;
        }
        let now = Instant::now();
        if self.tombstones.len() >= MAX_TOMBSTONES {
            self.tombstones.retain(|_, (_, at)| now.duration_since(*at) < LATE_RESPONSE_WINDOW);
        }
        self.tombstones.insert(child.uid.clone(), (child.version, now));
    }

    fn upsert(&mut self, mut child: Child) -> Vec<ResourceRef> {
        // An object that only lost its label reappears with a newer version.
        if self.tombstones.get(&child.uid).is_some_and(|(version, _)| child.version <= *version) {
            return Vec::new();
        }
        let id: Id = (child.kind, child.key.clone());
        // Each name is stored once.
        let known =
            |name: ResourceRef| self.owners.get_key_value(&name).map_or(name, |(known, _)| known.clone());
        let labelled = child.labelled.take().map(known);
        child.labelled = labelled;
        let child = Arc::new(child);
        let mut changed = Vec::new();
        if child.kind.nature == Nature::Namespace {
            self.namespaces.insert(child.key.name.clone(), Arc::clone(&child));
        }
        let before = self.owner_of.get(&id).cloned();
        // Users can remove labels and references. An object that belonged to a resource still belongs
        // to it while its UID is the same.
        let owner = child.resource().map(known).or_else(|| {
            before.clone().filter(|owner| self.find(owner, &id).is_some_and(|old| old.uid == child.uid))
        });
        if let Some(before) = before
            && owner.as_ref() != Some(&before)
        {
            self.owner_of.remove(&id);
            if let Some(family) = self.owners.get_mut(&before) {
                family.children.remove(&(id.0.plural, id.1.clone()));
            }
            changed.push(before);
        }
        let Some(owner) = owner else { return changed };
        if let Some(old) = self.find(&owner, &id)
            && old.uid == child.uid
        {
            if old.version > child.version {
                return changed; // older than the response to the operator's own write
            }
            if old.same_as(&child) {
                self.insert(&owner, id, child);
                return changed;
            }
        }
        self.insert(&owner, id, child);
        changed.push(owner);
        changed
    }

    fn find(&self, owner: &ResourceRef, id: &Id) -> Option<&Arc<Child>> {
        self.owners.get(owner)?.children.get(&(id.0.plural, id.1.clone()))
    }

    fn insert(&mut self, owner: &ResourceRef, id: Id, child: Arc<Child>) {
        let family = self.owners.entry(owner.clone()).or_default();
        family.gone.remove(&id);
        family.children.insert((id.0.plural, id.1.clone()), child);
        self.owner_of.insert(id, owner.clone());
    }

    fn remove(&mut self, kind: &'static Kind, key: &Key, uid: &str) -> Vec<ResourceRef> {
        if kind.nature == Nature::Namespace {
            self.namespaces.remove(&key.name);
        }
        let id: Id = (kind, key.clone());
        let Some(owner) = self.owner_of.get(&id).cloned() else { return Vec::new() };
        // A late event of an object that was replaced in the meantime says nothing about its successor.
        let Some(family) = self.owners.get_mut(&owner) else { return Vec::new() };
        let place = (kind.plural, key.clone());
        let Some(child) = family.children.get(&place).filter(|child| child.uid == uid).cloned() else {
            return Vec::new();
        };
        family.children.remove(&place);
        // Disappeared objects are remembered only for kinds that the operator maintains. Pods, Jobs and
        // similar kinds are short-lived.
        let tracked = self.tracked.get(&owner);
        // An object that an earlier resource of the same name left behind is not a loss of this
        // resource either.
        if tracked.is_some_and(|dying| !dying.contains(uid))
            && !matches!(kind.management, Management::ReadOnly | Management::RunToCompletion)
        {
            // Each configuration leaves one entry, and a client that sets the operator's labels can
            // leave any number.
            if family.gone.len() >= MAX_REMEMBERED_DELETIONS {
                family.gone.retain(|(kind, _), gone| {
                    kind.management == Management::Retained || gone.replicas.is_some()
                });
            }
            if family.gone.len() < MAX_REMEMBERED_DELETIONS {
                family.gone.insert(id.clone(), child);
            }
        }
        if tracked.is_none() && family.children.is_empty() {
            self.owners.remove(&owner);
        }
        self.owner_of.remove(&id);
        vec![owner]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_kinds::{CLAIM, CONFIG_MAP, DEPLOYMENT, FLEET, JOB, NAMESPACE, POD};

    fn cr() -> ResourceRef {
        ResourceRef::new(&FLEET, None, "cr")
    }

    fn object(uid: &str, version: u64, replicas: i64) -> Value {
        json!({
            "metadata": {
                "name": "d", "namespace": "n", "uid": uid, "resourceVersion": version.to_string(),
                "labels": { "app.kubernetes.io/managed-by": "toy-operator", "app.kubernetes.io/instance": "cr" },
            },
            "spec": { "replicas": replicas },
        })
    }

    fn child(uid: &str, version: u64, replicas: i64) -> Child {
        Child::read(&DEPLOYMENT, &object(uid, version, replicas)).unwrap()
    }

    fn key() -> Key {
        Key { namespace: Some("n".into()), name: "d".into() }
    }

    fn known() -> ObjectCache {
        let cache = ObjectCache::default();
        cache.track(&cr());
        cache
    }

    #[test]
    fn own_writes_and_older_events_trigger_nothing() {
        let cache = known();
        assert_eq!(cache.upsert(child("a", 5, 2)), [cr()]);
        assert!(cache.upsert(child("a", 5, 2)).is_empty(), "the echo");
        assert!(cache.upsert(child("a", 7, 2)).is_empty(), "a newer version that means the same");
        assert!(cache.upsert(child("a", 6, 1)).is_empty(), "older than what was seen");
        assert_eq!(cache.snapshot(&cr()).get(&DEPLOYMENT, &key()).unwrap().replicas, Some(2));
        assert_eq!(cache.upsert(child("a", 8, 3)), [cr()]);
    }

    #[test]
    fn a_late_deletion_event_keeps_the_successor() {
        let cache = known();
        cache.upsert(child("a", 5, 2));
        cache.upsert(child("b", 9, 2));
        assert!(cache.remove(&child("a", 6, 2)).is_empty());
        assert_eq!(cache.snapshot(&cr()).get(&DEPLOYMENT, &key()).unwrap().uid, "b");
    }

    #[test]
    fn a_late_response_does_not_revive_an_object() {
        let cache = known();
        cache.upsert(child("a", 5, 2));
        cache.remove(&child("a", 8, 2));
        assert!(cache.upsert(child("a", 6, 2)).is_empty(), "our write, answered late");
        assert!(cache.upsert(Child { deleting: true, ..child("a", 5, 2) }).is_empty(), "our own delete");
        assert!(cache.snapshot(&cr()).children.is_empty());
        assert_eq!(cache.upsert(child("a", 9, 2)), [cr()], "it had only lost its label");
    }

    #[test]
    fn deletions_are_remembered_while_the_resource_exists() {
        let cache = known();
        cache.upsert(child("a", 5, 7));
        assert_eq!(cache.remove(&child("a", 6, 7)), [cr()]);
        let gone = cache.snapshot(&cr()).gone.get(&(&DEPLOYMENT, key())).cloned();
        let gone = gone.unwrap();
        assert_eq!((gone.uid.as_str(), gone.replicas, gone.deleting), ("a", Some(7), false));
        cache.mark_deleting(&gone);
        assert!(cache.snapshot(&cr()).gone[&(&DEPLOYMENT, key())].deleting, "nor is it deleted again");
        cache.upsert(child("b", 9, 2));
        assert!(cache.snapshot(&cr()).gone.is_empty(), "a successor ends the memory");
        cache.forget(&cr());
        assert_eq!(cache.remove(&child("b", 10, 2)), [cr()]);
        assert!(cache.snapshot(&cr()).gone.is_empty());
        assert!(cache.lock().owners.is_empty(), "nothing is kept of a resource that is gone");
    }

    #[test]
    fn objects_terminating_before_the_resource_are_not_missed() {
        let cache = ObjectCache::default();
        cache.upsert(Child { deleting: true, ..child("a", 5, 7) });
        cache.track(&cr());
        assert_eq!(cache.remove(&child("a", 6, 7)), [cr()]);
        assert!(cache.snapshot(&cr()).gone.is_empty());
        cache.upsert(child("b", 7, 2));
        cache.remove(&child("b", 8, 2));
        assert_eq!(cache.snapshot(&cr()).gone.len(), 1, "its own is");
    }

    #[test]
    fn a_complete_list_replaces_and_syncs_the_kind() {
        let cache = known();
        cache.upsert(child("a", 5, 2));
        assert_eq!(cache.coverage(&DEPLOYMENT), SyncState::Pending);
        assert!(cache.mark_failing(&DEPLOYMENT, "forbidden", true));
        assert!(!cache.mark_failing(&DEPLOYMENT, "forbidden", true), "the same reason is no news");
        assert!(cache.replace_all(&DEPLOYMENT, Vec::new()).contains(&cr()));
        assert!(cache.snapshot(&cr()).children.is_empty());
        assert!(
            !cache.mark_failing(&DEPLOYMENT, "down", false),
            "a failure after a complete list changes nothing"
        );
        assert_eq!(cache.coverage(&DEPLOYMENT), SyncState::Synced);
        assert!(cache.mark_failing(&DEPLOYMENT, "forbidden", true), "a right that is gone is news");
        assert_eq!(cache.coverage(&DEPLOYMENT), SyncState::Stale("forbidden".into()));
        assert!(!cache.mark_failing(&DEPLOYMENT, "down", false));
        assert!(cache.replace_all(&DEPLOYMENT, Vec::new()).contains(&cr()), "it may be listed again");
        assert_eq!(cache.coverage(&DEPLOYMENT), SyncState::Synced);
    }

    #[test]
    fn an_object_without_labels_keeps_its_owner() {
        let cache = known();
        cache.upsert(child("a", 5, 2));
        let mut stripped = object("a", 6, 2);
        stripped["metadata"]["labels"] = json!({});
        assert_eq!(cache.upsert(Child::read(&DEPLOYMENT, &stripped).unwrap()), [cr()]);
        assert!(cache.snapshot(&cr()).get(&DEPLOYMENT, &key()).is_some());
    }

    #[test]
    fn foreign_namespaces_are_cached_and_deleted_pods_forgotten() {
        let cache = known();
        let namespace = json!({ "metadata": { "name": "theirs", "uid": "x", "resourceVersion": "1" } });
        let namespace = Child::read(&NAMESPACE, &namespace).unwrap();
        assert!(cache.upsert(namespace.clone()).is_empty());
        assert!(cache.namespace("theirs").is_some());
        cache.remove(&namespace);
        assert!(cache.namespace("theirs").is_none());
        let pod = Child::read(&POD, &object("p", 3, 0)).unwrap();
        cache.upsert(pod.clone());
        cache.remove(&pod);
        assert!(cache.snapshot(&cr()).gone.is_empty());
    }

    #[test]
    fn pods_of_other_namespaces_do_not_count() {
        let cache = known();
        let with = |kind: &'static Kind, uid: &str, namespace: &str| {
            let mut object = object(uid, 3, 0);
            object["metadata"]["namespace"] = json!(namespace);
            object["metadata"]["name"] = json!(uid);
            Child::read(kind, &object).unwrap()
        };
        cache.upsert(with(&POD, "ours", "n"));
        cache.upsert(with(&POD, "theirs", "m"));
        cache.upsert(with(&JOB, "a-restore", "m"));
        // A monitor in the system namespace.
        cache.upsert(with(&DEPLOYMENT, "elsewhere", "m"));
        let names: Vec<String> =
            cache.snapshot(&cr()).running_in("n").children.keys().map(|(_, key)| key.name.clone()).collect();
        assert_eq!(names, ["elsewhere", "ours"]);
    }

    #[test]
    fn remembered_deletions_are_bounded() {
        let cache = known();
        let lose = |kind: &'static Kind, name: &str| {
            let mut object = object(name, 3, 0);
            object["metadata"]["name"] = json!(name);
            object["spec"] = json!({});
            let child = Child::read(kind, &object).unwrap();
            cache.upsert(child.clone());
            cache.remove(&child);
        };
        lose(&CLAIM, "data");
        for number in 0..=MAX_REMEMBERED_DELETIONS {
            lose(&CONFIG_MAP, &format!("c{number}"));
        }
        lose(&CLAIM, "more");
        let gone = cache.snapshot(&cr()).gone;
        assert!(gone.len() <= MAX_REMEMBERED_DELETIONS, "{}", gone.len());
        let claims = gone.keys().filter(|(kind, _)| *kind == &CLAIM);
        assert_eq!(claims.count(), 2, "what held data is remembered");
    }
}
