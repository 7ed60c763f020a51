//! Rules of a restore: its name, its backup, and the component whose data it replaces.

use kube::core::Rule;

use super::{explained, forbidden, ingress::RUNNING};

pub fn request_id() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')").message(
        "must be a name of your choice such as '2026-01-31' or 'ticket-17': letters, digits, '-', '_' and '.', starting and ending with a letter or digit",
    )
}

pub fn backup_name() -> Rule {
    Rule::new("self.matches('^logpilot-[0-9]{8}T[0-9]{6}[.][0-9]{3}Z(-[0-9a-f]{10})?[.]db$')").message(
        "must be the file name of a backup, such as 'logpilot-20260131T030001.000Z.db'; `status.backups[].lastSuccess.available` lists them",
    )
}

/// A transition rule. Applies at `restore`.
pub fn another_restore_has_another_id() -> Rule {
    let component = |spec: &str| format!("(has({spec}.component) ? {spec}.component : '')");
    Rule::new(format!(
        "self.requestId != oldSelf.requestId || (self.from == oldSelf.from && {} == {})",
        component("self"),
        component("oldSelf")
    ))
    .message("must change together with `from` or `component`: each name is carried out only once, and this one may already have been; choose a new name")
    .field_path(".requestId")
}

// The rules below apply at `spec`.

pub fn needs_backups() -> Rule {
    forbidden(
        "!has(self.restore) || (has(self.backup) && (!has(self.backup.enabled) || self.backup.enabled))",
        "may only be given with `backup`, which names the location of the backups; set it, with `backup.suspend: true` to take no new ones",
    )
    .field_path(".restore")
}

pub fn component_says_whose_data() -> Rule {
    explained(
        "!has(self.restore) || has(self.restore.component) == (has(self.storage) && has(self.storage.sharing) && self.storage.sharing == 'PerComponent')",
        "has(self.restore.component) ? 'may only be given with `storage.sharing: PerComponent`: all components share the data' : 'must be given with `storage.sharing: PerComponent`: each component has its own data'",
    )
    .field_path(".restore.component")
}

pub fn component_runs() -> Rule {
    explained(
        format!("!has(self.restore) || !has(self.restore.component) || self.restore.component in {RUNNING}"),
        "\"component '%s' is not enabled; name one that is, or add it to `components`\".format([self.restore.component])",
    )
    .field_path(".restore.component")
}
