//! Index of what resources of all kinds compete for. Each kind declares as plain data what its
//! resources want. A resource of any kind is reconciled again when another one takes, changes or
//! releases something that it waits for.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use kube::{api::DynamicObject, runtime::reflector::ObjectRef};
use tokio::sync::{mpsc, watch};

use super::resource::{ResourceKind, ResourceRef};

/// Something that more than one resource may want. Equal keys mean the same thing, regardless of the
/// kind of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentionKey {
    /// Says what it is, such as a namespace; things of two sorts never meet.
    pub sort: &'static str,
    pub name: String,
    /// A part of it; `None` is all of it, and meets every part.
    pub part: Option<String>,
}

impl ContentionKey {
    /// All of a thing.
    #[must_use]
    pub fn new(sort: &'static str, name: impl Into<String>) -> Self {
        Self { sort, name: name.into(), part: None }
    }

    /// Whether only one of two resources can have them.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let parts = self.part.is_none() || other.part.is_none() || self.part == other.part;
        parts && (self.sort, &self.name) == (other.sort, &other.name)
    }

    fn thing(&self) -> Thing {
        (self.sort, self.name.clone())
    }
}

/// A key without its part. A resource that has another part of the same thing is notified of a change
/// too.
type Thing = (&'static str, String);

/// The keys that a resource wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Contender {
    /// When the resource was created: the older of two has what both want.
    pub created: Option<Timestamp>,
    pub keys: Vec<ContentionKey>,
    /// Those of the keys for which the resource depends on who else has them.
    pub watched: Vec<ContentionKey>,
}

impl Contender {
    fn things(&self) -> impl Iterator<Item = Thing> {
        self.keys.iter().chain(&self.watched).map(ContentionKey::thing)
    }
}

type Queue = mpsc::UnboundedSender<ObjectRef<DynamicObject>>;

/// Resources by what they want.
#[derive(Default)]
struct Index {
    contenders: HashMap<ResourceRef, Contender>,
    users: HashMap<Thing, HashSet<ResourceRef>>,
}

impl Index {
    fn remove(&mut self, resource: &ResourceRef) -> Option<Contender> {
        let old = self.contenders.remove(resource)?;
        for thing in old.things() {
            if let Some(users) = self.users.get_mut(&thing) {
                users.remove(resource);
                if users.is_empty() {
                    self.users.remove(&thing);
                }
            }
        }
        Some(old)
    }

    fn insert(&mut self, resource: &ResourceRef, contender: Contender) {
        for thing in contender.things() {
            self.users.entry(thing).or_default().insert(resource.clone());
        }
        self.contenders.insert(resource.clone(), contender);
    }

    /// The resources that depend on who has one of these.
    fn watchers<'a>(&'a self, things: &'a [Thing]) -> impl Iterator<Item = &'a ResourceRef> {
        let watches = |user: &ResourceRef, (sort, name): &Thing| {
            let contender = self.contenders.get(user);
            contender.is_some_and(|it| it.watched.iter().any(|key| (key.sort, &key.name) == (*sort, name)))
        };
        things.iter().flat_map(move |thing| {
            let users = self.users.get(thing).into_iter().flatten();
            users.filter(move |user| watches(user, thing))
        })
    }

    /// The other resources that have this.
    fn holders<'a>(
        &'a self,
        own: &'a ResourceRef,
        key: &'a ContentionKey,
    ) -> impl Iterator<Item = (&'a ResourceRef, &'a Contender)> {
        let users = self.users.get(&key.thing()).into_iter().flatten().filter(move |user| *user != own);
        users
            .filter_map(|user| Some((user, self.contenders.get(user)?)))
            .filter(|(_, contender)| contender.keys.iter().any(|theirs| theirs.meets(key)))
    }
}

/// The keys that all resources want, and the queues of the resources to reconcile again.
#[derive(Default)]
pub struct Contention {
    index: Mutex<Index>,
    queues: Mutex<HashMap<&'static ResourceKind, Queue>>,
    /// Kinds whose resources are not known yet.
    pending: watch::Sender<HashSet<&'static ResourceKind>>,
}

