//! The requests of the engine, each with its precondition and a deadline. Nothing here decides or retries.

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

/// A read answers within this or is given up.
pub const READ_DEADLINE: Duration = Duration::from_secs(10);
/// A write may wait for admission webhooks (10 s by default) and etcd.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(15);
/// Requests in flight over all resources, beside one of each: kube speaks HTTP/1.1, so each one is a connection.
const IN_FLIGHT: usize = 16;

/// Proves to the API server what we believe of the object; a wrong belief writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition<'a> {
    /// It does not exist: absent answers 201, present 409.
    Absent,
    /// It is the one with this UID: replaced or gone answers 409 or 422.
    Uid(&'a str),
    /// It is the one with this UID, and nobody wrote it since this version: anything else answers 409.
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

    /// The way of one resource: a request of its own at any time, whatever holds the shared ones.
    #[must_use]
    pub fn for_resource(&self) -> Self {
        Self { own: Arc::new(Semaphore::new(1)), ..self.clone() }
    }

    /// Server-side apply of a whole object under a precondition. `force` takes fields over from others.
    ///
    /// # Errors
    /// The API server's refusal, a timeout or a broken connection.
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

    /// Creates an object that we never write again.
    ///
    /// # Errors
    /// As [`Self::apply`]; 409 where it exists.
    pub async fn create(&self, planned: &Planned) -> Result<Value, Error> {
        let field_manager = Some(planned.kind.domain.field_manager.to_owned());
        let parameters = PostParams { field_manager, ..PostParams::default() };
        let body = serde_json::to_vec(&planned.body).unwrap_or_default();
        let request = Request::new(collection(planned.kind, &planned.key)).create(&parameters, body);
        self.send("create", planned, WRITE_DEADLINE, request).await
    }

    /// Reads one object by name; `None` where it does not exist.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn get(&self, kind: &'static Kind, key: &Key) -> Result<Option<Value>, Error> {
        let request = Request::new(collection(kind, key)).get(&key.name, &GetParams::default());
        found(self.send("get", &named(kind, key), READ_DEADLINE, request).await)
    }

    /// Reads every object of a kind in a namespace, whoever made it.
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

    /// Deletes one object, if it is still the one with this UID. Gone already is as good.
    ///
    /// # Errors
    /// As [`Self::apply`]; 409 where another one took its name.
    pub async fn delete(&self, kind: &'static Kind, key: &Key, uid: &str) -> Result<(), Error> {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() }),
            ..DeleteParams::background()
        };
        let request = Request::new(collection(kind, key)).delete(&key.name, &parameters);
        found(self.send("delete", &named(kind, key), WRITE_DEADLINE, request).await).map(drop)
    }

    /// Asks that a pod be evicted, if it is still the one with this UID and nobody wrote it since this version: one that
    /// has got a node meanwhile stays. Disruption budgets count; no budget keeps a pod that never ran.
    ///
    /// # Errors
    /// As [`Self::apply`]; 404 where it is gone, 409 where it was written, 429 where a budget forbids it.
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

    /// Writes the whole status of a custom resource, if no client wrote the resource since this version; with none,
    /// whoever did. A UID would be no precondition: where the status of a custom resource is written, the API server takes
    /// nothing else from the body, and what was meant for a resource would be told of the next one of its name. Answers the
    /// resource as it is then; `None` where there is none of this name.
    ///
    /// # Errors
    /// As [`Self::apply`]; 409 where it was written or replaced.
    pub async fn status(
        &self,
        resource: &ResourceRef,
        version: Option<u64>,
        status: &Value,
    ) -> Result<Option<Value>, Error> {
        let metadata = match version {
            Some(version) => json!({ "name": resource.name(), "resourceVersion": version.to_string() }),
            // Not even `null`, which would be taken for version 0.
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

    /// UID and version of a custom resource as it is now; `None` where there is none of this name.
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
        // A turn has a deadline of its own: behind an API server that is slow, those that wait are not given up.
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

/// That there is nothing of this name is an answer.
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

/// `Kind namespace/name`, as errors and status name objects.
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
    async fn nothing_is_sent_once_another_may_be_leading() {
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

    /// A port that nobody listens on, as while an API server is replaced; and one that closes at once, as a proxy does that
    /// took the connection: what became of that request is not known, and the next one may fare better.
    /// Fault catalogue: F15.
    #[tokio::test]
    async fn what_cannot_be_reached_is_asked_by_one_for_all() {
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
