//! Port 50051: `LogService` and health checks, all behind the key, including the probe of a
//! kubelet, which has none.

use std::{pin::Pin, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::HeaderValue,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::post,
};
use jiff::Timestamp;
use prost::Message;
use serde_json::Value;
use tonic::{
    Code, Status,
    server::{Grpc, UnaryService},
};
use tonic_prost::ProstCodec;

use crate::{
    app::App,
    log,
    messages::{
        API_KEY, FetchLogsRequest, FetchLogsResponse, HEALTH, HealthCheckRequest, HealthCheckResponse,
        LOG_SERVICE, LogEntry, LogRequest, Outcome, SeekRequest, SendLogsRequest, ServingStatus,
    },
    rest,
    store::{Broken, Entry, Level, Stored},
};

/// Health is served in every mode; `LogService` if the protocol includes it.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    router = unary(router, HEALTH, "Check", check);
    if app.settings.has_grpc() {
        router = unary(router, LOG_SERVICE, "SendLog", send);
        router = unary(router, LOG_SERVICE, "SendLogs", send_all);
        router = unary(router, LOG_SERVICE, "FetchLogs", fetch);
        router = unary(router, LOG_SERVICE, "Seek", seek);
    }
    router.fallback(unknown).layer(from_fn_with_state(app.clone(), guard)).with_state(app.clone())
}

/// LogPilot's interceptor is global: it covers every service.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let key = request.headers().get(API_KEY).map(HeaderValue::as_bytes);
    if key == Some(app.settings.api_key.as_bytes()) {
        return next.run(request).await;
    }
    log::warn("c.l.s.g.i.ApiKeyGrpcInterceptor", "gRPC authentication failed. Missing or invalid API Key.");
    Status::unauthenticated("Invalid or missing API Key").into_http()
}

async fn unknown(request: Request) -> Response {
    let method = request.uri().path().trim_start_matches('/');
    Status::unimplemented(format!("Method not found: {method}")).into_http()
}

type Reply<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, Status>> + Send>>;

struct Method<F> {
    app: Arc<App>,
    name: (&'static str, &'static str),
    call: F,
}

impl<In, Out, F, Answered> UnaryService<In> for Method<F>
where
    In: Message + Default + 'static,
    Out: Message + Default + 'static,
    F: Fn(Arc<App>, In) -> Answered,
    Answered: Future<Output = Result<Out, Status>> + Send + 'static,
{
    type Response = Out;
    type Future = Reply<Out>;

    fn call(&mut self, request: tonic::Request<In>) -> Self::Future {
        let (app, (service, method)) = (self.app.clone(), self.name);
        let request = request.into_inner();
        #[expect(clippy::cast_precision_loss, reason = "a message is not that long")]
        let size = |length: usize| length as f64;
        let (received, began) = (size(request.encoded_len()), Instant::now());
        let answered = (self.call)(app.clone(), request);
        Box::pin(async move {
            app.metrics.grpc_active(service, method, 1.0);
            let answer = answered.await;
            app.metrics.grpc_active(service, method, -1.0);
            let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
            let sent = answer.as_ref().map_or(0.0, |answer| size(answer.encoded_len()));
            app.metrics.grpc(service, method, name(code), began.elapsed(), (received, sent));
            answer.map(tonic::Response::new)
        })
    }
}

/// The name as Java writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::NotFound => "NOT_FOUND",
        _ => "UNKNOWN",
    }
}

fn unary<In, Out, F, Answered>(
    router: Router<Arc<App>>,
    service: &'static str,
    method: &'static str,
    call: F,
) -> Router<Arc<App>>
where
    In: Message + Default + 'static,
    Out: Message + Default + 'static,
    F: Fn(Arc<App>, In) -> Answered + Copy + Send + Sync + 'static,
    Answered: Future<Output = Result<Out, Status>> + Send + 'static,
{
    let handler = move |State(app): State<Arc<App>>, request: Request| async move {
        let method = Method { app, name: (service, method), call };
        Grpc::new(ProstCodec::<Out, In>::default()).unary(method, request).await.map(Body::new)
    };
    router.route(&format!("/{service}/{method}"), post(handler))
}

/// Only the server as a whole is known, and it is serving as soon as it answers.
async fn check(_: Arc<App>, request: HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
    match request.service.as_str() {
        "" => Ok(HealthCheckResponse { status: ServingStatus::Serving.into() }),
        service => Err(Status::not_found(format!("unknown service {service}"))),
    }
}

async fn send(app: Arc<App>, request: LogRequest) -> Result<Outcome, Status> {
    send_all(app, SendLogsRequest { log_requests: vec![request] }).await
}

/// A storage failure is a response, not a status.
async fn send_all(app: Arc<App>, request: SendLogsRequest) -> Result<Outcome, Status> {
    let entries: Vec<_> = request.log_requests.into_iter().map(entry).collect();
    let levels: Vec<_> = entries.iter().map(|entry| entry.level).collect();
    let stored = app.storage(move |store| store.append(&entries)).await;
    if stored.is_ok() {
        for level in levels {
            app.metrics.add("logpilot_logs_received_total", &[("level", level.name())], 1.0);
        }
    }
    Ok(outcome(stored))
}

/// An unknown level becomes INFO.
fn entry(request: LogRequest) -> Entry {
    Entry {
        channel: request.channel,
        level: Level::of(&request.level).unwrap_or(Level::Info),
        message: request.message,
        meta: request.meta.into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
        timestamp: log::now(),
    }
}

fn outcome(result: Result<(), Broken>) -> Outcome {
    match result {
        Ok(()) => Outcome { status: "success".into(), message: String::new() },
        Err(Broken(why)) => {
            log::error("c.l.s.grpc.handler.GrpcLogHandler", &format!("Failed to store log entry: {why}"));
            Outcome { status: "error".into(), message: "Failed to store log entry".into() }
        }
    }
}

/// Always moves the consumer's offset.
async fn fetch(app: Arc<App>, request: FetchLogsRequest) -> Result<FetchLogsResponse, Status> {
    let FetchLogsRequest { consumer_id, channel, limit, .. } = request;
    if channel.is_empty() {
        return Err(Status::unknown(""));
    }
    let limit = usize::try_from(limit).unwrap_or(0);
    let read = app.storage(move |store| store.read(&channel, Some(&consumer_id), limit, true)).await;
    let logs = read.map_err(|Broken(_)| Status::unknown(""))?;
    Ok(FetchLogsResponse { logs: logs.into_iter().map(record).collect() })
}

fn record(Stored { entry, id }: Stored) -> LogEntry {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    LogEntry {
        channel: entry.channel,
        level: entry.level.name().into(),
        message: entry.message,
        meta: entry.meta.into_iter().map(|(name, value)| (name, text(value))).collect(),
        timestamp: entry.timestamp.parse().map_or(0, Timestamp::as_millisecond),
        id,
    }
}

async fn seek(app: Arc<App>, request: SeekRequest) -> Result<Outcome, Status> {
    let SeekRequest { channel, consumer_id, operation, log_id, .. } = request;
    let Some(to) = rest::position(&operation, Some(log_id)) else { return Err(Status::unknown("")) };
    Ok(outcome(app.storage(move |store| store.seek(&channel, &consumer_id, to)).await))
}
