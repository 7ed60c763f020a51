//! Reports the addresses of the servers.

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice, networking::v1::Ingress};
use serde_json::Value;

use super::View;
use crate::{
    api::status::{Endpoint, EndpointPort},
    engine::plan::Plan,
    kinds::Managed,
    workload::{
        build::{
            gateway::Gateway,
            routes::{GRPCRoute, HTTPRoute},
        },
        health,
    },
};

/// Returns the first host of a Gateway or an Ingress, else the first address of a load balancer.
pub(super) fn url(view: &View<'_>) -> Option<String> {
    let gateway = gateway_url(view.plan);
    let ingress = view
        .plan
        .objects
        .iter()
        .filter(|planned| planned.kind == Ingress::KIND && planned.held.is_none())
        .find_map(|planned| {
            let rules = planned.body.pointer("/spec/rules")?.as_array()?;
            let host = rules.iter().find_map(|rule| rule.get("host")?.as_str())?;
            let scheme = if planned.body.pointer("/spec/tls").is_some() { "https" } else { "http" };
            Some(format!("{scheme}://{host}"))
        });
    gateway.or(ingress).or_else(|| {
        let mut services = view.snapshot.of_kind(Service::KIND);
        services.find_map(|child| child.observed::<health::Service>()?.address.clone())
    })
}

/// The operator does not know whether a Gateway that it did not create terminates TLS, so the host has
/// no scheme.
fn gateway_url(plan: &Plan) -> Option<String> {
    let all =
        |kind| plan.objects.iter().filter(move |planned| planned.kind == kind && planned.held.is_none());
    let mut routes = all(HTTPRoute::KIND).chain(all(GRPCRoute::KIND));
    let host = routes.find_map(|route| route.body.pointer("/spec/hostnames/0")?.as_str())?;
    Some(match all(Gateway::KIND).next() {
        Some(gateway) if gateway.body.pointer("/spec/listeners/1").is_some() => format!("https://{host}"),
        Some(_) => format!("http://{host}"),
        None => host.to_owned(),
    })
}

pub(super) fn of_services(view: &View<'_>) -> Vec<Endpoint> {
    view.plan
        .objects
        .iter()
        .filter(|planned| planned.kind == Service::KIND)
        .map(|planned| {
            let ports = planned.body.pointer("/spec/ports").and_then(Value::as_array);
            let ready = view
                .snapshot
                .of_kind(EndpointSlice::KIND)
                .filter_map(|child| child.observed::<health::Slice>())
                .filter(|slice| slice.service == planned.key.name)
                .map(|slice| slice.ready)
                // A pod is in one slice per address family; the largest count is the number of pods.
                .max();
            Endpoint {
                name: planned.key.name.clone(),
                host: format!(
                    "{}.{}.svc",
                    planned.key.name,
                    planned.key.namespace.as_deref().unwrap_or_default()
                ),
                ports: ports
                    .into_iter()
                    .flatten()
                    .filter_map(|port| {
                        Some(EndpointPort {
                            name: port.get("name")?.as_str()?.to_owned(),
                            port: i32::try_from(port.get("port")?.as_i64()?).ok()?,
                        })
                    })
                    .collect(),
                ready_addresses: i32::try_from(ready.unwrap_or(0)).unwrap_or(i32::MAX),
            }
        })
        .take(16)
        .collect()
}
