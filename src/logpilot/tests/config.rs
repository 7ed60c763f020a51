//! `application.yml`: its content, which source may set which property, and that every text is
//! written unchanged.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::logpilot::{config::render, properties::OWNED_PROPERTIES};

fn file(spec: &str, role: &str) -> Value {
    let cluster = cluster(spec);
    let component = cluster.components.iter().find(|component| component.role.name == role).expect("it runs");
    serde_yaml::from_str(&component.config.text).expect("YAML")
}

#[test]
fn each_role_opens_its_ports_and_no_others() {
    let spec = "{ components: { all: {}, rest: {}, grpc: {} } }";
    for (role, http, grpc) in [("all", 8080, 50051), ("rest", 8080, -1), ("grpc", -1, 50051)] {
        let file = file(spec, role);
        assert_eq!(file["server"]["port"], http, "{role}");
        assert_eq!(file["grpc"]["server"]["port"], grpc, "{role}");
        assert_eq!(file["management"]["server"]["port"], 8081);
        assert_eq!(file["logpilot"]["server"]["protocol"], role);
    }
}

#[test]
fn the_overlay_wins_and_the_rest_stays() {
    let overlay =
        "{ management: { endpoints: { web: { exposure: { include: '*' } } } }, spring: { a: [1] } }";
    let file = file(&format!("{{ config: {{ overlay: {overlay} }} }}"), "all");
    assert_eq!(file["management"]["endpoints"]["web"]["exposure"]["include"], "*");
    assert_eq!(file["management"]["server"]["port"], 8081);
    assert_eq!(file["spring"]["a"], json!([1]));
}

#[rstest]
#[case("{ logpilot.server.rateLimit.capacity: 7 }")]
#[case("{ logpilot: { server.rate_limit: { capacity: 7 } } }")]
#[case("{ logpilot: { server: { RateLimit: { capacity: 7 } } } }")]
#[case("{ logpilot.server: { rate-limit.capacity: 7 } }")]
fn other_spellings_resolve_to_their_property(#[case] overlay: &str) {
    let file = file(&format!("{{ config: {{ overlay: {overlay} }} }}"), "all");
    assert_eq!(file["logpilot"]["server"]["rate-limit"]["capacity"], 7);
    assert_eq!(file["logpilot"]["server"]["rate-limit"]["refill-tokens"], 100);
    assert_eq!(file.as_object().expect("a map").len(), 4, "no second spelling");
}

/// Returns the only violation, which concerns this property of the overlay.
fn refused(overlay: &str, path: &str) -> Violation {
    let mut violations = violations(&format!("{{ config: {{ overlay: {overlay} }} }}"));
    assert_eq!(violations.len(), 1, "one violation: {violations:#?}");
    let violation = violations.remove(0);
    assert_eq!(violation.path, format!("spec.config.overlay.{path}"));
    violation
}

#[rstest]
#[case("{ server: { port: 1 } }", "server.port")]
#[case("{ server.port: 1 }", "server.port")]
#[case("{ Server: { PORT: 1 } }", "Server.PORT")]
#[case("{ server: 1 }", "server")]
#[case("{ management: { server.port: 1 } }", "management.server.port")]
#[case("{ management: null }", "management")]
#[case("{ grpc: { server: { port: 1 } } }", "grpc.server.port")]
#[case("{ logpilot: { server: { protocol: all } } }", "logpilot.server.protocol")]
#[case("{ logpilot: { server: { apiKey: x } } }", "logpilot.server.apiKey")]
#[case("{ logpilot.server.api_key: x }", "logpilot.server.api_key")]
#[case("{ logpilot.server: { 'API-KEY': x } }", "logpilot.server.API-KEY")]
#[case("{ 'logpilot[server][api-key]': x }", "logpilot[server][api-key]")]
#[case("{ logpilot: { '[server]': { api-key: x } } }", "logpilot.[server].api-key")]
#[case("{ logpilot.server: { 'api/key': x } }", "logpilot.server.api/key")]
#[case("{ 'Ser ver': { 'port!': 1 } }", "Ser ver.port!")]
#[case("{ spring: { 'config.im:port': x } }", "spring.config.im:port")]
#[case("{ logpilot: { storage: { type: file } } }", "logpilot.storage")]
#[case("{ logpilot: { storage.sqlite.path: /x } }", "logpilot.storage.sqlite.path")]
#[case("{ logpilot: { storage: {} } }", "logpilot.storage")]
#[case("{ server: { shutdown: immediate } }", "server.shutdown")]
#[case("{ management: { server: { base-path: /x } } }", "management.server.base-path")]
fn the_overlay_cannot_set_owned_properties(#[case] overlay: &str, #[case] path: &str) {
    let violation = refused(overlay, path);
    assert!(OWNED_PROPERTIES.iter().any(|owned| violation.message.ends_with(owned.instead)), "{violation}");
}

#[test]
fn a_value_above_owned_properties_is_refused() {
    let violation = refused("{ spring: null }", "spring");
    for words in ["is a parent of `spring.main.web-application-type`", "even an empty one", "or remove it"] {
        assert!(violation.message.contains(words), "{violation}");
    }
}

