//! The Kubernetes cluster that a test suite runs on: a given one, or a control plane started for it.

use std::{env, path::PathBuf, time::Duration};

use kube::{Client, config::Kubeconfig};

use crate::{Access, ControlPlane, Error, Options, Result, error::Context, nodes};

/// Names a cluster for the suites only, so that a developer's own KUBECONFIG may stay set.
const OWN_VARIABLE: &str = "LOGPILOT_TEST_KUBECONFIG";
const COMMON_VARIABLE: &str = "KUBECONFIG";

/// A Kubernetes cluster for tests. The tests of a binary share one (`tokio::sync::OnceCell`); it
/// may be a static, because its processes end with the test process.
pub struct Env {
    access: Access,
    control_plane: Option<ControlPlane>,
}

impl Env {
    /// The cluster that `LOGPILOT_TEST_KUBECONFIG` or `KUBECONFIG` names; otherwise a local control
    /// plane with three nodes.
    pub async fn from_environment() -> Result<Self> {
        match given()? {
            Some(kubeconfig) => Self::on(kubeconfig).await,
            None => Self::local(Options::default()).await,
        }
    }

    /// A local control plane, regardless of the environment.
    pub async fn local(options: Options) -> Result<Self> {
        let control_plane = ControlPlane::start(options).await?;
        Ok(Self { access: control_plane.access().clone(), control_plane: Some(control_plane) })
    }

    /// The cluster of this kubeconfig's current context; nothing is started.
    pub async fn on(kubeconfig: Kubeconfig) -> Result<Self> {
        let access = Access::new(kubeconfig);
        let version = access
            .client()
            .await?
            .apiserver_version()
            .await
            .during("ask the given cluster for its version")?;
        eprintln!("local-cluster: tests run on a given cluster, Kubernetes {}", version.git_version);
        Ok(Self { access, control_plane: None })
    }

    /// The local control plane, if the cluster is one.
    #[must_use]
    pub fn control_plane(&self) -> Option<&ControlPlane> {
        self.control_plane.as_ref()
    }

    /// The local control plane, or an error that says that `what` needs one.
    pub fn require_control_plane(&self, what: &str) -> Result<&ControlPlane> {
        self.control_plane.as_ref().ok_or_else(|| Error::NotAvailable { what: what.to_owned() })
    }

    /// Clients and kubeconfigs of any user.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// A client of the administrator, for the async runtime of the caller.
    pub async fn client(&self) -> Result<Client> {
        self.access.client().await
    }

    /// A client that impersonates another user.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client> {
        self.access.client_as(user, groups).await
    }

    /// A client with a token of the service account.
    pub async fn client_for_service_account(&self, namespace: &str, name: &str) -> Result<Client> {
        self.access.client_for_service_account(namespace, name).await
    }

    /// Waits until at least `count` nodes are Ready.
    pub async fn wait_for_nodes(&self, count: usize, deadline: Duration) -> Result<()> {
        nodes::wait_until_ready(&self.client().await?, count, deadline).await
    }
}

fn given() -> Result<Option<Kubeconfig>> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let failed = |variable: &str, error: kube::config::KubeconfigError| Error::Kubeconfig {
        step: format!("read the kubeconfig that {variable} names"),
        cause: error.to_string(),
    };
    if let Some(path) = set(OWN_VARIABLE) {
        return Kubeconfig::read_from(PathBuf::from(path))
            .map(Some)
            .map_err(|error| failed(OWN_VARIABLE, error));
    }
    if set(COMMON_VARIABLE).is_some() {
        return Kubeconfig::from_env().map_err(|error| failed(COMMON_VARIABLE, error));
    }
    Ok(None)
}
