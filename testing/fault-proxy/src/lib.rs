//! A proxy between an operator and its API server that records every request and injects the faults
//! that rules define. A test tool.

pub mod events;
mod record;
mod request;
mod rule;
mod serve;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
pub use record::Record;
pub use request::Asked;
pub use rule::{Fault, Moment, Narrow, Reply, Rule, Times, When, read as read_rules};
pub use serve::Certificate;
use tokio::{sync::watch, task::JoinHandle};

/// The reason why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("create a client for the API server: {0}")]
    Client(kube::Error),
    #[error("create a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("serve TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("listen: {0}")]
    Listen(#[from] std::io::Error),
}

/// The identifier of an added rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// A running proxy; it stops when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    upstream: Client,
    started: Instant,
    log: Option<PathBuf>,
    presented: Mutex<Certificate>,
    state: Mutex<State>,
    /// Changes each time a rule acts.
    hits: watch::Sender<u64>,
    /// Connections of this life and earlier ones are closed.
    dead: watch::Sender<u64>,
    life: AtomicU64,
}

#[derive(Default)]
struct State {
    rules: Vec<Given>,
    narrow: Vec<Narrow>,
    next: u64,
    records: Vec<Record>,
    listened_for: Vec<String>,
    /// The first response to each list, by URL.
    lists: std::collections::HashMap<String, bytes::Bytes>,
    /// Requests of this life and earlier ones reach neither side.
    died: u64,
}

struct Given {
    id: RuleId,
    rule: Rule,
    matched: u64,
    acted: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn presented(&self) -> MutexGuard<'_, Certificate> {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first rule that acts on this request, with its fault. Every matching rule counts
    /// the request.
    fn judge(&self, asked: &Asked) -> Option<(RuleId, Fault)> {
        let mut state = self.state();
        let mut acting = None;
        for given in state.rules.iter_mut().filter(|given| given.rule.when.matches(asked)) {
            given.matched += 1;
            if acting.is_none() && given.rule.times.include(given.matched) {
                acting = Some((given.id, given.rule.then.clone()));
            }
        }
        acting
    }

    /// Records that a rule has acted.
    fn acted(&self, id: RuleId) {
        if let Some(given) = self.state().rules.iter_mut().find(|given| given.id == id) {
            given.acted += 1;
        }
        self.hits.send_modify(|hits| *hits += 1);
    }
}

impl Proxy {
    /// Starts a proxy for the API server of a kubeconfig's current context. Clients authenticate
    /// with their own tokens.
    ///
    /// # Errors
    /// The kubeconfig cannot be read, or no port is available.
    pub async fn start(kubeconfig: &Kubeconfig, log: Option<PathBuf>) -> Result<Self, Error> {
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default()).await?;
        config.auth_info = kube::config::AuthInfo::default();
        config.read_timeout = None;
        config.write_timeout = None;
        config.default_retry = false;
        let shared = Arc::new(Shared {
            upstream: Client::try_from(config).map_err(Error::Client)?,
            started: Instant::now(),
            log,
            presented: Mutex::new(Certificate::new()?),
            state: Mutex::default(),
            hits: watch::Sender::new(0),
            dead: watch::Sender::new(0),
            life: AtomicU64::new(1),
        });
        let (address, server) = serve::start(Arc::clone(&shared)).await?;
        Ok(Self { address, shared, server })
    }

    /// Returns a kubeconfig of the same user that points to the proxy.
    #[must_use]
    pub fn kubeconfig(&self, of: &Kubeconfig) -> Kubeconfig {
        let mut through = of.clone();
        for cluster in through.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(format!("https://{}", self.address));
            cluster.certificate_authority = None;
            cluster.certificate_authority_data = Some(BASE64.encode(self.shared.presented().pem()));
        }
        through
    }

    #[allow(clippy::must_use_candidate, reason = "most rules stay")]
    /// Adds a rule; earlier rules take precedence.
    pub fn rule(&self, rule: Rule) -> RuleId {
        let mut state = self.shared.state();
        state.next += 1;
        let id = RuleId(state.next);
        state.rules.push(Given { id, rule, matched: 0, acted: 0 });
        id
    }

    /// Removes a rule. Connections that it froze stay frozen.
    pub fn lift(&self, id: RuleId) {
        self.shared.state().rules.retain(|given| given.id != id);
    }

    /// Returns how often a rule acted. A rule that lets a request be carried out first counts after
    /// that.
    #[must_use]
    pub fn acted(&self, id: RuleId) -> u64 {
        self.shared.state().rules.iter().find(|given| given.id == id).map_or(0, |given| given.acted)
    }

    /// Waits until a rule has acted. Returns whether it did so in time.
    pub async fn wait_for(&self, id: RuleId, within: Duration) -> bool {
        let mut hits = self.shared.hits.subscribe();
        let acted = hits.wait_for(|_| self.acted(id) > 0);
        tokio::time::timeout(within, acted).await.is_ok()
    }

    /// Lists and watches that begin from now on show only what these selectors match.
    pub fn narrow(&self, to: Vec<Narrow>) {
        self.shared.state().narrow = to;
    }

    /// From now on, records which requests contain one of these texts literally.
    pub fn listen_for(&self, texts: Vec<String>) {
        self.shared.state().listened_for = texts;
    }

    /// Resets the proxy: no rules, no records, no texts to search for, no lists to replay.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.rules.clear();
        state.records.clear();
        state.listened_for.clear();
        state.lists.clear();
    }

    /// Ends a simulated crash: new connections pass.
    pub fn revive(&self) {
        self.shared.life.fetch_add(1, Ordering::SeqCst);
    }

    /// New connections get this certificate.
    pub fn present(&self, certificate: Certificate) {
        *self.shared.presented() = certificate;
    }

    /// Closes every connection; new ones are accepted.
    pub fn cut(&self) {
        let life = self.shared.life.fetch_add(1, Ordering::SeqCst);
        self.shared.dead.send_replace(life);
    }

    /// Returns all requests so far, in the order of arrival.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.shared.state().records.clone()
    }

    /// Returns the newest matching request.
    #[must_use]
    pub fn last(&self, such: impl Fn(&Record) -> bool) -> Option<Record> {
        self.shared.state().records.iter().rfind(|record| such(record)).cloned()
    }

    /// Returns how many requests so far match.
    #[must_use]
    pub fn count(&self, such: impl Fn(&Record) -> bool) -> usize {
        self.shared.state().records.iter().filter(|record| such(record)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}
