//! How clients outside the cluster reach components.

use crate::StringMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    pub ports: Vec<PublishedPort>,
    pub class: Option<String>,
    pub source_ranges: Vec<String>,
    pub annotations: StringMap,
}

/// A port of the container, and the number under which clients know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    pub name: String,
    pub number: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePort {
    pub ports: Vec<NodePortEntry>,
}

/// A port of the container, and the one on each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePortEntry {
    pub name: String,
    pub number: i32,
    /// `None`: the cluster allocates one, and it stays.
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

/// What the routes of the Gateway API hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayParents {
    /// A Gateway that we make.
    Own { class_name: String, tls: Option<Tls> },
    /// Gateways that are there already.
    Existing(Vec<ParentRef>),
}

/// A Gateway, and perhaps one listener of it.
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

/// A cert-manager issuer that makes the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: String,
    /// A ClusterIssuer.
    pub cluster_wide: bool,
}

impl Issuer {
    /// What asks cert-manager for the certificate of an Ingress or a Gateway.
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

/// One host and path, and the Service and port behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `None`: every host that no other rule names.
    pub host: Option<String>,
    pub path: String,
    /// What stands in the place of the path when the request arrives; without a `/` at the end, but for `/` itself.
    pub rewrite: Option<String>,
    pub protocol: Protocol,
    pub service: String,
    pub port: i32,
}
