//! Restore of a backup in place of the data.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{exposure::ComponentKey, rules::restore as rule};

/// Replaces the database with a backup, once per `requestId`. The operator stops the servers that
/// use the volume, verifies the backup, replaces the database, and starts the servers again. The
/// old database is kept on the data volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::another_restore_has_another_id())]
pub struct Restore {
    /// Name of this restore. Each name is carried out once, even if the resource is deleted and
    /// recreated.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rule::request_id())]
    pub request_id: String,
    /// File name of the backup, one of `status.backups[].lastSuccess.available`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::backup_name())]
    pub from: String,
    /// Component whose data is replaced. Required with `storage.sharing: PerComponent`, else not
    /// allowed.
    pub component: Option<ComponentKey>,
}
