//! The requests of the engine. Each request has a precondition and a deadline. This module makes no
//! decisions and never retries.

use std::{future::Future, sync::Arc, time::Duration};

use kube::core::{
    Request,
    params::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    circuit_breaker::CircuitBreaker,
    error::{Error, is_connection_refused},
    kind::Kind,
    lease::Leadership,
    plan::{Key, Planned},
    resource::ResourceRef,
};

/// Deadline of a read.
pub const READ_DEADLINE: Duration = Duration::from_secs(10);
/// Deadline of a write. A write may wait for admission webhooks (10 s by default) and etcd.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(15);
/// Maximum number of requests in flight for all resources together, in addition to one request for each
/// resource. kube speaks HTTP/1.1, so each request is a connection.
const IN_FLIGHT: usize = 16;

/// The operator's assumption about the object. The API server checks it, so a write that is based on a
/// wrong belief changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition<'a> {
    /// The object does not exist. The API server answers 201 if it is absent and 409 if it exists.
    Absent,
    /// The object has this UID. The API server answers 409 or 422 if it was replaced or deleted.
    Uid(&'a str),
    /// The object has this UID, and no client has written it since this version. Anything else is
    /// answered with 409.
    Exactly { uid: &'a str, version: u64 },
}

#[derive(Clone)]
pub struct ApiClient {
    client: kube::Client,
    own: Arc<Semaphore>,
    shared: Arc<Semaphore>,
    circuit_breaker: Arc<CircuitBreaker>,
    leadership: Leadership,
}

impl ApiClient {
    #[must_use]
    pub fn new(client: kube::Client, leadership: Leadership) -> Self {
        let (own, shared) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(IN_FLIGHT)));
        Self { client, own, shared, circuit_breaker: Arc::default(), leadership }
    }

    /// The client of one resource. It can always have one request of its own in flight, even if all
    /// shared slots are in use.
    #[must_use]
    pub fn for_resource(&self) -> Self {
        Self { own: Arc::new(Semaphore::new(1)), ..self.clone() }
    }

    /// Sends a server-side apply of a whole object with a precondition. `force` takes over fields from
    /// other managers.
    ///
    /// # Errors
    /// A rejection by the API server, a timeout or a broken connection.
    pub async fn apply(
        &self,
        planned: &Planned,
        mut body: Value,
        precondition: Precondition<'_>,
        force: bool,
    ) -> Result<Value, Error> {
        if let Some(meta) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            match precondition {
                // No stored object has version 1: etcd starts there, before the first write.
                Precondition::Absent => meta.insert("resourceVersion".into(), "1".into()),
                Precondition::Uid(uid) => meta.insert("uid".into(), uid.into()),
                Precondition::Exactly { uid, version } => {
                    meta.insert("resourceVersion".into(), version.to_string().into());
                    meta.insert("uid".into(), uid.into())
                }
            };
        }
        let field_manager = Some(planned.kind.domain.field_manager.to_owned());
        let parameters = PatchParams { force, field_manager, ..PatchParams::default() };
        let request = Request::new(collection(planned.kind, &planned.key)).patch(
            &planned.key.name,
            &parameters,
            &Patch::Apply(&body),
        );
        self.send("apply", planned, WRITE_DEADLINE, request).await
    }

    /// Creates an object that the operator never writes again.
    ///
    /// # Errors
    /// As [`Self::apply`]; 409 if the object exists.
    pub async fn create(&self, planned: &Planned) -> Result<Value, Error> {
        let field_manager = Some(planned.kind.domain.field_manager.to_owned());
        let parameters = PostParams { field_manager, ..PostParams::default() };
        let body = serde_json::to_vec(&planned.body).unwrap_or_default();
        let request = Request::new(collection(planned.kind, &planned.key)).create(&parameters, body);
        self.send("create", planned, WRITE_DEADLINE, request).await
    }

    /// Reads one object by name. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn get(&self, kind: &'static Kind, key: &Key) -> Result<Option<Value>, Error> {
        let request = Request::new(collection(kind, key)).get(&key.name, &GetParams::default());
        found(self.send("get", &named(kind, key), READ_DEADLINE, request).await)
    }

    /// Reads every object of a kind in a namespace, regardless of who created it.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn list(&self, kind: &'static Kind, namespace: &str) -> Result<Vec<Value>, Error> {
        let key = Key { namespace: Some(namespace.to_owned()), name: String::new() };
        let request = Request::new(collection(kind, &key)).list(&ListParams::default());
        let object = format!("{} in namespace {namespace}", kind.plural);
        let mut list = self.send("list", &object, READ_DEADLINE, request).await?;
        let items = list.get_mut("items").map(Value::take);
        Ok(items.and_then(|items| items.as_array().cloned()).unwrap_or_default())
    }

    /// Deletes one object if it still has this UID. An object that is already deleted counts as
    /// success.
    ///
    /// # Errors
    /// As [`Self::apply`]; 409 if another object has taken the name.
    pub async fn delete(&self, kind: &'static Kind, key: &Key, uid: &str) -> Result<(), Error> {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() }),
            ..DeleteParams::background()
        };
        let request = Request::new(collection(kind, key)).delete(&key.name, &parameters);
        found(self.send("delete", &named(kind, key), WRITE_DEADLINE, request).await).map(drop)
    }

    /// Requests the eviction of a pod if it still has this UID and no client has written it since this
    /// version: a pod that has been assigned to a node in the meantime stays. Disruption budgets apply,
    /// but no budget protects a pod that never ran.
    ///
    /// # Errors
    /// As [`Self::apply`]; 404 if the pod no longer exists, 409 if it was written, 429 if a budget
    /// forbids the eviction.
    pub async fn evict(&self, kind: &'static Kind, key: &Key, uid: &str, version: u64) -> Result<(), Error> {
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": key.name, "namespace": key.namespace },
            "deleteOptions": { "preconditions": { "uid": uid, "resourceVersion": version.to_string() } },
        });
        let request = Request::new(collection(kind, key)).create_subresource(
            "eviction",
            &key.name,
            &PostParams::default(),
            body.to_string().into_bytes(),
        );
        self.send("evict", &named(kind, key), WRITE_DEADLINE, request).await.map(drop)
    }

    /// Writes the whole status of a custom resource if no client has written the resource since this
    /// version; without a version, unconditionally. A UID would not work as a precondition: for a write
    /// of the status, the API server ignores everything else in the body, so the status of one resource
    /// could be written to the next one of the same name. Returns the resource as it is after the
    /// write, or `None` if no resource has this name.
    ///
    /// # Errors
    /// As [`Self::apply`]; 409 if the resource was written or replaced.
    pub async fn status(
        &self,
        resource: &ResourceRef,
        version: Option<u64>,
        status: &Value,
    ) -> Result<Option<Value>, Error> {
        let metadata = match version {
            Some(version) => json!({ "name": resource.name(), "resourceVersion": version.to_string() }),
            // The key must be absent: the API server takes even `null` for version 0.
            None => json!({ "name": resource.name() }),
        };
        let kind = resource.kind();
        let body = json!({
            "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata, "status": status,
        });
        let parameters = PatchParams::apply(kind.field_manager).force();
        let request = Request::new(resource.collection()).patch_subresource(
            "status",
            resource.name(),
            &parameters,
            &Patch::Apply(&body),
        );
        found(self.send("update status of", resource, WRITE_DEADLINE, request).await)
    }

    /// Returns the current UID and version of a custom resource, or `None` if no resource has this
    /// name.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn identity(&self, resource: &ResourceRef) -> Result<Option<(String, u64)>, Error> {
        let request =
            Request::new(resource.collection()).get_metadata(resource.name(), &GetParams::default());
        let object = found(self.send("get", resource, READ_DEADLINE, request).await)?;
        Ok(object.map(|object| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let version = text("/metadata/resourceVersion").parse().unwrap_or(0);
            (text("/metadata/uid").to_owned(), version)
        }))
    }

    async fn send(
        &self,
        verb: &'static str,
        object: &impl ToString,
        deadline: Duration,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Error> {
        let request = request.map_err(|error| Error::Transport {
            verb,
            object: object.to_string(),
            message: error.to_string(),
        })?;
        let turn = async {
            tokio::select! { turn = self.own.acquire() => turn, turn = self.shared.acquire() => turn }
        };
        // Waiting for a slot has a deadline of its own, so that requests that queue behind a slow API
        // server do not use up their own deadlines.
        let Ok(_turn) = tokio::time::timeout(deadline, turn).await else {
            return Err(Error::Timeout { verb, object: object.to_string(), deadline });
        };
        let answer = async {
            if !self.circuit_breaker.wait().await {
                return Err(not_sent("the API server cannot be reached"));
            }
            if !self.leadership.may_write() {
                return Err(not_sent("another operator may be leading now"));
            }
            let answer = self.client.request::<Value>(request).await;
            match &answer {
                Err(error) if is_connection_refused(error) => self.circuit_breaker.refused(),
                _ => self.circuit_breaker.answered(),
            }
            answer
        };
        within(deadline, answer, verb, object).await
    }
}

