//! Injection: text that another program would interpret is refused where it would be interpreted,
//! and stays data elsewhere. The payloads are those that the rules of the CRD are tested with.

use rstest::rstest;

use super::*;

fn payloads() -> Vec<String> {
    let lists: std::collections::BTreeMap<String, Vec<String>> =
        serde_yaml::from_str(include_str!("../../../testing/harness/src/bad_input/payloads.yaml"))
            .expect("lists of texts");
    let all: Vec<_> = lists.into_values().flatten().collect();
    assert!(all.len() >= 70, "{}", all.len());
    all
}

fn ingress(annotations: &Value, patch: &Value) -> Value {
    json!({
        "exposure": { "ingress": { "rules": [{ "host": "a.b" }], "annotations": annotations } },
        "patches": [{ "target": { "kind": "Ingress", "name": "logpilot" }, "patch": patch }],
    })
}

/// The annotations come from their own field, from the annotations of every object, and from a
/// patch. A stored older object may contain any of them.
#[rstest]
#[case::snippet("nginx.ingress.kubernetes.io/configuration-snippet", "x")]
#[case::stream("nginx.ingress.kubernetes.io/stream-snippet", "x")]
#[case::snippets("nginx.org/server-snippets", "x")]
#[case::haproxy("haproxy-ingress.github.io/config-backend", "x")]
#[case::haproxy_snippet("haproxy.org/backend-config-snippet", "x")]
#[case::login("nginx.ingress.kubernetes.io/auth-url", "http://x/#;}")]
#[case::login_variable("nginx.ingress.kubernetes.io/auth-signin", "https://x/?a=$http_x")]
#[case::login_headers("nginx.ingress.kubernetes.io/auth-response-headers", "X; }")]
#[case::login_prefix("custom.example.com/auth-url", "https://x")]
#[case::login_of_the_node("nginx.ingress.kubernetes.io/auth-url", "http://169.254.169.254/")]
#[case::haproxy_login("haproxy-ingress.github.io/auth-url", "http://x")]
#[case::certificate("nginx.ingress.kubernetes.io/auth-tls-match-cn", "CN=x")]
#[case::mirror("nginx.ingress.kubernetes.io/mirror-target", "http://x")]
#[case::firewall("nginx.ingress.kubernetes.io/modsecurity-snippet", "x")]
#[case::alias("nginx.ingress.kubernetes.io/server-alias", "c.d")]
#[case::brace("nginx.ingress.kubernetes.io/app-root", "/x; }")]
#[case::backslash("nginx.ingress.kubernetes.io/app-root", "/x\\")]
#[case::line("nginx.ingress.kubernetes.io/x-forwarded-prefix", "/x\nroot /")]
#[case::lines("haproxy.org/path-rewrite", "/x\n  server a")]
fn controller_configuration_injection_is_refused_everywhere(#[case] key: &str, #[case] value: &str) {
    let annotation = json!({ key: value });
    let nothing = json!({});
    let by_patch = json!({ "metadata": { "annotations": annotation } });
    let mut common = ingress(&nothing, &nothing);
    common["commonAnnotations"] = annotation.clone();
    for (spec, at) in [
        (ingress(&annotation, &nothing), "spec.exposure.ingress.annotations"),
        (common, "spec.commonAnnotations"),
        (ingress(&nothing, &by_patch), "spec.patches[0].patch.metadata.annotations"),
    ] {
        let found = validate(&resource_of(spec)).expect_err(at);
        let [one] = found.as_slice() else { panic!("one violation: {found:#?}") };
        assert_eq!(one.path, format!("{at}.{key}"));
        let refusals =
            ["configuration", "must not contain", "must be a URL", "must be a list of header names"];
        assert!(refusals.iter().any(|refusal| one.message.contains(refusal)), "{one}");
    }
}

#[test]
fn harmless_annotations_are_accepted_in_any_form() {
    let harmless = json!({
        "nginx.ingress.kubernetes.io/proxy-body-size": "8m", "example.com/json": "{\"a\": \"b\"}",
        "alb.ingress.kubernetes.io/auth-idp-oidc": "{\"issuer\":\"https://example.com\"}",
        "nginx.ingress.kubernetes.io/auth-url": "https://$host/oauth2/auth",
        "nginx.ingress.kubernetes.io/auth-signin": "https://$host/oauth2/start?rd=$escaped_request_uri",
        "traefik.ingress.kubernetes.io/router.middlewares": "auth-login@kubernetescrd",
        "alb.ingress.kubernetes.io/actions.x": "{\"type\":\"redirect\"}", "haproxy.org/path-rewrite": "(.*) /a\\1",
    });
    let patch = json!({ "metadata": { "annotations": harmless } });
    for spec in [ingress(&harmless, &json!({})), ingress(&json!({}), &patch)] {
        assert_eq!(validate(&resource_of(spec)).err(), None);
    }
    let ruled = |path: &str| {
        let rule = json!({ "host": "a.b", "http": { "paths": [{ "path": path, "pathType": "ImplementationSpecific", "backend": { "service": { "name": "a" } } }] } });
        ingress(&json!({}), &json!({ "spec": { "rules": [rule] } }))
    };
    assert_eq!(validate(&resource_of(ruled("/api(/|$)(.*)"))).err(), None);
    for bad in ["/a;}\nlocation /x {", "/a {", "/\"", "/a#b"] {
        let found = validate(&resource_of(ruled(bad))).expect_err(bad);
        assert_eq!(found[0].path, "spec.patches[0].patch.spec", "{bad}");
    }
}

