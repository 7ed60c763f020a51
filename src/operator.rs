//! Connects the parts of the operator: watches, queue and controller.

use std::sync::Arc;

use futures::FutureExt;
use kube::{Client, Config, runtime::reflector::store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{
        cache::ObjectCache,
        client_timeout,
        contention::Contention,
        controller::ControllerRuntime,
        lease::{Elector, Leadership, LeadershipLost},
        resource::ResourceKind,
        watch_liveness::WatchLiveness,
        watches::{Triggers, Watches},
    },
    kinds::{DOMAIN, KINDS, LOGPILOT_CLUSTER, SERVICE_STACK},
    logpilot::{controller::Controller, plan::Planner},
    metrics::Metrics,
    stack,
    vitals::Vitals,
};

/// A running operator, as its health and metrics endpoints see it.
#[derive(Clone)]
pub struct Operator {
    pub cache: Arc<ObjectCache>,
    pub metrics: Arc<Metrics>,
    pub liveness: Arc<WatchLiveness>,
    pub vitals: Arc<Vitals>,
    store: store::Store<kube::api::DynamicObject>,
    stacks: store::Store<kube::api::DynamicObject>,
    contention: Arc<Contention>,
    client: Client,
    planner: Planner,
    image: Option<String>,
    term: Leadership,
    election: Option<Arc<Elector>>,
    parts: Arc<std::sync::Mutex<Option<Parts>>>,
}

struct Parts {
    writer: store::Writer<kube::api::DynamicObject>,
    stacks: store::Writer<kube::api::DynamicObject>,
    progress: (watch::Sender<u64>, watch::Receiver<u64>),
}

/// The name of the Lease. One Lease in the namespace of the operator covers all LogPilotClusters.
pub const LEASE: &str = "logpilot-operator";

/// The user agent of the operator in the audit log of the API server.
const USER_AGENT: &str = concat!("logpilot-operator/", env!("CARGO_PKG_VERSION"));

/// Returns a client whose requests time out and that does not retry by itself.
///
/// # Errors
/// Returns an error if the configuration is not valid for a client (certificates, proxy).
pub fn client(mut config: Config) -> Result<Client, kube::Error> {
    // kube retries 429, 503 and 504 for minutes before it returns. The operator decides itself how
    // to handle each of them.
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT)));
    Client::try_from(config).map(client_timeout::bounded)
}

impl Operator {
    #[must_use]
    pub fn new(client: Client, planner: Planner) -> Self {
        let writer = store::Writer::new(LOGPILOT_CLUSTER.api_resource());
        let stacks = store::Writer::new(SERVICE_STACK.api_resource());
        Self {
            cache: Arc::new(ObjectCache::default()),
            metrics: Arc::new(Metrics::default()),
            liveness: Arc::default(),
            vitals: Arc::default(),
            store: writer.as_reader(),
            stacks: stacks.as_reader(),
            contention: Arc::new(Contention::new(DOMAIN.resources)),
            client,
            planner,
            image: None,
            term: Leadership::default(),
            election: None,
            parts: Arc::new(std::sync::Mutex::new(Some(Parts {
                writer,
                stacks,
                progress: watch::channel(0),
            }))),
        }
    }

    /// Sets the operator's own image. Without it there are no backups.
    #[must_use]
    pub fn with_image(self, image: Option<String>) -> Self {
        Self { image: image.filter(|image| !image.is_empty()), ..self }
    }

    /// Enables leader election: the operator writes only while it holds the Lease of this name in
    /// this namespace. Without it, this process must be the only operator. `client` is used only
    /// for the Lease, and `identity` must be unique to this process.
    #[must_use]
    pub fn with_election(self, client: Client, namespace: &str, identity: String) -> Self {
        let elector = Elector::new(client, namespace, LEASE, identity, self.term.clone());
        Self { election: Some(Arc::new(elector)), ..self }
    }

    /// Returns `true` if the operator may write now.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.term.may_write()
    }

    /// Returns `true` after the initial list of the resources and of every kind that is available.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let listed = self.store.wait_until_ready().now_or_never().is_some_and(|listed| listed.is_ok());
        // A kind whose CRD is not installed yet does not keep the operator from being ready.
        listed && self.contention.is_settled() && Watches::covered(KINDS, &self.cache)
    }

    /// Returns the number of known resources of each kind.
    #[must_use]
    pub fn resources(&self) -> [(&'static ResourceKind, usize); 2] {
        [(&LOGPILOT_CLUSTER, self.store.len()), (&SERVICE_STACK, self.stacks.len())]
    }

    /// Reconciles until cancelled. It runs once. A second call returns immediately.
    ///
    /// # Errors
    /// Returns an error if another operator became the leader.
    pub async fn run(self, stop: CancellationToken) -> Result<(), LeadershipLost> {
        let taken = self.parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(Parts { writer, stacks, progress: (ticks, progress) }) = taken else {
            return Ok(());
        };
        let (lead, leading) = watch::channel(self.election.is_none());
        let mut triggers = Triggers::default();
        let queue = triggers.queue(&LOGPILOT_CLUSTER);
        let stack_queue = triggers.queue(&SERVICE_STACK);
        let watches = Watches {
            client: self.client.clone(),
            kinds: KINDS,
            cache: Arc::clone(&self.cache),
            triggers,
            metrics: self.metrics.clone(),
            liveness: Arc::clone(&self.liveness),
            progress: ticks,
        };
        let contention = self.contention;
        let mut controller = Controller::new(
            self.client.clone(),
            Arc::clone(&self.cache),
            Arc::clone(&self.metrics),
            self.planner,
            self.store,
            self.term.clone(),
        );
        let stack_controller = stack::controller::Controller::new(
            self.client.clone(),
            Arc::clone(&self.cache),
            Arc::clone(&self.metrics),
            self.term,
            Arc::clone(&contention),
        );
        let stack_runtime = ControllerRuntime {
            client: self.client.clone(),
            resource: &SERVICE_STACK,
            kinds: KINDS,
            cache: Arc::clone(&self.cache),
            metrics: self.metrics.clone(),
            liveness: Arc::clone(&self.liveness),
            contention: Arc::clone(&contention),
            store: stacks,
            triggers: stack_queue,
            progress: progress.clone(),
            leading: leading.clone(),
        };
        controller.operator_image.clone_from(&self.image);
        controller.contention = Arc::clone(&contention);
        let dispatch = ControllerRuntime {
            client: self.client,
            resource: &LOGPILOT_CLUSTER,
            kinds: KINDS,
            cache: self.cache,
            metrics: self.metrics,
            liveness: self.liveness,
            contention,
            store: writer,
            triggers: queue,
            progress,
            leading,
        };
        let work = async {
            tokio::join!(
                watches.run(stop.clone()),
                dispatch.run(Arc::new(controller), stop.clone()),
                stack_runtime.run(Arc::new(stack_controller), stop.clone()),
            );
        };
        let Some(elector) = self.election else {
            work.await;
            return Ok(());
        };
        let election = elector.run(&lead, &stop);
        tokio::pin!(election);
        tokio::select! {
            ended = &mut election => ended,
            // After a cancellation the Lease must still be released.
            () = work => election.await,
        }
    }
}
