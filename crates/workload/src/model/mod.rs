//! The input of the builders, with every default filled in: plain data in Kubernetes terms. Building
//! objects from it cannot fail.

mod component;
mod exposure;
mod namespace;
mod probe;
mod scale;
mod storage;

pub use component::{Component, Identity, Monitor, NetworkPolicy, Port, Resources};
pub use exposure::{
    Cors, Gateway, GatewayParents, Ingress, Issuer, LoadBalancer, NodePort, NodePortEntry, ParentRef,
    Protocol, PublishedPort, Route, Tls,
};
pub use namespace::{LimitRange, NamespaceLimits, Quota};
pub use probe::{Probe, ProbeTiming, ProbeType, Probes};
pub use scale::{Autoscaler, PdbPolicy, Rollout, Scale};
pub use storage::Claim;
