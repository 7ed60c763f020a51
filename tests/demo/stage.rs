//! The environment of the demo: a local control plane, an operator in it, kubectl, and the audit
//! log that counts requests.

use std::{
    fmt,
    process::Command,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use kube::{
    Api, Client, Config, Resource, ResourceExt as _,
    api::{DynamicObject, WatchEvent, WatchParams},
    config::KubeConfigOptions,
    runtime::wait::await_condition,
};
use local_cluster::{
    ControlPlane, Options,
    audit::{AuditEvent, Marker},
    show, wait_for,
};
use logpilot_operator::{
    api::{LogPilotCluster, PLURAL},
    engine::kind::Kind,
    logpilot::plan,
    operator::{self, Operator},
    stack::api::ServiceStack,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::tree;

pub const OPERATOR_NAMESPACE: &str = "logpilot-operator-system";
const OPERATOR_ACCOUNT: &str = "logpilot-operator";
/// The image of the backup pods.
const OPERATOR_IMAGE: &str = "logpilot-operator:demo";
/// No step takes longer on a working machine.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// The operator counts as done when it has sent nothing for this long: it delays a change of counts
/// alone by 2 s.
const QUIET: Duration = Duration::from_millis(2200);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] local_cluster::Error),
    #[error(transparent)]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("{0}: {1}")]
    Api(&'static str, Box<kube::Error>),
    #[error("kubectl or its file: {0}")]
    Run(#[from] std::io::Error),
    #[error("kubectl {command}: {said}")]
    Kubectl { command: String, said: String },
    #[error("{0}")]
    Unexpected(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Adds the step at which the API server rejected a request.
pub fn at(step: &'static str) -> impl FnOnce(kube::Error) -> Error {
    move |source| Error::Api(step, Box::new(source))
}

pub struct Stage {
    pub client: Client,
    pub control_plane: ControlPlane,
    running: Option<(CancellationToken, JoinHandle<()>)>,
    began: Marker,
}

impl Stage {
    pub async fn start() -> Result<Self> {
        let control_plane = ControlPlane::start(Options::default()).await?;
        let client = control_plane.access().client().await?;
        let began = control_plane.audit_marker().await?;
        Ok(Self { client, control_plane, running: None, began })
    }

    /// Runs the operator in this process, with only its own ServiceAccount's token. Returns when it
    /// has listed every kind.
    pub async fn start_operator(&mut self) -> Result<()> {
        let access = self.control_plane.access();
        let kubeconfig = access.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT).await?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = operator::client(config).map_err(at("create the operator's client"))?;
        let (operator, stop) = (
            Operator::new(client, plan::planner()).with_image(Some(OPERATOR_IMAGE.to_owned())),
            CancellationToken::new(),
        );
        let running = operator.clone().run(stop.clone());
        self.running = Some((
            stop,
            tokio::spawn(async {
                // Without an election no leadership can be lost.
                let _ = Box::pin(running).await;
            }),
        ));
        let listed =
            || std::future::ready(operator.is_ready().then_some(()).ok_or_else(|| "not yet".to_owned()));
        Ok(wait_for("the operator's first lists", DEADLINE, listed).await?)
    }

    pub async fn stop_operator(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            stop.cancel();
            // It holds nothing that could need more time.
            let _ = timeout(Duration::from_secs(5), task).await;
        }
    }

    /// Runs kubectl as an administrator, in the root of the checkout.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(self.control_plane.tool("kubectl"))
            .args(["--request-timeout=20s", "--kubeconfig"])
            .arg(self.control_plane.admin_kubeconfig_path())
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(said(&output.stdout) + &said(&output.stderr));
        }
        Err(Error::Kubectl { command: arguments.join(" "), said: said(&output.stderr) })
    }

    /// Waits until the resource `holds`.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&LogPilotCluster) -> bool,
    ) -> Result<()> {
        until(Api::all(self.client.clone()), name, what, holds).await
    }

    /// Waits until a stack `holds`.
    pub async fn stack_until(
        &self,
        (namespace, name): (&str, &str),
        what: &str,
        holds: impl Fn(&ServiceStack) -> bool,
    ) -> Result<()> {
        until(Api::namespaced(self.client.clone(), namespace), name, what, holds).await
    }

    /// Disturbs an object and returns how long it was `broken` or absent, as observed by a watch.
    pub async fn repaired(
        &self,
        kind: &Kind,
        (namespace, name): (&str, &str),
        broken: fn(&DynamicObject) -> bool,
        disturb: impl FnOnce() -> Result<()>,
    ) -> Result<Duration> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &tree::resource(kind));
        let version = api
            .get(name)
            .await
            .map_err(at("read the disturbed object"))?
            .resource_version()
            .unwrap_or_default();
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = api.watch(&only, &version).await.map_err(at("watch the disturbed object"))?.boxed();
        // A separate task: kubectl blocks this one.
        let witness = tokio::spawn(async move {
            let mut since = None;
            while let Some(Ok(event)) = events.next().await {
                let fine = match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => !broken(&object),
                    _ => false,
                };
                match since {
                    None if !fine => since = Some(Instant::now()),
                    Some(since) if fine => return Some(since.elapsed()),
                    _ => {}
                }
            }
            None
        });
        disturb()?;
        let seen = timeout(DEADLINE, witness).await.ok().and_then(std::result::Result::ok).flatten();
        seen.ok_or_else(|| Error::Unexpected(format!("{} {name} was not repaired", kind.kind)))
    }

    /// A position in the audit log, behind every request that has ended.
    pub async fn marker(&self) -> Result<Marker> {
        Ok(self.control_plane.audit_marker().await?)
    }

    /// Returns the operator's requests since the marker, except watches, once it is silent.
    pub async fn requests(&self, since: Marker) -> Result<Tally> {
        let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}");
        let end = Instant::now() + DEADLINE;
        let mut count = usize::MAX;
        loop {
            let mut all = self.control_plane.requests_of(&user, since).await?;
            all.retain(|request| request.verb != "watch");
            if all.len() == count || Instant::now() > end {
                return Ok(Tally(all));
            }
            count = all.len();
            sleep(QUIET).await;
        }
    }

    /// Returns whether Kubernetes' garbage collector already follows the operator's kind: it looks
    /// for new ones every 30 s.
    pub fn is_collected(&self) -> Result<bool> {
        let events = self.control_plane.audit().events_since(self.began)?;
        Ok(events.iter().any(|it| it.resource == PLURAL && it.user == "system:kube-controller-manager"))
    }
}

