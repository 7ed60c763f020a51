//! `/livez`, `/readyz` and `/metrics` over plain HTTP. Nothing about any resource is told here.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::operator::Operator;

/// Serves until cancelled.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    operator: Operator,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(operator);
    axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

async fn ready(State(operator): State<Operator>) -> (StatusCode, &'static str) {
    if operator.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the first lists are under way")
    }
}

async fn metrics(State(operator): State<Operator>) -> String {
    operator.metrics.render(operator.clusters(), operator.live.len(), operator.leads())
}
