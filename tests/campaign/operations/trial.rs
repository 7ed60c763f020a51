//! A resource that moves through specs.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::PostParams};
use local_cluster::wait_for;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    super::{
        cluster::{Running, behind, case::Case, case::condition, case::message, try_apply},
        end_state::{self, EndState},
        monitor,
        stand::{CONVERGED, IMAGE, Outcome, Slot},
    },
    compare, coverage, fields,
    leaves::spec,
    mutations::{Expected, Operation},
    refusal,
};

/// Reasons of a resource whose rollout is in progress.
const UNDER_WAY: [&str; 5] =
    ["Progressing", "ConfigChecking", "Restoring", "ChildTerminating", "NamespaceTerminating"];
/// Reasons for which running objects stay as they are, so that a new resource has fewer; and a
/// quota counts what a past leaves.
const HOLDING: [&str; 8] = [
    "InvalidSpec",
    "Paused",
    "ReferenceMissing",
    "ReferenceInvalid",
    "ApiKeyInvalid",
    "ConfigCheckFailed",
    "RouteConflict",
    "QuotaExceeded",
];
/// Reasons of a resource to which a quota grants less than it needs.
const OF_A_QUOTA: [&str; 2] = ["QuotaExceeded", "ReplicaFailure"];
/// Leaves whose first spec cannot be restored: a PVC does not shrink, and keeps its class. Omitting
/// a protective setting does not turn it off and admits no client.
const NO_WAY_BACK: [&str; 27] = [
    "storage.volume.size",
    "backup.volume.size",
    "components.*.volume.size",
    "meaning: growing volume",
    "limits.quota.storage",
    "components.*.loadBalancer.sourceRanges",
    "deletionProtection",
    "exposure.ingress.cors.allowOrigins",
    "meaning: everything",
    "meaning: no Secret",
    "auth.apiKeySecret.name",
    "auth.apiKeySecret.key",
    "backup.s3.endpoint",
    "backup.s3.prefix",
    "backup.volume.existingClaim",
    "exposure.gateway.parentRefs[].sectionName",
    "exposure.gateway.rules[].path",
    "exposure.ingress.className",
    "exposure.ingress.rules[].path",
    "networkPolicy.clients[].except",
    "networkPolicy.clients[].namespaceSelector.matchLabels",
    "networkPolicy.clients[].podSelector.matchLabels",
    "networkPolicy.egress[].to[].except",
    "networkPolicy.egress[].to[].namespaceSelector.matchLabels",
    "networkPolicy.egress[].to[].podSelector.matchLabels",
    "networkPolicy.ingressController.namespaceSelector.matchLabels",
    "networkPolicy.monitoring.namespaceSelector.matchLabels",
];
/// Leaves that are not tried on a new resource: a slot's operator sees one namespace.
const ELSEWHERE: [&str; 2] = ["namespace.name", "systemNamespace.name"];
/// A spec with almost every kind of object, to learn what differs between any two runs.
const MUCH: &str = "{ components: { all: { loadBalancer: {}, nodePort: {}, podDisruptionBudget: { maxUnavailable: 1 } }, rest: { autoscaling: { maxReplicas: 2 } } }, \
     backup: {}, limits: { defaults: {}, quota: { pods: 20 } }, networkPolicy: { clients: [{ namespaceSelector: {} }] }, \
     monitoring: { serviceMonitor: {}, rules: {}, slo: {}, dashboards: {} }, \
     exposure: { ingress: { className: nginx, rules: [{ host: a.b, component: all }] }, gateway: { className: a, rules: [{ host: c.d, component: all }] } } }";

/// The label of a state reached by a random walk.
pub const WALK: &str = "a random walk";

/// How a spec ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Ready,
    /// Not ready, for this reason.
    Named(String),
}

/// A spec that was awaited.
pub struct Settled {
    pub label: String,
    pub spec: Value,
    ending: Ending,
    state: EndState,
}

pub struct Trial<'slot> {
    slot: &'slot Slot,
    case: Case,
    operator: Running,
    outcome: Outcome,
    first: Settled,
    settled: Vec<Settled>,
    /// Specs that this resource can no longer have because of its past.
    unreached: Vec<(String, Value)>,
}

