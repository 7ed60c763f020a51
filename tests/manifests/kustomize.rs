//! Rendering with Kustomize: install.yaml from config/, and an overlay as a team would write it.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{documents, offline::Judge, read, root};

/// The control plane's kubectl, or the one that KUBECTL names; none is built for this.
fn kubectl() -> Option<PathBuf> {
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

/// What `kubectl kustomize` makes of a directory; `None`, and a line that is always seen, without a kubectl.
fn render(directory: &str, what: &str) -> Option<String> {
    let Some(kubectl) = kubectl() else {
        // Past the capture of a passing test's output: a skipped check must be seen.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED {what}: no kubectl; set KUBECTL, or run `cargo run -p local-cluster -- build`"
        );
        return None;
    };
    let output = Command::new(&kubectl)
        .args(["kustomize", "--load-restrictor", "LoadRestrictionsNone", directory])
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

/// `namespace`, `namePrefix`, `images` and generated Secrets reach into the resource.
#[test]
fn an_overlay_changes_names_and_images_inside_the_resource() {
    let Some(rendered) = render("tests/manifests/overlay/staging", "the overlay") else { return };
    let objects = documents(&rendered);
    let of = |kind: &str| -> Vec<&Value> { objects.iter().filter(|it| it["kind"] == kind).collect() };
    let secret = |prefix: &str| -> String {
        let names = of("Secret").into_iter().filter_map(|it| it["metadata"]["name"].as_str());
        names.into_iter().find(|name| name.starts_with(prefix)).unwrap().to_owned()
    };
    let cluster = of("LogPilotCluster")[0];
    let at = |path: &str| cluster.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (key, token) = (secret("staging-api-key-"), secret("staging-token-"));
    for (path, wanted) in [
        ("/metadata/name", "staging-logs"),
        ("/spec/namespace/name", "logs-staging"),
        ("/spec/image", "danpung2/logpilot:1.3.0"),
        ("/spec/components/all/image", "danpung2/logpilot:1.3.0"),
        ("/spec/auth/apiKeySecret/name", &key),
        ("/spec/imagePullSecrets/0/name", &token),
        ("/spec/components/all/env/0/valueFrom/secretKeyRef/name", &token),
        ("/spec/components/all/envFrom/0/secretRef/name", &token),
        ("/spec/environment", "Staging"),
    ] {
        assert_eq!(at(path), wanted, "{path}");
    }
    assert_eq!(of("Namespace")[0]["metadata"]["name"], "logs-staging");
    let refusals = Judge::new().refusals(cluster, None);
    assert!(refusals.is_empty(), "{refusals:#?}");
}
