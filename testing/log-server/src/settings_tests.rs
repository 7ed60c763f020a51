//! The precedence of sources, as observed on the real server, run by run.

use std::{collections::BTreeMap, fs};

use rstest::rstest;

use super::*;

const FILE: &str = "
server: { port: 18090 }
management: { server: { port: 18091 } }
grpc: { server: { port: 15090 } }
logpilot:
  server: { apiKey: of-the-file, protocol: all }
  storage: { type: FILE, directory: /in-the-file, sqlite: { path: /in-the-file.db } }
";

fn bind(file: Option<(&str, &str)>, env: &[(&str, &str)]) -> Result<Settings, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let mut env: BTreeMap<_, _> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    if let Some((place, text)) = file {
        let place = directory.path().join(place);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("application.yml"), text).unwrap();
        for value in env.values_mut() {
            *value = value.replace("DIR", place.to_str().unwrap());
        }
    }
    Settings::bind(&Properties::load(env, directory.path())?)
}

/// HTTP, management and gRPC ports, storage, key.
fn seen(settings: &Settings) -> (Option<u16>, Option<u16>, Option<u16>, Storage, &str) {
    let Settings { http, management, grpc, storage, api_key, .. } = settings;
    (http.port, management.port, grpc.port, storage.clone(), api_key)
}

#[test]
fn without_settings_the_jar_defaults_apply() {
    let settings = bind(None, &[]).unwrap();
    let storage = Storage::Sqlite("./data/logpilot.db".into());
    assert_eq!(seen(&settings), (Some(8080), Some(8081), Some(50051), storage, "logpilot-secret-key-123"));
    assert!(!settings.graceful && !settings.probes);
}

#[test]
fn a_file_outside_the_locations_is_ignored() {
    assert_eq!(bind(Some(("elsewhere", FILE)), &[]).unwrap().http.port, Some(8080));
    assert_eq!(bind(Some(("config", FILE)), &[]).unwrap().http.port, Some(18090));
}

const ADDITIONAL: (&str, &str) = ("SPRING_CONFIG_ADDITIONAL_LOCATION", "file:DIR/");

#[test]
fn the_file_disables_the_short_variables() {
    let short = [
        ("LOGPILOT_HTTP_PORT", "1"),
        ("LOGPILOT_API_KEY", "x"),
        ("LOGPILOT_SQLITE_PATH", "/x"),
        ("LOGPILOT_STORAGE_DIR", "/x"),
        ADDITIONAL,
    ];
    let settings = bind(Some(("mounted", FILE)), &short).unwrap();
    let storage = Storage::File("/in-the-file".into());
    assert_eq!(seen(&settings), (Some(18090), Some(18091), Some(15090), storage, "of-the-file"));
    let alone = bind(None, &short[..3]).unwrap();
    assert_eq!((alone.http.port, alone.api_key.as_str()), (Some(1), "x"));
    assert_eq!(alone.storage, Storage::Sqlite("/x".into()));
}

#[rstest]
#[case("LOGPILOT_SERVER_API_KEY")]
#[case("LOGPILOT_SERVER_APIKEY")]
fn variables_with_exact_property_names_override_files(#[case] key: &str) {
    let env = [
        ADDITIONAL,
        (key, "of-the-env"),
        ("SERVER_PORT", "1"),
        ("MANAGEMENT_SERVER_PORT", "2"),
        ("GRPC_SERVER_PORT", "-1"),
        ("LOGPILOT_STORAGE_TYPE", "sqlite"),
        ("LOGPILOT_STORAGE_SQLITE_PATH", "/of-the-env.db"),
    ];
    let settings = bind(Some(("mounted", FILE)), &env).unwrap();
    let storage = Storage::Sqlite("/of-the-env.db".into());
    assert_eq!(seen(&settings), (Some(1), Some(2), None, storage, "of-the-env"));
}

#[rstest]
#[case("all", Some(8080), Some(50051), true, true)]
#[case("rest", Some(8080), Some(50051), true, false)]
#[case("grpc", None, Some(50051), false, true)]
fn a_profile_selects_the_protocol(
    #[case] profile: &str,
    #[case] http: Option<u16>,
    #[case] grpc: Option<u16>,
    #[case] rest_api: bool,
    #[case] grpc_api: bool,
) {
    let settings = bind(None, &[("SPRING_PROFILES_ACTIVE", profile)]).unwrap();
    assert_eq!((settings.http.port, settings.grpc.port), (http, grpc));
    assert_eq!((settings.has_rest(), settings.has_grpc()), (rest_api, grpc_api));
}

