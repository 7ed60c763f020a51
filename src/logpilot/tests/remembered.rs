//! State remembered for a resource is dropped with it, and the next resource of that name starts
//! without it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use http::{Request, Response};
use k8s_openapi::api::core::v1::Namespace;
use kube::{api::DynamicObject, client::Body, runtime::reflector::store::Writer};
use serde_json::json;

use super::*;
use crate::{
    engine::{cache::ObjectCache, child::Child, controller::Reconciler, lease::Leadership},
    kinds::Managed,
    logpilot::{controller::Controller, plan::planner},
    metrics::Metrics,
};

/// A controller for which only the namespace exists, and a counter of reads of the Secret that the
/// spec names.
fn controller() -> (Controller, Arc<AtomicUsize>) {
    let reads = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&reads);
    let service = tower::service_fn(move |request: Request<Body>| {
        let named = request.method() == "GET" && request.uri().path().ends_with("/secrets/settings");
        counted.fetch_add(usize::from(named), Relaxed);
        // Nothing can be read and nothing can be written: the resource is reconciled again only if
        // it exists.
        let (code, reason) =
            if request.method() == "GET" { (404, "NotFound") } else { (500, "InternalError") };
        let status = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "",
        });
        async move { Response::builder().status(code).body(Body::from(status.to_string().into_bytes())) }
    });
    let cache = ObjectCache::default();
    let namespace = json!({ "metadata": { "name": "logpilot", "uid": "n", "resourceVersion": "1" } });
    cache.upsert(Child::read(Namespace::KIND, &namespace).unwrap());
    let controller = Controller::new(
        kube::Client::new(service, "default"),
        Arc::new(cache),
        Arc::new(Metrics::default()),
        planner(),
        Writer::new(LOGPILOT_CLUSTER.api_resource()).as_reader(),
        Leadership::default(),
    );
    (controller, reads)
}

fn with_uid(uid: &str) -> Arc<DynamicObject> {
    let spec = "components: { all: { env: [{ name: TOKEN, valueFrom: { secretKeyRef: { name: settings, key: k } } }] } }";
    let mut object = serde_json::to_value(resource(spec)).unwrap();
    lay_over(&mut object, &json!({ "metadata": { "uid": uid, "generation": 1, "resourceVersion": "1" } }));
    Arc::new(serde_json::from_value(object).unwrap())
}

/// Returns how often the Secret was read after reconciles of resources of one name with these UIDs.
async fn reads(uids: &[&str], gone_in_between: bool) -> usize {
    let (controller, reads) = controller();
    for uid in uids {
        Box::pin(controller.reconcile(with_uid(uid))).await;
        if gone_in_between {
            controller.on_deleted(&named());
        }
    }
    reads.load(Relaxed)
}

#[tokio::test]
async fn one_read_serves_the_reconciles_of_a_resource() {
    assert_eq!(reads(&["a", "a", "a"], false).await, 1);
}

#[tokio::test]
async fn a_recreated_resource_is_read_again() {
    assert_eq!(reads(&["a", "b"], false).await, 2, "its deletion was not seen");
    assert_eq!(reads(&["a", "a"], true).await, 2, "its deletion was seen");
}
