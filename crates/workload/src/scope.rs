//! What all objects of one resource have in common, as plain data: whose they are, where they live, and what they say of
//! themselves. A product makes one from its resource; no builder knows which product that was.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::{StringMap, model::NamespaceLimits, names::NamePrefix};

#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The resource: its objects go with it, and its name is the `instance` label.
    pub owner: OwnerReference,
    /// Where the components live.
    pub namespace: String,
    /// What the name of every object starts with.
    pub prefix: NamePrefix,
    /// Value of the `name` label: the application.
    pub product: String,
    /// Value of the `managed-by` label, by which watches select.
    pub manager: String,
    /// Domain of the labels that Kubernetes does not define, such as `example.com`.
    pub domain: String,
    /// Annotation, with its value, of a Deployment whose replicas an autoscaler decides.
    pub handed_over: (String, String),
    /// Name, inside the domain, of the label that says for which kind of resource an object was made.
    pub family: String,
    /// Services select by the family label too, because a resource of another kind may have the same name in this namespace.
    pub selects_family: bool,
    /// On every object. What the operator sets wins over them.
    pub labels: StringMap,
    /// On every object.
    pub annotations: StringMap,
    /// Secrets with which images are pulled.
    pub pull_secrets: Vec<String>,
    /// `None`: the API server's default.
    pub pull_policy: Option<String>,
    /// What holds data says that it may not be deleted.
    pub protected: bool,
    pub limits: NamespaceLimits,
}

impl Scope {
    /// A label or annotation of the scope's domain.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.domain)
    }

    /// The label that says for which kind of resource an object was made. Its value is the prefix.
    #[must_use]
    pub fn family_key(&self) -> String {
        self.key(&self.family)
    }
}
