//! The CRD as users install it, with kubectl.

use std::{
    fs,
    process::{Command, Stdio},
};

use logpilot_operator::api::crd::definitions;

use super::*;

/// `kubectl apply` stores the applied object in an annotation, and those are limited to 262,144 bytes.
#[tokio::test]
async fn the_crd_applies_client_side_and_server_side() {
    let world = shared_operator().await;
    let Some(plane) = world.env.control_plane() else {
        println!("skipped: kubectl is the local control plane's");
        return;
    };
    let kubectl = |arguments: &[&str]| {
        let output = Command::new(plane.tool("kubectl"))
            .arg("--kubeconfig")
            .arg(plane.admin_kubeconfig_path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        said
    };
    for definition in definitions() {
        let plural = definition.spec.names.plural;
        // In a group of its own: the one in use stays as it is.
        let file = format!("{}/crds/{plural}.logpilot.io.yaml", env!("CARGO_MANIFEST_DIR"));
        let mut text = fs::read_to_string(file).unwrap().replace("logpilot.io", "applied.example.com");
        for short in definition.spec.names.short_names.unwrap() {
            text = text.replace(&format!("- {short}\n"), &format!("- applied{short}\n"));
        }
        let path = std::env::temp_dir().join(format!("{plural}-{}.yaml", std::process::id()));
        fs::write(&path, text).unwrap();
        applied(&kubectl, path.to_str().unwrap(), &format!("{plural}.applied.example.com"));
        fs::remove_file(path).unwrap();
    }
}

fn applied(kubectl: &impl Fn(&[&str]) -> String, file: &str, name: &str) {
    assert!(kubectl(&["apply", "-f", file]).contains("created"));
    let kept = kubectl(&[
        "get",
        "crd",
        name,
        "-o",
        r"jsonpath={.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}",
    ]);
    println!("kubectl keeps {} bytes of 262144 in its annotation", kept.len());
    assert!(kept.len() > 10_000, "{kept}");
    assert!(kubectl(&["apply", "-f", file]).contains("unchanged"));
    assert!(
        kubectl(&["apply", "--server-side", "--force-conflicts", "-f", file]).contains("serverside-applied")
    );
    kubectl(&["wait", "--for=condition=Established", "--timeout=20s", "crd", name]);
    kubectl(&["delete", "crd", name]);
}
