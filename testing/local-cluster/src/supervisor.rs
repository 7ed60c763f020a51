//! Starts, watches, disturbs and ends the components of one control plane.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Request, Uri};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use rustix::process::Signal;
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};

use crate::{
    Component, Error, Result,
    components::Layout,
    error::IoContext,
    pki::Pki,
    process::{Owner, Process, Reaper, any_alive, tail},
    wait_for,
};

/// A component is ready within a second or two on an idle machine.
const READY_DEADLINE: Duration = Duration::from_secs(90);
/// A component that has not ended this long after SIGTERM is killed.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// The variable that keeps the directory, with all logs, after the end.
const KEEP_VARIABLE: &str = "LOCAL_CLUSTER_KEEP";

/// The processes and the inputs of their start.
pub(crate) struct Supervisor {
    // Dropped before the reaper, which then has only the directory to remove.
    processes: Mutex<BTreeMap<Component, Process>>,
    reaper: Reaper,
    layout: Layout,
    pki: Pki,
    /// Reads the health endpoints.
    kubeconfig: Kubeconfig,
}

impl Supervisor {
    pub fn new(reaper: Reaper, layout: Layout, pki: Pki, kubeconfig: Kubeconfig) -> Self {
        Self { processes: Mutex::default(), reaper, layout, pki, kubeconfig }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// Starts the component, unless it runs, and waits until it is ready.
    pub async fn start(&self, component: Component) -> Result<()> {
        let running = self.processes().get_mut(&component).is_some_and(|process| process.ended().is_none());
        if !running {
            let log = self.layout.log(component);
            let program = self.layout.assets.tool(component.name());
            let process = Process::spawn(&program, &self.layout.arguments(component, &self.pki), &log)?;
            self.reaper.watch(&process, component.name())?;
            self.processes().insert(component, process);
        }
        self.wait_until_ready(component).await
    }

    /// Waits until the component's health endpoint answers; fails immediately if the component has
    /// ended. kwok has no endpoint: it counts as ready, and its nodes show its readiness.
    pub async fn wait_until_ready(&self, component: Component) -> Result<()> {
        let Some(url) = self.layout.health_url(component) else { return Ok(()) };
        let client = self.health_client(component, &url).await?;
        let answered = wait_for(format!("200 from {url}"), READY_DEADLINE, || async {
            if let Some(status) = self.ended(component) {
                return Ok(Err(status));
            }
            let request = Request::get(&url).body(Vec::new()).map_err(|error| error.to_string())?;
            client.request_text(request).await.map(|_| Ok(())).map_err(|error| error.to_string())
        })
        // The client logs each refused connection as an error, but here refused connections are
        // expected.
        .with_subscriber(NoSubscriber::default())
        .await;
        match answered {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => Err(self.failure(component, format!("it ended by itself ({status})"))),
            Err(error) => Err(self.failure(component, error.to_string())),
        }
    }

    /// Sends SIGTERM to the component, and kills it if it does not end in time.
    pub async fn stop(&self, component: Component) -> Result<()> {
        let Some(process) = self.processes().remove(&component) else { return Ok(()) };
        // Waits in a separate thread: an operator under test may share this runtime.
        let stopped = tokio::task::spawn_blocking(move || process.stop(STOP_GRACE)).await;
        stopped.map_err(std::io::Error::other).at("stop", component.name())?
    }

    /// Ends the component abruptly, like a crash.
    pub fn kill(&self, component: Component) {
        let process = self.processes().remove(&component);
        drop(process);
    }

    /// Sends a signal to the component, if it runs.
    pub fn signal(&self, component: Component, signal: Signal) -> Result<()> {
        self.processes().get_mut(&component).map_or(Ok(()), |process| process.signal(signal))
    }

    pub fn failure(&self, component: Component, cause: String) -> Error {
        let log = self.layout.log(component);
        let log_tail = tail(&log);
        Error::Component { component, step: "start".to_owned(), cause, log, log_tail }
    }

    fn ended(&self, component: Component) -> Option<ExitStatus> {
        self.processes().get_mut(&component).and_then(Process::ended)
    }

    async fn health_client(&self, component: Component, url: &str) -> Result<Client> {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(self.kubeconfig.clone(), &options).await;
        let mut config = config.map_err(|error| self.failure(component, error.to_string()))?;
        let parts = url
            .parse::<Uri>()
            .map(Uri::into_parts)
            .map_err(|error| self.failure(component, error.to_string()))?;
        let root = format!(
            "{}://{}",
            parts.scheme.map(|scheme| scheme.to_string()).unwrap_or_default(),
            parts.authority.map(|authority| authority.to_string()).unwrap_or_default()
        );
        config.cluster_url =
            root.parse().map_err(|_| self.failure(component, format!("bad address {root}")))?;
        config.default_retry = false;
        Client::try_from(config).map_err(|error| self.failure(component, error.to_string()))
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<Component, Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates the directory and the reaper that removes it at the end. A given directory must be
/// absent, empty, or left by a dead cluster.
pub(crate) fn prepare_directory(given: Option<PathBuf>) -> Result<(PathBuf, Reaper)> {
    let dir = if let Some(dir) = given {
        clear(&dir)?;
        fs::create_dir_all(&dir).at("create", &dir)?;
        Owner::record(&dir)?;
        fs::canonicalize(&dir).at("find", &dir)?
    } else {
        let made = tempfile::Builder::new().prefix("local-cluster-").tempdir();
        // The reaper removes it, which also outlives a killed test.
        made.at("create a directory in", std::env::temp_dir())?.keep()
    };
    let keep = std::env::var_os(KEEP_VARIABLE).is_some_and(|value| !value.is_empty());
    if keep {
        eprintln!("local-cluster: {} will be kept", dir.display());
    }
    let reaper = Reaper::start(&dir, keep)?;
    let logs = dir.join("logs");
    fs::create_dir(&logs).at("create", logs)?;
    Ok((dir, reaper))
}

/// Removes the remains of a dead cluster; refuses anything else.
fn clear(dir: &Path) -> Result<()> {
    let refuse = |cause: &str| Err(Error::Directory { dir: dir.to_owned(), cause: cause.to_owned() });
    let Ok(mut entries) = fs::read_dir(dir) else { return Ok(()) };
    if entries.next().is_none() {
        return Ok(());
    }
    if !Reaper::owns(dir) {
        return refuse("is not empty and was not created by local-cluster; choose another directory");
    }
    if any_alive(dir) {
        return refuse("a local cluster runs there; end it with `local-cluster down`");
    }
    fs::remove_dir_all(dir).at("remove", dir)
}
