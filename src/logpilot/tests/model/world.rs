//! An operator on the in-memory API server, stepped by hand: its watches deliver only what a test
//! lets them deliver.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use kube::{
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::reflector::store::Writer as StoreWriter,
};
use serde_json::{Value, json};

use super::{
    fields::{Leaves, Stored},
    server::{Id, Server, client, kind, somebody, us},
};
use crate::{
    api,
    engine::{
        MANAGED_BY_LABEL,
        cache::ObjectCache,
        child::Child,
        controller::Reconciler,
        dependencies,
        kind::Management,
        lease::Leadership,
        plan::{Key, Plan, Planned},
    },
    kinds::{FIELD_MANAGER, KINDS},
    logpilot::{controller::Controller, objects::server::API_KEY_HASH, plan, plan::Planner},
    metrics::Metrics,
};

pub const UID: &str = "11111111-2222-3333-4444-555555555555";
pub const NAME: &str = "logpilot";

struct Operator {
    cache: Arc<ObjectCache>,
    controller: Controller,
}

pub struct World {
    server: Arc<Mutex<Server>>,
    operator: Operator,
    /// The seed of the order in which objects are planned.
    order: u64,
    /// Whether the operator has reconciled: from then on it remembers lost objects.
    began: bool,
    /// Objects that lacked the operator's label when an operator started. None of its watches
    /// reports them. While they are planned, they are found by name; afterwards the garbage
    /// collector deletes them together with their resource.
    unseen: BTreeSet<Id>,
    /// Names that belong to foreign objects.
    taken: BTreeSet<Id>,
}

