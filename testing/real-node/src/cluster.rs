//! The Kubernetes cluster of a run: control plane, nodes, cluster DNS, images; and a command with
//! access to it.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use futures::future::{try_join, try_join_all};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use local_cluster::{ControlPlane, Options, nodes, wait_for_object};

use crate::{
    DIRECTORY, KUBECONFIG, KUBECTL,
    error::{Context as _, Result, create, run, run_line, write},
    node::{BRIDGE, DNS, MACHINE, Node, Number, SERVICES},
};

const READY: Duration = Duration::from_mins(2);
/// The class whose volumes share the few MiB below: the only harmless way to fill a volume.
const SMALL: &str = "small";
const SMALL_SIZE: &str = "24m";

/// The images and programs of a node.
pub struct Images {
    /// Archives; all are imported into every node before the command starts.
    pub dir: PathBuf,
    /// The programs that a node runs.
    pub programs: PathBuf,
}

impl Images {
    fn archives(&self) -> Result<Vec<PathBuf>> {
        let step = || format!("list {}", self.dir.display());
        let entries = std::fs::read_dir(&self.dir).during(step())?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()).during(step()));
        paths
            .filter(|path| path.as_ref().map_or(true, |path| path.extension().is_some_and(|it| it == "tar")))
            .collect()
    }
}

/// Starts a cluster with `count` nodes in this process's namespaces, which must not be shared, and
/// runs the command. The cluster ends with the namespaces.
pub async fn beside(run_dir: &Path, count: u8, images: &Images, command: &[String]) -> Result<ExitStatus> {
    let began = Instant::now();
    let lap = |what: &str| eprintln!("real-node: {:5.1} s  {what}", began.elapsed().as_secs_f64());

    run_line("ip link set lo up")?;
    run_line(&format!("ip link add {BRIDGE} type bridge"))?;
    run_line(&format!("ip address add {MACHINE}/24 dev {BRIDGE}"))?;
    run_line(&format!("ip link set {BRIDGE} up"))?;
    let volumes = run_dir.join("volumes");
    create(&volumes)?;
    // In memory, so that disk load of the machine does not affect the servers' response times.
    // Before the nodes: later mounts do not reach them.
    run_line(&format!("mount -t tmpfs volumes {}", volumes.display()))?;
    let small = volumes.join(SMALL);
    create(&small)?;
    run_line(&format!("mount -t tmpfs -o size={SMALL_SIZE} {SMALL} {}", small.display()))?;

    let plane = ControlPlane::start(Options {
        nodes: 0,
        address: MACHINE,
        volumes: Some(volumes),
        dir: Some(run_dir.join("control-plane")),
    })
    .await?;
    lap("control plane");

    let mut running = Vec::new();
    for number in (1..=count).map(Number) {
        running.push(Node::start(number, count, &plane, images, run_dir).await?);
    }
    // The route from the bridge to a Service.
    run_line(&format!("ip route add {SERVICES} via {}", Number(1).address()))?;
    let client = plane.access().client().await?;
    let ready = async { Ok(nodes::wait_until_ready(&client, usize::from(count), READY).await?) };
    let archives = images.archives()?;
    let imported = try_join_all(running.iter_mut().map(async |node| {
        for archive in &archives {
            node.import(&images.programs, archive).await?;
        }
        node.proxied().await
    }));
    try_join(ready, imported).await?;
    lap("nodes Ready, images imported");

    let furniture = run_dir.join("furniture.yaml");
    write(&furniture, include_str!("config/furniture.yaml").replace("@DNS@", DNS))?;
    let kubectl = plane.tool("kubectl");
    let kubeconfig = plane.admin_kubeconfig_path();
    let applied = run(Command::new(&kubectl)
        .args(["apply", "--server-side", "--filename"])
        .arg(&furniture)
        .env("KUBECONFIG", &kubeconfig));
    applied.map(drop)?;
    let deployments: Api<Deployment> = Api::namespaced(client, "kube-system");
    wait_for_object(&deployments, "coredns", "has a ready pod", READY, |coredns| {
        coredns.status.as_ref().and_then(|status| status.ready_replicas).is_some_and(|ready| ready > 0)
    })
    .await?;
    lap("cluster DNS");

    let (program, arguments) = command.split_first().ok_or("no command was given").during("run")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", &kubeconfig)
        .env(KUBECONFIG, &kubeconfig)
        .env(DIRECTORY, run_dir)
        .env(KUBECTL, &kubectl)
        .spawn()
        .during(format_args!("run {program}"))?;
    let status = tokio::task::spawn_blocking(move || child.wait()).await.during("wait")?.during("wait")?;
    lap("the command ended");
    // A node that died during the command explains its failure.
    for node in &mut running {
        node.check()?;
    }
    Ok(status)
}
