//! An in-memory API server, with monitors for requests that must never be sent.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock;

use super::fields::{Manager, Path, Refusal, Stored};
use crate::{
    engine::{
        MANAGED_BY_LABEL,
        kind::{Kind, Management},
        plan::Key,
        quantity::nano,
    },
    kinds::{FIELD_MANAGER, KINDS},
};

/// Plural and key.
pub type Id = (&'static str, Key);

pub fn us() -> Manager {
    (FIELD_MANAGER.into(), "Apply", "")
}

pub fn somebody() -> Manager {
    ("kubectl-edit".into(), "Update", "")
}

/// The fate of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The write is not carried out.
    Refused(u16),
    /// The write is carried out and the response is lost.
    Lost,
    /// The operator crashes before the write is sent.
    DeadBefore,
    /// The write is carried out, and the operator crashes before it receives the response.
    DeadAfter,
}

/// A watch event: the object before and after.
pub type Event = (&'static Kind, Option<Value>, Option<Value>);

#[derive(Default)]
pub struct Server {
    pub objects: BTreeMap<Id, Stored>,
    /// The resource, with its status.
    pub cr: Value,
    pub events: VecDeque<Event>,
    pub version: u64,
    /// The number of writes to objects that were carried out.
    pub writes: usize,
    /// The fault that hits the write after this many others.
    pub fault: Option<(usize, Fault)>,
    pub dead: bool,
    /// The number of lists, not counting those of the watches.
    pub lists: usize,
    /// The newest plan.
    pub planned: BTreeSet<Id>,
    /// The dependencies of each planned object.
    pub depends: BTreeMap<Id, Vec<Id>>,
    pub violations: Vec<String>,
    pub log: Vec<String>,
    status: Option<jsonschema::Validator>,
}

enum Answer {
    Object(Value),
    Refusal(u16, &'static str, String),
    Broken,
}

struct Call {
    method: String,
    path: Vec<String>,
    query: String,
    body: Value,
}

impl Server {
    pub fn new(cr: Value, schema: &Value) -> Self {
        let status = jsonschema::draft4::new(&schema["properties"]["status"]).expect("a schema");
        let version = 10;
        Self { cr, status: Some(status), version, ..Self::default() }
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Stores or deletes an object and notifies the watches.
    pub fn store(&mut self, kind: &'static Kind, key: Key, stored: Option<Stored>) -> Value {
        let id = (kind.plural, key);
        let old = self.objects.get(&id).map(|old| old.body.clone());
        let version = self.next();
        let new = stored.map(|mut stored| {
            let same = old.as_ref().is_some_and(|old| old["spec"] == stored.body["spec"]);
            let generation =
                old.as_ref().map_or(0, |old| old["metadata"]["generation"].as_i64().unwrap_or(0));
            let meta = &mut stored.body["metadata"];
            meta["resourceVersion"] = version.to_string().into();
            meta["generation"] = (generation + i64::from(!same)).into();
            if meta["uid"].is_null() || old.is_none() {
                meta["uid"] = format!("uid-{version}").into();
                meta["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
            }
            let live = stored.json();
            self.objects.insert(id.clone(), stored);
            live
        });
        if new.is_none() {
            self.objects.remove(&id);
        }
        let gone = old.map(|mut old| {
            if new.is_none() {
                old["metadata"]["resourceVersion"] = version.to_string().into();
            }
            old
        });
        self.events.push_back((kind, gone, new.clone()));
        new.unwrap_or(Value::Null)
    }

    /// A change that another client makes to an existing object.
    pub fn change(&mut self, id: &Id, manager: &Manager, change: impl FnOnce(&mut Value)) {
        let Some(mut stored) = self.objects.get(id).cloned() else { return };
        stored.update(manager, change);
        self.store(kind(id.0), id.1.clone(), Some(stored));
    }

    /// The Deployment controller, the Job controller, the kubelet and the garbage collector, all of
    /// which finish immediately.
    pub fn controllers(&mut self) {
        let all: Vec<(Id, Value)> =
            self.objects.iter().map(|(id, it)| (id.clone(), it.body.clone())).collect();
        for (id, body) in &all {
            let generation = &body["metadata"]["generation"];
            if id.0 == "deployments" && &body["status"]["observedGeneration"] != generation {
                let replicas = body["spec"]["replicas"].clone();
                let mut stored = self.objects[id].clone();
                stored.body["status"] = json!({
                    "observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
                    "readyReplicas": replicas, "availableReplicas": replicas,
                });
                self.store(kind(id.0), id.1.clone(), Some(stored));
            }
            let pod = Key { name: format!("{}-x", id.1.name), ..id.1.clone() };
            if id.0 == "jobs" && !self.objects.contains_key(&("pods", pod.clone())) {
                let mut meta = body["spec"]["template"]["metadata"].clone();
                meta["name"] = pod.name.as_str().into();
                meta["namespace"] = pod.namespace.clone().into();
                meta["ownerReferences"] = json!([{
                    "apiVersion": "batch/v1", "kind": "Job", "controller": true,
                    "name": id.1.name, "uid": body["metadata"]["uid"],
                }]);
                let ready =
                    json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
                let body = json!({ "metadata": meta, "spec": {}, "status": ready });
                self.store(kind("pods"), pod, Some(Stored { body, ..Stored::default() }));
            }
            let owner = &body["metadata"]["ownerReferences"][0]["uid"];
            if id.0 == "pods" && !all.iter().any(|(_, other)| &other["metadata"]["uid"] == owner) {
                self.store(kind("pods"), id.1.clone(), None);
            }
        }
    }

    fn handle(&mut self, call: &Call) -> Answer {
        if self.dead {
            return Answer::Broken;
        }
        if call.path.iter().any(|part| part == "events.k8s.io" || part == "events") {
            return Answer::Object(call.body.clone());
        }
        let write = call.method != "GET";
        let strikes = write && self.fault.as_ref().is_some_and(|(after, _)| *after == 0);
        if let (true, false, Some((after, _))) = (write, strikes, self.fault.as_mut()) {
            *after -= 1;
        }
        let fault = if strikes { self.fault.take().map(|(_, fault)| fault) } else { None };
        match fault {
            Some(Fault::Refused(409)) => {
                return conflict(MODIFIED);
            }
            Some(Fault::Refused(code)) => return Answer::Refusal(code, "Odd", "injected".into()),
            Some(Fault::DeadBefore) => {
                self.dead = true;
                return Answer::Broken;
            }
            _ => {}
        }
        let answer = self.carry_out(call);
        match fault {
            Some(Fault::Lost) => Answer::Broken,
            Some(Fault::DeadAfter) => {
                self.dead = true;
                Answer::Broken
            }
            _ => answer,
        }
    }

    fn carry_out(&mut self, call: &Call) -> Answer {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        // The path starts with `api/v1` or `apis/group/version`.
        let rest = if path[0] == "api" { &path[2..] } else { &path[3..] };
        if rest[0] == "logpilotclusters" {
            return self.status(call);
        }
        let (plural, namespace, name) = match rest {
            ["namespaces", namespace, plural] => {
                (*plural, Some(*namespace), call.body["metadata"]["name"].as_str().unwrap_or_default())
            }
            ["namespaces", namespace, plural, name] => (*plural, Some(*namespace), *name),
            [plural, name] => (*plural, None, *name),
            other => panic!("no such path: {other:?}"),
        };
        let kind = kind(plural);
        let key = Key { namespace: namespace.map(str::to_owned), name: name.to_owned() };
        let id: Id = (kind.plural, key.clone());
        let found = self.objects.get(&id).cloned();
        if call.method != "GET" {
            self.log.push(format!("{} {plural} {key}", call.method));
        }
        let space =
            key.namespace.as_ref().map(|name| ("namespaces", Key { namespace: None, name: name.clone() }));
        if call.method != "GET" && space.is_some_and(|space| !self.objects.contains_key(&space)) {
            return Answer::Refusal(404, "NotFound", "namespaces not found".into());
        }
        match (call.method.as_str(), found) {
            ("GET", None) if name.is_empty() => {
                self.lists += 1;
                let of = |(id, _): &(&Id, &Stored)| id.0 == kind.plural && id.1.namespace == key.namespace;
                let items: Vec<Value> = self.objects.iter().filter(of).map(|(_, it)| it.json()).collect();
                Answer::Object(json!({ "items": items }))
            }
            ("GET" | "DELETE", None) => Answer::Refusal(404, "NotFound", "not found".into()),
            ("GET", Some(found)) => Answer::Object(found.json()),
            ("POST", Some(_)) => Answer::Refusal(409, "AlreadyExists", "already exists".into()),
            ("POST", None) => {
                let mut stored = Stored::default();
                stored.update(&(FIELD_MANAGER.into(), "Update", ""), |body| *body = call.body.clone());
                self.written(kind, key, stored)
            }
            ("DELETE", Some(found)) => self.delete(kind, key, &found, &call.body),
            ("PATCH", found) => self.apply(kind, key, found, call),
            other => panic!("no such verb: {:?}", other.0),
        }
    }

    fn written(&mut self, kind: &'static Kind, key: Key, stored: Stored) -> Answer {
        self.writes += 1;
        Answer::Object(self.store(kind, key, Some(stored)))
    }

    fn apply(&mut self, kind: &'static Kind, key: Key, found: Option<Stored>, call: &Call) -> Answer {
        let given = |name: &str| call.body["metadata"][name].as_str().map(str::to_owned);
        let (uid, version) = (given("uid"), given("resourceVersion"));
        match &found {
            None if uid.is_some() => {
                return conflict("Precondition failed: UID in precondition: x, UID in object meta: ");
            }
            Some(found)
                if version.as_ref().is_some_and(|it| found.body["metadata"]["resourceVersion"] != **it) =>
            {
                return conflict(MODIFIED);
            }
            Some(found) if uid.as_ref().is_some_and(|it| found.body["metadata"]["uid"] != **it) => {
                return conflict("Precondition failed: UID in precondition: x, UID in object meta: y");
            }
            Some(found) if !self.ours(kind, found) => {
                self.violations.push(format!("overwrote the foreign {} {key}", kind.kind));
            }
            Some(_) if uid.is_none() => {
                self.violations.push(format!("wrote {} {key} without saying which", kind.kind));
            }
            _ => {}
        }
        let mut body = call.body.clone();
        if let Some(meta) = body["metadata"].as_object_mut() {
            meta.retain(|name, _| name != "uid" && name != "resourceVersion");
        }
        let before = found.clone();
        let mut stored = found.unwrap_or_default();
        match stored.apply(&body, &us(), call.query.contains("force=true")) {
            Ok(()) => {}
            Err(Refusal::Conflict(paths)) => return conflict(&told(&paths)),
            Err(Refusal::Duplicate(why)) => return Answer::Refusal(500, "InternalError", why),
        }
        if kind.kind == "Deployment" && stored.body["spec"]["replicas"].is_null() {
            stored.body["spec"]["replicas"] = 1.into();
        }
        let fixed = |pointer: &str| {
            before.as_ref().is_some_and(|before| before.body.pointer(pointer) != stored.body.pointer(pointer))
        };
        let immutable = match kind.kind {
            "Deployment" => fixed("/spec/selector"),
            "Job" => fixed("/spec/template"),
            "PersistentVolumeClaim" => fixed("/spec/accessModes") || fixed("/spec/storageClassName"),
            "ConfigMap" => fixed("/data") && stored.body["immutable"] == true,
            _ => false,
        };
        let size = |body: &Value| {
            let size = body.pointer("/spec/resources/requests/storage").and_then(Value::as_str);
            size.and_then(nano).unwrap_or_default()
        };
        let shrinks = before.as_ref().is_some_and(|before| size(&stored.body) < size(&before.body));
        if immutable || shrinks && kind.kind == "PersistentVolumeClaim" {
            self.violations.push(format!("changed an immutable field of {} {key}", kind.kind));
            return Answer::Refusal(422, "Invalid", "field is immutable".into());
        }
        // A write that changes nothing does not count and causes no event.
        if let Some(before) = before.filter(|it| it.body == stored.body && it.owners == stored.owners) {
            self.log.push(format!("needless: {} {key}", kind.kind));
            self.writes += 1;
            return Answer::Object(before.json());
        }
        self.written(kind, key, stored)
    }

    fn delete(&mut self, kind: &'static Kind, key: Key, found: &Stored, options: &Value) -> Answer {
        let mut say = |what: &str| self.violations.push(format!("deleted {} {key}: {what}", kind.kind));
        let Some(uid) = options["preconditions"]["uid"].as_str() else {
            say("without saying which");
            return conflict("a test's refusal");
        };
        if found.body["metadata"]["uid"] != uid {
            return conflict("Precondition failed: UID in precondition: x, UID in object meta: y");
        }
        if matches!(kind.management, Management::Retained | Management::CreateOnly | Management::ReadOnly) {
            say("it is kept");
        }
        if found.body["metadata"]["ownerReferences"][0]["uid"] != self.cr["metadata"]["uid"] {
            say("it is foreign");
        }
        let behind = self.depends_on_others(&(kind.plural, key.clone()));
        if self.planned.contains(&(kind.plural, key.clone())) && !behind {
            self.violations.push(format!("deleted {} {key}: it is planned", kind.kind));
        }
        self.writes += 1;
        self.store(kind, key, None);
        Answer::Object(json!({}))
    }

    /// Returns whether an object that this one depends on is foreign.
    pub fn depends_on_others(&self, id: &Id) -> bool {
        let foreign = |target: &Id| self.objects.get(target).is_some_and(|it| !self.ours(kind(target.0), it));
        self.depends.get(id).is_some_and(|targets| targets.iter().any(foreign))
    }

    /// Returns whether the operator created the object for this resource, as far as the object shows.
    fn ours(&self, kind: &Kind, found: &Stored) -> bool {
        let controller = &found.body["metadata"]["ownerReferences"][0]["uid"];
        *controller == self.cr["metadata"]["uid"]
            || (kind.management == Management::Retained || found.owners.contains_key(&us()))
                && found.body["metadata"]["labels"][MANAGED_BY_LABEL] == FIELD_MANAGER
            // The object lost its labels and is still recognised.
            || controller.is_null() && found.owners.contains_key(&us())
    }

    fn status(&mut self, call: &Call) -> Answer {
        if call.method == "GET" {
            return Answer::Object(self.cr.clone());
        }
        let asked = &call.body["metadata"]["resourceVersion"];
        if !asked.is_null() && *asked != self.cr["metadata"]["resourceVersion"] {
            return conflict(MODIFIED);
        }
        let status = &call.body["status"];
        if let Some(schema) = &self.status {
            for error in schema.iter_errors(status) {
                self.violations.push(format!("status{}: {error}", error.instance_path()));
            }
        }
        let observed = |status: &Value| status["observedGeneration"].as_i64().unwrap_or(0);
        if observed(status) < observed(&self.cr["status"]) {
            self.violations.push("observedGeneration went back".into());
        }
        self.cr["status"] = status.clone();
        self.cr["metadata"]["resourceVersion"] = self.next().to_string().into();
        Answer::Object(self.cr.clone())
    }
}

fn told(paths: &[Path]) -> String {
    let path = |path: &Path| path.iter().map(|step| step.replacen("f:", ".", 1)).collect::<String>();
    format!("Apply failed with conflicts: {}", paths.iter().map(path).collect::<Vec<_>>().join(", "))
}

const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version";

fn conflict(why: &str) -> Answer {
    Answer::Refusal(409, "Conflict", why.to_owned())
}

pub fn kind(plural: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.plural == plural).expect("a kind of the table")
}

async fn call(request: Request<Body>) -> Call {
    let (head, body) = request.into_parts();
    let body = body.collect_bytes().await.expect("a body");
    Call {
        method: head.method.to_string(),
        path: head.uri.path().split('/').skip(1).map(str::to_owned).collect(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") },
    }
}

/// Returns a client of the server. It must be called within a runtime.
pub fn client(server: &Arc<Mutex<Server>>) -> kube::Client {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let server = Arc::clone(server);
    tokio::spawn(async move {
        while let Some((request, respond)) = handle.next_request().await {
            let call = call(request).await;
            let answer = server.lock().expect("unpoisoned").handle(&call);
            let (code, body) = match answer {
                Answer::Object(object) => (200, object),
                Answer::Refusal(code, reason, message) => (
                    code,
                    json!({
                        "apiVersion": "v1", "kind": "Status", "status": "Failure",
                        "code": code, "reason": reason, "message": message,
                    }),
                ),
                Answer::Broken => {
                    respond.send_error("connection reset");
                    continue;
                }
            };
            let body = Body::from(body.to_string().into_bytes());
            respond.send_response(Response::builder().status(code).body(body).expect("a response"));
        }
    });
    kube::Client::new(service, "default")
}