impl Contention {
    /// Between resources of these kinds: no reconcile starts before the resources of all of them were listed.
    #[must_use]
    pub fn new(kinds: &[&'static ResourceKind]) -> Self {
        Self { pending: watch::Sender::new(kinds.iter().copied().collect()), ..Self::default() }
    }

    /// Records what a resource wants from now on. Returns the other resources that depend on that, or
    /// on what it wanted before.
    pub fn update(&self, resource: &ResourceRef, contender: Contender) -> HashSet<ResourceRef> {
        let mut index = self.index();
        let old = index.remove(resource);
        let things: Vec<_> = old.iter().chain([&contender]).flat_map(Contender::things).collect();
        index.insert(resource, contender);
        index.watchers(&things).filter(|other| *other != resource).cloned().collect()
    }

    /// Forgets a resource that is gone. Answers which others depend on what it had.
    pub fn remove(&self, resource: &ResourceRef) -> HashSet<ResourceRef> {
        let mut index = self.index();
        let things: Vec<_> = index.remove(resource).iter().flat_map(Contender::things).collect();
        index.watchers(&things).cloned().collect()
    }

    /// Returns the oldest of the other resources that have this key and are older than the resource
    /// itself, created at this time. If two have the same age, the first by name has the key.
    #[must_use]
    pub fn older(
        &self,
        own: &ResourceRef,
        created: Option<Timestamp>,
        key: &ContentionKey,
    ) -> Option<ResourceRef> {
        self.older_among(own, created, key, |_| true)
    }

    /// The same among some of the other resources.
    #[must_use]
    pub fn older_among(
        &self,
        own: &ResourceRef,
        created: Option<Timestamp>,
        key: &ContentionKey,
        counts: impl Fn(&ResourceRef) -> bool,
    ) -> Option<ResourceRef> {
        let index = self.index();
        let holders = index.holders(own, key).filter(|(other, _)| counts(other));
        let holders = holders.map(|(other, contender)| (age(other, contender.created), other));
        let (oldest, other) = holders.min_by(|(a, _), (b, _)| a.cmp(b))?;
        (oldest < age(own, created)).then(|| other.clone())
    }

    /// Whether another resource has this too.
    #[must_use]
    pub fn is_shared(&self, own: &ResourceRef, key: &ContentionKey) -> bool {
        self.index().holders(own, key).next().is_some()
    }

    /// The queue of the resources of this kind.
    pub(crate) fn serve(&self, kind: &'static ResourceKind, queue: Queue) {
        self.queues().insert(kind, queue);
    }

    /// Has resources reconciled again.
    pub(crate) fn wake(&self, resources: &HashSet<ResourceRef>) {
        let queues = self.queues();
        for resource in resources {
            if let Some(queue) = queues.get(resource.kind()) {
                // The receivers end only with the process.
                let _ = queue.send(resource.to_object_ref(resource.kind().api_resource()));
            }
        }
    }

    /// The resources of this kind are known, or cannot be for now: they hold up no other kind any more.
    pub(crate) fn settle(&self, kind: &'static ResourceKind) {
        self.pending.send_if_modified(|pending| pending.remove(kind));
    }

    /// Returns whether the resources of every kind are known, or cannot be for now.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pending.borrow().is_empty()
    }

