//! Accepts connections, forwards requests, and applies the rules.

use std::{
    convert::Infallible,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::{
    Error, Shared,
    events::{self, Cut, Out},
    record::Record,
    request::{Asked, query},
    rule::{Fault, Moment, Reply},
};

type Answer = Result<Response<StreamBody<Out>>, Cut>;

/// The certificate and key with which the proxy proves its address.
#[derive(Clone)]
pub struct Certificate {
    pem: String,
    acceptor: TlsAcceptor,
}

impl Certificate {
    /// Generates a new certificate that no client trusts yet.
    ///
    /// # Errors
    /// There is no source of randomness, or no version of TLS.
    pub fn new() -> Result<Self, Error> {
        let made =
            rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        Ok(Self { pem: made.cert.pem(), acceptor: TlsAcceptor::from(Arc::new(tls)) })
    }

    /// The PEM certificate that a client must trust to connect.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// Listens on a free port of the loopback interface. Returns the address and the task.
pub async fn start(shared: Arc<Shared>) -> Result<(SocketAddr, JoinHandle<()>), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let (shared, acceptor) = (Arc::clone(&shared), shared.presented().acceptor.clone());
            // Otherwise the end of a response waits 40 ms for the acknowledgement of its beginning.
            let _ = socket.set_nodelay(true);
            tokio::spawn(async move {
                let life = shared.life.load(Ordering::SeqCst);
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let mut dead = shared.dead.subscribe();
                let service = service_fn(|request| answer(Arc::clone(&shared), life, request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    ended = connection => if let Err(error) = ended { debug!(%error, "connection ended") },
                    // The sender lives as long as the proxy.
                    _ = dead.wait_for(|dead| life <= *dead) => {}
                }
            });
        }
    });
    Ok((address, server))
}

async fn answer(shared: Arc<Shared>, life: u64, request: Request<Incoming>) -> Answer {
    if crashed(&shared, life) {
        return silence().await;
    }
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked = Asked::of(&head);
    let (rule, fault) = shared.judge(&asked).unzip();
    let sequence = note(&shared, life, &head, &asked, &body, fault.as_ref());
    head.uri = shared.narrowed(&asked, head.uri);
    let url = head.uri.to_string();
    let (at_once, afterwards) = match fault {
        Some(
            Fault::LoseReply | Fault::AnswerAfter(_) | Fault::Crash(Moment::Committed | Moment::Replied),
        ) => (None, rule),
        _ => (rule, None),
    };
    if let Some(Fault::Crash(Moment::Before)) = fault {
        shared.die(life);
    }
    at_once.inspect(|rule| shared.acted(*rule));
    match &fault {
        Some(Fault::Delay { millis }) => tokio::time::sleep(Duration::from_millis(*millis)).await,
        Some(Fault::Refuse) => return Err(Cut),
        Some(Fault::Hang | Fault::Crash(Moment::Before)) => return silence().await,
        Some(Fault::Answer(reply)) => return Ok(told(&shared, sequence, reply)),
        Some(Fault::Replay) => {
            let known = shared.state().lists.get(&url).cloned();
            if let Some(list) = known {
                shared.answered(sequence, 200);
                return Ok(whole(200, list));
            }
        }
        _ => {}
    }
    let mut forwarded = Request::from_parts(head, kube::client::Body::from(body.to_vec()));
    // The upstream sets its own host; and a response that is modified in transit must be readable.
    forwarded.headers_mut().remove(header::HOST);
    forwarded.headers_mut().remove(header::ACCEPT_ENCODING);
    // A forwarded request is carried out even if its sender ends in the meantime.
    let upstream = shared.upstream.clone();
    let Ok(Ok(answer)) = tokio::spawn(async move { upstream.send(forwarded).await }).await else {
        return Err(Cut);
    };
    if let Some(Fault::Crash(_)) = fault {
        shared.die(life);
    }
    // A test that waits for the rule may terminate the client immediately, and with it this request.
    afterwards.inspect(|rule| shared.acted(*rule));
    match &fault {
        Some(Fault::LoseReply) => return Err(Cut),
        Some(Fault::AnswerAfter(reply)) => return Ok(told(&shared, sequence, reply)),
        Some(Fault::Crash(Moment::Committed)) => return silence().await,
        _ => {}
    }
    let (mut head, body) = answer.into_parts();
    shared.answered(sequence, head.status.as_u16());
    if asked.verb == "list" && head.status.is_success() && !shared.state().lists.contains_key(&url) {
        let Ok(list) = body.collect().await.map(http_body_util::Collected::to_bytes) else { return Err(Cut) };
        shared.state().lists.insert(url, list.clone());
        let body = kube::client::Body::from(list.to_vec());
        return Ok(Response::from_parts(head, StreamBody::new(events::pass(body, fault, false))));
    }
    // A rule changes the length of a body.
    head.headers.remove(header::CONTENT_LENGTH);
    let watch = asked.verb == "watch" && head.status.is_success();
    Ok(Response::from_parts(head, StreamBody::new(events::pass(body, fault, watch))))
}

