//! The operations of a patch.

use kube::core::Rule;

pub fn from_by_its_operation() -> Rule {
    Rule::new("(self.op in ['move', 'copy']) == has(self.from)")
        .message("must be given with `move` and `copy` and may not be given with another operation")
        .field_path(".from")
}

pub fn pointer() -> Rule {
    Rule::new("self.startsWith('/')").message("must start with a slash, such as '/spec/template'")
}
