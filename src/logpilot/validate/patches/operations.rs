//! Checks of the paths in operations of RFC 6902. `test` and `from` count too: the value that they
//! would read is not known before the object is finally planned.

use serde_json::{Map, Value};

use super::{
    super::{Violation, Violations},
    protected as rules,
};
use crate::api::patches::{ObjectPatch, Operation};

/// Checks each operation by the rules of merged patches.
pub(super) fn protected(patch: &ObjectPatch, at: &str, violations: &mut Violations) {
    for (index, operation) in patch.operations.iter().flatten().enumerate() {
        for (field, pointer) in pointers(operation) {
            let mut found = Violations::default();
            rules::check(&patch.target.kind, &mention(pointer), "", &mut found);
            let place = format!("{at}.operations[{index}].{field}");
            violations.0.extend(
                found
                    .0
                    .into_iter()
                    .map(|violation| Violation { path: place.clone(), message: violation.message }),
            );
        }
    }
}

fn pointers(operation: &Operation) -> impl Iterator<Item = (&'static str, &str)> {
    let from = operation.from.as_deref().map(|from| ("from", from));
    std::iter::once(("path", operation.path.as_str())).chain(from)
}

/// Returns the merged patch that changes the value at the path as a whole.
fn mention(pointer: &str) -> Map<String, Value> {
    let steps = pointer.strip_prefix('/').unwrap_or(pointer).rsplit('/');
    let steps = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
    let all = steps.fold(Value::Null, |below, step| Value::Object(Map::from_iter([(step, below)])));
    match all {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
