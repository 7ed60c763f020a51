//! One node: its configuration, its namespaces, and its programs.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use local_cluster::{ControlPlane, Identity, wait_for};

use crate::{
    cluster::Images,
    error::{Context as _, Error, Result, create, run, run_line, write},
    machine::CONTROLLERS,
    namespaces::cgroup,
};

const BOX: &str = include_str!("box.sh");
const READY: Duration = Duration::from_mins(2);

/// The machine's address on the bridge of all nodes, on which the API server listens.
pub(crate) const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 90, 0, 1);
pub(crate) const BRIDGE: &str = "nodes";
pub(crate) const SERVICES: &str = "10.0.0.0/16";
pub(crate) const DNS: &str = "10.0.0.10";
const PROXY_HEALTH: u16 = 10256;
const ALL_PODS: &str = "10.88.0.0/16";

/// A node by its number, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub u8);

impl Number {
    pub fn name(self) -> String {
        format!("node-{}", self.0)
    }

    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 90, 0, 1 + self.0)
    }

    pub fn pods(self) -> String {
        format!("10.88.{}.0/24", self.0)
    }

    pub fn dir(self, run: &Path) -> PathBuf {
        run.join(self.name())
    }
}

/// A started node; it ends with the namespaces that it was started in.
pub(crate) struct Node {
    number: Number,
    dir: PathBuf,
    process: Child,
}

impl Node {
    /// Starts the namespaces; containerd, the kubelet and kube-proxy start in them.
    pub async fn start(
        number: Number,
        count: u8,
        plane: &ControlPlane,
        images: &Images,
        run_dir: &Path,
    ) -> Result<Self> {
        let dir = number.dir(run_dir);
        create(&dir)?;
        let group = format!("{}/{}", cgroup(run_dir), number.name());
        for (file, text) in configuration(number, count, &dir, &plane.dir().join("pki/ca.crt"), &group) {
            write(&dir.join(file), text)?;
        }
        for (file, identity) in [
            ("kubelet", Identity::user(format!("system:node:{}", number.name())).in_group("system:nodes")),
            ("proxy", Identity::user("system:kube-proxy")),
        ] {
            let written = plane.write_kubeconfig(file, &plane.kubeconfig(&identity)?)?;
            let target = dir.join(format!("{file}.kubeconfig"));
            std::fs::rename(&written, &target).during(format_args!("move to {}", target.display()))?;
        }
        let log = std::fs::File::create(dir.join("box.log")).during("create box.log")?;
        let process = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL"])
            .args(["--mount-proc", "--propagation", "private", "bash", "-c", BOX, "box"])
            .env("NODE", number.name())
            .env("ADDRESS", number.address().to_string())
            .env("DIR", &dir)
            .env("BIN", &images.programs)
            .env("IMAGES", &images.dir)
            .env("CGROUP", &group)
            .env("CONTROLLERS", CONTROLLERS.join(" "))
            .stdin(Stdio::null())
            .stdout(log.try_clone().during("open box.log")?)
            .stderr(log)
            .spawn()
            .during("run unshare")?;
        let node = Self { number, dir, process };
        node.connect().await?;
        Ok(node)
    }

