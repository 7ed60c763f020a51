//! The README's install command on a dedicated control plane, and its guarantees: the manifests are
//! accepted without a warning, the operator's pod is admitted, users have the permissions of their
//! roles, the CRD stays while it is used.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "helpers of a test")]

mod hardened;

use std::{process::Command, time::Duration};

use local_cluster::{ControlPlane, Options, wait_for};

const SOON: Duration = Duration::from_secs(30);

struct Kubectl {
    plane: ControlPlane,
}

impl Kubectl {
    /// Returns both streams of kubectl; an error if it exits with one.
    fn run(&self, arguments: &str) -> Result<String, String> {
        let output = Command::new(self.plane.tool("kubectl"))
            .args(arguments.split_whitespace())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("KUBECONFIG", self.plane.admin_kubeconfig_path())
            .output()
            .unwrap();
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        if output.status.success() { Ok(text) } else { Err(text) }
    }

    fn must(&self, arguments: &str) -> String {
        self.run(arguments).unwrap_or_else(|text| panic!("kubectl {arguments}: {text}"))
    }

    /// Returns whether a user with this role may use the verb on LogPilotClusters.
    fn may(&self, role: &str, verb: &str) -> bool {
        self.run(&format!("auth can-i {verb} logpilotclusters.logpilot.io --as=user-of-{role}")).is_ok()
    }
}

#[tokio::test]
async fn the_manifests_install_as_documented() {
    let kubectl = Kubectl { plane: ControlPlane::start(Options::default()).await.unwrap() };

    let said = kubectl.must("apply -f crds/ -f install.yaml");
    assert!(!said.contains("Warning"), "{said}");
    for kind in ["logpilotclusters", "servicestacks"] {
        kubectl.must(&format!("wait --for=condition=Established crd/{kind}.logpilot.io --timeout=30s"));
    }
    // The namespace enforces the restricted profile; if a pod is rejected, the Deployment has none.
    kubectl.must("rollout status deployment/logpilot-operator -n logpilot-operator-system --timeout=60s");

    hardened::the_program_needs_no_privilege_and_tells_no_secret(&kubectl).await;
    people_have_the_rights_of_their_roles(&kubectl).await;
    tenants_have_stacks(&kubectl);
    the_crd_stays_while_there_is_a_cluster(&kubectl).await;
    a_protected_cluster_is_not_deleted(&kubectl);
    the_crd_of_stacks_stays_until_an_administrator_says_otherwise(&kubectl);

    // In either order: nothing remains that holds the namespace or the CRDs.
    kubectl.must("delete -f install.yaml -f crds/ --timeout=60s");
}

async fn people_have_the_rights_of_their_roles(kubectl: &Kubectl) {
    let roles = [
        // Kubernetes' own roles: read access is aggregated into all of them, write access into none.
        ("view", "get list watch"),
        ("edit", "get list watch"),
        ("admin", "get list watch"),
        ("logpilot-operator-view", "get list watch"),
        ("logpilot-operator-edit", "get list watch create patch update"),
        ("logpilot-operator-admin", "get list watch create patch update delete deletecollection"),
    ];
    for (role, _) in roles {
        kubectl.must(&format!(
            "create clusterrolebinding test-{role} --clusterrole={role} --user=user-of-{role}"
        ));
    }
    wait_for("the aggregation", SOON, async || {
        kubectl.may("admin", "get").then_some(()).ok_or("not yet".to_owned())
    })
    .await
    .unwrap();
    for (role, verbs) in roles {
        for verb in ["get", "list", "watch", "create", "patch", "update", "delete", "deletecollection"] {
            let wanted = verbs.split(' ').any(|it| it == verb);
            assert_eq!(kubectl.may(role, verb), wanted, "{role} {verb}");
        }
    }
}

/// Tenants write stacks with the roles that they have, and no user writes their status.
fn tenants_have_stacks(kubectl: &Kubectl) {
    const ALL: &str = "get list watch create patch update delete deletecollection";
    let may = |role: &str, verb: &str, resource: &str| {
        kubectl.run(&format!("auth can-i {verb} {resource} --as=user-of-{role} -n default")).is_ok()
    };
    for (role, verbs) in
        [("view", "get list watch"), ("edit", ALL), ("admin", ALL), ("logpilot-operator-admin", "")]
    {
        for verb in ALL.split(' ') {
            let wanted = verbs.split(' ').any(|it| it == verb);
            assert_eq!(may(role, verb, "servicestacks.logpilot.io"), wanted, "{role} {verb}");
        }
        for verb in ["patch", "update"] {
            assert!(!may(role, verb, "servicestacks.logpilot.io --subresource=status"), "{role} {verb}");
        }
    }
}

async fn the_crd_stays_while_there_is_a_cluster(kubectl: &Kubectl) {
    const DELETE: &str = "delete crd logpilotclusters.logpilot.io --wait=false";
    kubectl.must("apply -f examples/quickstart.yaml");
    wait_for("the policy to know the cluster", SOON, async || {
        // The request is refused from the first second, for one reason or another.
        match kubectl.run(&format!("{DELETE} --dry-run=server")) {
            Ok(said) => panic!("deleted: {said}"),
            Err(said) if said.contains("'quickstart' exists") => Ok(()),
            Err(said) => Err(said),
        }
    })
    .await
    .unwrap();
    let said = kubectl.run(DELETE).unwrap_err();
    assert!(said.contains("delete the LogPilotClusters first"), "{said}");
    assert!(kubectl.run("delete crd --all --wait=false").is_err());

    kubectl.must("delete -f examples/quickstart.yaml");
    wait_for("the policy to forget the cluster", SOON, async || {
        kubectl.run(&format!("{DELETE} --dry-run=server")).map(drop)
    })
    .await
    .unwrap();
}

fn the_crd_of_stacks_stays_until_an_administrator_says_otherwise(kubectl: &Kubectl) {
    const DELETE: &str = "delete crd servicestacks.logpilot.io --wait=false --dry-run=server";
    let said = kubectl.run(DELETE).unwrap_err();
    assert!(said.contains("every ServiceStack would be deleted with its CRD"), "{said}");
    kubectl.must("annotate crd servicestacks.logpilot.io logpilot.io/allow-deletion=true");
    kubectl.must(DELETE);
}

fn a_protected_cluster_is_not_deleted(kubectl: &Kubectl) {
    let protect = |on: bool| {
        let patch = format!("{{\"spec\":{{\"deletionProtection\":{on}}}}}");
        kubectl.must(&format!("patch lpc quickstart --type=merge -p {patch}"));
    };
    kubectl.must("apply -f examples/quickstart.yaml");
    protect(true);
    for what in ["lpc quickstart", "lpc --all", "-f examples/quickstart.yaml"] {
        let said = kubectl.run(&format!("delete {what} --wait=false")).unwrap_err();
        assert!(said.contains("set spec.deletionProtection to false first"), "{said}");
    }
    protect(false);
    kubectl.must("delete lpc quickstart --timeout=30s");
}
