//! Fake nodes: Node objects that kwok reports Ready. Also cordon and uncordon, which work on any
//! Kubernetes cluster.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::core::v1::{Node, NodeAddress, NodeSpec, NodeStatus},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{Result, error::Context, wait_for};

/// The capacity of a test node: large enough that only tests that intend to exhaust it do so, and
/// that thousands of resources can remain after their tests.
const CAPACITY: [(&str, &str); 4] =
    [("cpu", "2000"), ("memory", "64Ti"), ("ephemeral-storage", "64Ti"), ("pods", "20000")];
/// The zones, assigned to nodes in rotation.
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// Creates `node-1` to `node-{count}`; existing nodes stay unchanged.
pub(crate) async fn create(client: &Client, count: usize) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    for number in 1..=count {
        let node = fake_node(number);
        match nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            created => {
                created.during(format!("create Node node-{number}"))?;
            }
        }
    }
    Ok(())
}

/// Waits until at least `count` nodes are Ready and accept pods.
pub async fn wait_until_ready(client: &Client, count: usize, deadline: Duration) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    wait_for(format!("{count} Ready nodes"), deadline, || async {
        let listed = nodes.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let ready = listed.items.iter().filter(|node| is_ready(node)).count();
        if ready >= count { Ok(()) } else { Err(format!("{ready} of {}", listed.items.len())) }
    })
    .await
}

/// Makes the node unschedulable, or schedulable again.
pub async fn set_unschedulable(client: &Client, name: &str, unschedulable: bool) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let patch = json!({ "spec": { "unschedulable": unschedulable } });
    nodes
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .during(format!("set unschedulable={unschedulable} on Node {name}"))?;
    Ok(())
}

/// Makes the node unschedulable.
pub async fn cordon(client: &Client, name: &str) -> Result<()> {
    set_unschedulable(client, name, true).await
}

/// Makes the node schedulable again.
pub async fn uncordon(client: &Client, name: &str) -> Result<()> {
    set_unschedulable(client, name, false).await
}

/// Returns whether the node is Ready, and without the taint of a new node.
fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready =
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    ready && !taints.into_iter().any(|taint| taint.key.starts_with("node.kubernetes.io/not-ready"))
}

fn fake_node(number: usize) -> Node {
    let name = format!("node-{number}");
    let zone = ZONES.iter().cycle().nth(number - 1).copied().unwrap_or_default();
    let labels = [
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("topology.kubernetes.io/zone", zone),
        ("topology.kubernetes.io/region", "local"),
    ];
    let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let capacity: BTreeMap<_, _> =
        CAPACITY.iter().map(|(key, value)| ((*key).to_owned(), Quantity((*value).to_owned()))).collect();
    let address = |type_: &str, address: String| NodeAddress { type_: type_.to_owned(), address };
    Node {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(labels.map(text).into()),
            annotations: Some([("kwok.x-k8s.io/node", "fake")].map(text).into()),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec::default()),
        status: Some(NodeStatus {
            allocatable: Some(capacity.clone()),
            capacity: Some(capacity),
            addresses: Some(vec![
                address("InternalIP", format!("10.245.0.{number}")),
                address("Hostname", name),
            ]),
            ..NodeStatus::default()
        }),
    }
}
