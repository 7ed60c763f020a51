//! Tests the builders with a product that the operator does not know.

use k8s_openapi::{
    api::{
        core::v1::{EnvVar, Pod},
        networking::v1::NetworkPolicyPeer,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, OwnerReference},
        util::intstr::IntOrString,
    },
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    container,
    deployment::{self, ObservedReplicas},
    gateway, horizontal_pod_autoscaler, ingress, limit_range, namespace, network_policy,
    persistent_volume_claim, pod, pod_disruption_budget, pod_monitor, prometheus_rule, resource_quota,
    routes, service, service_account, service_monitor,
};
use crate::{
    Quantities, StringMap,
    image::Image,
    labels,
    model::{
        Claim, Component, Cors, Gateway, GatewayParents, Identity, Ingress, LimitRange, LoadBalancer,
        Monitor, NamespaceLimits, NetworkPolicy, NodePort, NodePortEntry, PdbPolicy, Port, Probe,
        ProbeTiming, ProbeType, Probes, Protocol, PublishedPort, Quota, Resources, Rollout, Route, Scale,
        Tls,
    },
    names::NamePrefix,
    scope::Scope,
};

fn scope() -> Scope {
    let cpu = |amount: &str| Quantities::from([("cpu".into(), Quantity(amount.into()))]);
    Scope {
        owner: OwnerReference {
            api_version: "shop.example/v1".into(),
            kind: "Shop".into(),
            name: "erp".into(),
            uid: "u".into(),
            controller: Some(true),
            block_owner_deletion: None,
        },
        namespace: "sales".into(),
        prefix: NamePrefix::parse("erp").expect("a label"),
        product: "shop".into(),
        manager: "shop-operator".into(),
        domain: "shop.example".into(),
        handed_over: ("shop.example/replicas".into(), "autoscaled".into()),
        family: "stack".into(),
        selects_family: false,
        labels: StringMap::from([("team".into(), "red".into())]),
        annotations: StringMap::from([("shop.example/note".into(), "n".into())]),
        pull_secrets: vec!["registry".into()],
        pull_policy: Some("Always".into()),
        protected: true,
        limits: NamespaceLimits {
            range: Some(LimitRange { requests: cpu("1"), limits: cpu("2") }),
            quota: Some(Quota { hard: Quantities::from([("pods".into(), Quantity("9".into()))]) }),
        },
    }
}

fn component() -> Component {
    let port = |name: &str, number, internal| Port {
        name: name.into(),
        number,
        published: number,
        protocol: "TCP".into(),
        app_protocol: None,
        internal,
    };
    Component {
        name: "erp-orders".into(),
        kind: "orders".into(),
        image: Image::parse("example/orders:1").expect("an image"),
        container: "orders".into(),
        command: Vec::new(),
        args: Vec::new(),
        read_only_root_filesystem: true,
        ports: vec![port("web", 80, false), port("admin", 81, true)],
        env: vec![EnvVar { name: "A".into(), value: Some("b".into()), value_from: None }],
        env_from: Vec::new(),
        mounts: vec![container::mount("store", "/store", false)],
        volumes: vec![pod::claim("store", "erp-store")],
        resources: Resources::default(),
        probes: Probes {
            readiness: Some(Probe {
                mode: "Tcp".into(),
                check: ProbeType::Tcp { port: IntOrString::String("web".into()) },
                timing: ProbeTiming { initial_delay: 0, period: 5, timeout: 3, failures: 3, successes: None },
            }),
            ..Probes::default()
        },
        identity: Identity::default(),
        pod_labels: StringMap::new(),
        pod_annotations: StringMap::new(),
        claim: Some("erp-store".into()),
        co_scheduled: true,
        node_selector: StringMap::new(),
        tolerations: Vec::new(),
        topology_spread: None,
        priority_class_name: None,
        grace_period_seconds: 30,
        scale: Scale::Fixed(2),
        rollout: Rollout::Recreate,
        min_ready_seconds: None,
        progress_deadline_seconds: None,
        revision_history_limit: None,
        budget: PdbPolicy::MaxUnavailable(IntOrString::Int(1)),
        unhealthy_pod_eviction_policy: "AlwaysAllow".into(),
        load_balancer: Some(LoadBalancer {
            ports: vec![PublishedPort { name: "web".into(), number: 8000 }],
            class: None,
            source_ranges: Vec::new(),
            annotations: StringMap::new(),
        }),
        node_port: Some(NodePort {
            ports: vec![NodePortEntry { name: "web".into(), number: 80, node_port: None }],
        }),
        network_policy: Some(NetworkPolicy {
            clients: None,
            monitoring: NetworkPolicyPeer::default(),
            egress: Vec::new(),
        }),
        stopped: false,
    }
}

