//! Serves `/livez`, `/readyz` and `/metrics` over plain HTTP. The responses contain nothing about
//! individual resources.
//!
//! All clients on the pod network can connect. Idle or slow clients cannot exhaust the server:
//! connections are capped and closed after a while. Scrapers reconnect.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    routing::get,
    serve::Listener,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{exposition::Format, operator::Operator};

/// Maximum number of connections. Far below the limit of open files of a process. Each needs some
/// 20 KiB.
const PLACES: usize = 256;
/// Lifetime of one connection. Shorter than three periods of a liveness probe.
const LONGEST: Duration = Duration::from_secs(10);

/// Serves until cancelled, on a separate thread: a probe of the kubelet is answered even while all
/// other threads are busy with reconciles. The returned channel receives a message when the server
/// has ended.
///
/// # Errors
/// Returns an error if the address is in use or no thread can be created.
pub fn start(
    address: SocketAddr,
    operator: Operator,
    stop: CancellationToken,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (ended, end) = oneshot::channel();
    thread::Builder::new().name("health".to_owned()).spawn(move || {
        let served =
            runtime.block_on(async { serve(TcpListener::from_std(listener)?, operator, stop).await });
        // The receiver may be closed already.
        let _ = ended.send(served);
    })?;
    Ok(end)
}

async fn serve(listener: TcpListener, operator: Operator, stop: CancellationToken) -> io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(operator);
    let bounded = Bounded::new(listener, PLACES, LONGEST);
    axum::serve(bounded, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// Liveness does not depend on the API server: another process could not handle an unreachable or
/// failing one any better.
async fn alive(State(operator): State<Operator>) -> (StatusCode, String) {
    let problem = operator.liveness.stuck().map(|(resource, silent)| {
        format!("the watch of {resource} is stuck: silent for {} s", silent.as_secs())
    });
    operator.vitals.answered(problem.clone());
    problem.map_or_else(
        || (StatusCode::OK, "ok".to_owned()),
        |problem| (StatusCode::SERVICE_UNAVAILABLE, problem),
    )
}

async fn ready(State(operator): State<Operator>) -> (StatusCode, &'static str) {
    if operator.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the initial lists are not complete")
    }
}

async fn metrics(
    State(operator): State<Operator>,
    headers: HeaderMap,
) -> ([(HeaderName, &'static str); 1], String) {
    let format = Format::preferred(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let silences = operator.liveness.silences();
    let text =
        operator.metrics.render(&operator.resources(), operator.cache.len(), operator.leads(), &silences);
    ([(CONTENT_TYPE, format.content_type())], format.written(text))
}

/// A listener with a maximum number of connections and a maximum lifetime for each.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    longest: Duration,
}

impl Bounded {
    fn new(listener: TcpListener, places: usize, longest: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(places)), longest }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed, so a permit becomes available eventually.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection { stream, end: Box::pin(sleep(self.longest)), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// The stream, until its time is over.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Pin::new(&mut self.stream))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    use super::*;
    use crate::{engine::watch_liveness::STALE_AFTER, logpilot::plan};

    #[tokio::test(start_paused = true)]
    async fn a_process_with_a_watch_that_is_stuck_is_not_alive() {
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let operator = Operator::new(kube::Client::try_from(nowhere).unwrap(), plan::planner());
        let _watching = operator.liveness.watching("services");
        tokio::time::advance(STALE_AFTER).await;
        assert_eq!(alive(State(operator.clone())).await, (StatusCode::OK, "ok".to_owned()));
        let (_, told) = metrics(State(operator.clone()), HeaderMap::new()).await;
        assert!(
            told.contains("logpilot_operator_watch_silence_seconds{resource=\"services\"} 600"),
            "{told}"
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        let text = "the watch of services is stuck: silent for 601 s".to_owned();
        assert_eq!(alive(State(operator)).await, (StatusCode::SERVICE_UNAVAILABLE, text));
    }

    /// One thread runs all reconciles, as with a CPU limit of less than one core.
    #[tokio::test]
    async fn livez_answers_while_reconciles_take_every_thread() {
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let operator = Operator::new(kube::Client::try_from(nowhere).unwrap(), plan::planner());
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let stop = CancellationToken::new();
        let end = start(free, operator, stop.clone()).unwrap();
        // This test's runtime has one thread, and this is it.
        let answer = thread::spawn(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(free).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        let answer = answer.join().unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
        stop.cancel();
        timeout(Duration::from_secs(5), end).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn metrics_say_what_format_they_are_in() {
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let operator = Operator::new(kube::Client::try_from(nowhere).unwrap(), plan::planner());
        let accept = |types: &'static str| HeaderMap::from_iter([(ACCEPT, types.parse().unwrap())]);
        let (headers, text) = metrics(State(operator.clone()), HeaderMap::new()).await;
        assert_eq!(headers, [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")]);
        assert!(!text.contains("# EOF") && text.contains("# TYPE logpilot_operator_leader gauge"), "{text}");
        let (headers, text) = metrics(State(operator), accept("application/openmetrics-text")).await;
        assert_eq!(headers, [(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")]);
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[tokio::test]
    async fn who_asks_nothing_keeps_nobody_out() {
        const PLACES: usize = 4;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/livez", get(|| async { "alive" }));
        let bounded = Bounded::new(listener, PLACES, Duration::from_millis(200));
        let server = tokio::spawn(async move { axum::serve(bounded, routes).await });
        let mut idle = Vec::new();
        for number in 0..3 * PLACES {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if number % 2 == 0 {
                // A request that never ends.
                stream.write_all(b"GET /livez HTTP/1.1\r\nX-Slow: ").await.unwrap();
            }
            idle.push(stream);
        }
        let answer = timeout(Duration::from_secs(10), async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("alive"), "{answer}");
        // Those that came first were let go.
        for stream in &mut idle {
            let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
            assert!(ended.is_ok(), "a connection that asks nothing stays open");
        }
        server.abort();
    }
}
