//! The way back: a backup in the place of the data.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{exposure::ComponentKey, rules::restore as rule};

/// Puts a backup in the place of the database, once: the servers that use the volume are stopped, the backup is
/// verified and takes the database's place, and they start again. The old database stays beside the new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::another_restore_has_another_id())]
pub struct Restore {
    /// Names this restore, which is carried out once for each name, also where the resource is deleted and made again.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rule::request_id())]
    pub request_id: String,
    /// File name of the backup: one of `status.backups[].lastSuccess.available`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::backup_name())]
    pub from: String,
    /// Whose data it is, with `storage.sharing: PerComponent`; else not given.
    pub component: Option<ComponentKey>,
}
