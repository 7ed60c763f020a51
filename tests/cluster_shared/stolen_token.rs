//! Limits of an attacker with the operator's token: every request here uses that token, and is
//! rejected.

use http::Request;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Client, api::PostParams};

use super::{
    cluster::{OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, World},
    *,
};

/// Distinguishes these requests from the operator's own where its traffic is compared with its
/// permissions.
const AGENT: &str = "stolen-token";

/// Part of a refusal by the policy, not by the role.
pub const FENCE: &str = "ValidatingAdmissionPolicy 'logpilot-operator-reach'";

pub struct Thief(Client);

impl Thief {
    pub async fn of(world: &World) -> Self {
        let access = world.env.access();
        Self(access.client_for_service_account(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT).await.unwrap())
    }

    /// Returns code and message of the response; 0 if the request was admitted.
    pub async fn tries(
        &self,
        method: &str,
        path: &str,
        header: Option<(&str, &str)>,
        body: &Value,
    ) -> (u16, String) {
        // A dry run, so that nothing happens if a refusal is missing.
        let dry = if method == "GET" || path.contains('?') { "" } else { "?dryRun=All" };
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let mut request =
            Request::builder().method(method).uri(format!("{path}{dry}")).header("user-agent", AGENT);
        request = request.header("content-type", content);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let body = if method == "GET" { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        match self.0.request_text(request.body(body).unwrap()).await {
            Ok(_) => (0, "let through".to_owned()),
            Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }
}

/// Method, path, and the attack step that the request would enable.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1/secrets", "every Secret there is"),
    ("GET", "/api/v1/secrets?watch=true", "every Secret there will be"),
    ("GET", "/api/v1/namespaces/kube-system/secrets", "the Secrets of a namespace"),
    ("PUT", "/api/v1/namespaces/default/secrets/any", "another's credentials"),
    ("PATCH", "/api/v1/namespaces/default/secrets/any", "another's credentials"),
    ("DELETE", "/api/v1/namespaces/default/secrets/any", "an outage"),
    ("POST", "/api/v1/namespaces/default/pods", "a pod of any kind"),
    ("PATCH", "/api/v1/namespaces/default/pods/any", "another image in a running pod"),
    ("DELETE", "/api/v1/namespaces/default/pods/any", "an outage"),
    ("POST", "/api/v1/namespaces/default/pods/any/exec?command=id", "a shell"),
    ("POST", "/api/v1/namespaces/default/pods/any/attach", "a shell"),
    ("POST", "/api/v1/namespaces/default/pods/any/portforward", "the pod's network"),
    ("PATCH", "/api/v1/namespaces/default/pods/any/ephemeralcontainers", "a debugger in the pod"),
    ("GET", "/api/v1/namespaces/default/pods/any/log", "what is in logs"),
    ("GET", "/api/v1/namespaces/default/pods/any/proxy/", "the pod's network"),
    ("POST", "/api/v1/namespaces/default/pods/any/binding", "a node of one's choice"),
    ("GET", "/api/v1/namespaces/default/services/any/proxy/", "the cluster's network"),
    ("GET", "/api/v1/nodes", "the nodes"),
    ("PATCH", "/api/v1/nodes/node-1", "a node's labels and taints"),
    ("GET", "/api/v1/nodes/node-1/proxy/pods", "the kubelet, and all its pods"),
    ("GET", "/api/v1/persistentvolumes", "where the data is"),
    ("POST", "/api/v1/persistentvolumes", "a directory of a node"),
    ("DELETE", "/api/v1/namespaces/default/persistentvolumeclaims/any", "the data"),
    ("DELETE", "/api/v1/namespaces/default", "all of a namespace"),
    ("PUT", "/api/v1/namespaces/default/finalize", "all of a namespace"),
    ("DELETE", "/api/v1/namespaces/default/configmaps", "a whole collection"),
    ("DELETE", "/apis/apps/v1/namespaces/default/deployments", "a whole collection"),
    ("POST", "/apis/apps/v1/namespaces/default/daemonsets", "a pod on every node"),
    ("PUT", "/apis/apps/v1/namespaces/default/deployments/any/scale", "an outage"),
    ("POST", "/api/v1/namespaces/kube-system/serviceaccounts/default/token", "another's identity"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "more rights"),
    ("PATCH", "/apis/rbac.authorization.k8s.io/v1/clusterroles/logpilot-operator", "more rights (escalate)"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "more rights (bind)"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", "more rights"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", "more rights (bind)"),
    ("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", "another's certificate"),
    ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/any/approval", "another's certificate"),
    ("POST", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "every write of others"),
    (
        "POST",
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        "every Secret that is written",
    ),
    (
        "DELETE",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/logpilot-operator-reach",
        "its own fence",
    ),
    (
        "DELETE",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/logpilot-operator-reach",
        "its own fence",
    ),
    ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "a kind of one's own"),
    (
        "PATCH",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/logpilotclusters.logpilot.io",
        "the rules of the resource",
    ),
    (
        "DELETE",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/logpilotclusters.logpilot.io",
        "every resource",
    ),
    ("POST", "/apis/logpilot.io/v1alpha1/logpilotclusters", "a resource, as an administrator has it"),
    ("PATCH", "/apis/logpilot.io/v1alpha1/logpilotclusters/any", "the spec of a resource"),
    ("DELETE", "/apis/logpilot.io/v1alpha1/logpilotclusters/any", "a resource"),
    ("POST", "/apis/logpilot.io/v1alpha1/namespaces/default/servicestacks", "a stack that no author wrote"),
    ("PATCH", "/apis/logpilot.io/v1alpha1/namespaces/default/servicestacks/any", "the spec of a stack"),
    ("DELETE", "/apis/logpilot.io/v1alpha1/namespaces/default/servicestacks/any", "a stack"),
    (
        "DELETE",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/logpilot-operator-stack-author",
        "the tenants' fence",
    ),
    ("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", "a Lease elsewhere"),
    ("PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler", "another's Lease"),
    (
        "PUT",
        "/apis/coordination.k8s.io/v1/namespaces/logpilot-operator-system/leases/other",
        "another Lease of its namespace",
    ),
    ("POST", "/apis/storage.k8s.io/v1/storageclasses", "a driver's parameters"),
    ("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", "the eviction of others"),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "whether a token is good"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "who may do what"),
    ("GET", "/metrics", "the API server's own figures"),
    ("GET", "/debug/pprof/profile", "the API server's time"),
    ("GET", "/logs/", "the API server's logs"),
];