fn crashed(shared: &Shared, life: u64) -> bool {
    shared.state().died >= life
}

/// Neither a response nor an end, until the client disconnects.
async fn silence() -> Answer {
    std::future::pending::<Infallible>().await;
    Err(Cut)
}

fn told(shared: &Shared, sequence: u64, reply: &Reply) -> Response<StreamBody<Out>> {
    shared.answered(sequence, reply.status);
    let mut response = whole(reply.status, Bytes::from(reply.body().to_string()));
    if let Some(seconds) = reply.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn whole(status: u16, body: Bytes) -> Response<StreamBody<Out>> {
    let body: Out = stream::once(async { Ok(Frame::data(body)) }).boxed();
    let mut response = Response::new(StreamBody::new(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn note(
    shared: &Shared,
    life: u64,
    head: &http::request::Parts,
    asked: &Asked,
    body: &Bytes,
    fault: Option<&Fault>,
) -> u64 {
    let text = |name: &str| query(&head.uri, name).map(str::to_owned);
    let written: Option<Value> = serde_json::from_slice(body).ok();
    let precondition = written.as_ref().and_then(|body| {
        ["/metadata/resourceVersion", "/metadata/uid", "/preconditions/uid"]
            .iter()
            .find_map(|pointer| Some(format!("{pointer}={}", body.pointer(pointer)?.as_str()?)))
    });
    let credential = head.headers.get(header::AUTHORIZATION);
    let agent = head.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let (address, content) = (head.uri.to_string(), String::from_utf8_lossy(body));
    let mut state = shared.state();
    let spoken = |text: &&String| address.contains(text.as_str()) || content.contains(text.as_str());
    let found = state.listened_for.iter().filter(spoken).cloned().collect();
    let sequence = u64::try_from(state.records.len()).unwrap_or(u64::MAX) + 1;
    state.records.push(Record {
        sequence,
        millis: u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        life,
        asked: asked.clone(),
        resource_version: text("resourceVersion"),
        field_manager: text("fieldManager"),
        user_agent: agent.map(str::to_owned),
        precondition,
        body: if body.is_empty() { String::new() } else { digest(body) },
        heard: found,
        credential: credential.map(|credential| digest(credential.as_bytes())),
        status: 0,
        fault: fault.and_then(|fault| serde_json::to_string(fault).ok()),
    });
    sequence
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes).first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default();
    format!("{hash:016x}")
}

impl Shared {
    /// Returns the URL for a list or a watch that is restricted to a part of the objects.
    fn narrowed(&self, asked: &Asked, uri: http::Uri) -> http::Uri {
        if !matches!(asked.verb.as_str(), "list" | "watch") {
            return uri;
        }
        let state = self.state();
        let matching = state.narrow.iter().filter(|narrow| narrow.when.matches(asked));
        matching.fold(uri, |uri, narrow| narrow.apply(&uri))
    }

    /// Marks the client of this life as dead.
    fn die(&self, life: u64) {
        self.state().died = life;
    }

    /// Completes the record, and writes it if there is a log.
    fn answered(&self, sequence: u64, status: u16) {
        let mut state = self.state();
        let place = usize::try_from(sequence).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(record) = state.records.get_mut(place) else { return };
        record.status = status;
        let line = serde_json::to_string(record).unwrap_or_default();
        drop(state);
        if let Some(path) = &self.log
            && let Ok(mut file) = std::fs::File::options().create(true).append(true).open(path)
        {
            // A record that cannot be written is still in memory.
            let _ = writeln!(file, "{line}");
        }
    }
}