impl<'slot> Trial<'slot> {
    pub async fn begin(slot: &'slot Slot, spec: &Value) -> Self {
        let case = slot.case().await;
        let operator = slot.operator(IMAGE).await;
        case.apply(apart(spec, &case.name)).await;
        furnish(&case).await;
        let mut outcome = Outcome::default();
        let ending = ended(slot, &case).await.unwrap_or_else(|error| {
            outcome.violations.push(format!("at first: {error}"));
            Ending::Ready
        });
        let state = end_state::read(&case).await;
        let first = Settled { label: "at first".to_owned(), spec: spec.clone(), ending, state };
        Self { slot, case, operator, outcome, first, settled: Vec::new(), unreached: Vec::new() }
    }

    /// Returns whether the API server accepted the spec.
    pub async fn step(&mut self, spec: &Value, operation: &Operation, waited: bool) -> bool {
        let label = operation.label();
        let before = self.slot.proxy.count(|_| true);
        if let Err(error) = put(&self.case, spec).await {
            self.refused(spec, operation, &error).await;
            return false;
        }
        self.outcome.steps += 1;
        coverage::transition(operation);
        if !waited {
            if let Err(error) = self.slot.reached(&self.case, |_| true).await {
                self.outcome.violations.push(format!("{label}: {error}"));
            }
            return true;
        }
        match ended(self.slot, &self.case).await {
            Err(error) => self.outcome.violations.push(format!("{label}: {error}")),
            Ok(ending) => {
                if let Ending::Named(reason) = &ending {
                    coverage::named(reason, &label);
                    if reason == "ApiUnavailable" {
                        self.outcome
                            .violations
                            .push(format!("{label}: an outage is reported, and there is none"));
                    }
                    self.left_alone(reason, before, &label);
                }
                let state = end_state::read(&self.case).await;
                let held = match &ending {
                    // Patches may request what the API server never accepts; existing objects stay
                    // as they are.
                    Ending::Named(reason) if reason == "Invalid" => spec.get("patches").is_some(),
                    Ending::Named(reason) => HOLDING.contains(&reason.as_str()),
                    Ending::Ready => false,
                };
                if !held {
                    self.settled.push(Settled { label, spec: spec.clone(), ending, state });
                }
            }
        }
        true
    }

    /// Checks that a spec that cannot be carried out changes no object.
    fn left_alone(&mut self, reason: &str, before: usize, label: &str) {
        let records = self.slot.proxy.records();
        let of_others = |resource: &str| resource != "events" && resource != "logpilotclusters";
        let written = records[before..].iter().find(|it| it.asked.writes() && of_others(&it.asked.resource));
        if let (true, Some(record)) = (["InvalidSpec", "Paused"].contains(&reason), written) {
            self.outcome.violations.push(format!("{label}: {reason}, but: {}", behind::shown(record)));
        }
    }

    async fn refused(&mut self, spec: &Value, operation: &Operation, error: &kube::Error) {
        let as_new = refusal(&self.case.client, "as-new", spec).await;
        let named = match error {
            kube::Error::Api(status) => {
                status.code == 422 && fields(status).iter().all(|it| it.starts_with("spec"))
            }
            _ => false,
        };
        match as_new {
            // Fields whose other values only a new resource may have.
            None if named => {
                coverage::kept(operation);
                if !ELSEWHERE.contains(&operation.leaf.as_str()) {
                    self.unreached.push((operation.label(), spec.clone()));
                }
            }
            None => {
                self.outcome.violations.push(format!("{}: refused as a change: {error}", operation.label()));
            }
            Some(_) if operation.expected == Expected::Accepted => {
                self.outcome.violations.push(format!("{}: refused: {error}", operation.label()));
            }
            Some(_) => {}
        }
    }

