//! Rules of backups: the format of the schedule, and which storage can be backed up.

use kube::core::Rule;

use super::forbidden;

/// One field of a cron expression: values, ranges and steps, joined by commas.
fn field(value: &str) -> String {
    let item = format!("([*]|{value}(-{value})?)(/[1-9][0-9]?)?");
    format!("{item}(,{item})*")
}

/// Returns the pattern of the five fields with their bounds, in the format that a CronJob reads.
pub(crate) fn pattern() -> String {
    let minute = field("[0-5]?[0-9]");
    let hour = field("([01]?[0-9]|2[0-3])");
    let day = field("(0?[1-9]|[12][0-9]|3[01])");
    let month = field("(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)");
    let weekday = field("([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)");
    format!("^{minute} {hour} {day} {month} {weekday}$")
}

pub fn schedule() -> Rule {
    Rule::new(format!("self.matches('{}')", pattern())).message(
        "must be a cron expression of five fields with one space between them, such as '0 3 * * *': minute 0-59, hour 0-23, day 1-31, month 1-12 or JAN, weekday 0-6 or SUN; use `timeZone` instead of 'TZ='",
    )
}

pub fn time_zone() -> Rule {
    Rule::new("self.matches('^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$') && self != 'Local'")
        .message("must be a time zone of the IANA database, such as 'Europe/Berlin' or 'Etc/UTC'")
}

/// Applies at `backup`.
pub fn one_target() -> Rule {
    forbidden(
        "!has(self.s3) || !has(self.volume)",
        "may not be combined with `volume`: backups are stored in one of the two; remove one",
    )
    .field_path(".s3")
}

pub fn bucket() -> Rule {
    Rule::new("self.matches('^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$')").message(
        "must be a bucket name: 3 to 63 lower-case letters, digits, '.' and '-', starting and ending with a letter or digit",
    )
}

pub fn prefix() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$')").message(
        "must consist of letters, digits, '.', '_' and '-', with single '/' between, such as 'backups/logpilot'; no part begins with '.'",
    )
}

/// Applies at `s3`. Without this rule, a Secret that was left out by mistake would select another
/// source of the key.
pub fn one_source_of_keys() -> Rule {
    Rule::new(
        "has(self.credentialsSecret) != (has(self.credentials) && self.credentials == 'WorkloadIdentity')",
    )
    .message("must be given, except with `credentials: WorkloadIdentity`; set exactly one of the two")
    .field_path(".credentialsSecret")
}

/// Checks only the format. The operator checks which hosts are allowed.
pub fn endpoint() -> Rule {
    Rule::new("self.matches('^https?://([A-Za-z0-9._-]+|\\\\[[0-9A-Fa-f:.]+\\\\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$')").message(
        "must be the URL of an S3 server, such as 'https://minio.example.com:9000', without user, query or fragment",
    )
}

pub fn region() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be a region such as 'eu-central-1': lower-case letters, digits and '-'")
}

/// Applies at `volume`.
pub fn existing_claim_is_used_as_it_is() -> Rule {
    forbidden(
        "!has(self.existingClaim) || (!has(self.size) && !has(self.storageClassName))",
        "may not be combined with `size` or `storageClassName`: the PVC is used as it is and never changed or deleted",
    )
    .field_path(".existingClaim")
}

/// True if backups are not requested.
const OFF: &str = "!has(self.backup) || (has(self.backup.enabled) && !self.backup.enabled)";

// The rules below apply at `spec`.

pub fn only_sqlite() -> Rule {
    forbidden(
        format!("{OFF} || !has(self.storage) || !has(self.storage.backend) || self.storage.backend == 'Sqlite'"),
        "may only be given with `storage.backend: Sqlite`, which can be copied during writes; for File use volume snapshots",
    )
    .field_path(".backup")
}

pub fn volume_can_be_mounted_twice() -> Rule {
    forbidden(
        format!(
            "{OFF} || !has(self.storage) || !has(self.storage.volume) || !has(self.storage.volume.accessMode) || self.storage.volume.accessMode != 'ReadWriteOncePod'"
        ),
        "may not be given with `storage.volume.accessMode: ReadWriteOncePod`: the backup pod could not mount the volume while the server does; use 'ReadWriteOnce'",
    )
    .field_path(".backup")
}

pub fn existing_claim_is_shared() -> Rule {
    forbidden(
        format!(
            "{OFF} || !has(self.backup.volume) || !has(self.backup.volume.existingClaim) || !has(self.storage) || !has(self.storage.sharing) || self.storage.sharing == 'Shared'"
        ),
        "may only be given with `storage.sharing: Shared`: components on different nodes cannot write to the same PVC; remove it",
    )
    .field_path(".backup.volume.existingClaim")
}

pub fn existing_claim_is_another() -> Rule {
    forbidden(
        format!(
            "{OFF} || !has(self.backup.volume) || !has(self.backup.volume.existingClaim) || !has(self.storage) || !has(self.storage.volume) || !has(self.storage.volume.existingClaim) || self.storage.volume.existingClaim != self.backup.volume.existingClaim"
        ),
        "must not be the PVC of the data: a failure of that volume would destroy the backups too; name another PVC",
    )
    .field_path(".backup.volume.existingClaim")
}

/// True if one of the two versions of the resource has no PVC of the operator, for rules that
/// compare them.
const NO_CLAIM_OF_OURS: &str = "!has(self.backup) || !has(oldSelf.backup) || has(self.backup.s3) || has(oldSelf.backup.s3) || (has(self.backup.volume) && has(self.backup.volume.existingClaim)) || (has(oldSelf.backup.volume) && has(oldSelf.backup.volume.existingClaim))";

/// A transition rule. If backups were disabled before, the rule knows nothing about a PVC, and the
/// API server decides.
pub fn class_is_immutable() -> Rule {
    let class = |spec: &str| {
        format!(
            "(has({spec}.backup.volume) && has({spec}.backup.volume.storageClassName) ? {spec}.backup.volume.storageClassName : '')"
        )
    };
    Rule::new(format!(
        "{NO_CLAIM_OF_OURS} || {} == {}",
        class("self"),
        class("oldSelf")
    ))
    .message("is immutable, even if it was not set at first: the StorageClass of a PVC cannot change; name another PVC with `existingClaim`")
    .field_path(".backup.volume.storageClassName")
}
