use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::{Value, json};

use super::super::resolve;
use crate::stack::{
    api::ServiceStack,
    facts::{Facts, SecretFact},
    model::Stack,
    plan,
    tests::example,
};

fn stack(spec: Value) -> ServiceStack {
    let metadata = json!({ "name": "shop", "namespace": "team" });
    let cr = json!({ "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack", "metadata": metadata, "spec": spec });
    serde_json::from_value(cr).unwrap()
}

/// Two components: one with metrics at a port of its own, one that is probed.
fn shop(monitoring: Value) -> Value {
    json!({
        "components": {
            "api": {
                "image": "api:1",
                "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }, { "name": "metrics", "port": 81, "targetPort": 9091 }],
                "metrics": { "port": "metrics", "path": "/a$(b.host)" },
            },
            "web": { "image": "web:1", "ports": [{ "name": "http", "port": 80 }], "probes": { "path": "/health" } },
        },
        "monitoring": monitoring,
    })
}

fn objects(stack: &Stack) -> Vec<Value> {
    let secrets = stack
        .secrets
        .iter()
        .map(|it| (it.name.clone(), SecretFact::Generate { values: BTreeMap::new(), replaces: None }));
    let facts = Facts { secrets: secrets.collect(), ..Facts::default() };
    plan::plan(stack, &facts).objects.into_iter().map(|it| it.body).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|it| it["kind"] == kind).collect()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    of_kind(objects, kind).into_iter().find(|it| it["metadata"]["name"] == name).unwrap()
}

/// A file of a component, by the end of its path.
fn file(stack: &Stack, component: &str, end: &str) -> String {
    let files = stack.components[component].files.as_ref().unwrap();
    files.data.iter().find(|(key, _)| key.ends_with(end)).unwrap().1.clone()
}

fn config(stack: &Stack, component: &str) -> Value {
    serde_yaml::from_str(&file(stack, component, "prometheus.yml")).unwrap()
}

fn container<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    &named(objects, kind, name)["spec"]["template"]["spec"]["containers"][0]
}

fn violations(spec: Value) -> Vec<String> {
    resolve(&stack(spec)).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn restaurant_has_three_more_components() {
    let stack = resolve(&example("restaurant")).unwrap();
    let names: Vec<&str> = stack.components.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "blackbox",
            "gateway-service",
            "grafana-service",
            "iot-service",
            "postgres-exporter",
            "postgres-service",
            "prometheus-service",
            "redis-exporter",
            "redis-service",
            "user-service"
        ]
    );
    let objects = objects(&stack);
    let prometheus = container(&objects, "StatefulSet", "prometheus-service");
    let args = prometheus["args"].as_array().unwrap();
    for arg in [
        "--storage.tsdb.retention.time=200h",
        "--storage.tsdb.path=/prometheus",
        "--storage.tsdb.retention.size=8192MB",
    ] {
        assert!(args.contains(&json!(arg)), "{args:?}");
    }
    named(&objects, "Deployment", "grafana-service");
    named(&objects, "Deployment", "blackbox");
    assert_eq!(
        named(&objects, "PersistentVolumeClaim", "prometheus-service-data")["spec"]["resources"]["requests"]
            ["storage"],
        "10Gi"
    );
    assert!(
        of_kind(&objects, "HorizontalPodAutoscaler")
            .iter()
            .all(|it| it["metadata"]["name"] != "grafana-service")
    );
    let hosts = named(&objects, "Ingress", "restaurant")["spec"]["rules"].as_array().unwrap().len();
    assert!(hosts > 0);
}

#[test]
fn bundled_programs_have_no_token_and_their_users() {
    let objects = objects(&resolve(&example("restaurant")).unwrap());
    for (kind, name, user) in [
        ("StatefulSet", "prometheus-service", 65534),
        ("Deployment", "grafana-service", 472),
        ("Deployment", "blackbox", 65534),
    ] {
        let pod = &named(&objects, kind, name)["spec"]["template"]["spec"];
        let security = &pod["securityContext"];
        assert_eq!(security["runAsUser"], user, "{name}");
        assert_eq!(security["fsGroup"], user, "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        // `spec.defaults` are about the user's programs.
        let env = pod["containers"][0]["env"].as_array().cloned().unwrap_or_default();
        assert!(env.iter().all(|it| it["name"] != "LOG_LEVEL"), "{name}");
    }
    for kind in ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"] {
        assert!(of_kind(&objects, kind).is_empty(), "{kind}");
    }
}