async fn until<K>(api: Api<K>, name: &str, what: &str, holds: impl Fn(&K) -> bool) -> Result<()>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Resource<DynamicType = ()> + Serialize + Send + 'static,
{
    let condition = |object: Option<&K>| object.is_some_and(&holds);
    if let Ok(Ok(Some(_))) = timeout(DEADLINE, await_condition(api.clone(), name, condition)).await {
        return Ok(());
    }
    let seen = api.get(name).await.map_err(at("read the resource"))?;
    Err(Error::Unexpected(format!(
        "waited {} s until {what}, without success; the resource:{}",
        DEADLINE.as_secs(),
        show(&seen)
    )))
}

/// Requests of the operator.
pub struct Tally(Vec<AuditEvent>);

impl Tally {
    /// One line each.
    pub fn lines(&self) -> String {
        let line = |it: &AuditEvent| {
            let part = if it.subresource.is_empty() { String::new() } else { format!("/{}", it.subresource) };
            format!("{} {}{part} {}: {}\n", it.verb, it.resource, it.name, it.code)
        };
        self.0.iter().map(line).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |wanted: fn(&AuditEvent) -> bool| self.0.iter().filter(|&request| wanted(request)).count();
        let reads = of(|it| matches!(it.verb.as_str(), "get" | "list"));
        let status = of(|it| it.subresource == "status");
        let events = of(|it| it.resource == "events");
        let writes = self.0.len() - reads - status - events;
        let told: Vec<String> =
            [(writes, "write"), (reads, "read"), (status, "status write"), (events, "event")]
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" }))
                .collect();
        formatter.write_str(&if told.is_empty() { "none".to_owned() } else { told.join(", ") })
    }
}
