//! From startup to stop, in LogPilot's order.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::TaskTracker;

use crate::{
    actuator,
    app::App,
    failure::{Failure, Trace},
    grpc,
    limit::Bucket,
    listen::Listening,
    log,
    metrics::Metrics,
    properties::Properties,
    rest,
    settings::{Listener, Settings},
    store::{Level, Store},
    switches::Switches,
};

const APPLICATION: &str = "c.l.server.LogPilotServerApplication";

/// The exit code of a JVM at SIGTERM.
const TERMINATED: u8 = 143;

/// The time for scrapes and probes in progress; LogPilot's port closes 0.3 s after the signal.
const MANAGEMENT_DRAIN: Duration = Duration::from_millis(200);

struct Listeners {
    http: Option<Listening>,
    management: Option<Listening>,
    grpc: Option<Listening>,
}

/// Serves until SIGTERM, and returns the exit code.
///
/// # Errors
/// The reason why it does not start.
pub async fn run(env: BTreeMap<String, String>, directory: &Path) -> Result<u8, Failure> {
    let mut signals = Signals::new()?;
    let began = Instant::now();
    log::info(
        APPLICATION,
        "Starting log-server, a stand-in for LogPilot 1.2.0. It is a test tool, not LogPilot",
    );
    let switches = Switches::read(&env)?;
    let properties = Properties::load(env, directory)?;
    crash(&properties, &switches)?;
    let settings = Settings::bind(&properties)?;
    if switches != Switches::default() {
        log::warn("log-server", &format!("Active switches: {switches:?}"));
    }
    if tokio::time::timeout(switches.slow_start, signals.next()).await.is_ok() {
        return Ok(TERMINATED);
    }
    let app = Arc::new(app(settings, properties, switches, began)?);
    if app.switches.leak_mib > 0 {
        tokio::spawn(leak(app.switches.leak_mib));
    }
    let listeners = listen(&app).await?;
    app.accepting.store(true, Ordering::Relaxed);
    let took = began.elapsed().as_secs_f64();
    log::info(APPLICATION, &format!("Started LogPilotServerApplication in {took:.3} seconds"));
    signals.next().await;
    stop(&app, listeners).await;
    Ok(TERMINATED)
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::Run(format!("signal handler: {error}")));
        Ok(Self { term: on(SignalKind::terminate())?, int: on(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

fn crash(properties: &Properties, switches: &Switches) -> Result<(), Failure> {
    if let Some((trace, cause)) = switches.end_with {
        return Err(Failure::Trace { trace, cause: cause.to_owned() });
    }
    let key_store = properties.get("server.ssl.key-store").map(|found| found.value);
    if let Some(path) = key_store.filter(|path| !Path::new(path.trim_start_matches("file:")).exists()) {
        return Err(Failure::Trace {
            trace: Trace::KeyStore,
            cause: format!("java.io.FileNotFoundException: {path}"),
        });
    }
    let Some((name, bad)) = &switches.crash_on else { return Ok(()) };
    match properties.get(name) {
        Some(found) if bad.as_ref().is_none_or(|bad| *bad == found.value) => Err(Failure::Bind {
            property: name.clone(),
            value: found.value,
            origin: found.origin,
            target: "java.lang.Object",
            reason: "LOG_SERVER_CRASH_ON names it".into(),
        }),
        _ => Ok(()),
    }
}

fn app(
    settings: Settings,
    properties: Properties,
    switches: Switches,
    started: Instant,
) -> Result<App, Failure> {
    let metrics = Metrics::default();
    if settings.has_rest() {
        for level in Level::ALL {
            metrics.add("logpilot_logs_received_total", &[("level", level.name())], 0.0);
        }
    }
    Ok(App {
        store: Store::open(&settings.storage, switches.storage_fault.clone())?,
        bucket: Bucket::new(settings.rate, started),
        metrics,
        started,
        accepting: AtomicBool::new(false),
        calls: TaskTracker::new(),
        settings,
        properties,
        switches,
    })
}

async fn listen(app: &Arc<App>) -> Result<Listeners, Failure> {
    let settings = &app.settings;
    let http = open(settings.http, "Web server", || rest::router(app)).await?;
    let management =
        open(settings.management, "Management web server", || actuator::router(app.clone())).await?;
    for listening in [&http, &management] {
        let port = listening.as_ref().map_or(-1, |listening| i32::from(listening.port));
        log::info(
            "o.s.b.w.embedded.tomcat.TomcatWebServer",
            &format!("Tomcat started on port {port} (http)"),
        );
    }
    let grpc = open(settings.grpc, "gRPC server", || grpc::router(app)).await?;
    if let Some(Listening { port, .. }) = &grpc {
        let line =
            format!("gRPC Server started, listening on address: {}, port: {port}", settings.grpc.address);
        log::info("n.d.b.g.s.s.GrpcServerLifecycle", &line);
    }
    Ok(Listeners { http, management, grpc })
}

async fn open(
    listener: Listener,
    what: &str,
    router: impl FnOnce() -> Router,
) -> Result<Option<Listening>, Failure> {
    let Some(port) = listener.port else { return Ok(None) };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse if what == "gRPC server" => Failure::Run(format!(
            "Failed to bind to address {}/{}:{port}",
            listener.address, listener.address
        )),
        io::ErrorKind::AddrInUse => Failure::Banner {
            description: format!("Web server failed to start. Port {port} was already in use."),
            action: format!("Identify and stop the process that's listening on port {port}"),
        },
        _ => Failure::Run(format!("{what} failed to start on {}:{port}: {error}", listener.address)),
    };
    let address = SocketAddr::new(listener.address, port);
    Listening::start(address, router()).await.map(Some).map_err(failed)
}

/// gRPC is always drained, and first. HTTP is drained if shutdown is graceful, and otherwise cut,
/// although its records are still stored: a client that retries then stores them twice.
async fn stop(app: &App, listeners: Listeners) {
    app.accepting.store(false, Ordering::Relaxed);
    if app.switches.exit_at_once {
        log::warn("log-server", "LOG_SERVER_EXIT_AT_ONCE: requests in flight are lost");
        return;
    }
    let Listeners { http, management, grpc } = listeners;
    let limit = app.settings.drain;
    let drained = |listening: Option<Listening>, limit| async move {
        if let Some(listening) = listening {
            listening.drain(limit).await;
        }
    };
    let public = async {
        if app.settings.graceful {
            log::info(
                "o.s.b.w.e.tomcat.GracefulShutdown",
                "Commencing graceful shutdown. Waiting for active requests to complete",
            );
            tokio::join!(drained(grpc, limit), drained(http, limit));
        } else {
            drained(grpc, limit).await;
            if let Some(http) = http {
                http.cut();
            }
        }
    };
    tokio::join!(drained(management, MANAGEMENT_DRAIN), public);
    app.calls.close();
    _ = tokio::time::timeout(limit, app.calls.wait()).await;
    log::info(APPLICATION, "Stopped");
}

/// The memory is written to, so that it counts.
async fn leak(mib: usize) {
    let mut kept = Vec::new();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        kept.push(vec![1_u8; mib << 20]);
    }
}
