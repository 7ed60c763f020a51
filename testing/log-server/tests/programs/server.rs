//! The server as an operator and its clients see it.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use crate::support::{KEY, Ready, Server, lock};
use axum::http::{Method, StatusCode};
use log_server::{
    client::{Grpc, Rest},
    messages::{FetchLogsRequest, FetchLogsResponse, LOG_SERVICE, LogRequest, Outcome, ServingStatus},
};
use rstest::rstest;
use serde_json::{Value, json};
use tonic::Code;

#[tokio::test]
async fn each_consumer_reads_records_once() {
    let it = Server::ready(&[]).await;
    for message in ["a", "b", "c"] {
        assert_eq!(it.send("web", message).await, 201);
    }
    assert_eq!(it.read("web?consumerId=one&limit=2").await, ["a", "b"]);
    assert_eq!(it.read("web?consumerId=one&autoCommit=false").await, ["c"]);
    assert_eq!(it.read("web?consumerId=one").await, ["c"]);
    assert!(it.read("web?consumerId=one").await.is_empty());
    assert_eq!(it.read("web?consumerId=two&limit=1").await, ["a"]);
    assert_eq!(it.read("web").await, ["c", "b", "a"], "newest first without a consumer");
    assert!(it.read("unknown?consumerId=one").await.is_empty());

    for (position, after) in [
        (json!({ "operation": "EARLIEST" }), vec!["a", "b", "c"]),
        (json!({ "operation": "LATEST" }), vec![]),
        (json!({ "operation": "SPECIFIC", "logId": 2 }), vec!["c"]),
    ] {
        let mut body = json!({ "channel": "web", "consumerId": "one" });
        body.as_object_mut().unwrap().append(&mut position.as_object().unwrap().clone());
        let (status, _) = it.rest.call(Method::POST, "/api/logs/seek", &body.to_string()).await.unwrap();
        assert_eq!(
            (status, it.read("web?consumerId=one").await),
            (StatusCode::OK, after.iter().map(ToString::to_string).collect())
        );
    }
    let body = json!({ "channel": "web", "consumerId": "two", "lastLogId": 3 }).to_string();
    assert_eq!(it.rest.call(Method::POST, "/api/logs/commit", &body).await.unwrap().0, 200);
    assert!(it.read("web?consumerId=two").await.is_empty());
}

#[rstest]
#[case("/api/logs", r#"{"channel":"c","level":"LOUD","message":"m"}"#, 400, "BAD_REQUEST")]
#[case("/api/logs", "{", 400, "BAD_REQUEST")]
#[case("/api/logs", r#"{"channel":"c","level":"INFO"}"#, 400, "VALIDATION_ERROR")]
#[case("/api/logs/batch", "[]", 201, "")]
#[case("/api/logs/batch", r#"[{"channel":"c"}]"#, 500, "INTERNAL_SERVER_ERROR")]
#[case("/api/logs/seek", r#"{"channel":"c","consumerId":"x","operation":"SPECIFIC"}"#, 400, "BAD_REQUEST")]
#[case("/api/nothing", "", 500, "INTERNAL_SERVER_ERROR")]
#[case("/actuator/health", "", 500, "INTERNAL_SERVER_ERROR")]
#[tokio::test]
async fn invalid_requests_are_refused_as_recorded(
    #[case] path: &str,
    #[case] body: &str,
    #[case] expected: u16,
    #[case] code: &str,
) {
    let it = Server::ready(&[]).await;
    let (status, body) = it.rest.call(Method::POST, path, body).await.unwrap();
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    assert_eq!((status.as_u16(), body["errorCode"].as_str().unwrap_or_default()), (expected, code));
}

#[tokio::test]
async fn without_the_key_only_the_actuator_answers() {
    let it = Server::ready(&[]).await;
    let wrong = Rest::new(&it.http_place, "wrong", false);
    let (status, _) = wrong.call(Method::GET, "/api/logs/web", "").await.unwrap();
    assert_eq!(status, 403);
    let wrong = Grpc::new(&it.grpc_place, "wrong", false).unwrap();
    let refused = wrong.health("").await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "Invalid or missing API Key"));
    let refused = wrong.seek("web", "one", "EARLIEST").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(it.health("").await.0, 200);
}

#[tokio::test]
async fn an_empty_key_accepts_only_an_empty_header() {
    let it = Server::ready(&[("LOGPILOT_SERVER_API_KEY", "")]).await;
    let status = async |key| {
        Rest::new(&it.http_place, key, false).call(Method::GET, "/api/logs/x", "").await.unwrap().0
    };
    assert_eq!((status("").await, status(KEY).await), (StatusCode::OK, StatusCode::FORBIDDEN));
    assert_eq!(Grpc::new(&it.grpc_place, "", false).unwrap().health("").await.unwrap(), 1);
}

