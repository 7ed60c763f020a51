//! How a component is reached: inside the cluster always, from outside where asked.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use crate::{
    logpilot::{
        facts::Facts,
        model::{Cluster, Component, Port},
    },
    workload::{labels, metadata},
};

/// The DNS name that clients use, with every port of the component.
#[must_use]
pub fn cluster_ip(cluster: &Cluster, component: &Component) -> Service {
    let ports = component.role.ports.iter().map(|port| ServicePort {
        app_protocol: port.app_protocol.map(str::to_owned),
        ..service_port(port, port.number)
    });
    let metadata = metadata(cluster, component, component.name.clone(), labels::SERVICE_INTERNAL);
    service(cluster, component, metadata, "ClusterIP", ports.collect())
}

/// None unless asked for. The management port stays inside: it is not authenticated.
#[must_use]
pub fn load_balancer(cluster: &Cluster, component: &Component) -> Option<Service> {
    let wanted = component.load_balancer.as_ref()?;
    let ports = [
        component.role.http.map(|port| service_port(port, wanted.http_port)),
        component.role.grpc.map(|port| service_port(port, wanted.grpc_port)),
    ];
    let name = cluster.prefix.load_balancer(component.role.name);
    let mut metadata = metadata(cluster, component, name, "load-balancer");
    metadata::annotate(&mut metadata, wanted.annotations.clone());
    let ports = ports.into_iter().flatten().collect();
    let mut service = service(cluster, component, metadata, "LoadBalancer", ports);
    if let Some(spec) = &mut service.spec {
        spec.load_balancer_class.clone_from(&wanted.class);
        spec.load_balancer_source_ranges =
            (!wanted.source_ranges.is_empty()).then(|| wanted.source_ranges.clone());
    }
    Some(service)
}

/// None unless asked for. A node port not given is allocated by the cluster and stays what it is.
#[must_use]
pub fn node_port(cluster: &Cluster, component: &Component, facts: &Facts) -> Option<Service> {
    let wanted = component.node_port.as_ref()?;
    let name = cluster.prefix.node_port(component.role.name);
    // What a port has, it keeps, even when another one is to have it: the API server then refuses both. 0 takes another.
    let in_the_way = |port: &Port| {
        let has = facts.node_ports.get(&name)?.get(&i64::from(port.number))?;
        [wanted.http, wanted.grpc].iter().flatten().any(|asked| i64::from(*asked) == *has).then_some(0)
    };
    let on_node = |port: Option<&Port>, given: Option<i32>| {
        port.map(|port| ServicePort {
            node_port: given.or_else(|| in_the_way(port)),
            ..service_port(port, port.number)
        })
    };
    let ports = [on_node(component.role.http, wanted.http), on_node(component.role.grpc, wanted.grpc)];
    let metadata = metadata(cluster, component, name, "node-port");
    Some(service(cluster, component, metadata, "NodePort", ports.into_iter().flatten().collect()))
}

fn metadata(cluster: &Cluster, component: &Component, name: String, which: &str) -> ObjectMeta {
    let mut metadata = metadata::of_component(cluster, component, name);
    metadata.labels.get_or_insert_default().insert(labels::SERVICE.into(), which.into());
    metadata
}

fn service(
    cluster: &Cluster,
    component: &Component,
    metadata: ObjectMeta,
    type_: &str,
    ports: Vec<ServicePort>,
) -> Service {
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(type_.into()),
            selector: Some(labels::service_selector(cluster, component)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn service_port(port: &Port, number: i32) -> ServicePort {
    ServicePort {
        name: Some(port.name.into()),
        port: number,
        target_port: Some(IntOrString::String(port.name.into())),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}
