//! Names that only LogPilot has, in addition to those of [`crate::workload::names`].

use crate::workload::names::{HASH, LABEL, NamePrefix, short_hash};

/// Longest component name: `all`, `rest`, `grpc`.
const ROLE: usize = "grpc".len();

// The longest names of each form still fit; a longer suffix fails to compile.
const _: () = assert!(NamePrefix::MAX + "-".len() + ROLE + "-loadbalancer".len() <= LABEL);
const _: () = assert!(NamePrefix::MAX + "-".len() + ROLE + "-config-".len() + HASH <= LABEL);
const _: () = assert!(NamePrefix::MAX + "-".len() + ROLE + "-check-".len() + HASH <= LABEL);
const _: () = assert!(NamePrefix::MAX + "-".len() + ROLE + "-data".len() <= LABEL);

const _: () = assert!(NamePrefix::MAX + "-restore-".len() + HASH <= LABEL);

/// The Jobs of a CronJob get eleven more characters.
const _: () = assert!(NamePrefix::MAX + "-".len() + ROLE + "-backup".len() <= LABEL - 11);

/// Returns one name per content, so that a rollback and a canary find the file with which their pods
/// were created.
#[must_use]
pub fn config(prefix: &NamePrefix, role: &str, hash: &str) -> String {
    format!("{prefix}-{role}-config-{hash}")
}

/// Returns the name of the Job that checks a configuration. A hash follows, so that another Job checks
/// a corrected one; without the hash it is the name that patches use for all of them.
#[must_use]
pub fn config_check(prefix: &NamePrefix, role: &str) -> String {
    format!("{prefix}-{role}-check")
}

#[must_use]
pub fn api_key(prefix: &NamePrefix) -> String {
    format!("{prefix}-api-key")
}

/// Returns the name of the PVC that all components share.
#[must_use]
pub fn shared_data(prefix: &NamePrefix) -> String {
    format!("{prefix}-data")
}

#[must_use]
pub fn component_data(prefix: &NamePrefix, role: &str) -> String {
    format!("{prefix}-{role}-data")
}

/// Returns the name of the CronJob and PVC of the backups; of one component, if each has its own data.
#[must_use]
pub fn backup(prefix: &NamePrefix, role: Option<&str>) -> String {
    match role {
        None => format!("{prefix}-backup"),
        Some(role) => format!("{prefix}-{role}-backup"),
    }
}

/// Returns the name that patches use for the Jobs of restores: each has a hash as its suffix.
#[must_use]
pub fn restore(prefix: &NamePrefix) -> String {
    format!("{prefix}-restore")
}

/// Returns the name of the Job of one restore.
#[must_use]
pub fn restore_of(prefix: &NamePrefix, request: &str) -> String {
    format!("{}-{}", restore(prefix), short_hash(request.as_bytes()))
}

/// Returns the name of the ConfigMap of a dashboard. Only this name may be longer than a DNS label, as a
/// ConfigMap allows.
#[must_use]
pub fn dashboard(prefix: &NamePrefix, which: &str) -> String {
    format!("{prefix}-dashboard-{which}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::workload::names::{is_dns_1035, load_balancer, node_port, without_hash};

    proptest! {
        #[test]
        fn every_name_is_one_that_kubernetes_takes(
            prefix in "[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
            role in prop::sample::select(vec!["all", "rest", "grpc"]),
            content in any::<Vec<u8>>(),
        ) {
            let name = NamePrefix::parse(&prefix).expect("valid by construction");
            let hash = short_hash(&content);
            prop_assert_eq!(hash.len(), HASH);
            for made in [
                name.component(role), load_balancer(&name.component(role)), node_port(&name.component(role)),
                config(&name, role, &hash), format!("{}-{hash}", config_check(&name, role)), name.service_account(), api_key(&name), shared_data(&name),
                component_data(&name, role), backup(&name, None), backup(&name, Some(role)), restore(&name), restore_of(&name, &hash), name.ingress(), name.grpc_ingress(), name.service_monitor(),
                name.limit_range(), name.resource_quota(),
                name.pod_monitor(), name.prometheus_rule(), name.gateway(), name.route(0), name.route(31), name.redirect_route(),
            ] {
                prop_assert!(is_dns_1035(&made), "{made}");
                prop_assert!(made.starts_with(&prefix));
            }
            let (check, made_of) = (config_check(&name, role), config(&name, role, &hash));
            let job = format!("{check}-{hash}");
            prop_assert_eq!(without_hash(&job), Some(&*check));
            prop_assert!(without_hash(&check).is_none() && without_hash(&made_of) != Some(&*check));
        }
    }
}
