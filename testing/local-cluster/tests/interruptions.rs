//! Components that are stopped, killed, frozen and started again; and what remains when a control
//! plane ends.

use std::{path::Path, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use local_cluster::{Component, ControlPlane, Options, wait_for};
use serde_json::json;

/// One test, because each step disturbs everything.
#[tokio::test]
async fn components_restart_with_data_and_leave_no_process() {
    let control_plane =
        ControlPlane::start(Options { nodes: 1, ..Options::default() }).await.expect("a control plane");
    let server = control_plane.server();
    let client = control_plane.access().client().await.expect("a client");
    let configs: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let config: ConfigMap =
        serde_json::from_value(json!({ "metadata": { "name": "kept" } })).expect("an object");
    let before = configs.create(&PostParams::default(), &config).await.expect("created");

    control_plane.stop(Component::ApiServer).await.expect("stopped");
    configs.get("kept").await.expect_err("nobody answers");
    control_plane.start_component(Component::ApiServer).await.expect("started again");
    assert_eq!(control_plane.server(), server);
    assert_eq!(configs.get("kept").await.expect("kept").metadata.uid, before.metadata.uid);

    control_plane.kill(Component::Etcd);
    control_plane.start_component(Component::Etcd).await.expect("started again");
    let again = wait_for("the object after etcd's crash", Duration::from_secs(30), || async {
        configs.get("kept").await.map_err(|error| error.to_string())
    });
    assert_eq!(again.await.expect("kept").metadata.uid, before.metadata.uid);

    control_plane.pause(Component::ApiServer).expect("frozen");
    // On a busy machine the signal reaches the last thread a moment later.
    wait_for("the server to be frozen", Duration::from_secs(10), || async {
        match tokio::time::timeout(Duration::from_millis(300), configs.get("kept")).await {
            Ok(Ok(_)) => Err("it answers".to_owned()),
            _ => Ok(()),
        }
    })
    .await
    .expect("frozen");
    let frozen = tokio::time::timeout(Duration::from_secs(1), configs.get("kept")).await;
    // A broken connection is no response either.
    assert!(!matches!(frozen, Ok(Ok(_))), "a frozen server does not answer");
    control_plane.resume(Component::ApiServer).await.expect("goes on");
    configs.get("kept").await.expect("answers again");

    for component in [Component::ControllerManager, Component::Kwok] {
        control_plane.kill(component);
        control_plane.start_component(component).await.expect("started again");
    }
    let nodes: Api<Node> = Api::all(client);
    assert_eq!(nodes.list(&ListParams::default()).await.expect("nodes").items.len(), 1);

    let dir = control_plane.dir().to_owned();
    let pids = pids_of(&dir);
    assert!(pids.len() >= Component::ALL.len(), "{pids:?}");
    drop(control_plane);
    assert!(!dir.exists(), "the directory is removed");
    for pid in pids {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!command.contains(&dir.display().to_string()), "process {pid} was left: {command}");
    }
}

fn pids_of(dir: &Path) -> Vec<u32> {
    let list = std::fs::read_to_string(dir.join("pids")).expect("the list of processes");
    list.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
}
