//! Exposure by the Gateway API: the objects created and the specs refused.

use rstest::rstest;

use super::*;

const OWN: &str = "
components: { all: { replicas: 1 }, grpc: { replicas: 1 } }
exposure:
  gateway:
    className: envoy
    rules:
      - { host: logs.example.com, component: all }
      - { host: logs.example.com, component: all, path: /v2 }
      - { host: grpc.example.com, component: grpc, protocol: Grpc }
      - { host: api.example.com, component: all, path: /api }
    tls: { secretName: logs-tls, issuerRef: { kind: ClusterIssuer, name: letsencrypt } }
";

/// The objects of the Gateway API, as the command line prints them.
fn print(plan: &Plan) -> String {
    let ours = plan.objects.iter().filter(|planned| planned.kind.group == "gateway.networking.k8s.io");
    ours.fold(String::new(), |text, planned| {
        format!("{text}--- # {planned}\n{}", serde_yaml::to_string(&planned.body).expect("YAML"))
    })
}

#[test]
fn an_own_gateway_terminates_tls_and_redirects() {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(print(&planned(OWN)));
    });
}

#[test]
fn routes_on_existing_gateways() {
    let spec = "
exposure:
  gateway:
    parentRefs: [{ name: shared, namespace: infra, sectionName: https }, { name: internal }]
    rules:
      - { host: logs.example.com }
      - { host: grpc.example.com, protocol: Grpc, path: /logpilot.LogService/Send }
      - { host: grpc.example.com, protocol: Grpc, path: /logpilot.LogService2 }
      - { host: grpc.example.com, protocol: Grpc }
";
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(print(&planned(spec)));
    });
}

#[test]
fn an_appended_host_renames_no_route() {
    let spec = |hosts: &str| {
        format!(
            "{{ exposure: {{ gateway: {{ className: a, tls: {{ secretName: t }}, rules: [{hosts}] }} }} }}"
        )
    };
    let two = planned(&spec("{ host: a.b }, { host: c.d }"));
    let three = planned(&spec("{ host: a.b }, { host: c.d }, { host: e.f }"));
    assert_eq!(names(&two, "HTTPRoute"), ["logpilot", "logpilot-2", "logpilot-redirect"]);
    assert_eq!(names(&three, "HTTPRoute"), ["logpilot", "logpilot-2", "logpilot-3", "logpilot-redirect"]);
    for name in ["logpilot", "logpilot-2", "logpilot-redirect"] {
        assert_eq!(object(&two, "HTTPRoute", name).body, object(&three, "HTTPRoute", name).body);
    }
}

#[test]
fn without_tls_no_redirect_and_no_port_443() {
    let plan = planned("{ exposure: { gateway: { className: a, rules: [{ host: a.b }] } } }");
    assert_eq!(names(&plan, "HTTPRoute"), ["logpilot"]);
    let gateway = &object(&plan, "Gateway", "logpilot").body;
    assert_eq!(gateway["spec"]["listeners"].as_array().map(Vec::len), Some(1));
    let route = &object(&plan, "HTTPRoute", "logpilot").body;
    assert_eq!(route["spec"]["parentRefs"][0]["sectionName"], "http");
}

#[test]
fn many_paths_of_one_host_share_one_route() {
    let rules: Vec<Value> = (0..32).map(|n| json!({ "host": "a.b", "path": format!("/p{n}") })).collect();
    let cr = resource_of(json!({ "exposure": { "gateway": { "className": "a", "rules": rules } } }));
    let plan = plan(&validate(&cr).expect("valid"), &Facts::default());
    let rules = &object(&plan, "HTTPRoute", "logpilot").body["spec"]["rules"];
    assert_eq!(rules.as_array().map(Vec::len), Some(1), "a route has room for 16");
    assert_eq!(rules[0]["matches"].as_array().map(Vec::len), Some(32));
}

#[rstest]
#[case::both(
    "className: a, parentRefs: [{ name: b }], rules: [{ host: a.b }]",
    "spec.exposure.gateway",
    "exactly one of"
)]
#[case::neither("rules: [{ host: a.b }]", "spec.exposure.gateway", "exactly one of")]
#[case::not_running(
    "className: a, rules: [{ host: a.b, component: rest }]",
    "spec.exposure.gateway.rules[0].component",
    "'rest' is not enabled"
)]
#[case::twice(
    "className: a, rules: [{ host: a.b }, { host: a.b, path: / }]",
    "spec.exposure.gateway.rules[1]",
    "defined twice"
)]
fn unroutable_specs_are_refused(#[case] gateway: &str, #[case] path: &str, #[case] words: &str) {
    let found = violations(&format!("{{ exposure: {{ gateway: {{ {gateway} }} }} }}"));
    assert!(found.iter().any(|it| it.path == path && it.message.contains(words)), "{found:?}");
}