/// Every pod of a component with metrics is exactly one target: one job, by one headless Service.
#[test]
fn every_pod_is_scraped_exactly_once() {
    for (stack, prometheus) in [
        (resolve(&example("restaurant")).unwrap(), "prometheus-service"),
        (resolve(&stack(shop(json!({ "prometheus": {} })))).unwrap(), "prometheus"),
    ] {
        let objects = objects(&stack);
        let config = config(&stack, prometheus);
        let jobs = config["scrape_configs"].as_array().unwrap();
        let names: BTreeSet<&str> = jobs.iter().map(|job| job["job_name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), jobs.len(), "one job of each name");
        let mut targets: BTreeMap<String, usize> = BTreeMap::new();
        for job in jobs.iter().filter(|job| !job["dns_sd_configs"].is_null()) {
            for lookup in job["dns_sd_configs"].as_array().unwrap() {
                for name in lookup["names"].as_array().unwrap() {
                    let service = named(&objects, "Service", name.as_str().unwrap());
                    assert_eq!(service["spec"]["clusterIP"], "None");
                    assert_eq!(service["spec"]["publishNotReadyAddresses"], true);
                    let selector = service["spec"]["selector"].as_object().unwrap();
                    for workload in
                        objects.iter().filter(|it| it["kind"] == "Deployment" || it["kind"] == "StatefulSet")
                    {
                        let template = &workload["spec"]["template"];
                        if selector.iter().all(|(key, value)| template["metadata"]["labels"][key] == *value) {
                            *targets
                                .entry(workload["metadata"]["name"].as_str().unwrap().into())
                                .or_default() += 1;
                            let ports = template["spec"]["containers"][0]["ports"].as_array().unwrap();
                            assert!(
                                ports.iter().any(|port| port["containerPort"] == lookup["port"]),
                                "{lookup}"
                            );
                        }
                    }
                }
            }
        }
        let wanted: BTreeMap<String, usize> = stack
            .components
            .values()
            .filter(|it| it.headless && it.claims.is_empty())
            .map(|it| (it.workload.as_ref().unwrap().name.clone(), 1))
            .collect();
        assert_eq!(targets, wanted);
        assert!(!targets.is_empty());
    }
}

#[test]
fn scrapes_are_as_the_stack_says() {
    let stack = resolve(&stack(shop(json!({ "prometheus": { "scrapeInterval": "5s" } })))).unwrap();
    let config = config(&stack, "prometheus");
    assert_eq!(
        config["global"],
        json!({ "scrape_interval": "5s", "evaluation_interval": "5s", "external_labels": { "stack": "shop" } })
    );
    let jobs = config["scrape_configs"].as_array().unwrap();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[1]["dns_sd_configs"][0]["names"], json!(["api-pods"]));
    assert_eq!(jobs[1]["dns_sd_configs"][0]["port"], 9091);
    // A text of the user is no reference.
    assert_eq!(jobs[1]["metrics_path"], "/a$(b.host)");
    assert_eq!(
        jobs[2]["static_configs"],
        json!([{ "targets": ["http://web:80/health"], "labels": { "component": "web" } }])
    );
    assert_eq!(
        jobs[2]["relabel_configs"][2],
        json!({ "target_label": "__address__", "replacement": "blackbox:9115" })
    );
}

#[test]
fn name_prefix_is_part_of_every_address() {
    let mut spec = shop(json!({ "prometheus": {}, "grafana": {} }));
    spec["namePrefix"] = json!("a-");
    let stack = resolve(&stack(spec)).unwrap();
    let text = file(&stack, "prometheus", "prometheus.yml");
    for address in ["a-api-pods", "http://a-web:80/health", "a-blackbox:9115"] {
        assert!(text.contains(address), "{text}");
    }
    assert!(
        stack.components["grafana"]
            .files
            .as_ref()
            .unwrap()
            .data
            .values()
            .any(|it| it.contains("http://a-prometheus:9090"))
    );
}

/// Components that may connect to a component, by its policy.
fn clients(objects: &[Value], name: &str) -> BTreeSet<String> {
    let rules = named(objects, "NetworkPolicy", name)["spec"]["ingress"].as_array().unwrap();
    let peers = rules.iter().flat_map(|rule| rule["from"].as_array().cloned().unwrap_or_default());
    let label = |peer: Value| {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"].as_str().map(str::to_owned)
    };
    peers.filter_map(label).filter(|it| it != name).collect()
}

#[test]
fn policies_let_the_monitoring_in() {
    let objects = objects(&resolve(&stack(shop(json!({ "prometheus": {}, "grafana": {} })))).unwrap());
    let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(clients(&objects, "api"), set(&["prometheus"]));
    assert_eq!(clients(&objects, "web"), set(&["blackbox"]));
    assert_eq!(clients(&objects, "blackbox"), set(&["prometheus"]));
    assert_eq!(clients(&objects, "prometheus"), set(&["grafana"]));
    assert_eq!(clients(&objects, "grafana"), set(&[]));
}

#[test]
fn exporter_exists_only_for_probes() {
    let mut spec = shop(json!({ "prometheus": {} }));
    spec["components"]["web"]["metrics"] = json!({});
    assert!(!resolve(&stack(spec.clone())).unwrap().components.contains_key("blackbox"));
    // A name that the monitoring does not need is the user's.
    spec["components"]["blackbox"] = json!({ "image": "b:1" });
    resolve(&stack(spec)).unwrap();
}

#[test]
fn grafana_has_a_generated_password() {
    let stack = resolve(&stack(shop(json!({ "prometheus": {}, "grafana": {} })))).unwrap();
    let generated = &stack.secrets[0];
    assert_eq!(
        (generated.name.as_str(), &generated.keys),
        ("shop-grafana", &vec!["admin-password".to_owned()])
    );
    assert!(stack.components["grafana"].secrets.contains("shop-grafana"));
    let objects = objects(&stack);
    let env = container(&objects, "Deployment", "grafana")["env"].as_array().unwrap();
    let variable = |name: &str| env.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(
        variable("GF_SECURITY_ADMIN_PASSWORD")["valueFrom"]["secretKeyRef"],
        json!({ "name": "shop-grafana", "key": "admin-password" })
    );
    assert_eq!(variable("GF_AUTH_ANONYMOUS_ENABLED")["value"], "false");
    assert_eq!(variable("GF_USERS_ALLOW_SIGN_UP")["value"], "false");
}

#[test]
fn grafana_reads_the_users_secret() {
    let stack =
        resolve(&stack(shop(json!({ "prometheus": {}, "grafana": { "adminSecret": "mine" } })))).unwrap();
    assert!(stack.secrets.is_empty());
    let objects = objects(&stack);
    let env = container(&objects, "Deployment", "grafana")["env"].as_array().unwrap();
    assert!(env.iter().any(|it| it["valueFrom"]["secretKeyRef"]["name"] == "mine"));
}

#[test]
fn dashboards_are_models_with_uid_and_title() {
    let stack = resolve(&example("restaurant")).unwrap();
    let files = stack.components["grafana-service"].files.as_ref().unwrap();
    let models: Vec<Value> = files
        .data
        .values()
        .filter(|text| text.starts_with('{'))
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    let titles: BTreeSet<&str> = models.iter().map(|it| it["title"].as_str().unwrap()).collect();
    assert_eq!(
        titles,
        BTreeSet::from([
            "restaurant: Alerts",
            "restaurant: Components",
            "restaurant: Infrastructure",
            "restaurant: Overview"
        ])
    );
    let ids: BTreeSet<&str> = models.iter().map(|it| it["uid"].as_str().unwrap()).collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| (1..=40).contains(&id.len())));
    assert!(models.iter().all(|it| it["panels"].as_array().unwrap().len() >= 4));
}

