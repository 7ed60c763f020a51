//! The installed operator: its pod, its admission policy, its version.

use std::collections::BTreeMap;

use clap::CommandFactory as _;
use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        apps::v1::Deployment,
        core::v1::{Container, Namespace, PodSpec, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use logpilot_operator::{
    api::{GROUP, KIND, PLURAL, VERSION},
    cli::Cli,
};

use super::{documents, object, read};

const NAME: &str = "logpilot-operator";
const NAMESPACE: &str = "logpilot-operator-system";

fn deployment() -> Deployment {
    object(&read("install.yaml"), "Deployment", NAME)
}

fn pod() -> PodSpec {
    deployment().spec.unwrap().template.spec.unwrap()
}

fn container() -> Container {
    let mut containers = pod().containers;
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

/// Deleting the manifest must not delete every `LogPilotCluster`.
#[test]
fn the_install_manifest_has_everything_but_the_crd() {
    let mut kinds: Vec<String> =
        documents(&read("install.yaml")).iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "ClusterRole",
            "ClusterRoleBinding",
            "Deployment",
            "Namespace",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "Role",
            "RoleBinding",
            "ServiceAccount",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ]
    );
}

/// Both objects select the operator's pods and no others. Egress stays open, because the API server's
/// address differs between installations.
#[test]
fn one_port_is_open_and_one_pod_evictable() {
    let text = read("install.yaml");
    let labels = deployment().spec.unwrap().selector.match_labels;
    let policy: NetworkPolicy = object(&text, "NetworkPolicy", NAME);
    assert_eq!(policy.metadata.namespace.as_deref(), Some(NAMESPACE));
    let spec = policy.spec.unwrap();
    assert_eq!(spec.pod_selector.unwrap().match_labels, labels);
    assert_eq!(
        (spec.policy_types.unwrap().as_slice(), spec.egress),
        (["Ingress".to_owned()].as_slice(), None)
    );
    let ports: Vec<_> = spec.ingress.unwrap().into_iter().flat_map(|rule| rule.ports.unwrap()).collect();
    assert_eq!(ports.len(), 1);
    let served = container().ports.unwrap()[0].container_port;
    assert_eq!(ports[0].port, Some(IntOrString::Int(served)));

    let budget: PodDisruptionBudget = object(&text, "PodDisruptionBudget", NAME);
    assert_eq!(budget.metadata.namespace.as_deref(), Some(NAMESPACE));
    let spec = budget.spec.unwrap();
    assert_eq!(spec.selector.unwrap().match_labels, labels);
    // The budget allows one eviction, regardless of the number of pods.
    assert_eq!((spec.max_unavailable, spec.min_available), (Some(IntOrString::Int(1)), None));
    assert_eq!(spec.unhealthy_pod_eviction_policy.as_deref(), Some("AlwaysAllow"));
}

/// The restricted profile of the Pod Security Standards, control by control, and the additional
/// guarantees of this project.
#[test]
fn the_operators_pod_has_no_privilege() {
    let namespace: Namespace = object(&read("install.yaml"), "Namespace", NAMESPACE);
    assert_eq!(namespace.metadata.labels.unwrap()["pod-security.kubernetes.io/enforce"], "restricted");

    let pod = pod();
    for (what, set) in [
        ("hostNetwork", pod.host_network),
        ("hostPID", pod.host_pid),
        ("hostIPC", pod.host_ipc),
        ("shareProcessNamespace", pod.share_process_namespace),
    ] {
        assert_ne!(set, Some(true), "{what}");
    }
    assert!(pod.volumes.is_none(), "the operator needs no volume");
    let security = pod.security_context.unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!((security.run_as_user, security.run_as_group), (Some(65532), Some(65532)));
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    assert!(security.sysctls.is_none());

    let container = container();
    let security = container.security_context.unwrap();
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_ne!(security.privileged, Some(true));
    let capabilities = security.capabilities.unwrap();
    assert_eq!(capabilities.drop.unwrap(), ["ALL"]);
    assert!(capabilities.add.is_none());
    assert!(container.ports.unwrap().iter().all(|port| port.host_port.is_none()));

    let resources = container.resources.unwrap();
    let amount =
        |list: Option<BTreeMap<String, Quantity>>, name: &str| -> String { list.unwrap()[name].0.clone() };
    assert_eq!(amount(resources.requests.clone(), "cpu"), "10m");
    assert_eq!(amount(resources.requests, "memory"), "32Mi");
    assert_eq!(amount(resources.limits.clone(), "cpu"), "500m");
    assert_eq!(amount(resources.limits, "memory"), "128Mi");
}

