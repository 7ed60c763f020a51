//! Access to a component: always from inside the Kubernetes cluster, and from outside if requested.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use crate::{labels, metadata, model::Component, names, scope::Scope};

/// The current node ports of Services, by the Service's name and the port's number.
pub type NodePorts = BTreeMap<String, BTreeMap<i64, i64>>;

/// The Service whose DNS name clients use, with every port of the component.
#[must_use]
pub fn cluster_ip(scope: &Scope, component: &Component) -> Service {
    let ports = component.ports.iter().map(|port| ServicePort {
        app_protocol: port.app_protocol.clone(),
        protocol: Some(port.protocol.clone()),
        ..service_port(&port.name, port.published)
    });
    let metadata = metadata(scope, component, component.name.clone(), labels::SERVICE_INTERNAL);
    service(scope, component, metadata, "ClusterIP", ports.collect())
}

/// Returns the governing Service of a StatefulSet. It also gives a monitor the addresses of all pods,
/// ready or not.
#[must_use]
pub fn headless(scope: &Scope, component: &Component) -> Service {
    let ports = component.ports.iter().map(|port| ServicePort {
        protocol: Some(port.protocol.clone()),
        ..service_port(&port.name, port.number)
    });
    let metadata = metadata(scope, component, names::pods(&component.name), "pods");
    let mut service = service(scope, component, metadata, "ClusterIP", ports.collect());
    if let Some(spec) = &mut service.spec {
        spec.cluster_ip = Some("None".into());
        spec.publish_not_ready_addresses = Some(true);
        spec.ports = spec.ports.take().filter(|ports| !ports.is_empty());
    }
    service
}

/// Returns `None` unless requested. Internal ports are not exposed: they have no authentication.
#[must_use]
pub fn load_balancer(scope: &Scope, component: &Component) -> Option<Service> {
    let wanted = component.load_balancer.as_ref()?;
    let ports = wanted.ports.iter().map(|port| service_port(&port.name, port.number)).collect();
    let name = names::load_balancer(&component.name);
    let mut metadata = metadata(scope, component, name, "load-balancer");
    metadata::annotate(&mut metadata, wanted.annotations.clone());
    let mut service = service(scope, component, metadata, "LoadBalancer", ports);
    if let Some(spec) = &mut service.spec {
        spec.load_balancer_class.clone_from(&wanted.class);
        spec.load_balancer_source_ranges =
            (!wanted.source_ranges.is_empty()).then(|| wanted.source_ranges.clone());
    }
    Some(service)
}

/// Returns `None` unless requested. The API server allocates a node port that is not set, and it stays
/// unchanged.
#[must_use]
pub fn node_port(scope: &Scope, component: &Component, allocated: &NodePorts) -> Option<Service> {
    let wanted = component.node_port.as_ref()?;
    let name = names::node_port(&component.name);
    // A port keeps its node port even if another port is to have it, since the API server rejects both
    // otherwise. 0 allocates another one.
    let in_the_way = |number: i32| {
        let has = allocated.get(&name)?.get(&i64::from(number))?;
        let asked = wanted.ports.iter().filter_map(|port| port.node_port);
        asked.map(i64::from).any(|asked| asked == *has).then_some(0)
    };
    let ports = wanted.ports.iter().map(|port| ServicePort {
        node_port: port.node_port.or_else(|| in_the_way(port.number)),
        ..service_port(&port.name, port.number)
    });
    let ports: Vec<_> = ports.collect();
    let metadata = metadata(scope, component, name, "node-port");
    Some(service(scope, component, metadata, "NodePort", ports))
}

fn metadata(scope: &Scope, component: &Component, name: String, which: &str) -> ObjectMeta {
    let mut metadata = metadata::of_component(scope, component, name);
    metadata.labels.get_or_insert_default().insert(scope.key(labels::SERVICE), which.into());
    metadata
}

fn service(
    scope: &Scope,
    component: &Component,
    metadata: ObjectMeta,
    type_: &str,
    ports: Vec<ServicePort>,
) -> Service {
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(type_.into()),
            selector: Some(labels::service_selector(scope, component)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn service_port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port: number,
        target_port: Some(IntOrString::String(name.into())),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}