    /// Returns to the first spec; a resource that cannot return is replaced with another one.
    pub async fn back(mut self, from: &Operation) -> Self {
        let label = format!("back from {}", from.label());
        if let Err(error) = put(&self.case, &self.first.spec).await {
            // Rules about changes, each of which is tried separately, would make a long walk
            // irreversible.
            let of_change =
                from.what == WALK && refusal(&self.case.client, "as-new", &self.first.spec).await.is_none();
            if !of_change && !NO_WAY_BACK.contains(&from.leaf.as_str()) {
                self.outcome.violations.push(format!("{label}: refused: {error}"));
            }
            let (spec, slot) = (self.first.spec.clone(), self.slot);
            let (outcome, settled, unreached) = self.end().await;
            let mut next = Self::begin(slot, &spec).await;
            next.outcome.steps += outcome.steps;
            next.outcome.violations.splice(0..0, outcome.violations);
            (next.settled, next.unreached) = (settled, unreached);
            return next;
        }
        self.outcome.steps += 1;
        let began = Instant::now();
        let wrong = match ended(self.slot, &self.case).await {
            Err(error) => vec![error],
            Ok(ending) if ending != self.first.ending => {
                vec![format!("{ending:?}, before that {:?}", self.first.ending)]
            }
            Ok(_) => {
                let state = end_state::read(&self.case).await;
                compare::differences(&self.first.state, &state, MASK.get().unwrap())
            }
        };
        self.outcome.recovery = self.outcome.recovery.max(began.elapsed());
        coverage::revert(wrong.is_empty());
        self.outcome.violations.extend(wrong.into_iter().map(|wrong| format!("{label}: {wrong}")));
        self
    }

    pub async fn end(mut self) -> (Outcome, Vec<Settled>, Vec<(String, Value)>) {
        let history = self.slot.witness.history(&self.case).await;
        let records = self.slot.proxy.records();
        self.outcome.violations.extend(monitor::always(self.case.ns(), &history, &records));
        self.slot.done(self.case, vec![self.operator]).await;
        (self.outcome, self.settled, self.unreached)
    }
}

/// Checks that a resource created with a spec ends like one that was changed to it.
pub async fn anew(slot: &Slot, spec: &Value, label: &str, with: Option<&Settled>, outcome: &mut Outcome) {
    let trial = Trial::begin(slot, spec).await;
    let mut wrong = Vec::new();
    // A quota does not remove what existed before it.
    let limited =
        matches!(&trial.first.ending, Ending::Named(reason) if OF_A_QUOTA.contains(&reason.as_str()));
    if let Some(settled) = with.filter(|_| !limited) {
        if settled.ending != trial.first.ending {
            wrong.push(format!("{:?}, as a new resource {:?}", settled.ending, trial.first.ending));
        }
        wrong.extend(compare::differences(&trial.first.state, &settled.state, MASK.get().unwrap()));
    }
    let (made, ..) = trial.end().await;
    wrong.extend(made.violations);
    coverage::anew(wrong.is_empty());
    outcome.steps += 1;
    outcome
        .violations
        .extend(wrong.into_iter().map(|wrong| format!("{label}, compared with a new one: {wrong}")));
}

static MASK: OnceCell<BTreeSet<String>> = OnceCell::const_new();

/// Learns what differs between any two runs. It needs the whole slot.
pub async fn learn(slot: &Slot) {
    MASK.get_or_init(async || {
        let mut states = Vec::new();
        for _ in 0..2 {
            let trial = Trial::begin(slot, &spec(MUCH)).await;
            assert!(trial.outcome.violations.is_empty(), "{:?}", trial.outcome.violations);
            states.push(trial.first.state.clone());
            trial.end().await;
        }
        let mask = compare::mask(&states[0], &states[1]);
        println!("not compared: {mask:?}");
        mask
    })
    .await;
}

/// Writes the spec as an editor does. With server-side apply, an emptied object would become null
/// and be refused (kubernetes/kubernetes#135841).
async fn put(case: &Case, spec: &Value) -> kube::Result<()> {
    let api = case.api();
    loop {
        let mut object = api.get(&case.name).await?;
        object.data["spec"] = apart(spec, &case.name);
        match api.replace(&case.name, &PostParams::default(), &object).await {
            // The status was written in the meantime.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => return other.map(drop),
        }
    }
}

