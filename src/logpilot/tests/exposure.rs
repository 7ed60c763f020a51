//! Ingress and Gateway rules without a host, and with a rewritten path.

use rstest::rstest;

use super::*;

fn with(way: &str, fields: &str) -> String {
    format!("{{ exposure: {{ {way}: {{ {fields} }} }} }}")
}

fn body(spec: &str, kind: &str, name: &str) -> Value {
    object(&planned(spec), kind, name).body.clone()
}

#[rstest]
#[case::prefix("/logs", "/", "/logs(/|$)(.*)", "/$2")]
#[case::slash("/logs/", "/", "/logs(/|$)(.*)", "/$2")]
#[case::dots("/v1.0/a", "/x/", "/v1[.]0/a(/|$)(.*)", "/x/$2")]
#[case::all("/", "/x", "/()(.*)", "/x/$2")]
fn nginx_rewrites_paths_in_a_separate_ingress(
    #[case] path: &str,
    #[case] rewrite: &str,
    #[case] expression: &str,
    #[case] target: &str,
) {
    let rules = format!("{{ host: a.b, path: {path}, rewrite: {rewrite} }}");
    let spec = with("ingress", &format!("className: nginx, rules: [{rules}, {{ host: c.d }}]"));
    let made = body(&spec, "Ingress", "logpilot-rewrite");
    let rule = &made["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!((&rule["path"], &rule["pathType"]), (&json!(expression), &json!("ImplementationSpecific")));
    let annotations = &made["metadata"]["annotations"];
    assert_eq!(annotations["nginx.ingress.kubernetes.io/rewrite-target"], target);
    assert_eq!(annotations["nginx.ingress.kubernetes.io/use-regex"], "true");
    let other = body(&spec, "Ingress", "logpilot");
    assert_eq!(other["spec"]["rules"].as_array().map(Vec::len), Some(1), "the other stays unchanged");
    assert!(other["metadata"]["annotations"].is_null());
}

/// No backslash, brace, quote or blank of the operator's reaches nginx.
#[test]
fn paths_inject_nothing_into_the_ingress() {
    for path in ["/a.b-c_d", "/A/1.2.3/z/"] {
        let spec = with("ingress", &format!("className: nginx, rules: [{{ path: {path}, rewrite: / }}]"));
        let made = body(&spec, "Ingress", "logpilot-rewrite");
        let text = made["spec"]["rules"][0]["http"]["paths"][0]["path"].as_str().expect("a path").to_owned();
        let known = |char: char| char.is_ascii_alphanumeric() || "/._-[](|)$*".contains(char);
        assert!(text.chars().all(known), "{text}");
    }
}

#[test]
fn another_class_leaves_paths_alone() {
    let spec = with("ingress", "className: traefik, rules: [{ host: a.b, path: /x, rewrite: / }]");
    assert_eq!(names(&planned(&spec), "Ingress"), ["logpilot"]);
    let made = body(&spec, "Ingress", "logpilot");
    assert_eq!(made["spec"]["rules"][0]["http"]["paths"][0]["path"], "/x");
}

/// cert-manager lets one Ingress own a certificate, which has to name every host.
#[rstest]
#[case::of_three(
    "{ host: a.b }, { host: c.d, path: /x, rewrite: / }, { host: e.f, protocol: Grpc }",
    "logpilot"
)]
#[case::of_two("{ host: c.d, path: /x, rewrite: / }, { host: e.f, protocol: Grpc }", "logpilot-rewrite")]
#[case::of_one("{ host: e.f, protocol: Grpc }", "logpilot-grpc")]
fn one_ingress_requests_the_shared_certificate(#[case] rules: &str, #[case] asks: &str) {
    let spec = with(
        "ingress",
        &format!("className: nginx, tls: {{ secretName: t, issuerRef: {{ name: i }} }}, rules: [{rules}]"),
    );
    let plan = planned(&spec);
    let hosts = rules.matches("host").count();
    for name in names(&plan, "Ingress") {
        let made = &object(&plan, "Ingress", &name).body;
        let issuer = &made["metadata"]["annotations"]["cert-manager.io/issuer"];
        let named = made["spec"]["tls"][0]["hosts"].as_array().map_or(0, Vec::len);
        assert_eq!(
            (issuer.is_string(), named == hosts),
            (name == asks, name == asks || hosts == 1),
            "{name}"
        );
    }
}

#[test]
fn a_rule_without_host_matches_other_hosts() {
    let spec =
        with("ingress", "className: nginx, tls: { secretName: t }, rules: [{}, { host: a.b, path: /x }]");
    let made = body(&spec, "Ingress", "logpilot");
    assert!(made["spec"]["rules"][0].get("host").is_none());
    assert_eq!(made["spec"]["rules"][1]["host"], "a.b");
    assert_eq!(made["spec"]["tls"], json!([{ "hosts": ["a.b"], "secretName": "t" }]));
    let alone = with("ingress", "className: nginx, tls: { secretName: t }, rules: [{}]");
    assert_eq!(body(&alone, "Ingress", "logpilot")["spec"]["tls"], json!([{ "secretName": "t" }]));
}

#[test]
fn a_gateway_takes_every_host_and_replaces_paths() {
    let rules = "{ path: /x, rewrite: /y }, { path: /z, rewrite: / }, { path: /a }, { path: /b }";
    let spec = with("gateway", &format!("className: c, tls: {{ secretName: t }}, rules: [{rules}]"));
    let plan = planned(&spec);
    let listener = &object(&plan, "Gateway", "logpilot").body["spec"]["listeners"][1];
    assert!(listener["name"] == "https" && listener.get("hostname").is_none(), "{listener}");
    let route = &object(&plan, "HTTPRoute", "logpilot").body["spec"];
    assert!(route.get("hostnames").is_none(), "{route}");
    let rules = route["rules"].as_array().expect("rules");
    let seen: Vec<_> = rules
        .iter()
        .map(|rule| (rule["matches"].as_array().map(Vec::len), rule["filters"].clone()))
        .collect();
    let filter = |prefix: &str| {
        let path = json!({ "type": "ReplacePrefixMatch", "replacePrefixMatch": prefix });
        json!([{ "type": "URLRewrite", "urlRewrite": { "path": path } }])
    };
    // The Gateway API requires exactly one match next to it.
    assert_eq!(seen, [(Some(1), filter("/y")), (Some(1), filter("/")), (Some(2), Value::Null)]);
}

#[rstest]
#[case::two_targets(
    "ingress",
    "rules: [{ path: /a, rewrite: / }, { path: /b, rewrite: /c }]",
    "ingress.rules",
    "the same `rewrite`"
)]
#[case::grpc(
    "ingress",
    "rules: [{ protocol: Grpc, rewrite: / }]",
    "ingress.rules[0].rewrite",
    "protocol Http"
)]
#[case::certificate(
    "ingress",
    "rules: [{}], tls: { secretName: a, issuerRef: { name: b } }",
    "ingress.tls.issuerRef",
    "a `host`"
)]
#[case::twice("gateway", "className: a, rules: [{}, {}]", "gateway.rules[1]", "host '*' with path '/'")]
fn is_refused_without_the_rules(
    #[case] way: &str,
    #[case] fields: &str,
    #[case] path: &str,
    #[case] says: &str,
) {
    let found = violations(&with(way, fields));
    let [one] = found.as_slice() else { panic!("one violation: {found:#?}") };
    assert_eq!(one.path, format!("spec.exposure.{path}"));
    assert!(one.message.contains(says), "{one}");
}