/// Permitted by the role, because a permission covers every namespace and every form of a kind:
/// refused by `config/admission/operator_reach.yaml`.
fn fenced_off() -> Vec<(&'static str, String, Value)> {
    let pod = |pod: Value| json!({ "metadata": { "labels": { "a": "b" } }, "spec": pod });
    let container = json!([{ "name": "c", "image": "i" }]);
    let with_token = pod(json!({ "serviceAccountName": "strong", "containers": container }));
    let projected = pod(json!({
        "containers": container, "automountServiceAccountToken": false,
        "volumes": [{ "name": "t", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }],
    }));
    // Jobs have no default for it.
    let to_its_end = |template: &Value| {
        let mut template = template.clone();
        template["spec"]["restartPolicy"] = json!("Never");
        template
    };
    let deployment = |template: &Value| {
        json!({
            "metadata": { "name": "stolen" },
            "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": template },
        })
    };
    let mut harmless = with_token.clone();
    harmless["spec"]["automountServiceAccountToken"] = json!(false);
    let token_of = |account: &str| {
        json!({
            "metadata": { "name": "stolen", "annotations": { "kubernetes.io/service-account.name": account } },
            "type": "kubernetes.io/service-account-token",
        })
    };
    let labels = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } });
    let named = |name: &str| json!({ "metadata": { "name": name } });
    let in_namespace = |namespace: &str, group: &str, plural: &str| {
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        format!("{root}/namespaces/{namespace}/{plural}")
    };
    vec![
        ("POST", in_namespace("default", "", "secrets"), token_of("default")),
        ("POST", in_namespace("kube-system", "", "secrets"), token_of("clusterrole-aggregation-controller")),
        ("POST", in_namespace("kube-system", "", "secrets"), named("stolen")),
        ("POST", in_namespace("default", "apps", "deployments"), deployment(&with_token)),
        ("POST", in_namespace("default", "apps", "deployments"), deployment(&projected)),
        ("POST", in_namespace("default", "apps", "statefulsets"), deployment(&with_token)),
        ("POST", in_namespace("default", "apps", "statefulsets"), deployment(&projected)),
        ("POST", in_namespace("kube-system", "apps", "deployments"), deployment(&harmless)),
        ("POST", in_namespace(OPERATOR_NAMESPACE, "apps", "deployments"), deployment(&harmless)),
        (
            "POST",
            in_namespace("default", "batch", "jobs"),
            json!({ "metadata": { "name": "stolen" }, "spec": { "template": to_its_end(&with_token) } }),
        ),
        (
            "POST",
            in_namespace("default", "batch", "cronjobs"),
            json!({
                "metadata": { "name": "stolen" },
                "spec": { "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": to_its_end(&projected) } } },
            }),
        ),
        ("PATCH", "/api/v1/namespaces/kube-system".to_owned(), labels.clone()),
        ("PATCH", format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}"), labels.clone()),
        ("POST", "/api/v1/namespaces".to_owned(), named("kube-mine")),
        (
            "PATCH",
            in_namespace("kube-system", "", "configmaps/extension-apiserver-authentication"),
            json!({ "data": { "client-ca-file": "mine" } }),
        ),
        ("DELETE", in_namespace("kube-system", "", "configmaps/kube-root-ca.crt"), json!({})),
        ("POST", in_namespace("kube-system", "", "configmaps"), named("aws-auth")),
        (
            "POST",
            in_namespace("kube-system", "networking.k8s.io", "networkpolicies"),
            json!({ "metadata": { "name": "stolen" }, "spec": { "podSelector": {} } }),
        ),
        ("POST", in_namespace("kube-public", "", "serviceaccounts"), named("stolen")),
        // Foreign objects, in namespaces where the operator has its own.
        ("PATCH", "/api/v1/namespaces/default".to_owned(), labels),
        (
            "PATCH",
            in_namespace("default", "", "services/kubernetes"),
            json!({ "spec": { "sessionAffinity": "ClientIP" } }),
        ),
        ("DELETE", in_namespace("default", "", "services/kubernetes"), json!({})),
        (
            "PATCH",
            in_namespace("default", "", "configmaps/kube-root-ca.crt"),
            json!({ "data": { "ca.crt": "mine" } }),
        ),
        ("DELETE", in_namespace("default", "", "configmaps/kube-root-ca.crt"), json!({})),
        (
            "PATCH",
            in_namespace("default", "", "serviceaccounts/default"),
            json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "logpilot-operator" } } }),
        ),
    ]
}

