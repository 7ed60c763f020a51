//! An S3 server on loopback whose objects are files, with faults on demand.

use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::Response, serve::Listener};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, pki_types::PrivatePkcs8KeyDer},
    server::TlsStream,
};

pub const BUCKET: &str = "logs-backup";
pub const KEY: &str = "TESTKEY";
pub const SECRET: &str = "s3cr3t/v4lue+";

/// The fault of requests with this method, and with this text in their path or query.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The request is never answered.
    Hang(&'static str, &'static str),
    /// The first request gets this status.
    Once(u16, &'static str, &'static str),
    /// A byte of each copy changes before it is stored.
    Spoil,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    hit: bool,
    seen: Vec<String>,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

pub struct Server {
    pub url: String,
    files: TempDir,
    state: Shared,
    _runtime: Runtime,
}

impl Server {
    pub fn start() -> Self {
        Self::listen(None)
    }

    /// Starts the server with a certificate that a private authority signed; also returns the
    /// authority's certificate.
    pub fn start_tls() -> (Self, String) {
        let (ca, identity) = identity();
        (Self::listen(Some(identity)), ca)
    }

    fn listen(identity: Option<TlsAcceptor>) -> Self {
        let files = tempfile::tempdir().unwrap();
        fs::create_dir(files.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(files.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let (service, state) = (builder.build(), Shared::default());
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        let router =
            Router::new().fallback(move |request| answer(service.clone(), Arc::clone(&shared), request));
        let scheme = if identity.is_some() { "https" } else { "http" };
        match identity {
            None => drop(runtime.spawn(async move { axum::serve(listener, router).await.unwrap() })),
            Some(acceptor) => {
                let listener = Tls { listener, acceptor };
                drop(runtime.spawn(async move { axum::serve(listener, router).await.unwrap() }));
            }
        }
        let url = format!("{scheme}://{address}");
        Self { url, files, state, _runtime: runtime }
    }

    pub fn fail(&self, fault: Option<Fault>) {
        let mut state = self.state.0.lock().unwrap();
        (state.fault, state.hit) = (fault, false);
    }

    pub fn wait_until_hit(&self) {
        let (state, changed) = &*self.state;
        let waited = changed
            .wait_timeout_while(state.lock().unwrap(), Duration::from_secs(60), |state| !state.hit)
            .unwrap();
        assert!(!waited.1.timed_out(), "the fault was never met");
    }

    /// Returns the number of requests with this method, and with this text in their path or query.
    pub fn seen(&self, method: &str, part: &str) -> usize {
        let state = self.state.0.lock().unwrap();
        state.seen.iter().filter(|seen| seen.starts_with(method) && seen.contains(part)).count()
    }

    /// Returns the names directly under a prefix, in order.
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(prefix)) else { return Vec::new() };
        let files = entries.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().unwrap().is_file());
        let mut names: Vec<_> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Returns the number of files of unfinished uploads; the server stores them next to its buckets.
    pub fn uploads(&self) -> usize {
        let entries = fs::read_dir(self.files.path()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with(".upload")).count()
    }

    pub fn get(&self, key: &str) -> Vec<u8> {
        fs::read(self.path(key)).unwrap()
    }

    pub fn put(&self, key: &str, content: &[u8]) {
        let path = self.path(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn remove(&self, key: &str) {
        fs::remove_file(self.path(key)).unwrap();
    }

    fn path(&self, key: &str) -> PathBuf {
        self.files.path().join(BUCKET).join(key)
    }
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not trust the certificate disconnects.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn identity() -> (String, TlsAcceptor) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &Issuer::new(authority, authority_key))
        .unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (ca, TlsAcceptor::from(Arc::new(config)))
}

async fn answer(service: S3Service, shared: Shared, mut request: Request) -> Response {
    let what = format!("{} {}", request.method(), request.uri());
    let meets = |method: &str, part: &str| what.starts_with(method) && what.contains(part);
    let (fault, hit) = {
        let mut state = shared.0.lock().unwrap();
        state.seen.push(what.clone());
        let hit = match state.fault {
            Some(Fault::Hang(method, part)) => meets(method, part),
            Some(Fault::Once(_, method, part)) => !state.hit && meets(method, part),
            Some(Fault::Spoil) => meets("PUT", "partNumber="),
            None => false,
        };
        state.hit |= hit;
        (state.fault, hit)
    };
    if hit {
        shared.1.notify_all();
        match fault {
            Some(Fault::Hang(..)) => std::future::pending().await,
            Some(Fault::Once(status, ..)) => {
                return Response::builder()
                    .status(StatusCode::from_u16(status).unwrap())
                    .body(Body::from("<Error><Code>SlowDown</Code></Error>"))
                    .unwrap();
            }
            _ => {
                let (head, body) = request.into_parts();
                let mut bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                request = Request::from_parts(head, Body::from(bytes));
            }
        }
    }
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => panic!("{error:?}"),
    }
}