/// Built objects, as they are written.
#[derive(Default)]
struct Built(Vec<Value>);

impl Built {
    fn add<T: Serialize>(&mut self, objects: impl IntoIterator<Item = T>) {
        self.0.extend(objects.into_iter().map(|object| serde_json::to_value(object).expect("JSON")));
    }
}

/// Returns one object of every kind that is built here, except those that hold data.
fn owned() -> Built {
    let (scope, component) = (scope(), component());
    let route = |protocol, path: &str| Route {
        host: Some("shop.example".into()),
        path: path.into(),
        rewrite: None,
        protocol,
        service: component.name.clone(),
        port: 80,
    };
    let exposed = vec![route(Protocol::Http, "/"), route(Protocol::Grpc, "/a.B/C")];
    let tls = Some(Tls { secret_name: "tls".into(), issuer: None });
    let entry = Ingress {
        class_name: Some("nginx".into()),
        annotations: StringMap::new(),
        routes: exposed.clone(),
        tls: tls.clone(),
        cors: Some(Cors { allow_origins: Vec::new(), allow_methods: Vec::new(), allow_headers: Vec::new() }),
        requests_per_second: Some(1),
    };
    let parents = GatewayParents::Own { class_name: "any".into(), tls };
    let way = Gateway { parents, routes: exposed };
    let monitor = Monitor {
        namespace: "watch".into(),
        port: "admin".into(),
        path: "/metrics".into(),
        interval: "30s".into(),
        scrape_timeout: "10s".into(),
        labels: StringMap::new(),
    };
    let mut plan = Built::default();
    plan.add([service_account::build(&scope, &StringMap::new())]);
    let observed = ObservedReplicas::default();
    plan.add([deployment::build(&scope, &component, observed)]);
    plan.add([service::cluster_ip(&scope, &component)]);
    plan.add(service::load_balancer(&scope, &component));
    plan.add(service::node_port(&scope, &component, &service::NodePorts::new()));
    plan.add(horizontal_pod_autoscaler::build(&scope, &component));
    plan.add(pod_disruption_budget::build(&scope, &component));
    plan.add(network_policy::build(&scope, &component));
    plan.add(ingress::http(&scope, Some(&entry)));
    plan.add(ingress::grpc(&scope, Some(&entry)));
    plan.add(gateway::build(&scope, Some(&way)));
    plan.add(routes::http(&scope, Some(&way)));
    plan.add(routes::redirect(&scope, Some(&way)));
    plan.add(routes::grpc(&scope, Some(&way)));
    plan.add(service_monitor::build(&scope, Some(&monitor)));
    plan.add(pod_monitor::build(&scope, Some(&monitor)));
    plan.add([prometheus_rule::build(&scope, "watch", &StringMap::new(), Vec::new())]);
    plan.add(limit_range::build(&scope));
    plan.add(resource_quota::build(&scope));
    plan
}

/// Returns the objects that outlive the resource.
fn kept() -> Built {
    let scope = scope();
    let claim = Claim {
        name: "erp-store".into(),
        labels: StringMap::new(),
        annotations: StringMap::new(),
        size: Quantity("1Gi".into()),
        storage_class_name: None,
        access_mode: "ReadWriteOnce".into(),
        owned: false,
    };
    let mut plan = Built::default();
    plan.add([namespace::build(&scope, "sales", labels::shared(&scope), false)]);
    plan.add([persistent_volume_claim::build(&scope, &claim)]);
    plan
}