impl World {
    /// A new resource, together with the objects its user created for it.
    pub fn new(spec: &Value, schema: &Value, order: u64) -> Self {
        let cr = json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "spec": spec, "status": {},
            "metadata": { "name": NAME, "uid": UID, "generation": 1, "resourceVersion": "10" },
        });
        let server = Arc::new(Mutex::new(Server::new(cr, schema)));
        let operator = Operator::start(&server, order);
        Self { server, operator, order, began: false, unseen: BTreeSet::new(), taken: BTreeSet::new() }
    }

    pub fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().expect("unpoisoned")
    }

    pub fn spec(&self) -> Value {
        self.server().cr["spec"].clone()
    }

    pub fn write(&self, spec: Value) {
        let mut server = self.server();
        if server.cr["spec"] != spec {
            let generation = server.cr["metadata"]["generation"].as_i64().unwrap_or(0);
            server.version += 1;
            let version = server.version.to_string();
            server.cr["spec"] = spec;
            server.cr["metadata"]["generation"] = (generation + 1).into();
            server.cr["metadata"]["resourceVersion"] = version.into();
        }
    }

    /// Starts another process, which sees the current state of everything.
    pub fn restart(&mut self) {
        let mut server = self.server();
        server.dead = false;
        let unlabelled = server.objects.iter().filter(|(_, it)| {
            it.owners.contains_key(&us()) && it.body["metadata"]["labels"][MANAGED_BY_LABEL] != FIELD_MANAGER
        });
        let unseen: Vec<Id> = unlabelled.map(|(id, _)| id.clone()).collect();
        drop(server);
        self.unseen.extend(unseen);
        self.began = false;
        self.operator = Operator::start(&self.server, self.order);
    }

    /// Delivers at most this many events.
    pub fn deliver(&self, most: usize) {
        for _ in 0..most {
            let Some((kind, old, new)) = self.server().events.pop_front() else { return };
            if !kind.management.watched() {
                continue;
            }
            let selected = |live: &&Value| {
                kind.kind == "Namespace" || live["metadata"]["labels"][MANAGED_BY_LABEL] == FIELD_MANAGER
            };
            match (old.as_ref().filter(selected), new.as_ref().filter(selected)) {
                (_, Some(new)) => {
                    self.operator.cache.upsert(Child::read(kind, new).expect("a child"));
                }
                (Some(old), None) => {
                    self.operator.cache.remove(&Child::read(kind, old).expect("a child"));
                }
                (None, None) => {}
            }
        }
    }

    pub async fn reconcile(&mut self) {
        let object: DynamicObject = serde_json::from_value(self.server().cr.clone()).expect("an object");
        Box::pin(self.operator.controller.reconcile(Arc::new(object))).await;
        self.began = true;
        if self.server().dead {
            self.restart();
        }
    }

    /// Runs the controllers and the operator until a round writes nothing. Returns the number of
    /// rounds that did.
    pub async fn quiet(&mut self) -> Result<usize, String> {
        for round in 0..12 {
            self.server().controllers();
            self.deliver(usize::MAX);
            let before = self.server().writes;
            self.reconcile().await;
            self.server().controllers();
            let server = self.server();
            if server.writes == before && server.events.is_empty() {
                return Ok(round);
            }
        }
        let log = self.server().log.iter().rev().take(12).cloned().collect::<Vec<_>>();
        Err(format!("it does not come to rest: {log:?}"))
    }

    /// Returns the fields that the operator owns of each object that should exist, without those
    /// that differ by chance.
    pub fn ours(&self) -> BTreeMap<Id, Leaves> {
        let server = self.server();
        let scaled = |name: &str| {
            let mut scalers = server.objects.iter().filter(|(id, _)| id.0 == "horizontalpodautoscalers");
            scalers.any(|(_, it)| it.body["spec"]["scaleTargetRef"]["name"] == name)
        };
        let objects = server.objects.iter().filter(|(_, it)| it.owners.contains_key(&us()));
        objects
            .map(|(id, stored)| {
                let mut leaves = stored.owned(&us());
                leaves.retain(|path, _| {
                    let replicas = path.last().is_some_and(|step| step == "f:replicas");
                    let left = replicas && id.0 == "deployments" && scaled(&id.1.name);
                    // No volume shrinks, whatever its size was before.
                    let size = id.0 == "persistentvolumeclaims" && path.contains(&"f:resources".to_owned());
                    !(left || size || path.contains(&format!("f:{API_KEY_HASH}")))
                });
                (id.clone(), leaves)
            })
            .collect()
    }

    /// Returns whether the operator may leave the object although it is not planned.
    pub fn may_stay(&self, id: &Id) -> bool {
        self.unseen.contains(id)
            || matches!(kind(id.0).management, Management::Retained | Management::CreateOnly)
    }

    /// Returns the objects that another client may change or delete without harm to data.
    pub fn victims(&self) -> Vec<Id> {
        let server = self.server();
        let owned = server.objects.iter().filter(|(_, it)| it.owners.contains_key(&us()));
        owned.map(|(id, _)| id.clone()).filter(|id| kind(id.0).management == Management::Managed).collect()
    }

    /// Replaces one of the operator's objects with a foreign one.
    pub fn take(&mut self, id: &Id) {
        self.delete(id);
        let mut stored = Stored::default();
        let metadata = json!({ "name": id.1.name, "namespace": id.1.namespace });
        stored
            .update(&somebody(), |body| *body = json!({ "metadata": metadata, "spec": { "theirs": true } }));
        self.server().store(kind(id.0), id.1.clone(), Some(stored));
        self.taken.insert(id.clone());
    }

    /// Frees the names that foreign objects took.
    pub fn release(&mut self) {
        for id in std::mem::take(&mut self.taken) {
            self.delete(&id);
        }
    }

    /// Checks that a running restore continues and that everything else leaves foreign objects alone.
    pub fn nothing_acts_on_others(&self) -> Result<(), String> {
        let server = self.server();
        let acts = |id: &Id| {
            let runs = ["deployments", "jobs"].contains(&id.0);
            let known = server.objects.get(id).is_some_and(|it| {
                it.body["metadata"]["ownerReferences"][0]["uid"] == UID && !self.unseen.contains(id)
            });
            !runs && known && server.depends_on_others(id)
        };
        let acting: Vec<&Id> = server.depends.keys().filter(|id| acts(id)).collect();
        if acting.is_empty() { Ok(()) } else { Err(format!("they act on foreign objects: {acting:?}")) }
    }

    pub fn delete(&self, id: &Id) {
        self.server().store(kind(id.0), id.1.clone(), None);
    }

    /// Another client changes one of the operator's values, drops one, or adds to the object.
    pub fn edit(&mut self, id: &Id, which: usize, how: Edit) {
        if matches!(how, Edit::Strip) && !self.began {
            self.unseen.insert(id.clone());
        }
        let mut server = self.server();
        let Some(stored) = server.objects.get(id) else { return };
        let leaves: Vec<_> = stored
            .owned(&us())
            .into_iter()
            // The remaining fields cannot be changed, or a user has no reason to change them.
            .filter(|(path, value)| {
                let fixed = ["f:selector", "f:ownerReferences", "f:immutable", "f:data", "f:kind"];
                !path.iter().any(|step| fixed.contains(&step.as_str())) && !value.is_null()
            })
            .map(|(path, _)| path)
            .collect();
        if leaves.is_empty() {
            return;
        }
        let path = leaves[which % leaves.len()].clone();
        server.change(id, &somebody(), |body| match how {
            Edit::Add => body["metadata"]["labels"]["theirs"] = "x".into(),
            Edit::Change => {
                if let Some(value @ (Value::String(_) | Value::Number(_))) = at(body, &path) {
                    *value = if value.is_string() { "changed".into() } else { 7.into() };
                }
            }
            Edit::Strip => {
                body["metadata"].as_object_mut().expect("metadata").remove("labels");
            }
        });
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Edit {
    Add,
    Change,
    Strip,
}

/// Returns the value at a path of plain fields and items.
fn at<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    let below = match first.split_at_checked(2)? {
        ("f:", name) => value.get_mut(name)?,
        ("k:", keys) => {
            let keys: Value = serde_json::from_str(keys).ok()?;
            let keys = keys.as_object()?.clone();
            value.as_array_mut()?.iter_mut().find(|item| keys.iter().all(|(name, it)| &item[name] == it))?
        }
        _ => return None,
    };
    at(below, rest)
}

