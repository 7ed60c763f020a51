//! The common properties of all objects of one resource, as plain data: their owner, their namespace, and
//! their common metadata. A product creates a scope from its resource. No builder knows the product.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::{StringMap, model::NamespaceLimits, names::NamePrefix};

#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The resource. Its objects are deleted with it, and its name is the value of the `instance`
    /// label.
    pub owner: OwnerReference,
    /// Namespace of the components.
    pub namespace: String,
    /// Prefix of the name of every object.
    pub prefix: NamePrefix,
    /// Value of the `name` label: the application.
    pub product: String,
    /// Value of the `managed-by` label, by which watches select.
    pub manager: String,
    /// Domain of the labels that Kubernetes does not define, such as `example.com`.
    pub domain: String,
    /// Annotation, with its value, of a Deployment whose replicas an autoscaler sets.
    pub handed_over: (String, String),
    /// Name, inside the domain, of the label that identifies the kind of resource that an object was
    /// created for.
    pub family: String,
    /// Services select by the family label too, because a resource of another kind may have the same name
    /// in this namespace.
    pub selects_family: bool,
    /// Labels of every object. The labels that the operator sets take precedence.
    pub labels: StringMap,
    /// Annotations of every object.
    pub annotations: StringMap,
    /// Image pull Secrets.
    pub pull_secrets: Vec<String>,
    /// `None`: the API server's default.
    pub pull_policy: Option<String>,
    /// True if objects that hold data are marked as protected from deletion.
    pub protected: bool,
    pub limits: NamespaceLimits,
}

impl Scope {
    /// Returns the key of a label or annotation in the scope's domain.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.domain)
    }

    /// Returns the key of the label that identifies the kind of resource that an object was created
    /// for. Its value is the prefix.
    #[must_use]
    pub fn family_key(&self) -> String {
        self.key(&self.family)
    }
}