fn labels_of(body: &Value) -> &Value {
    &body["metadata"]["labels"]
}

fn selects(selector: &LabelSelector, pod: &Pod) -> bool {
    let there = pod.metadata.labels.as_ref().expect("labels");
    selector.match_labels.iter().flatten().all(|(key, value)| there.get(key) == Some(value))
}

#[test]
fn objects_name_only_their_own_product() {
    let plan: Vec<_> = [owned().0, kept().0].concat();
    assert_eq!(plan.len(), 20);
    for body in &plan {
        for (label, value) in [
            ("app.kubernetes.io/name", "shop"),
            ("app.kubernetes.io/instance", "erp"),
            ("app.kubernetes.io/managed-by", "shop-operator"),
            ("shop.example/stack", "erp"),
            ("team", "red"),
        ] {
            assert_eq!(labels_of(body)[label], value, "{body}");
        }
        assert!(!body.to_string().to_lowercase().contains(concat!("log", "pilot")), "{body}");
    }
}

#[test]
fn all_objects_except_data_have_an_owner() {
    for body in owned().0 {
        assert_eq!(body["metadata"]["ownerReferences"][0]["kind"], "Shop", "{body}");
    }
    for body in kept().0 {
        assert!(body["metadata"]["ownerReferences"].is_null(), "{body}");
    }
}

#[test]
fn selectors_match_the_pods() {
    let (scope, component) = (scope(), component());
    let template = pod::template(&scope, &component);
    let pod = Pod { metadata: template.metadata.expect("metadata"), ..Pod::default() };
    for selector in [
        labels::pod_selector(&component),
        labels::data_selector(&scope, "erp-store"),
        labels::monitored_pods(&scope),
        LabelSelector {
            match_labels: Some(labels::service_selector(&scope, &component)),
            ..LabelSelector::default()
        },
    ] {
        assert!(selects(&selector, &pod), "{selector:?}");
    }
    let service = service::cluster_ip(&scope, &component);
    let found = Pod { metadata: service.metadata, ..Pod::default() };
    assert!(selects(&labels::monitored_services(&scope), &found), "its Service is scraped");
}

/// A rule without ports would open all of them, and one without peers would admit everyone.
#[test]
fn a_policy_opens_only_existing_ports() {
    let rules = |component: &Component| {
        let policy = network_policy::build(&scope(), component).expect("a policy");
        serde_json::to_value(policy.spec.expect("a spec").ingress.expect("a list")).expect("JSON")
    };
    let ports = |rules: &Value| {
        let rules = rules.as_array().expect("a list");
        rules.iter().map(|rule| rule["ports"][0]["port"].clone()).collect::<Vec<_>>()
    };
    let given = component();
    assert_eq!(ports(&rules(&given)), [json!(80), json!(81)]);
    let mut clients_only = given.clone();
    clients_only.ports.retain(|port| !port.internal);
    assert_eq!(ports(&rules(&clients_only)), [json!(80)]);
    let mut internal_only = given.clone();
    internal_only.ports.retain(|port| port.internal);
    assert_eq!(ports(&rules(&internal_only)), [json!(81)]);
    let mut nobody = given;
    nobody.network_policy.as_mut().expect("a policy").clients = Some(Vec::new());
    assert_eq!(ports(&rules(&nobody)), [json!(81)]);
}

#[test]
fn a_component_without_data_has_no_volume_affinity() {
    let stateless = Component { claim: None, volumes: Vec::new(), mounts: Vec::new(), ..component() };
    let template = serde_json::to_value(pod::template(&scope(), &stateless)).expect("JSON");
    assert!(template["spec"]["affinity"].is_null() && template["spec"]["volumes"].is_null());
    assert!(labels_of(&template).get("shop.example/data").is_none());
}