/// Waits until the status of the newest spec shows the result, and no further request is sent.
async fn ended(slot: &Slot, case: &Case) -> Result<Ending, String> {
    let last: Mutex<(String, Instant)> = Mutex::new((String::new(), Instant::now()));
    let ending = Mutex::new(Ending::Ready);
    slot.reached(case, |status| {
        let (ready, reason) = condition(status, "Ready");
        if ready == "True" && condition(status, "Applied").0 == "True" {
            *ending.lock().unwrap() = Ending::Ready;
            return true;
        }
        if condition(status, "Applied").1 == "Paused" {
            *ending.lock().unwrap() = Ending::Named("Paused".to_owned());
            return true;
        }
        let mut last = last.lock().unwrap();
        if last.0 != reason {
            *last = (reason.clone(), Instant::now());
        }
        let stopping = reason == "Stopped" && status["pods"] != "0/0";
        let named =
            !reason.is_empty() && ready != "True" && !UNDER_WAY.contains(&reason.as_str()) && !stopping;
        if named && last.1.elapsed() >= lasting(&reason) {
            *ending.lock().unwrap() = Ending::Named(reason);
            return !message(status, "Ready").is_empty();
        }
        false
    })
    .await?;
    slot.quiet().await?;
    Ok(ending.into_inner().unwrap())
}

/// Returns how long a reason must persist to count as more than a moment of a rollout.
fn lasting(reason: &str) -> Duration {
    match reason {
        "Stopped" | "InvalidSpec" => Duration::ZERO,
        // Read every 10 s.
        "ReferenceMissing" | "ReferenceInvalid" | "ApiKeyInvalid" => Duration::from_secs(16),
        "NotReady" | "VolumePending" | "Unschedulable" => Duration::from_secs(6),
        _ => Duration::from_secs(3),
    }
}

/// Creates the objects to which specs of the table refer in their namespace.
async fn furnish(case: &Case) {
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    let made = wait_for(format!("namespace {}", case.ns()), CONVERGED, async || {
        namespaces.get_opt(case.ns()).await.ok().flatten().map(drop).ok_or("there is none".to_owned())
    });
    if made.await.is_err() {
        return;
    }
    let object = |api: &str, kind: &str, name: &str, body: Value| {
        let mut object = json!({
            "apiVersion": api, "kind": kind, "metadata": { "name": name, "namespace": case.ns() },
        });
        object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        object
    };
    let keys = json!({ "k": "x", "l": "x", "a": "x", "b": "x", "apiKey": "x", "api-key": "x", "ca.crt": "x",
                       "accessKeyId": "x", "secretAccessKey": "x" });
    let claim = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "20Gi" } } } });
    let names = ["a", "b", "s", "t"];
    let secrets = names.map(|name| object("v1", "Secret", name, json!({ "stringData": keys })));
    let maps = names.map(|name| object("v1", "ConfigMap", name, json!({ "data": keys })));
    let claims = ["old", "nfs"].map(|name| object("v1", "PersistentVolumeClaim", name, claim.clone()));
    for manifest in secrets.iter().chain(&maps).chain(&claims) {
        match try_apply(&case.client, manifest).await {
            // The spec itself limits what may exist.
            Err(kube::Error::Api(status)) if status.message.contains("exceeded quota") => {}
            other => drop(other.unwrap()),
        }
    }
}

fn number(name: &str) -> i64 {
    name.trim_start_matches(|it: char| !it.is_ascii_digit()).parse().unwrap_or_default()
}

/// Returns the spec as [`own`] does, and replaces a node port at the bound, which only one of many
/// concurrent resources can have, with one near the bound. The ports of [`own`] are below 32703.
fn apart(spec: &Value, name: &str) -> Value {
    let mut spec = own(spec, name);
    for component in
        spec.get_mut("components").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
    {
        let places = [("http", 30000), ("http", 32767), ("grpc", 30000), ("grpc", 32767)];
        for (place, (port, bound)) in (0..).zip(places) {
            if let Some(port) = component.pointer_mut(&format!("/nodePort/{port}"))
                && port.as_i64() == Some(bound)
            {
                *port = json!(32703 + number(name) % 16 * 4 + place);
            }
        }
    }
    spec
}

