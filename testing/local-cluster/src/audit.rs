//! The requests to the API server, read from its audit log.
//!
//! Counts are exact between two markers: a marker is set after its own request has reached the log,
//! and the log is written in the order in which requests end.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::Request;
use kube::Client;
use serde::Deserialize;

use crate::{
    Result,
    error::{Context, IoContext},
    wait_for,
};

/// The log is written before a request ends, so this is generous.
const SETTLE_DEADLINE: Duration = Duration::from_secs(30);
/// The API server answers this path itself, and no other client sends this query.
const MARKER_PATH: &str = "/version";
/// The variable that names a directory in which audit logs are kept after their clusters end.
const DIRECTORY_VARIABLE: &str = "LOCAL_CLUSTER_AUDIT_DIR";

/// A position in the audit log: requests that ended after it are later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker(u64);

/// A request as recorded in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    pub id: String,
    /// `ResponseComplete`, or `ResponseStarted` for a watch, or `Panic`.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`…
    pub verb: String,
    pub user: String,
    /// The impersonated user, if the request impersonated one.
    pub impersonated: Option<String>,
    /// Path and query.
    pub uri: String,
    pub user_agent: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// HTTP status; 0 if there was none.
    pub code: u16,
    /// The time at which the request arrived, in RFC 3339.
    pub received: String,
}

/// The path of the audit log of the control plane in this directory.
pub(crate) fn place(dir: &Path) -> Result<PathBuf> {
    let Some(kept) = std::env::var_os(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(dir.join("logs/audit.log"));
    };
    let kept = PathBuf::from(kept);
    fs::create_dir_all(&kept).at("create", &kept)?;
    let kept = fs::canonicalize(&kept).at("find", &kept)?;
    // The last part of a cluster's directory is unique to it.
    Ok(kept.join(dir.file_name().unwrap_or_default()).with_extension("audit.jsonl"))
}

/// Reads one control plane's audit log.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file, one JSON event a line.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until every request that has ended is in the log, and marks that position.
    ///
    /// Sends two requests with `client` (an administrator's, never that of the user to be counted),
    /// one after the other: the first may overtake an event that is about to be written, the second
    /// cannot overtake it too.
    pub async fn settled(&self, client: &Client) -> Result<Marker> {
        let from = self.length()?;
        self.pass(client, from).await?;
        self.pass(client, from).await
    }

    /// Requests of all users that ended after the marker; each request once.
    pub fn requests_since(&self, since: Marker) -> Result<Vec<AuditEvent>> {
        let mut seen = HashSet::new();
        Ok(self
            .events_since(since)?
            .into_iter()
            // A watch is counted when it starts: a watch that was open at the marker is no new
            // request when it ends.
            .filter(|event| event.verb != "watch" || event.stage != "ResponseComplete")
            .filter(|event| seen.insert(event.id.clone()))
            .collect())
    }

    /// Requests of one user (also while impersonating) that ended after the marker. A service
    /// account's user is `system:serviceaccount:{namespace}:{name}`.
    pub fn requests_of(&self, user: &str, since: Marker) -> Result<Vec<AuditEvent>> {
        let mut requests = self.requests_since(since)?;
        requests.retain(|event| event.impersonated.as_deref().unwrap_or(&event.user) == user);
        Ok(requests)
    }

    /// Everything logged after the marker, unmodified: a watch occurs twice, at its start and at
    /// its end.
    pub fn events_since(&self, since: Marker) -> Result<Vec<AuditEvent>> {
        let text = read_from(&self.path, since)?;
        text.lines()
            .map(|line| serde_json::from_str::<Line>(line).map(AuditEvent::from))
            .collect::<std::result::Result<_, _>>()
            .map_err(std::io::Error::from)
            .at("parse", &self.path)
    }

    fn length(&self) -> Result<Marker> {
        Ok(Marker(fs::metadata(&self.path).at("read", &self.path)?.len()))
    }

    /// Sends one request with a unique query and waits for it in the log. The marker is behind it.
    async fn pass(&self, client: &Client, from: Marker) -> Result<Marker> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let uri = format!("{MARKER_PATH}?marker={}-{number}", std::process::id());
        let request =
            Request::get(&uri).body(Vec::new()).map_err(kube::Error::HttpError).during("set a marker")?;
        client.request_text(request).await.during("put a marker into the audit log")?;
        let needle = format!("{uri}\"");
        wait_for(format!("{uri} in the audit log"), SETTLE_DEADLINE, || async {
            let tail = read_from(&self.path, from).map_err(|error| error.to_string())?;
            let found = tail.find(&needle).and_then(|at| Some(at + tail.get(at..)?.find('\n')? + 1));
            match found {
                Some(end) => Ok(Marker(from.0 + end as u64)),
                None => Err(format!("{} bytes without it", tail.len())),
            }
        })
        .await
    }
}

fn read_from(path: &Path, from: Marker) -> Result<String> {
    let mut file = File::open(path).at("open", path)?;
    file.seek(SeekFrom::Start(from.0)).at("read", path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).at("read", path)?;
    // Only whole lines: the last one may be incomplete.
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line of the log (audit.k8s.io/v1 Event), reduced to the fields used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(default)]
    request_received_timestamp: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        Self {
            id: line.audit_id,
            stage: line.stage,
            verb: line.verb,
            user: line.user.username,
            impersonated: line.impersonated_user.map(|user| user.username),
            uri: line.request_uri,
            user_agent: line.user_agent,
            group: line.object_ref.api_group,
            resource: line.object_ref.resource,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            code: line.response_status.code,
            received: line.request_received_timestamp,
        }
    }
}
