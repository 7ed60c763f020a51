//! A dedicated control plane: etcd, API server, controller-manager, scheduler, and kwok for the nodes.
//!
//! Everything listens on reserved loopback ports, and lives in one directory. Components can be
//! stopped, killed, frozen and started again, each with its data and on its port.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::try_join;
use kube::{Client, config::Kubeconfig};
use rustix::process::Signal;

use crate::{
    Access, Component, Error, Identity, Result,
    access::{client_from, kubeconfig_with_certificate},
    assets::Assets,
    audit::{self, AuditEvent, AuditLog, Marker},
    bootstrap,
    components::Layout,
    error::IoContext,
    pki::Pki,
    ports::Ports,
    process::tail,
    stages,
    supervisor::{Supervisor, prepare_directory},
    volumes::{self, Binder},
};

const AUDIT_POLICY: &str = include_str!("audit-policy.yaml");
/// File name of the administrator's kubeconfig in the control plane's directory.
pub(crate) const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";

/// The start options of a control plane.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of fake nodes, `node-1` and so on. With zero nodes kwok is not started either,
    /// because it would manage any node.
    pub nodes: usize,
    /// The address on which the API server listens, and where kubelets and pods reach it. It must
    /// be an address of this machine's network namespace, and no loopback address if there are real
    /// kubelets or pods.
    pub address: Ipv4Addr,
    /// The parent directory of the volumes, `{class}/{volume}`, which every node can see. None:
    /// volumes are names without data.
    pub volumes: Option<PathBuf>,
    /// The directory for everything; it must be empty, and is removed at the end. None: a temporary
    /// one.
    pub dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 3, address: Ipv4Addr::LOCALHOST, volumes: None, dir: None }
    }
}

/// A running control plane. Dropping it ends its processes and removes its directory; the death of
/// this process has the same effect.
pub struct ControlPlane {
    // Dropped first, because it is a client of the processes that the supervisor ends.
    _binder: Binder,
    supervisor: Supervisor,
    access: Access,
    audit: AuditLog,
    started_in: Duration,
}

impl ControlPlane {
    /// Starts everything and returns when the nodes are Ready and a pod could be created. Builds
    /// the programs first if they do not exist (once, a few minutes).
    pub async fn start(options: Options) -> Result<Self> {
        let found = tokio::task::spawn_blocking(Assets::find_or_build).await;
        let assets = found.map_err(std::io::Error::other).at("find the programs in", "a thread")??;
        let began = Instant::now();
        let (dir, reaper) = prepare_directory(options.dir)?;
        let pki = Pki::create(&dir.join("pki"), options.address)?;
        let audit_log = audit::place(&dir)?;
        let layout =
            Layout { dir, ports: Ports::free(options.address)?, address: options.address, assets, audit_log };
        let admin = certificate_kubeconfig(&layout, &pki, &Identity::admin())?;
        let bootstrap = certificate_kubeconfig(&layout, &pki, &Identity::bootstrap())?;
        let binder = certificate_kubeconfig(&layout, &pki, &Identity::user(volumes::USER))?;
        write_files(&layout, &pki, &admin)?;

        let audit = AuditLog::new(layout.audit_log.clone());
        let supervisor = Supervisor::new(reaper, layout, pki, bootstrap.clone());
        supervisor.start(Component::Etcd).await?;
        supervisor.start(Component::ApiServer).await?;
        let client = client_from(bootstrap).await?;
        try_join!(
            bootstrap::grant(&client),
            bootstrap::furnish(&client, options.nodes),
            supervisor.start(Component::ControllerManager),
            supervisor.start(Component::Scheduler),
            async { if options.nodes > 0 { supervisor.start(Component::Kwok).await } else { Ok(()) } },
        )?;
        Ok(Self {
            _binder: Binder::start(binder, options.volumes)?,
            supervisor,
            access: Access::new(admin),
            audit,
            started_in: began.elapsed(),
        })
    }