/// Returns the spec with names, hosts and ports that no other resource has.
pub fn own(spec: &Value, name: &str) -> Value {
    let number = number(name);
    match spec {
        Value::Object(fields) => fields
            .iter()
            .map(|(field, value)| {
                let value = match (field.as_str(), value) {
                    ("systemNamespace", Value::Object(fields)) => {
                        let mut fields = fields.clone();
                        // The name in the table; an invalid name stays invalid, and another name
                        // stays another.
                        if fields.get("name").is_some_and(|it| it == "a") {
                            fields.insert("name".to_owned(), json!(monitor::system_namespace(name)));
                        }
                        Value::Object(fields)
                    }
                    ("host", Value::String(host)) if host.len() < 100 && host.contains('.') => {
                        json!(format!("{name}.{host}"))
                    }
                    ("nodePort", Value::Object(ports)) => ports
                        .iter()
                        .map(|(port, value)| match (port.as_str(), value.as_i64()) {
                            ("http", Some(30080)) => (port.clone(), json!(30001 + number * 2 % 2700)),
                            ("grpc", Some(30051)) => (port.clone(), json!(30002 + number * 2 % 2700)),
                            _ => (port.clone(), value.clone()),
                        })
                        .collect(),
                    ("name", Value::String(of)) if of.starts_with("logpilot-") => {
                        json!(of.replacen("logpilot", name, 1))
                    }
                    _ => own(value, name),
                };
                (field.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| own(item, name)).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use harness::{bad_input::offline::Judge, leaves};

    use super::{
        super::{meaning::MEANINGS, mutations::operations},
        *,
    };

    #[test]
    fn node_ports_at_the_bound_do_not_collide() {
        let of = |ports: Value, name| apart(&json!({ "components": { "all": { "nodePort": ports } } }), name);
        let at = |name| of(json!({ "http": 32767, "grpc": 30000 }), name);
        assert_eq!(at("c00001"), of(json!({ "http": 32708, "grpc": 32709 }), "c00001"));
        assert_ne!(at("c00001"), at("c00002"));
        // A port beyond the bound is refused unchanged, and an absent port stays absent.
        for ports in [json!({ "http": 32768, "grpc": 29999 }), json!({})] {
            assert_eq!(of(ports.clone(), "c1"), json!({ "components": { "all": { "nodePort": ports } } }));
        }
        assert_eq!(apart(&json!({}), "c1"), json!({}));
    }

    /// Evaluates only the rules, so that the result does not require a campaign.
    #[test]
    fn only_the_listed_leaves_are_irreversible() {
        let judge = Judge::new();
        let object = |spec: &Value| {
            json!({
                "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "a" }, "spec": spec,
            })
        };
        let refused = |spec: &Value, before: Option<&Value>| {
            !judge.refusals(&object(spec), before.map(object).as_ref()).is_empty()
        };
        let leaves = leaves::leaves().0;
        let mut ways = Vec::new();
        for operation in operations(&leaves) {
            let one = leaves.iter().find(|leaf| leaf.path == operation.leaf).unwrap().one.clone();
            ways.push((operation.leaf, one, operation.spec));
        }
        for (name, one, others) in MEANINGS {
            ways.extend(others.iter().map(|other| (format!("meaning: {name}"), spec(one), spec(other))));
        }
        let closed: BTreeSet<String> = ways
            .into_iter()
            .filter(|(_, one, other)| !refused(other, Some(one)) && refused(one, Some(other)))
            .map(|(leaf, ..)| leaf)
            .collect();
        let listed = NO_WAY_BACK.map(str::to_owned);
        let unlisted: Vec<_> = closed.iter().filter(|it| !listed.contains(it)).collect();
        assert_eq!(unlisted, [""; 0], "not in NO_WAY_BACK");
        println!("{} leaves without a way back", closed.len());
    }
}