/// 32 components with the longest names, half of them scraped and half of them probed.
#[test]
fn files_fit_into_a_config_map() {
    let mut spec = shop(json!({ "prometheus": {}, "grafana": {} }));
    for index in 0..30 {
        let name = format!("{}-{index:02}", "a".repeat(37));
        let like = if index % 2 == 0 { "api" } else { "web" };
        let component = spec["components"][like].clone();
        spec["components"][name] = component;
    }
    let stack = resolve(&stack(spec)).unwrap();
    for name in ["prometheus", "grafana", "blackbox"] {
        let data = &stack.components[name].files.as_ref().unwrap().data;
        let size: usize = data.values().map(String::len).sum();
        println!("{name}: {size} bytes");
        assert!(size < 256 * 1024, "{name}: {size}");
    }
}

#[test]
fn switched_off_parts_keep_their_volumes() {
    let monitoring =
        json!({ "prometheus": { "enabled": false, "size": "1Gi" }, "grafana": { "enabled": false } });
    let stack = resolve(&stack(shop(monitoring))).unwrap();
    assert!(stack.secrets.is_empty());
    assert!(!stack.components.contains_key("blackbox"));
    let objects = objects(&stack);
    named(&objects, "PersistentVolumeClaim", "prometheus-data");
    assert!(of_kind(&objects, "StatefulSet").is_empty());
}

