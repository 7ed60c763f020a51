//! Fields that no patch may mention: those that keep the cluster together, and those that a field of
//! the spec decides.

use serde_json::{Map, Value};

use super::{DIRECTIVE, Found};

/// Kind (none: every kind), path, and what to do instead.
pub type Row = (Option<&'static str>, &'static [&'static str], &'static str);

/// The fields, labels and annotations that a product protects.
#[derive(Clone, Copy)]
pub struct Protection {
    pub rows: &'static [Row],
    /// Whether a key of a label is the operator's.
    pub label: fn(&str) -> bool,
    /// Whether a key of an annotation is the operator's.
    pub annotation: fn(&str) -> bool,
}

/// The paths of the metadata of pods and Jobs, in addition to that of the object.
fn templates(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "Deployment" | "Job" => &[&["spec", "template"]],
        "CronJob" => &[&["spec", "jobTemplate"], &["spec", "jobTemplate", "spec", "template"]],
        _ => &[],
    }
}

/// Returns the protected fields that a patch mentions. `changes` is the patch of an object of this
/// kind; a leaf that is not a mapping represents everything below it.
#[must_use]
pub fn violations(kind: &str, changes: &Map<String, Value>, at: &str, protection: Protection) -> Found {
    const WHOLE: &str = "may not be removed or replaced as a whole";
    let gone = |value: &Value| fields(value).is_none();
    let mut found = Found::new();
    if changes.contains_key(DIRECTIVE) || changes.get("spec").is_some_and(gone) {
        found.push((format!("{at}.spec"), WHOLE.to_owned()));
        return found;
    }
    for template in templates(kind) {
        let below = template.iter().try_fold(changes, |below, step| below.get(*step).and_then(fields));
        let at = format!("{at}.{}", template.join("."));
        match below {
            Some(below) => metadata(below, &at, protection, &mut found),
            None if mentions(changes, template) => {
                found.push((at, WHOLE.to_owned()));
                return found;
            }
            None => {}
        }
    }
    for (of, path, why) in protection.rows {
        if of.is_none_or(|of| of == kind) && mentions(changes, path) {
            found.push((format!("{at}.{}", path.join(".")), format!("may not be patched: it {why}")));
        }
    }
    metadata(changes, at, protection, &mut found);
    found
}

/// Only labels and annotations that do not belong to the operator may change.
fn metadata(object: &Map<String, Value>, at: &str, protection: Protection, found: &mut Found) {
    let Some(given) = object.get("metadata") else { return };
    let at = format!("{at}.metadata");
    let Some(given) = fields(given) else {
        found.push((at, "may not be removed or replaced".to_owned()));
        return;
    };
    for (name, value) in given {
        let reserved = match name.as_str() {
            "labels" => protection.label,
            "annotations" => protection.annotation,
            _ => {
                let why =
                    "may not be patched: only `labels` and `annotations` of the metadata may be patched";
                found.push((format!("{at}.{name}"), why.to_owned()));
                continue;
            }
        };
        let Some(pairs) = fields(value) else {
            let why = "may not be removed or replaced: some of its entries belong to the operator";
            found.push((format!("{at}.{name}"), why.to_owned()));
            continue;
        };
        for key in pairs.keys().filter(|key| reserved(key)) {
            let why = "may not be patched: it belongs to the operator";
            found.push((format!("{at}.{name}.{key}"), why.to_owned()));
        }
    }
}

/// Returns the fields of an object that is merged. There are none if it is removed or replaced as a
/// whole.
fn fields(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|fields| !fields.contains_key(DIRECTIVE))
}

/// Returns `true` if a patch changes the value at `path`, by itself or with its parents.
fn mentions(changes: &Map<String, Value>, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    if changes.contains_key(DIRECTIVE) {
        return true;
    }
    match changes.get(*first) {
        None => false,
        Some(Value::Object(below)) => mentions(below, rest),
        Some(_) => true,
    }
}

/// Returns the merged patch that changes the value at the path as a whole.
#[must_use]
pub fn mention(pointer: &str) -> Map<String, Value> {
    let steps = pointer.strip_prefix('/').unwrap_or(pointer).rsplit('/');
    let steps = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
    let all = steps.fold(Value::Null, |below, step| Value::Object(Map::from_iter([(step, below)])));
    match all {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const PROTECTION: Protection = Protection {
        rows: &[
            (None, &["spec", "selector"], "is frozen"),
            (Some("Deployment"), &["spec", "replicas"], "has a field of its own"),
        ],
        label: |key| key.starts_with("toys.example.com/"),
        annotation: |key| key == "toys.example.com/hash",
    };

    fn of(kind: &str, changes: &Value) -> Vec<String> {
        let found = violations(kind, changes.as_object().unwrap(), "patch", PROTECTION);
        found.into_iter().map(|(path, _)| path).collect()
    }

    #[rstest]
    #[case::row(json!({ "spec": { "selector": { "a": "b" } } }), "patch.spec.selector")]
    #[case::row_of_the_kind(json!({ "spec": { "replicas": 2 } }), "patch.spec.replicas")]
    #[case::whole(json!({ "spec": null }), "patch.spec")]
    #[case::replaced(json!({ "spec": { "$patch": "replace" } }), "patch.spec")]
    #[case::template(json!({ "spec": { "template": null } }), "patch.spec.template")]
    #[case::name(json!({ "metadata": { "name": "x" } }), "patch.metadata.name")]
    #[case::label(json!({ "metadata": { "labels": { "toys.example.com/a": "b" } } }), "patch.metadata.labels.toys.example.com/a")]
    #[case::labels(json!({ "metadata": { "labels": null } }), "patch.metadata.labels")]
    #[case::annotation_of_pods(
        json!({ "spec": { "template": { "metadata": { "annotations": { "toys.example.com/hash": "0" } } } } }),
        "patch.spec.template.metadata.annotations.toys.example.com/hash"
    )]
    fn a_protected_path_is_named(#[case] changes: Value, #[case] path: &str) {
        assert_eq!(of("Deployment", &changes), [path]);
    }

    #[test]
    fn everything_else_may_be_patched() {
        assert_eq!(of("StatefulSet", &json!({ "spec": { "replicas": 2 } })), [""; 0]);
        let free =
            json!({ "metadata": { "labels": { "a": "b" }, "annotations": { "toys.example.com/a": "b" } } });
        assert_eq!(of("Deployment", &free), [""; 0]);
    }

    #[test]
    fn an_operation_mentions_what_stands_at_its_pointer() {
        let mentioned = mention("/metadata/annotations/toys.example.com~1hash");
        assert_eq!(
            Value::Object(mentioned),
            json!({ "metadata": { "annotations": { "toys.example.com/hash": null } } })
        );
    }
}
