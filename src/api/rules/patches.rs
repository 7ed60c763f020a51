//! The escape hatch: which objects a patch may name.

use kube::core::Rule;

use super::forbidden;

const OF_OPERATIONS: &str = "has(self.type) && self.type == 'Json6902'";

pub fn patch_by_its_type() -> Rule {
    Rule::new(format!("({OF_OPERATIONS}) != has(self.patch)"))
        .message("must be given, and not with type 'Json6902', which has `operations`")
        .field_path(".patch")
}

pub fn operations_by_their_type() -> Rule {
    Rule::new(format!("({OF_OPERATIONS}) == has(self.operations)"))
        .message("must be given with type 'Json6902', and with no other type")
        .field_path(".operations")
}

pub fn kind_format() -> Rule {
    Rule::new("self.matches('^[A-Z][A-Za-z]*$')").message("must be a kind such as 'Deployment'")
}

/// What a Secret holds would stand in the resource, for everybody to read.
pub fn no_secret() -> Rule {
    forbidden("self != 'Secret'", "may not be 'Secret'; use `auth.apiKeySecret` to bring one of your own")
}