#[test]
fn only_the_operators_pod_gets_its_token() {
    let account: ServiceAccount = object(&read("install.yaml"), "ServiceAccount", NAME);
    assert_eq!(account.metadata.namespace.as_deref(), Some(NAMESPACE));
    assert_eq!(account.automount_service_account_token, Some(false));
    let deployment = deployment();
    assert_eq!(deployment.metadata.namespace.as_deref(), Some(NAMESPACE));
    let pod = pod();
    assert_eq!(pod.service_account_name.as_deref(), Some(NAME));
    assert_eq!(pod.automount_service_account_token, Some(true));
}

/// There is more than one replica, so an election is required, and a new pod is on standby before the
/// old one terminates.
#[test]
fn a_standby_exists_and_the_lease_decides() {
    let spec = deployment().spec.unwrap();
    assert_eq!(spec.replicas, Some(2));
    let rolling = spec.strategy.unwrap().rolling_update.unwrap();
    assert_eq!(rolling.max_unavailable, Some(IntOrString::Int(0)));
    let from = |name: &str| {
        let variable = container().env.unwrap().into_iter().find(|it| it.name == name).unwrap();
        variable.value_from.unwrap().field_ref.unwrap().field_path
    };
    assert_eq!(from("LEASE_NAMESPACE"), "metadata.namespace");
    assert_eq!(from("POD_NAME"), "metadata.name");
    let labels = spec.template.metadata.unwrap().labels.unwrap();
    assert!(spec.selector.match_labels.unwrap().iter().all(|(name, value)| labels.get(name) == Some(value)));
}

#[test]
fn the_pod_runs_this_version_with_existing_settings() {
    let container = container();
    let (_, tag) = container.image.as_deref().unwrap().rsplit_once(':').expect("an image with a tag");
    assert_eq!(tag, env!("CARGO_PKG_VERSION"), "newTag in config/default/kustomization.yaml");

    let arguments = container.args.unwrap();
    let command = Cli::command();
    let run = command.find_subcommand(&arguments[0]).expect("a command of the operator");
    assert_eq!(arguments.len(), 1);
    for variable in container.env.unwrap() {
        let argument = run
            .get_arguments()
            .find(|it| it.get_env().is_some_and(|name| name == variable.name.as_str()))
            .unwrap_or_else(|| panic!("{} is not read by the operator", variable.name));
        // Values that the kubelet fills in are checked where they are used.
        let Some(value) = variable.value else { continue };
        let possible = argument.get_possible_values();
        assert!(
            possible.is_empty() || possible.iter().any(|it| it.get_name() == value),
            "{}={value}: one of {possible:?}",
            variable.name
        );
    }
    let port = container.ports.unwrap()[0].clone();
    assert_eq!((port.name.as_deref(), port.container_port), (Some("http"), 8080));
    for (probe, path) in [(container.liveness_probe, "/livez"), (container.readiness_probe, "/readyz")] {
        assert_eq!(probe.unwrap().http_get.unwrap().path.as_deref(), Some(path));
    }
}

/// Deleting the CRD deletes every `LogPilotCluster`. The policy is evaluated once for each of them.
#[test]
fn the_policy_guards_our_crd_and_no_other() {
    let text = read("install.yaml");
    let policy: ValidatingAdmissionPolicy =
        object(&text, "ValidatingAdmissionPolicy", "logpilot-operator-keep-crd");
    let spec = policy.spec.unwrap();
    assert_eq!(spec.failure_policy.as_deref(), Some("Fail"));
    let parameter = spec.param_kind.unwrap();
    assert_eq!(parameter.api_version, Some(format!("{GROUP}/{VERSION}")));
    assert_eq!(parameter.kind.as_deref(), Some(KIND));
    let rules = spec.match_constraints.unwrap().resource_rules.unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].operations, Some(vec!["DELETE".to_owned()]));
    assert_eq!(rules[0].resource_names, Some(vec![format!("{PLURAL}.{GROUP}")]));

    let binding: ValidatingAdmissionPolicyBinding =
        object(&text, "ValidatingAdmissionPolicyBinding", "logpilot-operator-keep-crd");
    let spec = binding.spec;
    assert_eq!(Some(spec.policy_name), policy.metadata.name);
    assert_eq!(spec.validation_actions, ["Deny"]);
    let parameters = spec.param_ref.unwrap();
    assert_eq!(parameters.parameter_not_found_action.as_deref(), Some("Allow"));
    assert_eq!(parameters.selector, Some(LabelSelector::default()), "every cluster");
}
