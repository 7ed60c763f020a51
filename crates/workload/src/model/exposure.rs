//! Access to components from outside the Kubernetes cluster.

use crate::StringMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    pub ports: Vec<PublishedPort>,
    pub class: Option<String>,
    pub source_ranges: Vec<String>,
    pub annotations: StringMap,
}

/// A port of the container, and the port number that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    pub name: String,
    pub number: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePort {
    pub ports: Vec<NodePortEntry>,
}

/// A port of the container, and its port on each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePortEntry {
    pub name: String,
    pub number: i32,
    /// `None`: the API server allocates a port, which then stays.
    pub node_port: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    pub class_name: Option<String>,
    pub annotations: StringMap,
    pub routes: Vec<Route>,
    pub tls: Option<Tls>,
    pub cors: Option<Cors>,
    pub requests_per_second: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub parents: GatewayParents,
    pub routes: Vec<Route>,
}

/// The parents that the routes of the Gateway API attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayParents {
    /// A Gateway that the operator creates.
    Own { class_name: String, tls: Option<Tls> },
    /// Existing Gateways.
    Existing(Vec<ParentRef>),
}

/// A Gateway, and optionally one of its listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRef {
    pub name: String,
    pub namespace: Option<String>,
    pub section_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub secret_name: String,
    pub issuer: Option<Issuer>,
}

/// A cert-manager issuer that creates the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: String,
    /// True if it is a ClusterIssuer.
    pub cluster_wide: bool,
}

impl Issuer {
    /// Returns the annotation that requests the certificate of an Ingress or a Gateway from
    /// cert-manager.
    #[must_use]
    pub fn annotation(&self) -> (String, String) {
        let key = if self.cluster_wide { "cert-manager.io/cluster-issuer" } else { "cert-manager.io/issuer" };
        (key.to_owned(), self.name.clone())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Grpc,
}

/// One host and path, and the Service and port that they route to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `None`: every host that no other rule names.
    pub host: Option<String>,
    pub path: String,
    /// Replacement for the path in the forwarded request. It has no `/` at the end, except for `/`
    /// itself.
    pub rewrite: Option<String>,
    pub protocol: Protocol,
    pub service: String,
    pub port: i32,
}
