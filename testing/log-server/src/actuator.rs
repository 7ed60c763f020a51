//! The management port: health and its groups, metrics, and the effective configuration.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::app::App;

const JSON: &str = "application/vnd.spring-boot.actuator.v3+json";
const PROMETHEUS: &str = "text/plain;version=0.0.4;charset=utf-8";
const HIDDEN: &str = "******";

pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/actuator/health", get(health))
        .route("/actuator/health/{group}", get(group))
        .route("/actuator/info", get(info))
        .route("/actuator/prometheus", get(prometheus))
        .route("/actuator/env", get(env))
        .route("/actuator/env/{property}", get(property))
        .with_state(app)
}

/// The groups on the main port, if the configuration enables them.
pub fn additional(app: Arc<App>) -> Router {
    let answer = |name: &'static str| get(move |State(app): State<Arc<App>>| async move { one(&app, name) });
    Router::new().route("/livez", answer("liveness")).route("/readyz", answer("readiness")).with_state(app)
}

/// A server that answers here has started, so liveness is always correct.
fn status(app: &App, group: &str) -> Option<&'static str> {
    match group {
        "readiness" if app.store.is_faulty() => Some("DOWN"),
        "readiness" if !app.is_accepting() => Some("OUT_OF_SERVICE"),
        "liveness" | "readiness" => Some("UP"),
        _ => None,
    }
}

/// 503 for every status except UP.
fn answer(status: &str, groups: &[&str]) -> Response {
    let code = if status == "UP" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = if groups.is_empty() {
        json!({ "status": status })
    } else {
        json!({ "status": status, "groups": groups })
    };
    (code, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
}

/// The worst of all states. Without the groups, it does not include whether traffic is accepted.
async fn health(State(app): State<Arc<App>>) -> Response {
    let groups: &[&str] = if app.settings.probes { &["liveness", "readiness"] } else { &[] };
    let status = match status(&app, "readiness") {
        Some("OUT_OF_SERVICE") if groups.is_empty() => "UP",
        status => status.unwrap_or("UNKNOWN"),
    };
    answer(status, groups)
}

async fn group(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    if app.settings.probes { one(&app, &name) } else { StatusCode::NOT_FOUND.into_response() }
}

fn one(app: &App, name: &str) -> Response {
    status(app, name).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |status| answer(status, &[]))
}

async fn prometheus(State(app): State<Arc<App>>) -> Response {
    if !app.settings.exposes("prometheus") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !app.settings.prometheus {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(CONTENT_TYPE, PROMETHEUS)], app.metrics.render(app.started.elapsed())).into_response()
}

/// Everything below `info.`, if `management.info.env.enabled` is set.
async fn info(State(app): State<Arc<App>>) -> Response {
    let info = if app.settings.info_env { app.properties.below("info") } else { BTreeMap::new() };
    exposed(&app, "info", &json!(info))
}

/// Every property of every source, strongest source first. Values are hidden unless
/// `management.endpoint.env.show-values` shows them.
async fn env(State(app): State<Arc<App>>) -> Response {
    let shown = |value: &str| if app.settings.show_values { value.to_owned() } else { HIDDEN.to_owned() };
    let variables: Map<String, Value> = app
        .properties
        .env
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "value": shown(value) })))
        .collect();
    let mut sources = vec![json!({ "name": "systemEnvironment", "properties": variables })];
    for source in &app.properties.sources {
        let values: Map<String, Value> = app
            .properties
            .of(source)
            .map(|(name, value)| (name.to_owned(), json!({ "value": shown(&value) })))
            .collect();
        sources.push(json!({ "name": source.name, "properties": values }));
    }
    exposed(&app, "env", &json!({ "propertySources": sources }))
}

/// The effective value, and its source.
async fn property(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let Some(found) = app.properties.get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let value = if app.settings.show_values { found.value } else { HIDDEN.into() };
    exposed(&app, "env", &json!({ "property": { "source": found.origin, "value": value } }))
}

fn exposed(app: &App, endpoint: &str, body: &Value) -> Response {
    if app.settings.exposes(endpoint) {
        ([(CONTENT_TYPE, JSON)], body.to_string()).into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}