#[test]
fn the_file_overrides_the_profile_it_names() {
    let env = [ADDITIONAL, ("SPRING_PROFILES_ACTIVE", "grpc")];
    let settings = bind(Some(("mounted", FILE)), &env).unwrap();
    assert!(settings.has_rest() && settings.http.port == Some(18090));
    let named = "spring: { profiles: { active: grpc } }";
    assert_eq!(bind(Some(("config", named)), &[]).unwrap().http.port, None);
    let env = [("SPRING_PROFILES_ACTIVE", "all")];
    assert_eq!(bind(Some(("config", named)), &env).unwrap().http.port, Some(8080));
}

#[rstest]
#[case("LOGPILOT_STORAGE_TYPE", "foo", "logpilot.storage.type", "StorageType.foo")]
#[case("LOGPILOT_GRPC_PORT", "tcp://10.96.0.1:50051", "logpilot.grpc.port", "java.lang.String to int")]
#[case("LOGPILOT_SERVER_PORT", "tcp://10.96.0.1:8080", "logpilot.server.port", "java.lang.String to int")]
#[case("LOGPILOT_HTTP_PORT", "abc", "server.port", "ConversionFailedException")]
#[case("LOGPILOT_RATE_LIMIT_CAPACITY", "many", "logpilot.server.rate-limit.capacity", "NumberFormat")]
#[case("SERVER_SHUTDOWN", "softly", "server.shutdown", "Shutdown.softly")]
#[case(
    "SPRING_LIFECYCLE_TIMEOUTPERSHUTDOWNPHASE",
    "5x",
    "spring.lifecycle.timeout-per-shutdown-phase",
    "duration"
)]
fn an_unbindable_value_is_named(
    #[case] variable: &str,
    #[case] given: &str,
    #[case] named: &str,
    #[case] why: &str,
) {
    let Err(Failure::Bind { property, value, reason, .. }) = bind(None, &[(variable, given)]) else {
        panic!("{variable}={given} was bound")
    };
    assert_eq!((property.as_str(), value.as_str()), (named, given));
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn values_unchecked_by_the_server_are_unchecked() {
    let env = [("LOGPILOT_PROTOCOL", "foo"), ("LOGPILOT_RATE_LIMIT_CAPACITY", "0"), ("LOGPILOT_API_KEY", "")];
    let settings = bind(None, &env).unwrap();
    assert!(!settings.has_rest() && !settings.has_grpc());
    assert_eq!((settings.rate.capacity, settings.api_key.as_str()), (0, ""));
}

#[test]
fn a_missing_location_is_refused_unless_optional() {
    let at = |location| bind(None, &[("SPRING_CONFIG_ADDITIONAL_LOCATION", location)]);
    let Err(Failure::Banner { description, .. }) = at("file:/nope/") else { panic!("it started") };
    assert_eq!(description, "Config data location 'file:/nope/' does not exist");
    assert!(at("optional:file:/nope/").is_ok());
}

#[test]
fn health_groups_exist_by_default_in_pods() {
    let env = [("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
    assert!(bind(None, &env).unwrap().probes);
    assert!(!bind(None, &env[..1]).unwrap().probes);
    assert!(bind(None, &[("MANAGEMENT_ENDPOINT_HEALTH_PROBES_ENABLED", "true")]).unwrap().probes);
}

#[test]
fn the_later_location_wins_per_property() {
    let directory = tempfile::tempdir().unwrap();
    for (place, text) in
        [("config", "server: { port: 1, shutdown: graceful }"), ("mounted", "server.port: 2")]
    {
        fs::create_dir(directory.path().join(place)).unwrap();
        fs::write(directory.path().join(place).join("application.yml"), text).unwrap();
    }
    let env = BTreeMap::from([("SPRING_CONFIG_ADDITIONAL_LOCATION".into(), "file:mounted/".into())]);
    let settings = Settings::bind(&Properties::load(env, directory.path()).unwrap()).unwrap();
    assert_eq!((settings.http.port, settings.graceful), (Some(2), true));
}
