//! Port 8080: writes and reads of records, behind the key and the bucket.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{MatchedPath, Path, Query, Request, State},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    actuator,
    app::App,
    limit::Taken,
    log,
    store::{Broken, Entry, Level, Position},
};

/// The number of records per read if the client sets none.
const LIMIT: usize = 100;

/// Each route exists only if the protocol includes it; everything else is an error of the server,
/// not of the client.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    if app.settings.has_rest() {
        router = router
            .route("/api/logs", post(send))
            .route("/api/logs/batch", post(send_batch))
            .route("/api/logs/commit", post(commit))
            .route("/api/logs/seek", post(seek))
            .route("/api/logs/{channel}", get(read));
    }
    let mut router: Router =
        router.fallback(unknown).layer(from_fn_with_state(app.clone(), guard)).with_state(app.clone());
    if app.settings.probes && app.settings.probes_on_main_port {
        router = router.merge(actuator::additional(app.clone()));
    }
    router.layer(from_fn_with_state(app.clone(), measure))
}

/// Counts every call, including refused ones and those whose client disconnected.
async fn measure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let uri = request.extensions().get::<MatchedPath>().map_or("UNKNOWN", MatchedPath::as_str).to_owned();
    let began = Instant::now();
    let _active = Active::new(app.clone(), &method);
    let response = next.run(request).await;
    app.metrics.http(&method, &uri, response.status().as_u16(), began.elapsed());
    response
}

struct Active {
    app: Arc<App>,
    method: String,
}

impl Active {
    fn new(app: Arc<App>, method: &str) -> Self {
        app.metrics.http_active(method, 1.0);
        Self { app, method: method.to_owned() }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.app.metrics.http_active(&self.method, -1.0);
    }
}

/// Checks the key, then the bucket. An empty key is a key.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // Open to all clients; and not on this port.
    if request.uri().path().starts_with("/actuator") {
        return next.run(request).await;
    }
    let key = request.headers().get("x-api-key").map(HeaderValue::as_bytes);
    if key != Some(app.settings.api_key.as_bytes()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match app.bucket.take(Instant::now()) {
        Taken::Yes => next.run(request).await,
        Taken::No => {
            let headers = [("x-rate-limit-retry-after-seconds", "0")];
            (StatusCode::TOO_MANY_REQUESTS, headers, "Too Many Requests").into_response()
        }
        Taken::Impossible => unknown().await.into_response(),
    }
}

/// Status, code and message of an error response.
struct Refusal(StatusCode, &'static str, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let body = json!({ "errorCode": code, "message": message }).to_string();
        (status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

fn bad_request(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, code, message.into())
}

fn broken(what: &str, Broken(why): &Broken) -> Refusal {
    log::error("c.l.server.rest.LogController", &format!("{what}: {why}"));
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, "STORAGE_ERROR", what.into())
}

async fn unknown() -> Refusal {
    let message = "An unexpected error occurred".into();
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", message)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| bad_request("BAD_REQUEST", error.to_string()))
}

/// A record as a client writes it: every field may be missing.
#[derive(Deserialize)]
struct Given {
    channel: Option<String>,
    level: Option<Level>,
    message: Option<String>,
    meta: Option<Map<String, Value>>,
}

impl Given {
    /// Returns `None` if a field is missing.
    fn entry(self) -> Option<Entry> {
        Some(Entry {
            channel: self.channel?,
            level: self.level?,
            message: self.message?,
            meta: self.meta.unwrap_or_default(),
            timestamp: log::now(),
        })
    }
}

async fn send(State(app): State<Arc<App>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let Some(entry) = parse::<Given>(&body)?.entry() else {
        return Err(bad_request("VALIDATION_ERROR", "channel, level and message must not be null"));
    };
    store(&app, vec![entry]).await
}

/// Stores all records, or none if one is invalid; that counts as a failure of the server.
async fn send_batch(State(app): State<Arc<App>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let given: Vec<Given> = parse(&body)?;
    match given.into_iter().map(Given::entry).collect() {
        Some(entries) => store(&app, entries).await,
        None => Err(unknown().await),
    }
}

async fn store(app: &Arc<App>, entries: Vec<Entry>) -> Result<StatusCode, Refusal> {
    let levels: Vec<_> = entries.iter().map(|entry| entry.level).collect();
    let stored = app.storage(move |store| store.append(&entries)).await;
    stored.map_err(|why| broken("Failed to store log entry", &why))?;
    for level in levels {
        app.metrics.add("logpilot_logs_received_total", &[("level", level.name())], 1.0);
    }
    Ok(StatusCode::CREATED)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reading {
    consumer_id: Option<String>,
    limit: Option<usize>,
    auto_commit: Option<bool>,
}

async fn read(
    State(app): State<Arc<App>>,
    Path(channel): Path<String>,
    Query(reading): Query<Reading>,
) -> Result<Response, Refusal> {
    let Reading { consumer_id, limit, auto_commit } = reading;
    let (limit, commit) = (limit.unwrap_or(LIMIT), auto_commit.unwrap_or(true));
    let read = app.storage(move |store| store.read(&channel, consumer_id.as_deref(), limit, commit)).await;
    let records = read.map_err(|why| broken("Failed to retrieve log entries", &why))?;
    Ok(([(CONTENT_TYPE, "application/json")], json!(records).to_string()).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    channel: String,
    consumer_id: String,
    last_log_id: i64,
}

/// 200 even if the offset was not saved, as observed on the real server.
async fn commit(State(app): State<Arc<App>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let Commit { channel, consumer_id, last_log_id } = parse(&body)?;
    let committed = app.storage(move |store| {
        store.commit(&channel, &consumer_id, last_log_id);
        Ok(())
    });
    committed.await.map_err(|why| broken("Failed to commit", &why))?;
    Ok(StatusCode::OK)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seek {
    channel: String,
    consumer_id: String,
    operation: String,
    log_id: Option<i64>,
}

async fn seek(State(app): State<Arc<App>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let Seek { channel, consumer_id, operation, log_id } = parse(&body)?;
    let Some(to) = position(&operation, log_id) else {
        return Err(bad_request(
            "BAD_REQUEST",
            "operation must be EARLIEST, LATEST or SPECIFIC with a logId",
        ));
    };
    let sought = app.storage(move |store| store.seek(&channel, &consumer_id, to)).await;
    sought.map_err(|why| broken("Failed to seek", &why))?;
    Ok(StatusCode::OK)
}

/// Returns `None` for an unknown operation, and for SPECIFIC without an id.
#[must_use]
pub fn position(operation: &str, id: Option<i64>) -> Option<Position> {
    match operation {
        "EARLIEST" => Some(Position::Earliest),
        "LATEST" => Some(Position::Latest),
        "SPECIFIC" => id.map(Position::Specific),
        _ => None,
    }
}
