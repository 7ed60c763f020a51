//! What to do about the problems of a stack: the actions of the reason table, and others where a stack has
//! other fields than a `LogPilotCluster`.

use crate::reasons;

/// Reason, words of the message in lower case, action.
type Row = (&'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    (
        reasons::CRASH_LOOP,
        "no space left on device",
        "raise the size of the volume that the message names, or delete files on it",
    ),
    (
        reasons::CRASH_LOOP,
        "permission denied",
        "set `user` and `group` of the component to those of its image; they also own its volumes",
    ),
    (
        reasons::CRASH_LOOP,
        "read-only file system",
        "set readOnlyRootFilesystem: false, or add a scratch volume at the path that the message names",
    ),
    (reasons::CRASH_LOOP, "names no cause", "read the log with the command in the message"),
    (
        reasons::CRASH_LOOP,
        "unknownhost",
        "correct the host in env or files; $(component.host) cannot be misspelt",
    ),
    (
        reasons::CRASH_LOOP,
        "no such host",
        "correct the host in env or files; $(component.host) cannot be misspelt",
    ),
    (
        reasons::CRASH_LOOP,
        "connection refused",
        "name what it connects to in dependsOn, so that it starts afterwards; check host and port in env or files",
    ),
    (reasons::CRASH_LOOP, "filenotfound", "add the file that the message names to `files` or `volumes`"),
    (reasons::CRASH_LOOP, "nosuchfile", "add the file that the message names to `files` or `volumes`"),
    (reasons::CRASH_LOOP, "no such file", "add the file that the message names to `files` or `volumes`"),
    (
        reasons::VOLUME_PENDING,
        "has no default",
        "set storageClassName of the volume, or mark a StorageClass as the default",
    ),
    (
        reasons::NAME_CONFLICT,
        "kubectl label secret",
        "run the command in the message, or rename the entry of spec.secrets, or delete the other Secret",
    ),
    (
        reasons::NAME_CONFLICT,
        "",
        "rename the component, set spec.namePrefix in a new stack, or delete the other object",
    ),
    (reasons::INVALID_SPEC, "", "change the fields that the message names"),
];

/// Actions of reasons whose row in the table speaks of fields that a stack does not have.
const DEFAULTS: &[(&str, &str)] = &[
    (
        reasons::CRASH_LOOP,
        "read the message and kubectl logs --previous, then check env, args and files of the component",
    ),
    (
        reasons::REWRITE_UNSUPPORTED,
        "set className to that of an nginx controller, use exposure.gateway, or let the component serve the path",
    ),
    (
        reasons::RATE_LIMIT_UNSUPPORTED,
        "expose the rule through an Ingress with the className of an nginx controller, or remove rateLimit",
    ),
    (
        reasons::STORAGE_SINGLE_NODE,
        "accept that a node's failure stops all of them, use one pod, or accessMode ReadWriteMany",
    ),
    (reasons::TOO_LARGE, "make files of the component smaller"),
];

/// Returns the action for a reason and its message.
#[must_use]
pub fn action(reason: &str, message: &str) -> String {
    let lower = message.to_lowercase();
    let row = ROWS.iter().find(|row| row.0 == reason && lower.contains(row.1));
    if let Some((.., action)) = row {
        return (*action).to_owned();
    }
    let shared = reasons::action(reason, message);
    let own = DEFAULTS.iter().find(|row| row.0 == reason && shared == reasons::action(reason, ""));
    own.map_or(shared, |(_, action)| (*action).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_action_names_a_field_of_another_kind() {
        for (reason, message) in
            ROWS.iter().map(|row| (row.0, row.1)).chain(DEFAULTS.iter().map(|row| (row.0, "")))
        {
            let told = action(reason, message);
            assert!(!told.contains("spec.config") && !told.contains("nameOverride"), "{reason}: {told}");
        }
    }

    #[test]
    fn a_row_without_words_of_its_own_falls_back_to_the_table() {
        assert_eq!(
            action(reasons::UNSCHEDULABLE, "0/3 nodes"),
            reasons::action(reasons::UNSCHEDULABLE, "0/3 nodes")
        );
        assert!(action(reasons::CRASH_LOOP, "exit code 1").contains("env, args and files"));
        assert!(action(reasons::CRASH_LOOP, "x: Permission denied").starts_with("set `user`"));
    }
}
