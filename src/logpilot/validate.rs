//! Validation: resolves a spec into the model with every default applied, or returns all
//! violations. It sends no requests.
//!
//! The API server has already rejected what its schema and rules can decide. This module checks the
//! rest: sums over components, comparisons after defaults, sizes. It repeats the checks that are
//! relevant for security, because a stored object may be older than a rule, and `plan` on the
//! command line has no API server.

mod backup;
mod bucket;
mod component;
mod exposure;
mod login;
mod monitoring;
mod patches;
mod probes;
mod restore;
mod storage;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::{
    config, defaults, labels,
    model::{ApiKey, Cluster, ServersNamespace},
    names, properties,
    restart::Restart,
};
use crate::{
    api::{
        self, LogPilotCluster,
        cluster::{LogPilotClusterSpec, Namespace},
        component::ComponentSpec,
        exposure::ComponentKey,
    },
    kinds::DOMAIN,
    workload::{
        api::common::DeletionPolicy,
        names::{NamePrefix, is_dns_1123_label, is_label_value},
        resolve::{Violation, Violations, limits, network},
        scope::Scope,
    },
};

/// The namespace that the operator itself is installed in.
pub(crate) const OPERATOR_NAMESPACE: &str = "logpilot-operator-system";
/// Placeholder for the UID of a resource that does not exist in an API server.
pub(crate) const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// Returns the validated model of the resource.
///
/// # Errors
/// Returns all violations, in the order of the spec.
pub fn validate(cr: &LogPilotCluster) -> Result<Cluster, Vec<Violation>> {
    let mut violations = Violations::default();
    let cluster = resolve(cr, &mut violations);
    // Patches are checked by their changes to the rendered objects, so the rest of the resource
    // must be valid first.
    if let Some(cluster) = cluster.as_ref().filter(|_| violations.0.is_empty()) {
        patches::check(cluster, &mut violations);
    }
    match cluster {
        Some(cluster) if violations.0.is_empty() => Ok(cluster),
        _ => Err(violations.0),
    }
}

/// Returns `None` only after a violation that makes it impossible to continue.
fn resolve(cr: &LogPilotCluster, violations: &mut Violations) -> Option<Cluster> {
    let spec = &cr.spec;
    let name = cr.metadata.name.clone().unwrap_or_default();
    let prefix = prefix(&name, spec, violations)?;
    let namespace = namespace(&name, spec, violations);
    let system_namespace = system_namespace(spec, violations);
    config_overlay(spec, violations);

    let wanted = enabled(spec);
    violations.require(
        !wanted.is_empty(),
        "spec.components",
        "every component is disabled; enable one of `all`, `rest`, `grpc`",
    );
    let mut components: Vec<_> = wanted
        .iter()
        .filter_map(|(key, component)| component::resolve(spec, &prefix, *key, component, violations))
        .collect();
    for component in &mut components {
        component.restart = Restart::asked(cr.metadata.annotations.as_ref(), component.role);
    }
    let storage = storage::resolve(spec, &prefix, &mut components, violations);
    let backup = backup::resolve(spec, &prefix, &namespace.name, &components, &storage, violations);
    let restore = restore::resolve(spec, &components, &storage, backup.as_ref(), violations);
    let ingress = exposure::ingress(spec, &components, violations);
    let gateway = exposure::gateway(spec, &components, violations);
    let scope = scope(cr, name.clone(), namespace.name.clone(), prefix, violations);
    let monitoring =
        monitoring::resolve(spec, system_namespace.as_ref().unwrap_or(&namespace.name), violations);
    let network_policy = network::resolve(
        spec.network_policy.as_ref(),
        "spec.networkPolicy",
        system_namespace.as_deref(),
        ingress.as_ref(),
        violations,
    );

    Some(Cluster {
        environment: spec.environment.unwrap_or_default(),
        service_account_annotations: spec
            .service_account
            .as_ref()
            .map(|account| account.annotations.clone())
            .unwrap_or_default(),
        api_key: api_key(spec, &scope.prefix),
        config_check_seconds: config_check_seconds(spec),
        patches: spec.patches.clone(),
        paused: spec.operation.as_ref().and_then(|operation| operation.paused) == Some(true),
        stopped: spec.operation.as_ref().and_then(|operation| operation.stopped) == Some(true),
        scope,
        namespace,
        system_namespace,
        storage,
        backup,
        restore,
        components,
        ingress,
        gateway,
        monitoring,
        network_policy,
    })
}

/// The properties that all objects of the resource have in common.
fn scope(
    cr: &LogPilotCluster,
    name: String,
    namespace: String,
    prefix: NamePrefix,
    violations: &mut Violations,
) -> Scope {
    let spec = &cr.spec;
    Scope {
        owner: OwnerReference {
            api_version: format!("{}/{}", api::GROUP, api::VERSION),
            kind: api::KIND.to_owned(),
            name,
            uid: cr.metadata.uid.clone().unwrap_or_else(|| NO_UID.to_owned()),
            controller: Some(true),
            // `blockOwnerDeletion` needs a permission on the finalizers of the owner, and no
            // deletion has to wait for the object.
            block_owner_deletion: None,
        },
        namespace,
        prefix,
        product: labels::PRODUCT.to_owned(),
        manager: DOMAIN.field_manager.to_owned(),
        domain: api::GROUP.to_owned(),
        handed_over: (DOMAIN.handed_over.0.to_owned(), DOMAIN.handed_over.1.to_owned()),
        family: labels::FAMILY.to_owned(),
        selects_family: false,
        labels: spec.common_labels.clone(),
        annotations: spec.common_annotations.clone(),
        pull_secrets: spec.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone()).collect(),
        pull_policy: spec.image_pull_policy.map(|policy| policy.name().to_owned()),
        protected: spec.deletion_protection == Some(true),
        limits: limits::resolve(
            spec.limits.as_ref(),
            "spec.limits",
            &defaults::resources(&defaults::ALL),
            violations,
        ),
    }
}