#[test]
fn references_may_name_the_monitoring() {
    let mut spec = shop(json!({ "prometheus": { "name": "metrics" } }));
    spec["components"]["web"]["env"] = json!({ "URL": "http://$(metrics.address)" });
    spec["components"]["web"]["dependsOn"] = json!(["metrics"]);
    let stack = resolve(&stack(spec)).unwrap();
    assert_eq!(stack.components["web"].tier, 2);
    let env = &stack.components["web"].workload.as_ref().unwrap().env;
    assert_eq!(env[0].value.as_deref(), Some("http://metrics:9090"));
}

#[rstest]
#[case::name_of_a_component(json!({ "prometheus": { "name": "web" } }), "spec.monitoring.prometheus.name: adds a component 'web'")]
#[case::one_name_for_both(json!({ "prometheus": {}, "grafana": { "name": "prometheus" } }), "spec.monitoring.grafana.name: adds a component 'prometheus'")]
#[case::name_of_the_exporter(json!({ "prometheus": { "name": "blackbox" } }), "spec.monitoring: adds a component 'blackbox'")]
#[case::reserved_name(json!({ "prometheus": { "name": "stack" } }), "spec.monitoring.prometheus.name: 'stack' has another meaning")]
#[case::grafana_alone(json!({ "grafana": {} }), "spec.monitoring.grafana: needs a Prometheus")]
#[case::grafana_of_one_that_is_off(json!({ "prometheus": { "enabled": false }, "grafana": {} }), "spec.monitoring.grafana: needs a Prometheus")]
#[case::rare_scrapes(json!({ "prometheus": { "scrapeInterval": "5m" } }), "spec.monitoring.prometheus.scrapeInterval: '5m' must be")]
#[case::image(json!({ "prometheus": { "image": "prom/prometheus" } }), "spec.monitoring.prometheus.image: 'prom/prometheus' needs a tag")]
#[case::late_timeout(json!({ "serviceMonitor": { "interval": "5s", "scrapeTimeout": "9s" } }), "spec.monitoring.serviceMonitor.scrapeTimeout: ")]
fn bad_monitoring_is_refused(#[case] monitoring: Value, #[case] message: &str) {
    let found = violations(shop(monitoring));
    assert!(found.len() == 1 && found[0].starts_with(message), "{found:#?}");
}

#[test]
fn the_entry_of_the_password_is_reserved() {
    let mut spec = shop(json!({ "prometheus": {}, "grafana": {} }));
    spec["secrets"] = json!({ "grafana": { "generate": ["x"] } });
    assert!(violations(spec)[0].starts_with("spec.secrets.grafana: is the entry"));
}

#[test]
fn metrics_need_a_port_that_exists() {
    let mut spec = shop(json!({}));
    spec["components"]["api"]["metrics"]["port"] = json!("admin");
    assert_eq!(violations(spec), ["spec.components.api.metrics.port: the component has no port 'admin'"]);
}

#[test]
fn every_component_with_metrics_has_a_service_monitor() {
    let monitoring = json!({ "serviceMonitor": { "interval": "5s", "labels": { "release": "prometheus" } } });
    let objects = objects(&resolve(&stack(shop(monitoring))).unwrap());
    let monitors = of_kind(&objects, "ServiceMonitor");
    assert_eq!(monitors.len(), 1);
    let (metadata, spec) = (&monitors[0]["metadata"], &monitors[0]["spec"]);
    assert_eq!((&metadata["name"], &metadata["labels"]["release"]), (&json!("api"), &json!("prometheus")));
    assert_eq!(
        spec["endpoints"],
        json!([{ "port": "metrics", "path": "/a$(b.host)", "interval": "5s", "scrapeTimeout": "5s" }])
    );
    let selector = spec["selector"]["matchLabels"].as_object().unwrap();
    let selected = of_kind(&objects, "Service")
        .into_iter()
        .filter(|service| selector.iter().all(|(key, value)| service["metadata"]["labels"][key] == *value));
    let names: Vec<&Value> = selected.map(|it| &it["metadata"]["name"]).collect();
    assert_eq!(names, [&json!("api")], "one Service, so that each pod is one target");
}