/// Converts "not found" into a result: `None`.
fn found(answer: Result<Value, Error>) -> Result<Option<Value>, Error> {
    match answer {
        Err(error) if error.code() == Some(404) => Ok(None),
        other => other.map(Some),
    }
}

fn not_sent(why: &str) -> kube::Error {
    kube::Error::Service(format!("not sent: {why}").into())
}

async fn within(
    deadline: Duration,
    answer: impl Future<Output = Result<Value, kube::Error>>,
    verb: &'static str,
    object: &impl ToString,
) -> Result<Value, Error> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::from_kube(verb, object.to_string(), &error)),
        Err(_) => Err(Error::Timeout { verb, object: object.to_string(), deadline }),
    }
}

/// Formats an object as `Kind namespace/name`, as in errors and in the status.
#[must_use]
pub fn named(kind: &Kind, key: &Key) -> String {
    format!("{} {key}", kind.kind)
}

fn collection(kind: &Kind, key: &Key) -> String {
    let group = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    match &key.namespace {
        Some(namespace) => format!("{group}/{}/namespaces/{namespace}/{}", kind.version, kind.plural),
        None => format!("{group}/{}/{}", kind.version, kind.plural),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lease::Elector, *};

    #[tokio::test]
    async fn nothing_is_sent_after_leadership_may_be_lost() {
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let (client, leadership) = (kube::Client::try_from(nowhere).unwrap(), Leadership::default());
        let writer = ApiClient::new(client.clone(), leadership.clone());
        let send = async || {
            let request = http::Request::get("/").body(Vec::new()).unwrap();
            writer.send("get", &"x", READ_DEADLINE, Ok(request)).await.unwrap_err().to_string()
        };
        assert!(!send().await.contains("not sent"));
        let _elector = Elector::new(client, "n", "l", "me".into(), leadership);
        let told = send().await;
        assert!(told.contains("not sent"), "{told}");
    }

    /// Covers a port with no listener, as while an API server is replaced, and a port that closes each
    /// connection immediately, as a proxy does after it accepts one. In the second case the fate of the
    /// request is unknown, and the next one may succeed.
    /// Fault catalogue: F15.
    #[tokio::test]
    async fn one_request_probes_an_unreachable_api_server() {
        let closing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = closing.local_addr().unwrap();
        tokio::spawn(async move { while closing.accept().await.is_ok() {} });
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for (address, asked) in [(nobody, 4), (open, 20)] {
            let config = kube::Config::new(format!("http://{address}").parse().unwrap());
            let writer = ApiClient::new(kube::Client::try_from(config).unwrap(), Leadership::default());
            let mut sent = 0;
            let ask = async || {
                let request = http::Request::get("/").body(Vec::new()).unwrap();
                writer
                    .for_resource()
                    .send("get", &"x", READ_DEADLINE, Ok(request))
                    .await
                    .unwrap_err()
                    .to_string()
            };
            for _ in 0..3 {
                sent += usize::from(!ask().await.contains("not sent"));
            }
            let told = futures::future::join_all((0..17).map(|_| ask())).await;
            sent += told
                .iter()
                .filter(|told| !told.contains("not sent: the API server cannot be reached"))
                .count();
            assert_eq!(sent, asked, "{told:#?}");
        }
    }
}