/// Returns the enabled components. Without any, the default is one component `all`.
fn enabled(spec: &LogPilotClusterSpec) -> Vec<(ComponentKey, ComponentSpec)> {
    if spec.components.is_empty() {
        return vec![(ComponentKey::All, ComponentSpec::default())];
    }
    spec.components
        .iter()
        .filter(|(_, component)| component.enabled != Some(false))
        .map(|(key, component)| (*key, component.clone()))
        .collect()
}

fn prefix(name: &str, spec: &LogPilotClusterSpec, violations: &mut Violations) -> Option<NamePrefix> {
    let (path, text) = match &spec.name_override {
        Some(text) => ("spec.nameOverride", text.as_str()),
        None => ("metadata.name", name),
    };
    violations.require(
        is_label_value(name) && !name.is_empty(),
        "metadata.name",
        format!("'{name}' must be no more than 63 characters and end with a letter or digit: it is the value of a label"),
    );
    let prefix = NamePrefix::parse(text);
    violations.require(
        prefix.is_some(),
        path,
        format!(
            "'{text}' must be a lower-case DNS label that starts with a letter, of at most {} characters: \
             names of Services are made from it; set `spec.nameOverride`",
            NamePrefix::MAX
        ),
    );
    prefix
}

fn namespace(name: &str, spec: &LogPilotClusterSpec, violations: &mut Violations) -> ServersNamespace {
    let Namespace { name: given, labels, pod_security, deletion_policy } =
        spec.namespace.clone().unwrap_or_default();
    let path = if given.is_some() { "spec.namespace.name" } else { "metadata.name" };
    let name = given.unwrap_or_else(|| name.to_owned());
    check_namespace(&name, path, violations);
    let deletion_policy = deletion_policy.unwrap_or_default();
    if deletion_policy == DeletionPolicy::Delete {
        let volume = spec.storage.as_ref().and_then(|storage| storage.volume.as_ref());
        let volume_policy = volume.and_then(|volume| volume.deletion_policy).unwrap_or_default();
        violations.require(
            volume_policy == DeletionPolicy::Delete,
            "spec.namespace.deletionPolicy",
            "'Delete' would delete the data volume too; set `spec.storage.volume.deletionPolicy: Delete` too, or use 'Retain'",
        );
        violations.require(
            volume.is_none_or(|volume| volume.existing_claim.is_none()),
            "spec.namespace.deletionPolicy",
            "'Delete' would delete `spec.storage.volume.existingClaim` too, which the operator does not own; use 'Retain'",
        );
    }
    ServersNamespace {
        name,
        labels,
        pod_security: pod_security.unwrap_or_default(),
        pod_security_asked: pod_security.is_some(),
        deletion_policy,
    }
}

fn system_namespace(spec: &LogPilotClusterSpec, violations: &mut Violations) -> Option<String> {
    let name = spec.system_namespace.as_ref()?.name.clone();
    check_namespace(&name, "spec.systemNamespace.name", violations);
    Some(name)
}

fn check_namespace(name: &str, path: &str, violations: &mut Violations) {
    violations.require(
        is_dns_1123_label(name),
        path,
        format!("'{name}' must be a lower-case DNS label of at most 63 characters"),
    );
    violations.require(
        !name.starts_with("kube-") && name != OPERATOR_NAMESPACE,
        path,
        format!("'{name}' belongs to Kubernetes or to the operator; choose another namespace"),
    );
}

fn api_key(spec: &LogPilotClusterSpec, prefix: &NamePrefix) -> ApiKey {
    match spec.auth.as_ref().and_then(|auth| auth.api_key_secret.as_ref()) {
        Some(named) => ApiKey {
            secret: named.name.clone(),
            key: named.key.clone().unwrap_or_else(|| defaults::API_KEY.to_owned()),
            generated: false,
        },
        None => ApiKey { secret: names::api_key(prefix), key: defaults::API_KEY.to_owned(), generated: true },
    }
}

/// Returns `None` if a changed configuration is not checked first.
fn config_check_seconds(spec: &LogPilotClusterSpec) -> Option<i64> {
    let check = spec.config.as_ref()?.check.as_ref()?;
    (check.enabled != Some(false))
        .then(|| check.timeout_seconds.unwrap_or(defaults::CONFIG_CHECK_SECONDS).into())
}

fn config_overlay(spec: &LogPilotClusterSpec, violations: &mut Violations) {
    let Some(given) = &spec.config else { return };
    let size = serde_json::to_vec(&given.overlay).map_or(0, |json| json.len());
    violations.require(
        size <= config::OVERLAY_BYTES,
        "spec.config.overlay",
        format!(
            "has {size} bytes as JSON and must have at most {}; mount large files from your own ConfigMap",
            config::OVERLAY_BYTES
        ),
    );
    for overlap in properties::overlaps(given) {
        violations.add(format!("spec.config.overlay.{}", overlap.path), overlap.why);
    }
    if let Some(pool) = &given.sqlite_pool {
        let maximum = pool.maximum_size.unwrap_or(defaults::POOL_MAXIMUM);
        violations.require(
            pool.minimum_idle.is_none_or(|idle| idle <= maximum),
            "spec.config.sqlitePool.minimumIdle",
            format!("must not be greater than `maximumSize`, which is {maximum}"),
        );
    }
}
