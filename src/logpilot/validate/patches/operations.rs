//! Checks of the paths in operations of RFC 6902. `test` and `from` count too: the value that they
//! would read is not known before the object is finally planned.

use super::{
    super::{Violation, Violations},
    protected::PROTECTION,
};
use crate::{
    api::patches::ObjectPatch,
    workload::{
        api::patches::Operation,
        patch::protected::{mention, violations as mentioned},
    },
};

/// Checks each operation by the rules of merged patches.
pub(super) fn protected(patch: &ObjectPatch, at: &str, violations: &mut Violations) {
    for (index, operation) in patch.operations.iter().flatten().enumerate() {
        for (field, pointer) in pointers(operation) {
            let found = mentioned(&patch.target.kind, &mention(pointer), "", PROTECTION);
            let place = format!("{at}.operations[{index}].{field}");
            let found = found.into_iter().map(|(_, message)| Violation { path: place.clone(), message });
            violations.0.extend(found);
        }
    }
}

fn pointers(operation: &Operation) -> impl Iterator<Item = (&'static str, &str)> {
    let from = operation.from.as_deref().map(|from| ("from", from));
    std::iter::once(("path", operation.path.as_str())).chain(from)
}
