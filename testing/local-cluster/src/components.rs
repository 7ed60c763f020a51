//! The programs of the control plane and their flags.

use std::{net::Ipv4Addr, path::PathBuf};

use crate::{
    assets::Assets,
    pki::Pki,
    ports::{Port, Ports},
};

/// A process of the control plane that tests can stop and start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    /// Simulates the kubelets of the fake nodes.
    Kwok,
}

impl Component {
    /// In start order.
    pub const ALL: [Self; 5] =
        [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler, Self::Kwok];

    /// The name of its program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }
}

impl std::fmt::Display for Component {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// All inputs of the flags.
pub(crate) struct Layout {
    pub dir: PathBuf,
    pub ports: Ports,
    /// The address on which the API server listens; not loopback if kubelets and pods are real.
    pub address: Ipv4Addr,
    pub assets: Assets,
    pub audit_log: PathBuf,
}

impl Layout {
    pub fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    pub fn log(&self, component: Component) -> PathBuf {
        self.dir.join("logs").join(format!("{component}.log"))
    }

    /// The path of a component's own kubeconfig.
    pub fn kubeconfig(&self, component: Component) -> PathBuf {
        self.dir.join(format!("{component}.kubeconfig"))
    }

    pub fn server(&self) -> String {
        format!("https://{}:{}", self.address, self.ports.api_server)
    }

    /// The URL that answers 200 when the component works. kwok has none: ready nodes indicate that
    /// it works.
    pub fn health_url(&self, component: Component) -> Option<String> {
        let ports = &self.ports;
        match component {
            Component::Etcd => Some(format!("http://127.0.0.1:{}/health", ports.etcd)),
            Component::ApiServer => Some(format!("{}/readyz", self.server())),
            Component::ControllerManager => {
                Some(format!("https://127.0.0.1:{}/healthz", ports.controller_manager))
            }
            Component::Scheduler => Some(format!("https://127.0.0.1:{}/readyz", ports.scheduler)),
            Component::Kwok => None,
        }
    }

    pub fn arguments(&self, component: Component, pki: &Pki) -> Vec<String> {
        match component {
            Component::Etcd => self.etcd(),
            Component::ApiServer => self.api_server(pki),
            Component::ControllerManager => self.controller_manager(pki),
            Component::Scheduler => self.scheduler(pki),
            Component::Kwok => self.kwok(),
        }
    }

    fn etcd(&self) -> Vec<String> {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            // The data lives as long as the run and does not have to survive a power failure.
            "--unsafe-no-fsync".to_owned(),
            // There is no peer to wait for; the default election timeout would add a second to
            // every start.
            "--heartbeat-interval=10".to_owned(),
            "--election-timeout=100".to_owned(),
        ]
    }

    fn api_server(&self, pki: &Pki) -> Vec<String> {
        let ca = pki.path("ca.crt");
        vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            format!("--secure-port={}", self.ports.api_server),
            format!("--bind-address={}", self.address),
            format!("--advertise-address={}", self.address),
            // Endpoints of the `kubernetes` Service must not be loopback addresses; fake nodes do
            // not use them.
            format!(
                "--endpoint-reconciler-type={}",
                if self.address.is_loopback() { "none" } else { "lease" }
            ),
            // A kubelet's own certificate is self-signed and not verified.
            format!("--kubelet-client-certificate={}", pki.path("kubelet-client.crt")),
            format!("--kubelet-client-key={}", pki.path("kubelet-client.key")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            format!("--client-ca-file={ca}"),
            format!("--tls-cert-file={}", pki.path("server.crt")),
            format!("--tls-private-key-file={}", pki.path("server.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", pki.path("service-account.pub")),
            format!("--service-account-signing-key-file={}", pki.path("service-account.key")),
            // No API is aggregated; without these flags, controller-manager and scheduler log their
            // absence. The allowed name is needed because the CA also signs the clients.
            format!("--requestheader-client-ca-file={ca}"),
            "--requestheader-allowed-names=front-proxy".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            format!("--audit-policy-file={}", self.path("audit-policy.yaml")),
            format!("--audit-log-path={}", self.audit_log.display()),
            // The log is written before the request ends, and never rotated: markers are offsets
            // into this one file.
            "--audit-log-mode=blocking".to_owned(),
            "--audit-log-maxsize=100000".to_owned(),
            // On SIGTERM the server ends its watches within this time; otherwise they delay it by a
            // minute.
            "--shutdown-watch-termination-grace-period=1s".to_owned(),
            // The API server uses most of the CPU time of a campaign; `kubectl get --raw
            // '/debug/pprof/profile?seconds=30'` shows for what.
            "--profiling=true".to_owned(),
        ]
    }

    fn controller_manager(&self, pki: &Pki) -> Vec<String> {
        let mut arguments =
            self.with_kubeconfig(Component::ControllerManager, &self.ports.controller_manager, pki);
        arguments.extend([
            "--use-service-account-credentials=true".to_owned(),
            format!("--service-account-private-key-file={}", pki.path("service-account.key")),
            format!("--root-ca-file={}", pki.path("ca.crt")),
            format!("--cluster-signing-cert-file={}", pki.path("ca.crt")),
            format!("--cluster-signing-key-file={}", pki.path("ca.key")),
            // Endpoints are deprecated since Kubernetes 1.33, and nothing here reads them;
            // EndpointSlices are read.
            "--controllers=*,-endpoints-controller,-endpointslice-mirroring-controller".to_owned(),
            // With the default of 20, the controller-manager would set the pace instead of the
            // operator under test.
            "--kube-api-qps=300".to_owned(),
            "--kube-api-burst=600".to_owned(),
        ]);
        arguments
    }

    fn scheduler(&self, pki: &Pki) -> Vec<String> {
        let mut arguments = self.with_kubeconfig(Component::Scheduler, &self.ports.scheduler, pki);
        arguments.extend(["--kube-api-qps=300".to_owned(), "--kube-api-burst=600".to_owned()]);
        arguments
    }

    fn with_kubeconfig(&self, component: Component, port: &Port, pki: &Pki) -> Vec<String> {
        let kubeconfig = self.kubeconfig(component).display().to_string();
        vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--tls-cert-file={}", pki.path("server.crt")),
            format!("--tls-private-key-file={}", pki.path("server.key")),
            "--leader-elect=false".to_owned(),
            "--profiling=false".to_owned(),
        ]
    }

    fn kwok(&self) -> Vec<String> {
        vec![
            format!("--kubeconfig={}", self.kubeconfig(Component::Kwok).display()),
            format!("--config={}", self.path("stages.yaml")),
            "--manage-all-nodes=true".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
            // Pod addresses; the default lies in the Service range.
            "--cidr=10.244.0.0/16".to_owned(),
        ]
    }
}