    /// Connects the namespaces to the bridge, and adds the route to the node's pods.
    async fn connect(&self) -> Result<()> {
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net"));
        let own = namespace("self").during("read the network namespace")?;
        let pid = self.process.id().to_string();
        wait_for("the node's network namespace", READY, || async {
            match namespace(&pid) {
                Ok(other) if other != own => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
        let (name, address, pods) = (self.number.name(), self.number.address(), self.number.pods());
        run_line(&format!("ip link add {name} type veth peer name eth0 netns {pid}"))?;
        run_line(&format!("ip link set {name} master {BRIDGE} up"))?;
        run_line(&format!("ip route add {pods} via {address}"))?;
        Ok(())
    }

    /// Imports an image once containerd answers.
    pub async fn import(&mut self, programs: &Path, archive: &Path) -> Result<()> {
        let socket = self.dir.join("containerd.sock");
        self.until("containerd's socket", async || socket.exists().then_some(()).ok_or("absent".to_owned()))
            .await?;
        import(programs, &self.dir, archive)
    }

    /// Waits until kube-proxy answers, which it does once its rules are programmed.
    pub async fn proxied(&mut self) -> Result<()> {
        let address = (self.number.address(), PROXY_HEALTH);
        self.until("kube-proxy's health port", async || {
            let connected = tokio::net::TcpStream::connect(address).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await
    }

    /// Waits for a condition of this node; fails immediately when the node has ended.
    async fn until(
        &mut self,
        what: &str,
        probe: impl AsyncFn() -> std::result::Result<(), String>,
    ) -> Result<()> {
        wait_for(format!("{what} of {}", self.number.name()), READY, || {
            let alive = self.check();
            let probed = probe();
            async move {
                match alive {
                    Ok(()) => probed.await.map(Ok),
                    Err(error) => Ok(Err(error)),
                }
            }
        })
        .await?
    }

    /// An error when the node has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            ended => {
                let said = std::fs::read_to_string(self.dir.join("box.log")).unwrap_or_default();
                let kubelet = std::fs::read_to_string(self.dir.join("kubelet.log")).unwrap_or_default();
                let last: Vec<&str> = kubelet.lines().rev().take(5).collect();
                Err(Error::Step {
                    step: format!("start {}", self.number.name()),
                    cause: format!("it ended ({ended:?}): {said}\n{}", last.join("\n")),
                })
            }
        }
    }
}

/// Imports an image archive into a node, by the node's directory.
fn import(programs: &Path, node: &Path, archive: &Path) -> Result<()> {
    let mut ctr = Command::new(programs.join("ctr"));
    ctr.arg("--address").arg(node.join("containerd.sock"));
    run(ctr.args(["--namespace", "k8s.io", "images", "import", "--local"]).arg(archive)).map(drop)
}

/// The configuration files of a node's programs, by file name.
fn configuration(
    number: Number,
    count: u8,
    dir: &Path,
    ca: &Path,
    group: &str,
) -> [(&'static str, String); 5] {
    let fill = |text: &str| {
        text.replace("@DIR@", &dir.display().to_string())
            .replace("@ADDRESS@", &number.address().to_string())
            .replace("@PODS@", &number.pods())
            .replace("@ALL_PODS@", ALL_PODS)
            .replace("@PROXY_HEALTH@", &PROXY_HEALTH.to_string())
            .replace("@CA@", &ca.display().to_string())
            .replace("@CGROUP@", group)
            .replace("@DNS@", DNS)
    };
    let others = (1..=count).map(Number).filter(|other| *other != number);
    let routes: Vec<_> = others.map(|other| format!("{} {}\n", other.pods(), other.address())).collect();
    [
        ("containerd.toml", fill(include_str!("config/containerd.toml"))),
        ("net.d/10-bridge.conflist", fill(include_str!("config/bridge.conflist"))),
        ("kubelet.yaml", fill(include_str!("config/kubelet.yaml"))),
        ("proxy.yaml", fill(include_str!("config/proxy.yaml"))),
        ("routes", routes.concat()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_nodes_have_routes() {
        let files =
            configuration(Number(2), 3, Path::new("/run/node-2"), Path::new("/pki/ca.crt"), "/run/node-2");
        for (file, text) in &files {
            assert!(!text.contains('@'), "{file}: {text}");
        }
        let text = |name: &str| &files.iter().find(|(file, _)| *file == name).expect("a file").1;
        assert_eq!(text("routes"), "10.88.1.0/24 10.90.0.2\n10.88.3.0/24 10.90.0.4\n");
        assert!(text("net.d/10-bridge.conflist").contains("\"subnet\": \"10.88.2.0/24\""));
        assert!(text("kubelet.yaml").contains("address: 10.90.0.3\n"));
    }
}
