//! Every example on a real API server, until all its pods are ready.
//!
//! They are applied as they are written, except for what only one of them can have at a time, or
//! what depends on the site:
//!
//! | Field | Becomes |
//! |---|---|
//! | the resource's name, and its namespace | `ex-` and the file's name, to avoid collisions |
//! | `nameOverride` | the original name of the objects, so that patches still find them |
//! | `systemNamespace.name` | the namespace's name and `-system` |
//! | names of storage classes | omitted: the default class |
//! | numbers of node ports | omitted: allocated |
//! | the image of a restore's Job | one whose pod waits until the test determines its result |
//!
//! The overlays under `kustomize/` have names of their own and are applied as Kustomize renders them.

use std::{fs, path::Path, process::Command};

use futures::{StreamExt as _, stream};
use kube::api::DeleteParams;

use super::*;

/// The number of concurrent examples: each of them creates up to seven pods.
const AT_ONCE: usize = 6;

struct Example {
    file: String,
    resource: Value,
    /// The objects that must exist before, as its first lines say.
    needs: Vec<Value>,
}

#[tokio::test]
async fn every_example_becomes_ready() {
    let world = shared_operator().await;
    let mut examples = of_files();
    if let Some(plane) = world.env.control_plane() {
        let kubectl = plane.tool("kubectl");
        examples.extend(["staging", "production"].map(|stage| of_overlay(&kubectl, stage)));
    }
    let count = examples.len();
    assert!(count > 20, "{count} examples");
    let told: Vec<String> = stream::iter(examples).map(run).buffer_unordered(AT_ONCE).collect().await;
    println!("{}\n{count} examples", told.join("\n"));
}

async fn run(example: Example) -> String {
    let case = case(example.resource["metadata"]["name"].as_str().unwrap()).await;
    let began = Instant::now();
    for object in &example.needs {
        cluster::apply(&case.client, object).await;
    }
    cluster::apply(&case.client, &example.resource).await;
    if let Some(from) = example.resource["spec"]["restore"]["from"].as_str() {
        let words = json!({ "file": from, "takenAt": "2026-01-31T03:00:01Z", "rows": 1, "before": "", "durationMillis": 5 });
        restore::end_well(&case, &words).await;
    }
    let paused = example.resource["spec"]["operation"]["paused"] == true;
    let status = if paused {
        case.until("Paused", SOON, |status| status["summary"] == "Paused").await
    } else {
        case.until("Ready", SOON, |status| {
            ["Accepted", "Applied", "Ready"].iter().all(|type_| condition(status, type_).0 == "True")
        })
        .await
    };
    let took = began.elapsed();
    assert_eq!(condition(&status, "Accepted").0, "True", "{}: {status:#}", example.file);
    assert_eq!(status["problemCount"], 0, "{}: {:#}", example.file, status["problems"]);
    let warned: Vec<_> = problems(&status).into_iter().collect();
    let told = format!(
        "{:<28} {:>5} ms  pods {:<5} {}",
        example.file,
        took.as_millis(),
        status["pods"].as_str().unwrap_or_default(),
        warned.join(", ")
    );
    // No finalizer: it is deleted immediately, and Kubernetes deletes the rest.
    case.delete().await;
    let namespaces = kinds::api(&case.client, kind("Namespace"), "");
    for name in [status["namespace"].as_str(), example.resource["spec"]["systemNamespace"]["name"].as_str()] {
        // The resource may have been its owner.
        let _ = namespaces.delete(name.unwrap_or_default(), &DeleteParams::background()).await;
    }
    assert!(case.api().get_opt(&case.name).await.unwrap().is_none(), "{}", example.file);
    told
}

fn of_files() -> Vec<Example> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let mut documents = cluster::documents(&fs::read_to_string(path).unwrap());
            assert_eq!(documents.len(), 1, "{stem}: one resource");
            let mut resource = documents.remove(0);
            apart(&mut resource, &format!("ex-{stem}"));
            Example { needs: needs(&stem, &resource), file: format!("{stem}.yaml"), resource }
        })
        .collect()
}

/// See the table above.
fn apart(resource: &mut Value, name: &str) {
    let before = resource["metadata"]["name"].clone();
    resource["metadata"]["name"] = json!(name);
    let spec = &mut resource["spec"];
    if spec["nameOverride"].is_null() {
        spec["nameOverride"] = before;
    }
    spec["namespace"]["name"] = json!(name);
    if !spec["systemNamespace"].is_null() {
        spec["systemNamespace"]["name"] = json!(format!("{name}-system"));
    }
    if !spec["restore"].is_null() {
        let image = json!([{ "name": "restore", "image": "logpilot-operator:image-pull" }]);
        spec["patches"] = json!([{
            "target": { "kind": "Job", "name": format!("{}-restore", spec["nameOverride"].as_str().unwrap()) },
            "type": "Strategic", "patch": { "spec": { "template": { "spec": { "containers": image } } } },
        }]);
    }
    for pointer in ["/storage/volume", "/backup/volume"] {
        if let Some(volume) = spec.pointer_mut(pointer).and_then(Value::as_object_mut) {
            volume.remove("storageClassName");
        }
    }
    let components = spec.pointer_mut("/components").and_then(Value::as_object_mut);
    for component in components.into_iter().flat_map(|it| it.values_mut()) {
        if let Some(ports) = component.get_mut("nodePort").and_then(Value::as_object_mut) {
            ports.retain(|field, _| !["http", "grpc"].contains(&field.as_str()));
        }
    }
}

fn needs(stem: &str, resource: &Value) -> Vec<Value> {
    let namespace = resource["metadata"]["name"].clone();
    let claim = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
        })
    };
    let login = || {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "regcred", "namespace": namespace },
            "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": "{\"auths\":{}}" },
        })
    };
    let object = match stem {
        "existing-claim" => claim("logpilot-data"),
        "restore" => claim("saved-backups"),
        "air-gapped" => login(),
        _ => return Vec::new(),
    };
    vec![json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }), object]
}

fn of_overlay(kubectl: &Path, stage: &str) -> Example {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kustomize").join(stage);
    let output = Command::new(kubectl).arg("kustomize").arg(&directory).output().unwrap();
    assert!(output.status.success(), "{stage}: {}", String::from_utf8_lossy(&output.stderr));
    let mut needs = cluster::documents(std::str::from_utf8(&output.stdout).unwrap());
    let at = needs.iter().position(|it| it["kind"] == "LogPilotCluster").unwrap();
    let mut resource = needs.remove(at);
    // Kustomize sets a namespace for every kind that it does not know.
    resource["metadata"].as_object_mut().unwrap().remove("namespace");
    Example { file: format!("kustomize/{stage}"), resource, needs }
}