#[rstest]
#[case("{ 'server[po.rt': 1 }", "server[po.rt")]
#[case("{ 'Server].Po[rt': 1 }", "Server].Po[rt")]
#[case("{ 'server[': { 'port]': 1 } }", "server[")]
fn an_ambiguous_property_name_is_refused(#[case] overlay: &str, #[case] path: &str) {
    let violation = refused(overlay, path);
    assert!(violation.message.ends_with("without brackets"), "{violation}");
}

#[test]
fn property_names_without_comparable_characters_stay_apart() {
    let overlay = "{ management: { endpoints: { web: { 이름: 1, 주소: 2, '!': 3, '?': 4 } } } }";
    let file = file(&format!("{{ config: {{ overlay: {overlay} }} }}"), "all");
    let web = json!({ "exposure": file["management"]["endpoints"]["web"]["exposure"], "이름": 1, "주소": 2, "!": 3, "?": 4 });
    assert_eq!(file["management"]["endpoints"]["web"], web);
}

#[rstest]
#[case("{ server: { shutdown: graceful, portable: 1 } }")]
#[case("{ serverport: 1 }")]
#[case("{ management: { server: { accesslog: { prefix: x } } } }")]
#[case("{ logpilot: { server: { rate-limit: { capacity: 5 } } } }")]
#[case("{ server: {} }")]
fn everything_else_may_be_set(#[case] overlay: &str) {
    cluster(&format!("{{ config: {{ overlay: {overlay} }} }}"));
}

#[test]
fn a_log_level_given_twice_is_refused() {
    let spec = "{ config: { logLevels: { com.logpilot: INFO }, overlay: { logging: { level: { com: { logpilot: DEBUG } } } } } }";
    assert_eq!(violations(spec)[0].path, "spec.config.overlay.logging.level.com.logpilot");
    cluster("{ config: { logLevels: { com.logpilot: INFO }, overlay: { logging.level.org: DEBUG } } }");
}

#[test]
fn an_overlay_has_at_most_64_kib() {
    let spec = |size: usize| json!({ "config": { "overlay": { "a": "x".repeat(size) } } });
    // {"a":"…"} is eight bytes longer.
    assert!(validate(&resource_of(spec(64 * 1024 - 8))).is_ok());
    let violations = validate(&resource_of(spec(64 * 1024 - 7))).expect_err("too large");
    assert_eq!(violations[0].path, "spec.config.overlay");
}

#[test]
fn the_name_depends_on_its_component_content_only() {
    let name = |spec: &str, role: &str| {
        let cluster = cluster(spec);
        let component = cluster.components.into_iter().find(|component| component.role.name == role);
        component.expect("it runs").config.name
    };
    let before = name("{ components: { rest: {} } }", "rest");
    assert!(
        before.starts_with("logpilot-rest-config-") && before.len() == "logpilot-rest-config-".len() + 10
    );
    assert_eq!(before, name("{ components: { rest: { replicas: 9 } }, commonLabels: { a: b } }", "rest"));
    assert_ne!(before, name("{ components: { rest: {} }, config: { logLevels: { a: INFO } } }", "rest"));
}

/// Spring reads YAML 1.1, where these scalars are not strings unless they are quoted.
#[rstest]
#[case("on")]
#[case("Off")]
#[case("YES")]
#[case("no")]
#[case("<<")]
#[case("=")]
#[case("1:30")]
#[case("190:20:30.5")]
#[case("1_000")]
#[case("0x_1f")]
#[case("-1_0.5")]
fn strings_stay_strings_for_yaml_1_1(#[case] text: &str) {
    let properties = json!({ "value": text, text: 1, "other": "\u{7f}\u{85}\u{1f600}é" });
    let rendered = render(&properties);
    assert!(rendered.contains(&format!("\"value\": \"{text}\"")), "{rendered}");
    assert!(rendered.contains(&format!("\"{text}\": 1")), "{rendered}");
    assert!(rendered.is_ascii());
    assert_eq!(serde_yaml::from_str::<Value>(&rendered).expect("YAML"), properties);
}

fn nasty_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-:#{}\\[\\],&*!|>'\"%@`~? \t\r\n]{0,12}",
        "[-+0-9._:xXeEobT ]{0,10}",
        Just("a\nadmin: true".to_owned()),
        prop::sample::select(vec![
            "on", "off", "null", "~", "true", "---", "...", "<<", "=", "- a", "? a", "\u{feff}", "\u{85}",
            "",
        ])
        .prop_map(str::to_owned),
    ]
}

fn nasty_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        nasty_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(nasty_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(test_support::proptest_config(256))]

    #[test]
    fn written_properties_are_read_back_unchanged(properties in nasty_json()) {
        let rendered = render(&properties);
        prop_assert_eq!(serde_yaml::from_str::<Value>(&rendered).expect("YAML"), properties);
    }

    #[test]
    fn no_overlay_changes_what_the_operator_owns(overlay in prop::collection::btree_map(nasty_text(), nasty_json(), 0..4)) {
        let overlay = Value::Object(overlay.into_iter().collect());
        if let Ok(cluster) = validate(&resource_of(json!({ "config": { "overlay": overlay } }))) {
            let file: Value = serde_yaml::from_str(&cluster.components[0].config.text).expect("YAML");
            prop_assert_eq!(&file["server"]["port"], 8080);
            prop_assert_eq!(&file["logpilot"]["storage"]["type"], "sqlite");
        }
    }
}