#[tokio::test]
async fn the_operator_token_reaches_only_what_it_needs() {
    let world = shared_operator().await;
    let thief = Thief::of(world).await;
    let mut through = Vec::new();
    for (method, path, what) in FORBIDDEN {
        let (code, words) = thief.tries(method, path, None, &json!({})).await;
        if code != 403 || words.contains(FENCE) {
            through.push(format!("{method} {path} ({what}): {code} {words}"));
        }
    }
    for (header, whom) in [
        ("impersonate-user", "system:admin"),
        ("impersonate-user", "system:serviceaccount:kube-system:generic-garbage-collector"),
    ] {
        let (code, words) = thief.tries("GET", "/api/v1/namespaces", Some((header, whom)), &json!({})).await;
        if code != 403 || !words.contains("impersonate") {
            through.push(format!("acting as {whom}: {code} {words}"));
        }
    }
    assert!(through.is_empty(), "let through, or refused for another reason:\n{}", through.join("\n"));
    // The token is valid: what the operator does is admitted.
    for path in ["/api/v1/namespaces", "/apis/logpilot.io/v1alpha1/logpilotclusters"] {
        assert_eq!(thief.tries("GET", path, None, &json!({})).await.0, 0, "{path}");
    }
    println!("{} ways tried with the operator's token, all refused", FORBIDDEN.len() + 2);
}

#[tokio::test]
async fn the_operator_token_cannot_escalate_its_privileges() {
    let case = case("fenced").await;
    let thief = Thief::of(case.world).await;
    // A policy is in force some moments after its creation.
    wait_for("the policy to be in force", SOON, async || {
        let (code, words) = thief
            .tries("POST", "/api/v1/namespaces", None, &json!({ "metadata": { "name": "kube-x" } }))
            .await;
        if code == 403 && words.contains(FENCE) { Ok(()) } else { Err(format!("{code} {words}")) }
    })
    .await
    .unwrap();
    let mut through = Vec::new();
    for (method, path, body) in fenced_off() {
        let (code, words) = thief.tries(method, &path, None, &body).await;
        if code != 403 || !words.contains(FENCE) {
            through.push(format!("{method} {path} {body}: {code} {words}"));
        }
    }
    assert!(through.is_empty(), "let through, or refused for another reason:\n{}", through.join("\n"));

    // The policy applies to the operator alone, and permits its own work.
    let secret = json!({ "metadata": { "name": "mine" }, "stringData": { "a": "b" }, "type": "Opaque" });
    let tried = thief.tries("POST", "/api/v1/namespaces/default/secrets", None, &secret).await;
    assert_eq!(tried.0, 0, "{tried:?}");
    let namespaces: kube::Api<Namespace> = kube::Api::all(case.client.clone());
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let namespace =
        serde_json::from_value(json!({ "metadata": { "name": "kube-of-an-administrator" } })).unwrap();
    namespaces.create(&dry, &namespace).await.unwrap();
    case.apply(quickstart()).await;
    case.ready().await;
}
