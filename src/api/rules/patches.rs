//! The escape hatch: which objects a patch may name.

use kube::core::Rule;

use super::forbidden;

pub fn kind_format() -> Rule {
    Rule::new("self.matches('^[A-Z][A-Za-z]*$')").message("must be a kind such as 'Deployment'")
}

/// What a Secret holds would stand in the resource, for everybody to read.
pub fn no_secret() -> Rule {
    forbidden("self != 'Secret'", "may not be 'Secret'; use `auth.apiKeySecret` to bring one of your own")
}