    /// Time from the start of the first process until the nodes were Ready.
    #[must_use]
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Clients and kubeconfigs of the administrator, of impersonated users and of service accounts.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The directory of this control plane: logs, keys, kubeconfigs, data.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.supervisor.layout().dir
    }

    /// URL of the API server; the same for the life of this control plane.
    #[must_use]
    pub fn server(&self) -> String {
        self.supervisor.layout().server()
    }

    /// Path of the administrator's kubeconfig.
    #[must_use]
    pub fn admin_kubeconfig_path(&self) -> PathBuf {
        self.dir().join(ADMIN_KUBECONFIG)
    }

    /// Path of a tool of the same build: `kubectl`, `etcd`…
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.supervisor.layout().assets.tool(name)
    }

    /// A kubeconfig with a new client certificate of the identity, which has no permissions unless
    /// a test binds it.
    pub fn kubeconfig(&self, identity: &Identity) -> Result<Kubeconfig> {
        certificate_kubeconfig(self.supervisor.layout(), self.supervisor.pki(), identity)
    }

    /// A client with a new client certificate of the identity.
    pub async fn client_for(&self, identity: &Identity) -> Result<Client> {
        client_from(self.kubeconfig(identity)?).await
    }

    /// Writes a kubeconfig as `{name}.kubeconfig` into this control plane's directory, for a
    /// program that needs a file.
    pub fn write_kubeconfig(&self, name: &str, kubeconfig: &Kubeconfig) -> Result<PathBuf> {
        let path = self.dir().join(format!("{name}.kubeconfig"));
        write_kubeconfig(&path, kubeconfig)?;
        Ok(path)
    }

    /// Starts a component that was stopped or killed, on its port and with its data, and waits until
    /// it is ready.
    pub async fn start_component(&self, component: Component) -> Result<()> {
        self.supervisor.start(component).await
    }

    /// Sends SIGTERM to a component and waits until it ends. The API server then ends its watches
    /// in order.
    pub async fn stop(&self, component: Component) -> Result<()> {
        self.supervisor.stop(component).await
    }

    /// Ends a component abruptly, like a crash (SIGKILL).
    pub fn kill(&self, component: Component) {
        self.supervisor.kill(component);
    }

    /// Freezes a component (SIGSTOP): its connections stay open and get no response.
    pub fn pause(&self, component: Component) -> Result<()> {
        self.supervisor.signal(component, Signal::STOP)
    }

    /// Resumes a frozen component (SIGCONT) and waits until it is ready.
    pub async fn resume(&self, component: Component) -> Result<()> {
        self.supervisor.signal(component, Signal::CONT)?;
        self.supervisor.wait_until_ready(component).await
    }

    /// The end of a component's log.
    #[must_use]
    pub fn log_tail(&self, component: Component) -> String {
        tail(&self.supervisor.layout().log(component))
    }

    /// The audit log as a file.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// A position in the audit log behind every request that has ended by now.
    pub async fn audit_marker(&self) -> Result<Marker> {
        self.audit.settled(&self.access.client().await?).await
    }

    /// Every request of the user that ended between the marker and now.
    pub async fn requests_of(&self, user: &str, since: Marker) -> Result<Vec<AuditEvent>> {
        self.audit_marker().await?;
        self.audit.requests_of(user, since)
    }
}

fn certificate_kubeconfig(layout: &Layout, pki: &Pki, identity: &Identity) -> Result<Kubeconfig> {
    Ok(kubeconfig_with_certificate(&layout.server(), pki.ca_certificate(), &pki.client(identity)?))
}

/// Writes the files that the components read at startup.
fn write_files(layout: &Layout, pki: &Pki, admin: &Kubeconfig) -> Result<()> {
    write_kubeconfig(&layout.dir.join(ADMIN_KUBECONFIG), admin)?;
    for (component, identity) in [
        (Component::ControllerManager, Identity::user("system:kube-controller-manager")),
        (Component::Scheduler, Identity::user("system:kube-scheduler")),
        // kwok simulates many kubelets at the same time: priority and fairness would slow it down.
        (Component::Kwok, Identity::bootstrap()),
    ] {
        write_kubeconfig(&layout.kubeconfig(component), &certificate_kubeconfig(layout, pki, &identity)?)?;
    }
    let stages = stages::configuration(&layout.assets.stages()?);
    for (file, text) in [("stages.yaml", stages.as_str()), ("audit-policy.yaml", AUDIT_POLICY)] {
        let path = layout.dir.join(file);
        fs::write(&path, text).at("write", path)?;
    }
    Ok(())
}

fn write_kubeconfig(path: &Path, kubeconfig: &Kubeconfig) -> Result<()> {
    let text = serde_yaml::to_string(kubeconfig).map_err(|error| Error::Kubeconfig {
        step: format!("write {}", path.display()),
        cause: error.to_string(),
    })?;
    fs::write(path, text).at("write", path)
}