/// A spec with `text` in every free-text field: environment, annotations, alerts, application.yml.
fn taken(text: &str) -> Value {
    json!({
        "commonAnnotations": { "example.com/a": text },
        "serviceAccount": { "annotations": { "example.com/b": text } },
        "components": { "all": {
            "env": [{ "name": "A", "value": text }],
            "podAnnotations": { "example.com/c": text },
            "loadBalancer": { "annotations": { "example.com/d": text } },
            "probes": { "mode": "Exec", "command": ["check", text] },
        } },
        "config": { "overlay": { "a": { text: [text, { "b": text }] } } },
        "monitoring": { "rules": {
            "alertLabels": { "team": text }, "alertAnnotations": { "note": text },
        } },
    })
}

/// Collects every text of an object that contains the payload. application.yml is parsed.
fn holders(value: &Value, payload: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains(payload) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| holders(item, payload, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let file = field.as_str().filter(|_| name == "application.yml");
                match file.map(|text| serde_yaml::from_str::<Value>(text).expect("YAML")) {
                    Some(file) => holders(&file, payload, found),
                    None => holders(field, payload, found),
                }
                holders(&json!([name]), payload, found);
            }
        }
        _ => {}
    }
}

#[test]
fn hostile_text_stays_data_everywhere() {
    for payload in payloads() {
        // Long enough not to occur by chance, and not a Prometheus template, which would be refused.
        let payload = format!("payload {payload} {{ payload");
        let spec = taken(&payload.replace("{{", "{").replace("}}", "}"));
        let payload = spec["commonAnnotations"]["example.com/a"].as_str().expect("text").to_owned();
        let cluster = validate(&resource_of(spec)).unwrap_or_else(|found| panic!("{payload:?}: {found:#?}"));
        let mut found = Vec::new();
        for planned in &plan(&cluster, &Facts::default()).objects {
            holders(&planned.body, &payload, &mut found);
        }
        assert!(found.len() > 20, "{payload:?}: {}", found.len());
        let apart: Vec<_> = found.iter().filter(|text| **text != payload).collect();
        assert!(apart.is_empty(), "{payload:?} became part of {apart:#?}");
    }
}

#[rstest]
#[case::import("spring.config.import", "is the only source")]
#[case::profile("spring.profiles.active", "choose the component")]
fn the_overlay_imports_no_other_configuration(#[case] property: &str, #[case] instead: &str) {
    let found =
        validate(&resource_of(json!({ "config": { "overlay": { property: "x" } } }))).expect_err("owned");
    assert_eq!(found[0].path, format!("spec.config.overlay.{property}"));
    assert!(found[0].message.contains(instead), "{found:?}");
}

#[rstest]
#[case("SPRING_APPLICATION_JSON", "{\"logpilot\": {\"server\": {\"api-key\": \"\"}}}", "overlay")]
#[case("spring_config_import", "file:/x", "overlay")]
#[case("logpilot_server_apikey", "x", "auth.apiKeySecret")]
#[case("SPRING_CONFIG_ADDITIONALLOCATION", "file:/x", "overlay")]
#[case("_spring__config_import_0_", "file:/x", "overlay")]
#[case("SERVER__PORT", "1", "loadBalancer")]
#[case("JAVA_TOOL_OPTIONS", "-Xmx1g -Dlogpilot.server.apiKey=", "auth.apiKeySecret")]
#[case("JAVA_TOOL_OPTIONS", "-Dlogpilot.server.api:key=", "auth.apiKeySecret")]
#[case("JAVA_TOOL_OPTIONS", "-Dserver[po.rt=1", "without brackets")]
#[case("JDK_JAVA_OPTIONS", "\"-Dlogpilot.storage.type=file\"", "spec.storage")]
#[case("_JAVA_OPTIONS", "-Dserver.port=1", "port")]
fn no_variable_overrides_operator_settings(#[case] name: &str, #[case] value: &str, #[case] instead: &str) {
    let env = json!([{ "name": name, "value": value }]);
    let found = validate(&resource_of(json!({ "components": { "all": { "env": env } } }))).expect_err(name);
    assert_eq!(found[0].path, format!("spec.components.all.env[{name}]"));
    assert!(found[0].message.contains(instead), "{found:?}");
    let harmless =
        json!([{ "name": "JAVA_TOOL_OPTIONS", "value": "-XX:MaxRAMPercentage=60 -Dfile.encoding=UTF-8" }]);
    assert!(validate(&resource_of(json!({ "components": { "all": { "env": harmless } } }))).is_ok());
}

#[rstest]
#[case::mounted("{ automountServiceAccountToken: true }")]
#[case::removed("{ automountServiceAccountToken: null }")]
#[case::projected(
    "{ volumes: [{ name: t, projected: { sources: [{ serviceAccountToken: { path: t } }] } }] }"
)]
fn patched_pods_get_no_token(#[case] pod: &str) {
    let spec = format!(
        "{{ backup: {{}}, patches: [
            {{ target: {{ kind: Deployment, name: logpilot-all }}, patch: {{ spec: {{ template: {{ spec: {pod} }} }} }} }},
            {{ target: {{ kind: CronJob, name: logpilot-backup }}, patch: {{ spec: {{ jobTemplate: {{ spec: {{ template: {{ spec: {pod} }} }} }} }} }} }},
        ] }}"
    );
    let found = violations(&spec);
    let told: Vec<_> = found.iter().filter(|it| it.path.ends_with("automountServiceAccountToken")).collect();
    assert_eq!(told.len(), 2, "{found:#?}");
    assert!(told[0].message.contains("have none"), "{found:#?}");
}
