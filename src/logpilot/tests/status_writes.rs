//! The consequences of a status write that failed.

use std::sync::Arc;

use kube::{
    api::{ApiResource, DynamicObject},
    client::Body,
    core::GroupVersionKind,
    runtime::{controller::Action, reflector::store::Writer},
};
use serde_json::json;

use crate::{
    api,
    engine::{cache::ObjectCache, controller::Reconciler, lease::Leadership},
    logpilot::{controller::Controller, plan::planner},
    metrics::Metrics,
};

/// A client whose API server answers every request with an error.
fn failing_client() -> kube::Client {
    let service = tower::service_fn(|_: http::Request<Body>| async {
        let status = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "code": 500, "reason": "InternalError", "message": "etcdserver: request timed out",
        });
        http::Response::builder().status(500).body(Body::from(status.to_string().into_bytes()))
    });
    kube::Client::new(service, "default")
}

#[tokio::test]
async fn an_unwritten_rejection_is_retried() {
    let resource = GroupVersionKind::gvk(api::GROUP, api::VERSION, api::KIND);
    let store = Writer::new(ApiResource::from_gvk_with_plural(&resource, api::PLURAL)).as_reader();
    let controller = Controller::new(
        failing_client(),
        Arc::new(ObjectCache::default()),
        Arc::new(Metrics::default()),
        planner(),
        store,
        Leadership::default(),
    );
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "spec": { "image": ":" },
        "metadata": { "name": "a", "uid": "u", "generation": 1, "resourceVersion": "1" },
    }))
    .unwrap();
    let action = Box::pin(controller.reconcile(Arc::new(object))).await;
    assert_ne!(action, Action::await_change());
}