#[tokio::test]
async fn grpc_and_rest_share_the_records() {
    let it = Server::ready(&[]).await;
    let request = LogRequest {
        channel: "web".into(),
        level: "LOUD".into(),
        message: "m".into(),
        ..LogRequest::default()
    };
    let sent: Outcome = it.grpc.call(LOG_SERVICE, "SendLog", request).await.unwrap();
    assert_eq!(sent.status, "success");
    let (_, body) = it.rest.call(Method::GET, "/api/logs/web", "").await.unwrap();
    let records: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&records[0]["level"], &records[0]["id"]),
        (&json!("INFO"), &json!(1)),
        "an unknown level is INFO"
    );

    let fetch = async |limit| {
        let request = FetchLogsRequest {
            channel: "web".into(),
            consumer_id: "b".into(),
            limit,
            ..FetchLogsRequest::default()
        };
        let answer: FetchLogsResponse = it.grpc.call(LOG_SERVICE, "FetchLogs", request).await.unwrap();
        answer.logs.into_iter().map(|log| log.message).collect::<Vec<_>>()
    };
    assert!(fetch(0).await.is_empty(), "no limit is a limit of nothing");
    assert_eq!(fetch(5).await, ["m"]);
    assert!(fetch(5).await.is_empty());
    it.grpc.seek("web", "b", "EARLIEST").await.unwrap();
    assert_eq!(fetch(5).await, ["m"]);
}

#[tokio::test]
async fn grpc_health_knows_only_the_whole_server() {
    let it = Server::ready(&[]).await;
    assert_eq!(it.grpc.health("").await.unwrap(), i32::from(ServingStatus::Serving));
    let unknown = it.grpc.health(LOG_SERVICE).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, "unknown service logpilot.LogService"));
}

#[rstest]
#[case("all", 201, None)]
#[case("rest", 201, Some(Code::Unimplemented))]
#[case("grpc", 500, None)]
#[case("foo", 500, Some(Code::Unimplemented))]
#[tokio::test]
async fn the_protocol_selects_services_and_health_stays_up(
    #[case] protocol: &str,
    #[case] rest: u16,
    #[case] grpc: Option<Code>,
) {
    let it = Server::ready(&[("LOGPILOT_PROTOCOL", protocol)]).await;
    assert_eq!(it.send("web", "m").await, rest);
    assert_eq!(it.grpc.seek("web", "one", "EARLIEST").await.err().map(|status| status.code()), grpc);
    assert_eq!(it.health("").await, (200, "UP".into()));
}

#[tokio::test]
async fn the_grpc_profile_serves_actuator_without_rest() {
    let mut server = Server::spawn(&[("SPRING_PROFILES_ACTIVE", "grpc")]);
    let line = server.line("Tomcat started").await;
    assert!(line.ends_with("Tomcat started on port -1 (http)"), "{line}");
    let management = server.line("Tomcat started").await;
    assert!(!management.ends_with("port -1 (http)"), "{management}");
    server.line("Started").await;
}

#[tokio::test]
async fn the_rate_limit_is_shared_and_skips_actuator() {
    let it =
        Server::ready(&[("LOGPILOT_RATE_LIMIT_CAPACITY", "3"), ("LOGPILOT_RATE_LIMIT_REFILL_TOKENS", "1")])
            .await;
    let mut seen = Vec::new();
    for number in 0..4 {
        seen.push(it.send("web", &number.to_string()).await.as_u16());
    }
    assert_eq!(seen, [201, 201, 201, 429]);
    assert_eq!(it.health("").await.0, 200);
    assert_eq!(it.grpc.health("").await.unwrap(), 1);
}

#[tokio::test]
async fn an_empty_bucket_fails_writes_while_healthy() {
    let it = Server::ready(&[("LOGPILOT_RATE_LIMIT_CAPACITY", "0")]).await;
    assert_eq!((it.send("web", "m").await.as_u16(), it.health("").await.0), (500, 200));
}

#[tokio::test]
async fn the_database_uses_wal_and_server_tables() {
    let it = Server::ready(&[]).await;
    it.send("web", "m").await;
    it.read("web?consumerId=one").await;
    let path = it.server.path("data/logpilot.db");
    assert!(it.server.path("data/logpilot.db-wal").exists());
    let database = rusqlite::Connection::open(&path).unwrap();
    let text = |sql: &str| database.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("PRAGMA journal_mode"), "wal");
    assert_eq!(text("SELECT channel || level || message FROM logs"), "webINFOm");
    assert_eq!(text("SELECT consumer_id || channel || last_log_id FROM consumer_offsets"), "oneweb1");
}

#[tokio::test]
async fn a_copied_database_file_without_wal_is_empty() {
    let mut it = Server::ready(&[]).await;
    it.send("web", "m").await;
    it.server.terminate();
    assert_eq!(it.server.exit().await.code(), Some(143));
    let copy = it.server.path("copy.db");
    fs::copy(it.server.path("data/logpilot.db"), &copy).unwrap();
    let error = rusqlite::Connection::open(&copy).unwrap().prepare("SELECT * FROM logs").unwrap_err();
    assert!(error.to_string().contains("no such table: logs"), "{error}");
}

