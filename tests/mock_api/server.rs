//! An API server that sends the responses of a test and records the requests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use kube::client::Body;
use logpilot_operator::{
    engine::{
        api_client::ApiClient,
        apply::Applier,
        cache::ObjectCache,
        child::Child,
        decide::AcceptedDivergence,
        lease::Leadership,
        outcome::Outcome,
        owner::Owner,
        plan::{Plan, Planned},
        resource::ResourceRef,
        write_backoff::WriteBackoff,
    },
    kinds::{AddTyped, FIELD_MANAGER, LOGPILOT_CLUSTER, Managed},
};
use serde_json::{Map, Value, json};
use tower_test::mock;

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub body: Value,
}

impl Call {
    async fn of(request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let query = head.uri.query().unwrap_or_default();
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            content_type: head
                .headers
                .get("content-type")
                .map(|it| it.to_str().unwrap().to_owned())
                .unwrap_or_default(),
            body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
        }
    }

    /// Returns the method and the path, such as `PATCH /api/v1/namespaces/logs`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A response.
pub enum Answer {
    Object(Value),
    Refusal(u16, &'static str, &'static str),
    /// A rejection with the number of seconds to wait.
    Later(u16, u32),
    ReconcileFailure,
    Silence,
}

/// The requests so far.
pub type Calls = Arc<Mutex<Vec<Call>>>;

pub fn lines(calls: &Calls) -> Vec<String> {
    calls.lock().unwrap().iter().map(Call::line).collect()
}

/// Returns a client whose requests are passed to `answer`, one after the other.
pub fn server(mut answer: impl FnMut(&Call) -> Answer + Send + 'static) -> (ApiClient, Calls) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some((request, respond)) = handle.next_request().await {
            let call = Call::of(request).await;
            let answer = answer(&call);
            seen.lock().unwrap().push(call);
            match answer {
                Answer::Object(object) => respond.send_response(response(200, &object)),
                Answer::Refusal(code, reason, message) => {
                    respond.send_response(response(code, &status(code, reason, message)));
                }
                Answer::Later(code, seconds) => {
                    let mut status = status(code, "TooManyRequests", "slow down");
                    status["details"] = json!({ "retryAfterSeconds": seconds });
                    respond.send_response(response(code, &status));
                }
                Answer::ReconcileFailure => respond.send_error("connection reset"),
                Answer::Silence => unanswered.push(respond),
            }
        }
    });
    (ApiClient::new(kube::Client::new(service, "default"), Leadership::default()), calls)
}

fn response(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    })
}

/// Everything that apply needs, with an empty cache whose lists have completed.
pub struct World {
    pub writer: ApiClient,
    pub calls: Calls,
    pub cache: ObjectCache,
    pub normalised: AcceptedDivergence,
    pub write_backoff: WriteBackoff,
    pub owner: Owner,
}

/// The resource of these tests.
pub fn logs() -> ResourceRef {
    ResourceRef::new(&LOGPILOT_CLUSTER, None, "logs")
}

pub const OWNER_UID: &str = "owner-uid";

impl World {
    pub fn new(answer: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        let (writer, calls) = server(answer);
        let cache = ObjectCache::default();
        for kind in logpilot_operator::kinds::KINDS.iter().filter(|kind| kind.management.watched()) {
            cache.replace_all(kind, Vec::new());
        }
        let owner = Owner { resource: logs(), uid: OWNER_UID.into() };
        Self {
            writer,
            calls,
            cache,
            normalised: AcceptedDivergence::default(),
            write_backoff: WriteBackoff::default(),
            owner,
        }
    }

    pub fn applier(&self) -> Applier<'_> {
        Applier {
            writer: &self.writer,
            cache: &self.cache,
            normalised: &self.normalised,
            write_backoff: &self.write_backoff,
            owner: &self.owner,
        }
    }

    pub async fn apply(&self, plan: &Plan) -> Outcome {
        self.applier().apply(plan, &self.cache.snapshot(&self.owner.resource)).await
    }

    /// Adds an object to the cache, as the watches would.
    pub fn knows(&self, planned: &Planned, live: &Value) -> Child {
        let child = Child::read(planned.kind, live).unwrap();
        self.cache.upsert(child.clone());
        child
    }

    pub fn lines(&self) -> Vec<String> {
        lines(&self.calls)
    }

    pub fn call(&self, number: usize) -> Call {
        self.calls.lock().unwrap()[number].clone()
    }

    /// Waits, in the test's own time, until all pending tasks have run.
    pub async fn settle() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A plan of one object.
pub fn plan_of<K: Managed>(object: K) -> Plan {
    let mut plan = Plan::default();
    plan.add([object]);
    plan
}

/// Returns a body as the API server stores and returns it after an apply of the operator.
pub fn stored(body: &Value, uid: &str) -> Value {
    let mut live = body.clone();
    let meta = live["metadata"].as_object_mut().unwrap();
    meta.insert("uid".into(), uid.into());
    meta.insert("resourceVersion".into(), "7".into());
    let mut fields = fields(body);
    for identity in ["f:apiVersion", "f:kind"] {
        fields.as_object_mut().unwrap().remove(identity);
    }
    for given in ["f:name", "f:namespace", "f:uid", "f:resourceVersion"] {
        fields["f:metadata"].as_object_mut().unwrap().remove(given);
    }
    live["metadata"]["managedFields"] = json!([{
        "manager": FIELD_MANAGER, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields,
    }]);
    live
}

/// Returns the ownership of every leaf. Lists are owned as a whole.
fn fields(value: &Value) -> Value {
    let Value::Object(object) = value else { return json!({}) };
    let below: Map<String, Value> =
        object.iter().map(|(name, value)| (format!("f:{name}"), fields(value))).collect();
    Value::Object(below)
}
