//! Rules of patches: which objects a patch may name.

use kube::core::Rule;

use super::forbidden;

const OF_OPERATIONS: &str = "has(self.type) && self.type == 'Json6902'";

pub fn patch_by_its_type() -> Rule {
    Rule::new(format!("({OF_OPERATIONS}) != has(self.patch)"))
        .message("must be given, except with type 'Json6902', which has `operations` instead")
        .field_path(".patch")
}

pub fn operations_by_their_type() -> Rule {
    Rule::new(format!("({OF_OPERATIONS}) == has(self.operations)"))
        .message("must be given with type 'Json6902' and may not be given with another type")
        .field_path(".operations")
}

pub fn kind_format() -> Rule {
    Rule::new("self.matches('^[A-Z][A-Za-z]*$')").message("must be a kind such as 'Deployment'")
}

/// The data of a Secret would be in the resource, where every reader of the resource could see it.
pub fn no_secret() -> Rule {
    forbidden("self != 'Secret'", "may not be 'Secret'; to use a Secret of your own set `auth.apiKeySecret`")
}