#[tokio::test]
async fn a_locked_database_fails_writes_not_reads() {
    let it = Server::ready(&[]).await;
    it.send("web", "m").await;
    let _held = lock(&it.server.path("data/logpilot.db"));
    let body = json!({ "channel": "web", "consumerId": "one", "lastLogId": 1 }).to_string();
    let write = async || {
        let sent = it.send("web", "n").await;
        let committed = it.rest.call(Method::POST, "/api/logs/commit", &body).await.unwrap().0;
        (sent.as_u16(), committed.as_u16())
    };
    let read = async || {
        let began = Instant::now();
        (it.read("web?consumerId=one&autoCommit=false").await, it.read("web").await, began.elapsed())
    };
    let (write, (by_consumer, newest, took)) = tokio::join!(write(), read());
    assert_eq!(write, (500, 200), "the client is not told that the offset was not saved");
    assert!(took < Duration::from_secs(2), "a read waits for no write: {took:?}");
    assert_eq!((by_consumer, newest), (vec!["m".to_owned()], vec!["m".to_owned()]));
    assert_eq!(it.read("web?consumerId=one&autoCommit=false").await, ["m"]);
}

#[tokio::test]
async fn file_storage_survives_a_restart() {
    let env = [("LOGPILOT_STORAGE_TYPE", "file"), ("LOGPILOT_STORAGE_DIR", "DIR/logs")];
    let it = Server::ready(&env).await;
    for message in ["a", "b"] {
        assert_eq!(it.send("../web", message).await, 201);
    }
    assert_eq!(it.read("..%2Fweb?consumerId=one&limit=1").await, ["a"]);
    let directory = it.server.path("logs");
    let files: BTreeSet<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        files,
        BTreeSet::from([".offsets".into(), "___web.log".into()]),
        "no name leaves the directory"
    );
    let again = [env[0], ("LOGPILOT_STORAGE_DIR", directory.to_str().unwrap())];
    assert_eq!(Server::ready(&again).await.read("..%2Fweb?consumerId=one").await, ["b"]);
}

#[tokio::test]
async fn metrics_match_the_server_names_and_labels() {
    let it = Server::ready(&[]).await;
    it.send("web", "m").await;
    it.grpc.health("").await.unwrap();
    let names = |line: &str| {
        let (name, rest) =
            line.rsplit_once(' ').unwrap().0.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
        let labels: Vec<_> =
            rest.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name).collect();
        format!("{name}{{{}}}", labels.join(","))
    };
    let seen: BTreeSet<_> = it.metrics().await.lines().map(names).collect();
    let expected: BTreeSet<_> = include_str!("metric-names.txt").lines().map(str::to_owned).collect();
    assert_eq!(seen.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "no such metric");
    assert_eq!(expected.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new(), "missing");
    assert_eq!(it.metric("logpilot_logs_received_total{level=\"INFO\"}").await, Some(1.0));
    assert_eq!(it.metric("logpilot_logs_received_total{level=\"ERROR\"}").await, Some(0.0));
}

#[tokio::test]
async fn the_exposed_effective_configuration_is_shown() {
    let shown = async |it: &Ready, path: &str| {
        let (status, body) = it.management.call(Method::GET, path, "").await.unwrap();
        (status.as_u16(), serde_json::from_str::<Value>(&body).unwrap_or_default())
    };
    let hidden = Server::ready(&[]).await;
    assert_eq!(shown(&hidden, "/actuator/env").await.0, 404);
    assert_eq!(shown(&hidden, "/actuator/info").await, (200, json!({})));

    let directory = tempfile::tempdir().unwrap();
    let file = "
        management: { endpoints: { web: { exposure: { include: 'info,env' } } }, info: { env: { enabled: true } },
                      endpoint: { env: { show-values: always } } }
        info: { revision: '7' }
        logpilot: { server: { rate-limit: { capacity: 7 } } }";
    fs::write(directory.path().join("application.yml"), file).unwrap();
    let location = format!("file:{}/", directory.path().display());
    let it = Server::ready(&[("SPRING_CONFIG_ADDITIONAL_LOCATION", &location)]).await;
    assert_eq!(shown(&it, "/actuator/info").await.1, json!({ "revision": "7" }));
    let (_, found) = shown(&it, "/actuator/env/logpilot.server.rate-limit.capacity").await;
    assert_eq!(found["property"]["value"], "7");
    assert!(found["property"]["source"].as_str().unwrap().contains("application.yml"));
    let (_, all) = shown(&it, "/actuator/env").await;
    assert_eq!(all["propertySources"][0]["properties"]["LOGPILOT_SERVER_API_KEY"]["value"], KEY);
    assert_eq!(shown(&it, "/actuator/prometheus").await.0, 404);
}