    /// Waits until the resources of all kinds are known.
    pub(crate) async fn settled(&self) {
        // The sender lives as long as this.
        let _ = self.pending.subscribe().wait_for(HashSet::is_empty).await;
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<&'static ResourceKind, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Orders resources by age. The order is the same for every resource that asks.
fn age(resource: &ResourceRef, created: Option<Timestamp>) -> impl Ord {
    let key = resource.key();
    (created, key.name.clone(), key.namespace.clone(), resource.kind().kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kinds::{FLEET, TOY};

    fn fleet(name: &str) -> ResourceRef {
        ResourceRef::new(&FLEET, None, name)
    }

    fn toy(namespace: &str, name: &str) -> ResourceRef {
        ResourceRef::new(&TOY, Some(namespace), name)
    }

    fn moment(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(text: &str) -> ContentionKey {
        match text.split_once('#') {
            Some((name, part)) => {
                ContentionKey { part: Some(part.into()), ..ContentionKey::new("host", name) }
            }
            None => ContentionKey::new("host", text),
        }
    }

    /// Wants these, and depends on who else has them.
    fn wants(second: i64, hosts: &[&str]) -> Contender {
        let keys: Vec<_> = hosts.iter().map(|host| key(host)).collect();
        Contender { created: Some(moment(second)), watched: keys.clone(), keys }
    }

    fn names(found: &HashSet<ResourceRef>) -> Vec<String> {
        let mut names: Vec<_> = found.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_of_any_kind_has_it() {
        let contention = Contention::default();
        let (old, young, last) = (fleet("z"), toy("a", "erp"), toy("b", "erp"));
        for (resource, second) in [(&old, 1), (&young, 2), (&last, 3)] {
            contention.update(resource, wants(second, &["x"]));
        }
        let by = |own: &ResourceRef, second| contention.older(own, Some(moment(second)), &key("x"));
        assert_eq!(by(&old, 1), None);
        assert_eq!(by(&young, 2), Some(old.clone()));
        assert_eq!(by(&last, 3), Some(old.clone()), "not the younger one that waits too");
        assert_eq!(contention.older(&last, Some(moment(3)), &key("y")), None);
        contention.remove(&old);
        assert_eq!(by(&young, 2), None);
        assert_eq!(by(&last, 3), Some(young));
    }

    #[test]
    fn of_one_age_the_first_by_name_has_it() {
        let contention = Contention::default();
        // If even the names are the same, namespace and kind decide: the answer is the same for all.
        let in_order = [fleet("a"), toy("n", "b"), toy("o", "b"), fleet("c")];
        for resource in &in_order {
            contention.update(resource, wants(1, &["x"]));
        }
        let of = |own: &ResourceRef| contention.older(own, Some(moment(1)), &key("x"));
        assert_eq!(of(&in_order[0]), None);
        assert!(in_order[1..].iter().all(|own| of(own).as_ref() == Some(&in_order[0])));
        contention.remove(&in_order[0]);
        assert_eq!(of(&in_order[2]), Some(in_order[1].clone()));
        assert_eq!(of(&in_order[1]), None);
    }

    #[test]
    fn a_release_wakes_waiting_resources_of_every_kind() {
        let contention = Contention::default();
        let (own, near, far, apart) = (fleet("erp"), fleet("b"), toy("a", "erp"), toy("b", "erp"));
        contention.update(&own, wants(1, &["x"]));
        assert_eq!(names(&contention.update(&near, wants(2, &["x"]))), ["Fleet erp"], "it came");
        assert_eq!(names(&contention.update(&far, wants(3, &["x", "y"]))), ["Fleet b", "Fleet erp"]);
        assert_eq!(names(&contention.update(&apart, wants(4, &["z"]))), [""; 0]);
        let both = ["Fleet b", "Toy a/erp"];
        assert_eq!(names(&contention.update(&own, wants(1, &["z"]))), ["Fleet b", "Toy a/erp", "Toy b/erp"]);
        assert_eq!(names(&contention.update(&own, wants(1, &["x"]))), ["Fleet b", "Toy a/erp", "Toy b/erp"]);
        assert_eq!(names(&contention.update(&own, wants(1, &["x"]))), both, "it changed in something else");
        assert_eq!(names(&contention.remove(&own)), both);
        assert_eq!(names(&contention.remove(&own)), [""; 0]);
    }

    #[test]
    fn a_key_that_is_not_watched_wakes_nobody() {
        let contention = Contention::default();
        let within = |resource: &ResourceRef, watched: &[ContentionKey]| {
            let (keys, watched) = (vec![key("n")], watched.to_vec());
            names(&contention.update(resource, Contender { created: Some(moment(1)), keys, watched }))
        };
        assert_eq!(within(&fleet("a"), &[]), [""; 0]);
        assert_eq!(within(&toy("n", "b"), &[key("n")]), [""; 0]);
        assert_eq!(within(&fleet("a"), &[]), ["Toy n/b"]);
        assert!(
            contention.is_shared(&fleet("a"), &key("n")) && !contention.is_shared(&fleet("a"), &key("m"))
        );
    }

    #[test]
    fn a_part_competes_with_the_whole_and_with_itself() {
        let contention = Contention::default();
        let (own, other) = (fleet("a"), toy("n", "b"));
        for (ours, theirs, meet) in
            [("g", "g#s", true), ("g#s", "g", true), ("g#s", "g#s", true), ("g#s", "g#t", false)]
        {
            contention.update(&own, wants(1, &[ours]));
            let woken = contention.update(&other, wants(2, &[theirs]));
            assert_eq!(
                contention.older(&other, Some(moment(2)), &key(theirs)).is_some(),
                meet,
                "{ours} {theirs}"
            );
            assert_eq!(names(&woken), ["Fleet a"], "{ours} {theirs}");
            contention.remove(&other);
        }
    }

    /// Only the resources that have the key are checked, even among a thousand.
    #[test]
    fn only_resources_with_the_key_are_asked() {
        let contention = Contention::default();
        for number in 0..1000 {
            contention.update(&fleet(&format!("f{number}")), wants(1, &[&format!("host{number}")]));
        }
        contention.update(&toy("n", "b"), wants(2, &["host7"]));
        let index = contention.index();
        let users = |name: &str| index.users.get(&key(name).thing()).map_or(0, HashSet::len);
        assert_eq!((users("host7"), users("host8"), users("x")), (2, 1, 0));
        drop(index);
        for number in 0..1000 {
            contention.remove(&fleet(&format!("f{number}")));
        }
        contention.remove(&toy("n", "b"));
        assert!(contention.index().users.is_empty(), "nothing is kept of what is gone");
    }

    #[tokio::test]
    async fn all_kinds_are_known_before_any_starts() {
        use futures::FutureExt;
        let contention = Contention::new(&[&FLEET, &TOY]);
        contention.settle(&TOY);
        assert_eq!(contention.settled().now_or_never(), None);
        contention.settle(&FLEET);
        assert_eq!(contention.settled().now_or_never(), Some(()));
        assert_eq!(Contention::default().settled().now_or_never(), Some(()));
    }
}
