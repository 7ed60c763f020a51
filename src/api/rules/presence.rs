//! Edits that read as if they changed nothing: of components, backups and the API key. Why they are refused is said in
//! `workload::api::rules::presence`.

use kube::core::{Reason, Rule};
pub use workload::api::rules::presence::*;

use super::explained;

/// At `components`: an object that has an empty map already keeps it, because it is not changed.
pub fn some_component() -> Rule {
    Rule::new("self.size() > 0")
        .message("must name a component: write `rest: {}`, with the braces, for one with its defaults; a key with nothing behind it is dropped. `all: {}` is what runs where `components` is left out")
        .reason(Reason::FieldValueRequired)
}

/// At `spec`, like all below that compare blocks which may be gone. An empty map has its own rule, and `all` alone is what
/// runs where nothing is named.
pub fn components_are_kept() -> Rule {
    explained(
        "!has(oldSelf.components) || has(self.components) || oldSelf.components.all(k, k == 'all')",
        "[oldSelf.components.filter(k, k != 'all')[0]].map(k, 'may not be left out once a component was named: that means `all: {}`, and there was ' + k + '; write `' + k + ': {}` for a component with its defaults')[0]",
    )
    .reason(Reason::FieldValueRequired)
    .field_path(".components")
}

/// At `spec`.
pub fn backups_are_kept() -> Rule {
    kept(
        format!("!has(oldSelf.backup) || {} || has(self.backup)", off("oldSelf.backup")),
        "may not be left out while backups are taken: write `backup: {}` for the defaults, or `enabled: false` to take none",
        ".backup",
    )
}

/// At `spec`. Clients have the key of the Secret.
pub fn api_key_is_kept() -> Rule {
    kept(
        "!has(oldSelf.auth) || !has(oldSelf.auth.apiKeySecret) || (has(self.auth) && has(self.auth.apiKeySecret))".into(),
        "may not be left out once it was given: a key would be generated that no client has; change the value in the Secret or name another one; a key that was generated before is in the Secret `NAME-api-key`, which can be named",
        ".auth.apiKeySecret",
    )
}

/// At `apiKeySecret`. Another Secret may well have the default key.
pub fn key_is_kept() -> Rule {
    kept(
        "!has(oldSelf.key) || oldSelf.key == 'api-key' || has(self.key) || self.name != oldSelf.name".into(),
        "may not be left out once it was given: clients have the value behind that key; write `api-key` for the default",
        ".key",
    )
}

/// At `backup`. Where fewer stay, the operator deletes the others.
pub fn retention_is_kept() -> Rule {
    kept(
        format!(
            "{} || !has(oldSelf.retention) || !has(oldSelf.retention.count) || oldSelf.retention.count <= {BACKUPS} || (has(self.retention) && has(self.retention.count))",
            off("self")
        ),
        &format!(
            "may not be left out while it is more than {BACKUPS}: the default is {BACKUPS}, and older backups would be deleted; write `retention: {{count: {BACKUPS}}}` for that"
        ),
        ".retention.count",
    )
}

/// The default of `retention.count`, which `rules_know_the_defaults_that_are_applied` holds.
const BACKUPS: i32 = 7;

/// At `backup`. A volume is where backups go that have no bucket.
pub fn bucket_is_kept() -> Rule {
    kept(
        format!("{} || !has(oldSelf.s3) || has(self.s3) || has(self.volume)", off("self")),
        "may not be left out once it was given: backups would go to a new volume, and those in the bucket would be out of sight; write `volume: {}` for that, or `enabled: false` to take none",
        ".s3",
    )
}

/// At `backup`. Backups elsewhere are neither listed nor kept to their number.
pub fn bucket_setting_is_kept(field: &str, consequence: &str, default: &str) -> Rule {
    kept(
        format!(
            "{} || !has(self.s3) || !has(oldSelf.s3) || self.s3.bucket != oldSelf.s3.bucket || !has(oldSelf.s3.{field}) || has(self.s3.{field})",
            off("self")
        ),
        &format!("may not be left out once it was given: {consequence}; write {default} for the default"),
        &format!(".s3.{field}"),
    )
}

/// At `backup`.
pub fn backup_claim_is_kept() -> Rule {
    kept(
        format!(
            "{} || has(self.s3) || !has(oldSelf.volume) || !has(oldSelf.volume.existingClaim) || (has(self.volume) && (has(self.volume.existingClaim) || has(self.volume.size)))",
            off("self")
        ),
        "may not be left out once it was given: backups would go to a new claim, and those that there are would be out of sight; write `volume: {size: 20Gi}` for that, without `existingClaim`",
        ".volume.existingClaim",
    )
}

/// At `backup`. What is suspended deletes nothing: the newest backup may be one of damaged data.
pub fn suspension_is_kept() -> Rule {
    kept(
        format!("{} || !has(oldSelf.suspend) || !oldSelf.suspend || has(self.suspend)", off("self")),
        "may not be left out while it is true: backups would be taken again, and old ones deleted; write `false` for that",
        ".suspend",
    )
}
