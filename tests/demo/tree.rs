//! The objects of a Kubernetes cluster as a tree of owners, as the API server returns them.

use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use logpilot_operator::{
    api::{GROUP, KIND, PLURAL, VERSION},
    engine::kind::Kind,
    kinds::KINDS,
};
use serde_json::Value;

/// Kubernetes creates them for each Service; they would only lengthen the tree.
const LEFT_OUT: &str = "EndpointSlice";

struct Node {
    uid: String,
    owner: Option<String>,
    title: String,
    state: String,
}

pub fn resource(kind: &Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    ApiResource::from_gvk_with_plural(&gvk, kind.plural)
}

/// The resource, what it owns, and what that owns; then the objects without an owner, which outlive
/// the resource.
pub async fn draw(client: &Client, cluster: &str) -> Result<String, kube::Error> {
    let own = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, KIND), PLURAL);
    let named = ListParams::default().fields(&format!("metadata.name={cluster}"));
    let labelled = ListParams::default().labels(&format!("app.kubernetes.io/instance={cluster}"));
    let mut nodes = list(client, &own, &named).await?;
    for kind in KINDS.iter().filter(|kind| kind.kind != LEFT_OUT) {
        nodes.extend(list(client, &resource(kind), &labelled).await?);
    }
    let mut lines = Vec::new();
    branch(&nodes, None, "", &mut lines);
    let width = lines.iter().map(|(title, _)| title.chars().count()).max().unwrap_or(0);
    let lines: Vec<_> = lines.into_iter().map(|(title, state)| format!("{title:width$}  {state}")).collect();
    Ok(lines.join("\n"))
}

async fn list(client: &Client, resource: &ApiResource, which: &ListParams) -> Result<Vec<Node>, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    match api.list(which).await {
        Ok(list) => Ok(list.items.iter().map(|object| node(&resource.kind, object)).collect()),
        // An optional kind whose CRD is not installed.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn node(kind: &str, object: &DynamicObject) -> Node {
    let owner = object.owner_references().first().map(|owner| owner.uid.clone());
    let kept = if owner.is_none() && kind != KIND {
        ", has no owner: stays when the resource is deleted"
    } else {
        ""
    };
    Node {
        uid: object.uid().unwrap_or_default(),
        owner,
        title: format!("{kind}/{}", object.name_any()),
        state: state(kind, &object.data) + kept,
    }
}

/// Everything below an owner, each object under its own owner.
fn branch(nodes: &[Node], owner: Option<&str>, indent: &str, lines: &mut Vec<(String, String)>) {
    let below: Vec<&Node> = nodes.iter().filter(|node| node.owner.as_deref() == owner).collect();
    for (number, node) in below.iter().enumerate() {
        let (arm, further) = match owner {
            None => ("", ""),
            Some(_) if number + 1 == below.len() => ("└─ ", "   "),
            Some(_) => ("├─ ", "│  "),
        };
        lines.push((format!("{indent}{arm}{}", node.title), node.state.clone()));
        branch(nodes, Some(&node.uid), &format!("{indent}{further}"), lines);
    }
}

/// The most important fact about an object of this kind.
fn state(kind: &str, data: &Value) -> String {
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let count = |pointer: &str| data.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    match kind {
        KIND => text("/status/summary").to_owned(),
        "Deployment" | "ReplicaSet" => {
            format!("{}/{} ready", count("/status/readyReplicas"), count("/spec/replicas"))
        }
        "Pod" => format!("{} on {}", text("/status/phase"), text("/spec/nodeName")),
        "PersistentVolumeClaim" => format!("{} {}", text("/status/phase"), text("/status/capacity/storage")),
        "Service" => format!("{} {}", text("/spec/type"), text("/spec/clusterIP")),
        "Namespace" => text("/status/phase").to_owned(),
        _ => String::new(),
    }
}