impl Operator {
    fn start(server: &Arc<Mutex<Server>>, order: u64) -> Self {
        let cache = Arc::new(ObjectCache::default());
        let mut state = server.lock().expect("unpoisoned");
        state.events.clear();
        for kind in KINDS.iter().filter(|kind| kind.management.watched()) {
            let all = state.objects.iter().filter(|(id, it)| {
                let labels = &it.body["metadata"]["labels"];
                id.0 == kind.plural && (kind.kind == "Namespace" || labels[MANAGED_BY_LABEL] == FIELD_MANAGER)
            });
            cache.replace_all(kind, all.filter_map(|(_, it)| Child::read(kind, &it.json())).collect());
        }
        drop(state);
        let resource = GroupVersionKind::gvk(api::GROUP, api::VERSION, api::KIND);
        let store = StoreWriter::new(ApiResource::from_gvk_with_plural(&resource, api::PLURAL)).as_reader();
        let mut controller = Controller::new(
            client(server),
            Arc::clone(&cache),
            Arc::new(Metrics::default()),
            planner(Arc::clone(server), order),
            store,
            Leadership::default(),
        );
        controller.operator_image = Some("logpilot-operator:1".into());
        Self { cache, controller }
    }
}

/// The production planner, whose plan is passed to the server, with another order of objects.
fn planner(server: Arc<Mutex<Server>>, order: u64) -> Planner {
    Arc::new(move |cluster, facts| {
        let made = plan::plan(&cluster, &facts);
        let planned = made.objects.iter().map(|planned| (planned.kind.plural, planned.key.clone())).collect();
        let objects: Vec<_> = made.objects.iter().collect();
        let id = |planned: &Planned| -> Id { (planned.kind.plural, planned.key.clone()) };
        let targets = dependencies::of(&objects)
            .into_iter()
            .map(|targets| targets.into_iter().map(|target| id(objects[target])).collect());
        let depends = objects.iter().map(|planned| id(planned)).zip(targets).collect();
        let mut state = server.lock().expect("unpoisoned");
        (state.planned, state.depends) = (planned, depends);
        drop(state);
        Box::pin(async move { shuffled(made, order) })
    })
}

fn shuffled(mut plan: Plan, order: u64) -> Plan {
    use std::hash::{DefaultHasher, Hash, Hasher};
    if order > 0 {
        plan.objects.sort_by_cached_key(|planned| {
            let mut hasher = DefaultHasher::new();
            (order, planned.kind.plural, &planned.key).hash(&mut hasher);
            hasher.finish()
        });
    }
    plan
}

/// Creates the objects that a resource refers to.
pub fn beside(world: &World, namespaces: &[&str]) {
    let mut server = world.server();
    for namespace in namespaces {
        for name in ["a", "b", "s", "t"] {
            for plural in ["secrets", "configmaps"] {
                let mut stored = super::fields::Stored::default();
                let data =
                    json!({ "k": "eA==", "l": "eA==", "b": "eA==", "api-key": "eA==", "ca.crt": "eA==" });
                stored.update(&somebody(), |body| {
                    *body = json!({ "metadata": { "name": name, "namespace": namespace }, "data": data });
                });
                let key = Key { namespace: Some((*namespace).into()), name: name.into() };
                server.store(kind(plural), key, Some(stored));
            }
        }
    }
}
