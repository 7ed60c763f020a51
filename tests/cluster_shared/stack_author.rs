//! A `ServiceStack` does nothing that its author could not do by hand. Rows T1 to T17 of the threats of
//! tenants.

use http::Request;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, PostParams},
};

use super::{
    cluster::{OPERATOR_NAMESPACE, World, stacks},
    protection::{refusal, with_policy},
    stolen_token::{FENCE, Thief},
    *,
};

const POLICY: &str = "ValidatingAdmissionPolicy 'logpilot-operator-stack-author'";

/// Every kind of object that a stack can ask for: group and plural.
const KINDS: [(&str, &str); 15] = [
    ("", "serviceaccounts"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
    ("", "services"),
    ("", "configmaps"),
    ("", "secrets"),
    ("", "persistentvolumeclaims"),
    ("networking.k8s.io", "ingresses"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("gateway.networking.k8s.io", "gateways"),
    ("networking.k8s.io", "networkpolicies"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("policy", "poddisruptionbudgets"),
    ("monitoring.coreos.com", "servicemonitors"),
];

/// Asks for every kind.
fn everything() -> Value {
    json!({
        "secrets": { "db": { "generate": ["password"] } },
        "components": {
            "db": { "kind": "StatefulSet", "image": "db:1", "volumes": { "data": { "path": "/data", "size": "1Gi" } } },
            "migration": { "kind": "Job", "image": "migration:1" },
            "web": {
                "image": "web:1", "ports": [{ "name": "http", "port": 80 }], "files": { "/etc/web.conf": "x" },
                "autoscaling": { "maxReplicas": 2 },
            },
        },
        "exposure": {
            "ingress": { "rules": [{ "component": "web" }] },
            "gateway": { "className": "envoy", "rules": [{ "component": "web" }] },
        },
        "monitoring": { "serviceMonitor": {} },
        "operation": { "paused": true },
    })
}

fn one(component: &Value) -> Value {
    json!({
        "components": { "web": component }, "networkPolicy": { "enabled": false }, "operation": { "paused": true },
    })
}

fn manifest(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
        "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    })
}

struct Place {
    world: &'static World,
    admin: Client,
    namespace: String,
}

impl Place {
    async fn new(namespace: &str) -> Self {
        let world = shared_operator().await;
        let admin = world.client().await;
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        cluster::apply(&admin, &object).await;
        Self { world, admin, namespace: namespace.to_owned() }
    }

    /// A user who may do everything with stacks, and this.
    async fn user(&self, name: &str, rules: &[(&str, &str, &[&str])]) -> Client {
        let granted = |&(group, plural, verbs): &(&str, &str, &[&str])| -> Value {
            json!({ "apiGroups": [group], "resources": [plural], "verbs": verbs })
        };
        let stacks = ("logpilot.io", "servicestacks", ["*"].as_slice());
        let rules: Vec<Value> = rules.iter().chain([&stacks]).map(granted).collect();
        let metadata = json!({ "name": name, "namespace": self.namespace });
        let kind = "rbac.authorization.k8s.io/v1";
        let role = json!({ "apiVersion": kind, "kind": "Role", "metadata": metadata, "rules": rules });
        cluster::apply(&self.admin, &role).await;
        self.bound(name, "Role", name).await
    }

    async fn bound(&self, user: &str, kind: &str, role: &str) -> Client {
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
            "metadata": { "name": user, "namespace": self.namespace },
            "roleRef": { "apiGroup": group, "kind": kind, "name": role },
            "subjects": [{ "apiGroup": group, "kind": "User", "name": user }],
        });
        cluster::apply(&self.admin, &binding).await;
        self.world.env.access().client_as(user, &[]).await.unwrap()
    }

    /// Returns the API server's refusal of a stack; empty if it accepts it. Nothing is stored.
    async fn says(&self, author: &Client, spec: &Value) -> String {
        let api: Api<DynamicObject> = Api::namespaced_with(author.clone(), &self.namespace, &stacks());
        let object = serde_json::from_value(manifest(&self.namespace, "tried", spec)).unwrap();
        match api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await {
            Ok(_) => String::new(),
            Err(kube::Error::Api(status)) => status.message.clone(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Rights and policies are in force some moments after they were made.
    async fn until(&self, author: &Client, spec: &Value, good: impl Fn(&str) -> bool) {
        wait_for("the rights and the policy", SOON, async || {
            let said = self.says(author, spec).await;
            if good(&said) { Ok(()) } else { Err(said) }
        })
        .await
        .unwrap();
    }

    async fn make(&self, name: &str, spec: &Value) -> DynamicObject {
        cluster::apply(&self.admin, &manifest(&self.namespace, name, spec)).await
    }
}

/// T1.
#[tokio::test]
async fn an_author_needs_the_right_to_each_kind() {
    let place = Place::new("authors").await;
    let create: &[&str] = &["create"];
    let rights: Vec<(&str, &str, &[&str])> =
        KINDS.iter().map(|&(group, plural)| (group, plural, create)).collect();
    let all = place.user("has-all", &rights).await;
    let none = place.user("has-none", &[]).await;
    place.until(&none, &everything(), |said| said.contains(POLICY)).await;
    place.until(&all, &everything(), str::is_empty).await;
    let mut wrong = Vec::new();
    for (without, (_, plural)) in KINDS.iter().enumerate() {
        let rights: Vec<_> =
            rights.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, it)| *it).collect();
        let author = place.user(&format!("has-no-{plural}"), &rights).await;
        place.until(&author, &json!({ "components": {} }), |said| !said.contains("cannot create")).await;
        let said = place.says(&author, &everything()).await;
        let words = format!("you may not create {plural} in namespace authors, and this stack would");
        if !(said.contains(POLICY) && said.contains(&words)) {
            wrong.push(format!("{plural}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // A kind that a stack does not use is not asked for.
    let few =
        place.user("has-few", &[("", "serviceaccounts", create), ("apps", "deployments", create)]).await;
    place.until(&few, &one(&json!({ "image": "web:1" })), str::is_empty).await;
    let said = place.says(&few, &one(&json!({ "kind": "StatefulSet", "image": "web:1" }))).await;
    assert!(said.contains("you may not create statefulsets"), "{said}");
}

/// T1, T17: the roles as they are installed, and a change that is not one of the spec.
#[tokio::test]
async fn the_role_edit_suffices_and_never_writes_the_status() {
    let place = Place::new("editors").await;
    for role in cluster::documents(&std::fs::read_to_string("config/rbac/user_roles.yaml").unwrap()) {
        cluster::apply(&place.admin, &role).await;
    }
    let editor = place.bound("editor", "ClusterRole", "edit").await;
    let viewer = place.bound("viewer", "ClusterRole", "view").await;
    let only_stacks = place.user("only-stacks", &[]).await;
    for name in ["erp", "codebeaker", "restaurant"] {
        let text = std::fs::read_to_string(format!("examples/stacks/{name}.yaml")).unwrap();
        let spec = cluster::documents(&text)[0]["spec"].clone();
        place.until(&editor, &spec, str::is_empty).await;
        place.until(&only_stacks, &spec, |said| said.contains("you may not create")).await;
        assert!(place.says(&viewer, &spec).await.contains("cannot create resource"), "{name}");
    }
    place.make("kept", &one(&json!({ "image": "web:1" }))).await;
    let patch = async |author: &Client, path: &str, patch: Value| {
        let path = format!("/apis/logpilot.io/v1alpha1/namespaces/editors/servicestacks/kept{path}");
        let request = Request::patch(path).header("content-type", "application/merge-patch+json");
        let request = request.body(serde_json::to_vec(&patch).unwrap()).unwrap();
        author.request_text(request).await.map(drop).map_err(|error| error.to_string())
    };
    let label = json!({ "metadata": { "labels": { "team": "a" } } });
    patch(&only_stacks, "", label).await.unwrap();
    let image = json!({ "spec": { "components": { "web": { "image": "web:2" } } } });
    let said = patch(&only_stacks, "", image.clone()).await.unwrap_err();
    assert!(said.contains("you may not create "), "{said}");
    patch(&editor, "", image).await.unwrap();
    let status = json!({ "status": { "summary": "Ready" } });
    let said = patch(&editor, "/status", status.clone()).await.unwrap_err();
    assert!(said.contains("servicestacks/status"), "{said}");
    // Where the subresource exists the API server drops a status that comes with the rest.
    patch(&editor, "", status).await.unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(viewer, "editors", &stacks());
    assert_ne!(api.get("kept").await.unwrap().data["status"]["summary"], "Ready");
    delete(&place, "kept").await;
}

async fn delete(place: &Place, name: &str) {
    let api: Api<DynamicObject> = Api::namespaced_with(place.admin.clone(), &place.namespace, &stacks());
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

/// T2.
#[tokio::test]
async fn a_secret_is_mounted_for_those_who_may_read_it() {
    let place = Place::new("blind").await;
    let create: &[&str] = &["create"];
    let mut rights: Vec<(&str, &str, &[&str])> =
        KINDS.iter().map(|&(group, plural)| (group, plural, create)).collect();
    let blind = place.user("blind", &rights).await;
    rights.push(("", "secrets", &["get"]));
    let seeing = place.user("seeing", &rights).await;
    let web = |field: &str, value: Value| one(&json!({ "image": "web:1", field: value }));
    let with = |field: &str, value: Value| {
        let mut spec = one(&json!({ "image": "web:1" }));
        spec[field] = value;
        spec
    };
    let reads = [
        with("secrets", json!({ "db": { "existing": "payroll" } })),
        web("envFrom", json!([{ "configMap": "a" }, { "secret": "payroll" }])),
        web("volumes", json!({ "a": { "path": "/a", "secret": "payroll" } })),
        with("monitoring", json!({ "prometheus": {}, "grafana": { "adminSecret": "payroll" } })),
    ];
    let mut own = with("secrets", json!({ "db": { "generate": ["password"] } }));
    own["components"]["web"]["volumes"] = json!({ "a": { "path": "/a", "secret": "db" } });
    place.until(&blind, &own, str::is_empty).await;
    for spec in &reads {
        place.until(&seeing, spec, str::is_empty).await;
        let said = place.says(&blind, spec).await;
        assert!(said.contains(POLICY) && said.contains("you may not get secrets"), "{spec}: {said}");
    }
}

/// T15.
#[tokio::test]
async fn no_stack_stands_in_a_namespace_of_the_system() {
    let place = Place::new("kube-mine").await;
    place.until(&place.admin, &one(&json!({ "image": "web:1" })), |said| said.contains(POLICY)).await;
    for namespace in ["kube-system", OPERATOR_NAMESPACE] {
        let place = Place { namespace: namespace.to_owned(), admin: place.admin.clone(), world: place.world };
        let said = place.says(&place.admin, &one(&json!({ "image": "web:1" }))).await;
        assert!(
            said.contains(&format!("namespace {namespace} belongs to Kubernetes or to the operator")),
            "{said}"
        );
    }
    kinds::delete(&place.admin, kind("Namespace"), "", "kube-mine").await;
}

/// A pod as the operator makes it for a stack, with this in it.
fn workload(patch: &Value) -> Value {
    let mut pod = json!({
        "automountServiceAccountToken": false,
        "securityContext": { "runAsNonRoot": true, "runAsUser": 10001 },
        "containers": [{
            "name": "c", "image": "i",
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        }],
    });
    for (field, value) in patch.as_object().unwrap() {
        pod[field] = value.clone();
    }
    json!({
        "metadata": { "name": "tried", "labels": { "logpilot.io/stack": "a" } },
        "spec": {
            "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": pod },
        },
    })
}

fn host_path(path: &str) -> Value {
    json!({ "volumes": [{ "name": "h", "hostPath": { "path": path } }] })
}

/// T3, T4, T5: what the operator itself may write for a tenant, whatever its own checks would let through.
#[tokio::test]
async fn the_operator_makes_only_restricted_pods_for_stacks() {
    let place = Place::new("reached").await;
    let thief = Thief::of(place.world).await;
    let tries = async |plural: &str, patch: &Value| {
        let path = format!("/apis/apps/v1/namespaces/reached/{plural}");
        thief.tries("POST", &path, None, &workload(patch)).await
    };
    let container = |security: Value| json!({ "containers": [{ "name": "c", "image": "i", "securityContext": security }] });
    let granted = "/var/run/docker.sock";
    let forbidden = [
        json!({ "automountServiceAccountToken": true }),
        json!({ "securityContext": { "runAsUser": 10001 } }),
        json!({ "securityContext": { "runAsNonRoot": true, "runAsUser": 0 } }),
        json!({ "hostNetwork": true }),
        json!({ "hostPID": true }),
        json!({ "hostIPC": true }),
        container(json!({})),
        container(json!({ "allowPrivilegeEscalation": false, "runAsUser": 0 })),
        container(json!({ "allowPrivilegeEscalation": false, "runAsNonRoot": false })),
        container(json!({ "allowPrivilegeEscalation": false, "capabilities": { "add": ["SYS_ADMIN"] } })),
        container(json!({ "privileged": true })),
        json!({ "initContainers": [{ "name": "i", "image": "i", "securityContext": { "privileged": true } }] }),
        host_path(granted),
    ];
    wait_for("the policy to be in force", SOON, async || match tries("deployments", &forbidden[0]).await {
        (403, words) if words.contains(FENCE) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    let mut through = Vec::new();
    for plural in ["deployments", "statefulsets"] {
        assert_eq!(tries(plural, &json!({})).await.0, 0, "{plural}: {:?}", tries(plural, &json!({})).await);
        for patch in &forbidden {
            let (code, words) = tries(plural, patch).await;
            if code != 403 || !words.contains(FENCE) {
                through.push(format!("{plural} {patch}: {code} {words}"));
            }
        }
    }
    let grant =
        json!({ "metadata": { "annotations": { "logpilot.io/host-paths": format!("/a, {granted}") } } });
    kinds::edit(&place.admin, kind("Namespace"), "", "reached", &grant).await;
    wait_for("the grant to be seen", SOON, async || match tries("deployments", &host_path(granted)).await {
        (0, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    for path in
        ["/var/run", "/var/run/docker.sock/", "/", "/var/run/docker.socket", "/a, /var/run/docker.sock"]
    {
        let (code, words) = tries("deployments", &host_path(path)).await;
        if code != 403 || !words.contains("that its annotation") {
            through.push(format!("{path}: {code} {words}"));
        }
    }
    assert!(through.is_empty(), "let through, or refused for another reason:\n{}", through.join("\n"));
}

/// The operator may change the objects that a stack controls, even without their label (T8: and no others).
#[tokio::test]
async fn objects_of_a_stack_are_the_operators() {
    let place = Place::new("owned").await;
    let thief = Thief::of(place.world).await;
    let stack = place.make("owner", &one(&json!({ "image": "web:1" }))).await;
    let config_map = |name: &str, owners: Value| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "owned", "ownerReferences": owners },
        })
    };
    let owners = json!([{
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack", "name": "owner", "controller": true,
        "uid": stack.metadata.uid.unwrap(),
    }]);
    cluster::apply(&place.admin, &config_map("ours", owners)).await;
    cluster::apply(&place.admin, &config_map("theirs", json!([]))).await;
    let tries = async |name: &str| {
        let path = format!("/api/v1/namespaces/owned/configmaps/{name}");
        thief.tries("PATCH", &path, None, &json!({ "data": { "a": "b" } })).await
    };
    let (code, words) = tries("ours").await;
    assert_eq!(code, 0, "{words}");
    let (code, words) = tries("theirs").await;
    assert!(code == 403 && words.contains(FENCE), "{code} {words}");
    delete(&place, "owner").await;
}

#[tokio::test]
async fn a_protected_stack_stays_and_goes_with_its_namespace() {
    let place = Place::new("protected-stack").await;
    with_policy(&place.admin).await;
    let mut spec = one(&json!({ "image": "web:1" }));
    spec["deletionProtection"] = json!(true);
    place.make("kept", &spec).await;
    let api: Api<DynamicObject> = Api::namespaced_with(place.admin.clone(), "protected-stack", &stacks());
    let said = refusal("the stack", async |how| api.delete("kept", &how).await.map(drop)).await;
    let way_out = "kubectl patch servicestack kept -n protected-stack --type=merge -p '{\"spec\":{\"deletionProtection\":false}}'";
    assert!(said.contains("ServiceStack 'kept' is protected") && said.contains(way_out), "{said}");
    kinds::delete(&place.admin, kind("Namespace"), "", "protected-stack").await;
    wait_for("the namespace to go", Duration::from_secs(60), async || {
        match kinds::get(&place.admin, kind("Namespace"), "", "protected-stack").await {
            None => Ok(()),
            Some(left) => Err(format!("{:?}", left.data)),
        }
    })
    .await
    .unwrap();
}
