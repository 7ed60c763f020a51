//! Rendering with Kustomize: install.yaml from config/, and overlays as users would write them.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{documents, examples::planned, offline::Judge, read, root};

/// Returns the control plane's kubectl, or the one that KUBECTL names. No kubectl is built for this.
pub fn kubectl() -> Option<PathBuf> {
    if let Some(given) = env::var_os("KUBECTL").filter(|it| !it.is_empty()) {
        return Some(given.into());
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|it| !it.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")))?;
    let builds = fs::read_dir(cache.join("logpilot-operator/control-plane")).ok()?;
    let built = |path: PathBuf| Some((fs::metadata(&path).ok()?.modified().ok()?, path));
    builds.flatten().filter_map(|build| built(build.path().join("bin/kubectl"))).max().map(|(_, path)| path)
}

/// Returns the output of `kubectl kustomize` for a directory. Without a kubectl, returns `None` and
/// prints a line that is always visible.
pub fn render(directory: &str, what: &str) -> Option<String> {
    let Some(kubectl) = kubectl() else {
        // This bypasses the captured output of a passing test: a skipped check must be visible.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED {what}: no kubectl; set KUBECTL, or run `cargo run -p local-cluster -- build`"
        );
        return None;
    };
    let output = Command::new(&kubectl)
        .args(["kustomize", directory])
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", kubectl.display()));
    assert!(output.status.success(), "{directory}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_install_manifest_is_what_config_renders() {
    let Some(rendered) = render("config/default", "install.yaml") else { return };
    let file = read("install.yaml");
    let (header, body) = file.split_once('\n').unwrap();
    assert!(header.starts_with("# Generated"), "{header}");
    assert!(body == rendered, "install.yaml is out of date; run `make install-yaml`");
}

/// `namespace`, `namePrefix`, `images` and generated Secrets change the resource, and so its objects.
#[test]
fn overlays_change_names_and_images_inside_the_resource() {
    for stage in ["staging", "production"] {
        let Some(rendered) = render(&format!("examples/kustomize/{stage}"), "the overlays") else { return };
        let objects = documents(&rendered);
        let of = |kind: &str| -> Vec<&Value> { objects.iter().filter(|it| it["kind"] == kind).collect() };
        let secret = |name: &str| -> String {
            let prefix = format!("{stage}-{name}-");
            let mut names = of("Secret").into_iter().filter_map(|it| it["metadata"]["name"].as_str());
            names.find(|name| name.starts_with(&prefix)).unwrap().to_owned()
        };
        let cluster = of("LogPilotCluster")[0];
        let at = |path: &str| cluster.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, namespace) = (format!("{stage}-logs"), format!("logs-{stage}"));
        let (key, settings) = (secret("api-key"), secret("settings"));
        for (path, wanted) in [
            ("/metadata/name", &name),
            ("/spec/namespace/name", &namespace),
            ("/spec/auth/apiKeySecret/name", &key),
            ("/spec/components/all/env/0/valueFrom/secretKeyRef/name", &settings),
        ] {
            assert_eq!(&at(path), wanted, "{stage} {path}");
        }
        assert_eq!(of("Namespace")[0]["metadata"]["name"], namespace);
        let image = if stage == "staging" {
            "danpung2/logpilot:1.3.0-rc.1"
        } else {
            assert_eq!(at("/spec/components/grpc/envFrom/0/secretRef/name"), settings);
            assert_eq!(at("/spec/imagePullSecrets/0/name"), secret("registry-login"));
            "registry.example.com/logpilot:1.2.0"
        };

        let refusals = Judge::new().refusals(cluster, None);
        assert!(refusals.is_empty(), "{stage}: {refusals:#?}");
        let planned = planned(cluster, stage);
        let deployments: Vec<_> = planned.iter().filter(|it| it.kind.kind == "Deployment").collect();
        assert_eq!(deployments.len(), if stage == "staging" { 1 } else { 2 });
        for deployment in deployments {
            let text = deployment.body.to_string();
            let body = &deployment.body;
            assert_eq!(body["metadata"]["namespace"], namespace);
            assert_eq!(body["spec"]["template"]["spec"]["containers"][0]["image"], image);
            assert!(text.contains(&key), "{stage}: {text}");
            assert!(text.contains(&settings), "{stage}: {text}");
        }
    }
}

/// A reference that the file does not list would keep naming the Secret without its prefix and hash.
#[test]
fn every_reference_of_the_resource_is_followed() {
    let followed: Value = serde_yaml::from_str(&read("config/kustomizeconfig.yaml")).unwrap();
    let mut listed: Vec<&str> = followed["nameReference"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["fieldSpecs"].as_array().unwrap())
        .chain(followed["images"].as_array().unwrap())
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    listed.sort_unstable();
    let crd = serde_json::to_value(logpilot_operator::api::crd::crd()).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut references = Vec::new();
    walk(spec, &mut vec!["spec".to_owned()], &mut references);
    references.sort_unstable();
    assert!(references.len() > 20, "{references:?}");
    assert_eq!(listed, references);
}

/// Collects the paths of the leaves that name a Secret, a ConfigMap, a PVC or an image, in the notation
/// of Kustomize.
fn walk(schema: &Value, path: &mut Vec<String>, found: &mut Vec<String>) {
    if let Some(items) = schema.get("items") {
        return walk(items, path, found);
    }
    // The only map of objects. Kustomize supports no wildcard for its keys.
    if path.last().is_some_and(|it| it == "components") {
        for component in ["all", "rest", "grpc"] {
            path.push(component.to_owned());
            walk(&schema["additionalProperties"], path, found);
            path.pop();
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let owner = path.last().map(|it| it.to_lowercase()).unwrap_or_default();
        let of_reference = owner.contains("secret") || owner.contains("configmap");
        path.push(name.clone());
        match name.as_str() {
            "name" if of_reference => found.push(path.join("/")),
            "secretName" | "existingClaim" | "image" => found.push(path.join("/")),
            _ => walk(property, path, found),
        }
        path.pop();
    }
}
