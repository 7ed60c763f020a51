//! The binary as a user runs it, and its reliable termination.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams, config::Kubeconfig};
use local_cluster::{Component, Env, Error, wait_for};

fn local_cluster(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-cluster"));
    let (action, rest) = arguments.split_first().expect("an action");
    command.arg(action).arg("--dir").arg(dir).args(rest).output().expect("the program runs")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn pids(dir: &Path) -> Vec<String> {
    let list = std::fs::read_to_string(dir.join("pids")).expect("the list of processes");
    list.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

async fn wait_until_nothing_is_left(dir: &Path, pids: &[String]) {
    wait_for("no process and no directory", Duration::from_secs(20), || async {
        // A pid may have been assigned to another program; this cluster's processes have the
        // directory in their arguments.
        let ours = |pid: &&String| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.contains(&dir.display().to_string())
        };
        let left: Vec<_> = pids.iter().filter(ours).collect();
        if left.is_empty() && !dir.exists() {
            Ok(())
        } else {
            Err(format!("{left:?}; {}: {}", dir.display(), dir.exists()))
        }
    })
    .await
    .expect("nothing is left");
}

#[tokio::test]
async fn up_down_and_kill_leave_no_process() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = parent.path().join("cluster");
    let refused = local_cluster(&dir, &["kubectl", "get", "nodes"]);
    assert!(!refused.status.success(), "nothing runs yet");

    let kubeconfig = text(&local_cluster(&dir, &["up", "--detach", "--nodes", "2"]));
    assert_eq!(Path::new(&kubeconfig), dir.join("admin.kubeconfig"));
    let nodes = text(&local_cluster(&dir, &["kubectl", "get", "nodes", "-o", "name"]));
    assert_eq!(nodes, "node/node-1\nnode/node-2");
    let twice = local_cluster(&dir, &["up"]);
    assert!(String::from_utf8_lossy(&twice.stderr).contains("a local cluster runs there"), "{twice:?}");

    // The same cluster, used as a given one: everything but process control works.
    let env = Env::on(Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig")).await.expect("a cluster");
    let listed = Api::<Node>::all(env.client().await.expect("a client")).list(&ListParams::default()).await;
    assert_eq!(listed.expect("nodes").items.len(), 2);
    let refused = env.require_control_plane("stopping etcd").err().expect("not ours");
    assert!(
        matches!(&refused, Error::NotAvailable { .. }) && refused.to_string().contains("stopping etcd"),
        "{refused}"
    );

    let running = pids(&dir);
    assert_eq!(running.len(), Component::ALL.len());
    text(&local_cluster(&dir, &["down"]));
    wait_until_nothing_is_left(&dir, &running).await;

    text(&local_cluster(&dir, &["up", "--detach", "--nodes", "1"]));
    let running = pids(&dir);
    let owner = std::fs::read_to_string(dir.join("owner")).expect("the owner");
    let owner = owner.split(' ').next().expect("a pid").to_owned();
    assert!(Command::new("kill").args(["-KILL", &owner]).status().expect("kill runs").success());
    wait_until_nothing_is_left(&dir, &running).await;
}
