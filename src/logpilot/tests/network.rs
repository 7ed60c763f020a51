//! The clients that may connect to the servers.

use super::*;

/// The rules of a component's policy, as `peers -> ports`.
fn rules(spec: &str, component: &str) -> Vec<String> {
    let plan = planned(spec);
    let policy = &object(&plan, "NetworkPolicy", &format!("logpilot-{component}")).body["spec"];
    assert_eq!(policy["podSelector"], json!({ "matchLabels": { "app": format!("logpilot-{component}") } }));
    let peer = |peer: &Value| match peer.get("ipBlock") {
        Some(block) => block["cidr"].as_str().expect("text").to_owned(),
        None => peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            .as_str()
            .map_or_else(|| peer.to_string(), str::to_owned),
    };
    let list = |value: &Value, show: &dyn Fn(&Value) -> String| {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(show).collect::<Vec<_>>().join(",")
    };
    let rules = policy["ingress"].as_array().expect("rules");
    rules
        .iter()
        .map(|rule| {
            format!(
                "{} -> {}",
                list(&rule["from"], &peer),
                list(&rule["ports"], &|port| port["port"].to_string())
            )
        })
        .collect()
}

const INGRESS: &str = "components: { all: {}, rest: {} }, exposure: { ingress: { className: nginx, rules: [{ host: a.b, component: rest }] } }";

#[test]
fn clients_reach_ports_and_monitoring_reaches_metrics() {
    let three = "{ components: { all: {}, rest: {}, grpc: {} } }";
    assert_eq!(rules(three, "all"), [" -> 8080,50051", "monitoring -> 8081"]);
    assert_eq!(rules(three, "rest"), [" -> 8080", "monitoring -> 8081"]);
    assert_eq!(rules(three, "grpc"), [" -> 50051", "monitoring -> 8081"]);
}

#[test]
fn metrics_are_allowed_from_the_monitoring_namespace() {
    let spec = "{ systemNamespace: { name: logs-system } }";
    assert_eq!(rules(spec, "all"), [" -> 8080,50051", "logs-system -> 8081"]);
    let spec = "{ systemNamespace: { name: a }, networkPolicy: { monitoring: { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: prometheus } } } } }";
    assert_eq!(rules(spec, "all"), [" -> 8080,50051", "prometheus -> 8081"]);
}

#[test]
fn no_clients_still_admits_the_ingress_controller() {
    assert_eq!(rules("{ networkPolicy: { clients: [] } }", "all"), ["monitoring -> 8081"]);
    let spec = format!("{{ networkPolicy: {{ clients: [] }}, {INGRESS} }}");
    assert_eq!(rules(&spec, "all"), ["monitoring -> 8081"]);
    assert_eq!(rules(&spec, "rest"), ["ingress-nginx -> 8080", "monitoring -> 8081"]);
    let spec = format!("{{ networkPolicy: {{ clients: [{{ cidr: 10.0.0.0/8 }}] }}, {INGRESS} }}");
    assert_eq!(rules(&spec, "all"), ["10.0.0.0/8 -> 8080,50051", "monitoring -> 8081"]);
    assert_eq!(rules(&spec, "rest"), ["10.0.0.0/8,ingress-nginx -> 8080", "monitoring -> 8081"]);
}

#[test]
fn egress_allows_dns_and_the_requested_peers() {
    let plan = planned(
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8, except: [10.1.0.0/16] }, { podSelector: {} }], ports: [{ port: 443, endPort: 445 }] }] } }",
    );
    let egress = &object(&plan, "NetworkPolicy", "logpilot-all").body["spec"]["egress"];
    assert_eq!(
        *egress,
        json!([
            { "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }] },
            {
                "to": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] } }, { "podSelector": {} }],
                "ports": [{ "port": 443, "endPort": 445, "protocol": "TCP" }],
            },
        ])
    );
}

#[test]
fn disabled_policies_are_not_planned() {
    assert_eq!(names(&planned("{ networkPolicy: { enabled: false } }"), "NetworkPolicy"), [""; 0]);
}

#[test]
fn an_empty_stored_peer_is_refused() {
    let found = violations(
        "{ networkPolicy: { clients: [{}], egress: [{ to: [{ cidr: 10.0.0.0/8, podSelector: {} }] }] } }",
    );
    let paths: Vec<_> = found.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths, ["spec.networkPolicy.clients[0]", "spec.networkPolicy.egress[0].to[0]"]);
}
