//! The labels of the objects of any product, and the selectors that use them. Selectors are few and
//! never change; labels of the metadata may be added.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{StringMap, model::Component, names::claim_label, scope::Scope};

/// The label that hand-written manifests select by. A Deployment's selector therefore keeps it for
/// ever.
pub const APP: &str = "app";
pub const NAME: &str = "app.kubernetes.io/name";
/// The resource's name. Services select by this label and [`COMPONENT`].
pub const INSTANCE: &str = "app.kubernetes.io/instance";
pub const COMPONENT: &str = "app.kubernetes.io/component";
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Only on a Deployment's metadata: on other objects it would cause a write for each change of the
/// image.
pub const VERSION: &str = "app.kubernetes.io/version";

/// In the scope's domain, on pods: the PVC that they mount, so that pods that must share a node find
/// each other.
pub const DATA: &str = "data";
/// In the scope's domain, on objects that hold data, with the value `true`: the admission policy
/// rejects their deletion.
pub const PROTECTED: &str = "deletion-protection";
/// In the scope's domain, on Services: `internal`, `load-balancer` or `node-port`, so that a monitor
/// scrapes each pod once.
pub const SERVICE: &str = "service";
/// Value of [`SERVICE`] for the ClusterIP Services, the only ones with the internal ports.
pub const SERVICE_INTERNAL: &str = "internal";

/// Labels of an object that belongs to the resource as a whole.
#[must_use]
pub fn shared(scope: &Scope) -> StringMap {
    with(scope, &StringMap::new())
}

/// Labels of an object with additional labels of its own. They override the resource's labels, and the
/// operator's override both.
#[must_use]
pub fn with(scope: &Scope, own: &StringMap) -> StringMap {
    let mut labels = scope.labels.clone();
    labels.extend(own.clone());
    labels.extend([
        (NAME.to_owned(), scope.product.clone()),
        (INSTANCE.to_owned(), scope.owner.name.clone()),
        (MANAGED_BY.to_owned(), scope.manager.clone()),
        (scope.family_key(), scope.prefix.as_str().to_owned()),
    ]);
    labels
}

/// Labels of an object that belongs to one component. They include `app`, so that `kubectl get all -l
/// app=…` returns the same objects as for hand-written manifests.
#[must_use]
pub fn of_component(scope: &Scope, kind: &str, name: &str) -> StringMap {
    let mut labels = shared(scope);
    labels.insert(COMPONENT.into(), kind.into());
    labels.insert(APP.into(), name.into());
    labels
}

/// Labels of a component's pods.
#[must_use]
pub fn of_pod(scope: &Scope, component: &Component) -> StringMap {
    let mut labels = with(scope, &component.pod_labels);
    labels.insert(COMPONENT.into(), component.kind.clone());
    labels.insert(APP.into(), component.name.clone());
    labels.extend(component.claim.as_deref().map(|claim| data(scope, claim)));
    labels
}

/// The label of pods that mount a PVC.
#[must_use]
pub fn data(scope: &Scope, claim: &str) -> (String, String) {
    (scope.key(DATA), claim_label(claim))
}

/// Marks an object that holds data, if the resource is protected.
pub fn protect(scope: &Scope, labels: &mut StringMap) {
    if scope.protected {
        labels.insert(scope.key(PROTECTED), "true".into());
    }
}

/// Selector of a component's pods, for its Deployment, disruption budget and topology spread. It never
/// changes.
#[must_use]
pub fn pod_selector(component: &Component) -> LabelSelector {
    selector([(APP.into(), component.name.clone())])
}

/// Selector of the pods that mount a PVC, of any component.
#[must_use]
pub fn data_selector(scope: &Scope, claim: &str) -> LabelSelector {
    selector([data(scope, claim)])
}

/// Selector of a Service. It does not contain `app`: a canary has another value and serves the same
/// clients.
#[must_use]
pub fn service_selector(scope: &Scope, component: &Component) -> StringMap {
    let mut labels = StringMap::from([
        (INSTANCE.into(), scope.owner.name.clone()),
        (COMPONENT.into(), component.kind.clone()),
    ]);
    if scope.selects_family {
        labels.insert(scope.family_key(), scope.prefix.as_str().to_owned());
    }
    labels
}

/// Selector of the Services that a ServiceMonitor scrapes.
#[must_use]
pub fn monitored_services(scope: &Scope) -> LabelSelector {
    selector([(INSTANCE.into(), scope.owner.name.clone()), (scope.key(SERVICE), SERVICE_INTERNAL.into())])
}

/// Selector of the one Service of a component that its own ServiceMonitor scrapes.
#[must_use]
pub fn monitored_service(scope: &Scope, component: &Component) -> LabelSelector {
    selector([
        (scope.family_key(), scope.prefix.as_str().to_owned()),
        (COMPONENT.into(), component.kind.clone()),
        (scope.key(SERVICE), SERVICE_INTERNAL.into()),
    ])
}

/// Selector of the pods that a PodMonitor scrapes.
#[must_use]
pub fn monitored_pods(scope: &Scope) -> LabelSelector {
    selector([(scope.family_key(), scope.prefix.as_str().to_owned())])
}

fn selector<const N: usize>(labels: [(String, String); N]) -> LabelSelector {
    LabelSelector { match_labels: Some(StringMap::from(labels)), ..LabelSelector::default() }
}
