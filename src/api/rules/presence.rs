//! Edits of components, backups and the API key that seem to change nothing.
//! `workload::api::rules::presence` says why they are rejected.

use kube::core::{Reason, Rule};
pub use workload::api::rules::presence::*;

use super::explained;

/// Applies at `components`. An existing object with an empty map keeps it, because the map does not
/// change.
pub fn some_component() -> Rule {
    Rule::new("self.size() > 0")
        .message("must name a component: for one with its defaults write `rest: {}` with the braces, because a key without a value is dropped. If `components` is absent, `all: {}` runs")
        .reason(Reason::FieldValueRequired)
}

/// Applies at `spec`, like all rules below that compare blocks which may be removed. An empty map
/// has its own rule. `all` alone is the default if no component is named.
pub fn components_are_kept() -> Rule {
    explained(
        "!has(oldSelf.components) || has(self.components) || oldSelf.components.all(k, k == 'all')",
        "[oldSelf.components.filter(k, k != 'all')[0]].map(k, 'may not be removed once a component was named: its absence means `all: {}`, and this resource had ' + k + '; write `' + k + ': {}` for a component with its defaults')[0]",
    )
    .reason(Reason::FieldValueRequired)
    .field_path(".components")
}

/// Applies at `spec`.
pub fn backups_are_kept() -> Rule {
    kept(
        format!("!has(oldSelf.backup) || {} || has(self.backup)", off("oldSelf.backup")),
        "may not be removed while backups are enabled: write `backup: {}` for the defaults, or `enabled: false` to take no backups",
        ".backup",
    )
}

/// Applies at `spec`. Clients use the key of the Secret.
pub fn api_key_is_kept() -> Rule {
    kept(
        "!has(oldSelf.auth) || !has(oldSelf.auth.apiKeySecret) || (has(self.auth) && has(self.auth.apiKeySecret))".into(),
        "may not be removed once it was set: the operator would generate a key that no client has; change the value in the Secret, or name another Secret; a previously generated key is in the Secret `NAME-api-key`, which you can name here",
        ".auth.apiKeySecret",
    )
}

/// Applies at `apiKeySecret`. Another Secret can contain the default key.
pub fn key_is_kept() -> Rule {
    kept(
        "!has(oldSelf.key) || oldSelf.key == 'api-key' || has(self.key) || self.name != oldSelf.name".into(),
        "may not be removed once it was set: clients use the value of that key; for the default write `api-key`",
        ".key",
    )
}

/// Applies at `backup`. With a lower count the operator deletes the other backups.
pub fn retention_is_kept() -> Rule {
    kept(
        format!(
            "{} || !has(oldSelf.retention) || !has(oldSelf.retention.count) || oldSelf.retention.count <= {BACKUPS} || (has(self.retention) && has(self.retention.count))",
            off("self")
        ),
        &format!(
            "may not be removed while it is more than {BACKUPS}: the default is {BACKUPS}, and older backups would be deleted; if that is intended, write `retention: {{count: {BACKUPS}}}`"
        ),
        ".retention.count",
    )
}

/// The default of `retention.count`, which `rules_know_the_defaults_that_are_applied` holds.
const BACKUPS: i32 = 7;

/// Applies at `backup`. Backups without a bucket are written to a volume.
pub fn bucket_is_kept() -> Rule {
    kept(
        format!("{} || !has(oldSelf.s3) || has(self.s3) || has(self.volume)", off("self")),
        "may not be removed once it was set: backups would be written to a new volume, and the operator would ignore those in the bucket; if that is intended, write `volume: {}`, or write `enabled: false` to take no backups",
        ".s3",
    )
}

/// Applies at `backup`. The operator neither lists nor prunes backups at another location.
pub fn bucket_setting_is_kept(field: &str, consequence: &str, default: &str) -> Rule {
    kept(
        format!(
            "{} || !has(self.s3) || !has(oldSelf.s3) || self.s3.bucket != oldSelf.s3.bucket || !has(oldSelf.s3.{field}) || has(self.s3.{field})",
            off("self")
        ),
        &format!("may not be removed once it was set: {consequence}; for the default write {default}"),
        &format!(".s3.{field}"),
    )
}

/// Applies at `backup`.
pub fn backup_claim_is_kept() -> Rule {
    kept(
        format!(
            "{} || has(self.s3) || !has(oldSelf.volume) || !has(oldSelf.volume.existingClaim) || (has(self.volume) && (has(self.volume.existingClaim) || has(self.volume.size)))",
            off("self")
        ),
        "may not be removed once it was set: backups would be written to a new PVC, and the operator would ignore the existing ones; if that is intended, write `volume: {size: 20Gi}` without `existingClaim`",
        ".volume.existingClaim",
    )
}

/// Applies at `backup`. A suspended schedule deletes nothing: the newest backup may contain damaged
/// data.
pub fn suspension_is_kept() -> Rule {
    kept(
        format!("{} || !has(oldSelf.suspend) || !oldSelf.suspend || has(self.suspend)", off("self")),
        "may not be removed while it is true: backups would be taken again, and old ones deleted; if that is intended, write `false`",
        ".suspend",
    )
}
