//! Startup, stop and misbehaviour.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{Server, lock, until};
use axum::http::{Method, StatusCode};
use log_server::client::Failed;
use rstest::rstest;

#[rstest]
#[case(&[("LOGPILOT_STORAGE_TYPE", "foo")], "No enum constant com.logpilot.core.config.LogPilotProperties.StorageType.foo")]
#[case(&[("LOGPILOT_GRPC_PORT", "tcp://10.96.0.1:50051")], "Failed to bind properties under 'logpilot.grpc.port' to int")]
#[case(&[("SPRING_CONFIG_ADDITIONAL_LOCATION", "file:/nope/")], "Config data location 'file:/nope/' does not exist")]
#[case(&[("LOGPILOT_SQLITE_PATH", "DIR")], "[SQLITE_CANTOPEN]")]
#[case(&[("LOGPILOT_SQLITE_PATH", "/dev/null/x/logpilot.db")], "Failed to create directory: /dev/null/x")]
#[case(&[("LOG_SERVER_CRASH_ON", "logpilot.storage.type=sqlite")], "Property: logpilot.storage.type")]
#[case(&[("LOG_SERVER_CRASH_ON", "server.address")], "Origin: System Environment Property \"SERVER_ADDRESS\"")]
#[case(&[("LOG_SERVER_NEVER_REDY", "true")], "LOG_SERVER_NEVER_READY: ")]
#[tokio::test]
async fn a_bad_configuration_exits_1_with_its_cause(#[case] env: &[(&str, &str)], #[case] said: &str) {
    let mut server = Server::spawn(env);
    assert_eq!(server.exit().await.code(), Some(1), "{:#?}", server.lines);
    assert!(server.lines.iter().any(|line| line.contains(said)), "{said}: {:#?}", server.lines);
}

/// The part of the log that a kubelet keeps.
fn tail(server: &Server) -> String {
    let log = server.lines.join("\n") + "\n";
    let start = log.len().saturating_sub(2048);
    String::from_utf8_lossy(&log.as_bytes()[start..]).into_owned()
}

#[rstest]
#[case(
    "open",
    "\nCaused by: java.sql.SQLException: opening db: '/data/logpilot.db': Permission denied\n\tat "
)]
#[case("pragma", "\nCaused by: org.sqlite.SQLiteException: [SQLITE_NOTADB] ")]
#[case("statement", "\nCaused by: org.sqlite.SQLiteException: [SQLITE_FULL] ")]
#[case("file", "\nCaused by: java.nio.file.AccessDeniedException: /data/logs\n\tat ")]
#[case("key-store", "\nCaused by: java.io.FileNotFoundException: /nope.p12\n\tat ")]
#[case("heap", "\nCaused by: java.lang.OutOfMemoryError: Java heap space\n")]
#[tokio::test]
async fn stack_traces_end_with_their_root_cause(#[case] trace: &str, #[case] cause: &str) {
    let mut server = Server::spawn(&[("LOG_SERVER_END_WITH", trace)]);
    assert_eq!(server.exit().await.code(), Some(1), "{:#?}", server.lines);
    let tail = tail(&server);
    assert!(tail.contains(cause) && !tail.contains('{'), "{tail}");
}

#[tokio::test]
async fn an_unwrapped_exception_ends_in_frames_only() {
    let mut server = Server::spawn(&[("LOG_SERVER_END_WITH", "frames")]);
    assert_eq!(server.exit().await.code(), Some(1));
    let tail = tail(&server);
    assert_eq!(tail.len(), 2048);
    assert!(tail.lines().skip(1).all(|line| line.trim().is_empty() || line.starts_with("\tat ")), "{tail}");
    assert!(server.lines.iter().any(|line| line.contains("ParserException")), "{:#?}", server.lines);
}

#[tokio::test]
async fn unusable_data_ends_with_the_driver_message() {
    for (env, cause) in [
        (("LOGPILOT_SQLITE_PATH", "/dev/null/logpilot.db"), "Failed to create directory: /dev/null"),
        (
            ("LOGPILOT_SQLITE_PATH", "/proc/logpilot.db"),
            "java.sql.SQLException: opening db: '/proc/logpilot.db': ",
        ),
        (("SERVER_SSL_KEY_STORE", "/nope.p12"), "java.io.FileNotFoundException: /nope.p12"),
    ] {
        let mut server = Server::spawn(&[env]);
        assert_eq!(server.exit().await.code(), Some(1), "{env:?}");
        let tail = tail(&server);
        assert!(tail.contains(cause), "{env:?}: {tail}");
    }
}

#[tokio::test]
async fn broken_yaml_and_invalid_databases_end_the_startup() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("application.yml"), "a: [").unwrap();
    let location = format!("file:{}/", directory.path().display());
    let mut server = Server::spawn(&[("SPRING_CONFIG_ADDITIONAL_LOCATION", &location)]);
    assert_eq!(server.exit().await.code(), Some(1));
    assert!(server.lines.iter().any(|line| line.contains("application.yml")), "{:#?}", server.lines);

    let text = directory.path().join("text.db");
    fs::write(&text, "no database, and longer than its header would be: ".repeat(40)).unwrap();
    let mut server = Server::spawn(&[("LOGPILOT_SQLITE_PATH", text.to_str().unwrap())]);
    assert_eq!(server.exit().await.code(), Some(1));
    assert!(server.lines.iter().any(|line| line.contains("[SQLITE_NOTADB]")), "{:#?}", server.lines);
}

#[tokio::test]
async fn a_used_port_ends_the_startup() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut server = Server::spawn(&[("LOGPILOT_HTTP_PORT", &port)]);
    assert_eq!(server.exit().await.code(), Some(1));
    let said = format!("Web server failed to start. Port {port} was already in use.");
    assert!(server.lines.contains(&said), "{:#?}", server.lines);
}

#[tokio::test]
async fn health_groups_exist_only_in_pods() {
    let it = Server::ready(&[]).await;
    for path in ["", "/liveness", "/readiness"] {
        assert_eq!(it.health(path).await, (200, "UP".into()), "{path}");
    }
    assert_eq!(it.health("/other").await.0, 404);
    let elsewhere = Server::ready(&[("MANAGEMENT_ENDPOINT_HEALTH_PROBES_ENABLED", "false")]).await;
    assert_eq!(elsewhere.health("").await.0, 200);
    assert_eq!(elsewhere.health("/readiness").await.0, 404);
}

#[tokio::test]
async fn a_never_ready_server_is_live_and_serves() {
    let it = Server::ready(&[("LOG_SERVER_NEVER_READY", "true")]).await;
    assert_eq!(it.health("/readiness").await, (503, "OUT_OF_SERVICE".into()));
    assert_eq!(it.health("/liveness").await, (200, "UP".into()));
    assert_eq!(it.health("").await.0, 503);
    assert_eq!(it.send("web", "m").await, 201);
}

#[tokio::test]
async fn a_storage_fault_never_affects_liveness() {
    let it = Server::ready(&[("LOG_SERVER_STORAGE_FAULT", "DIR/broken")]).await;
    assert_eq!(it.health("/readiness").await.0, 200);
    fs::write(it.server.path("broken"), "").unwrap();
    assert_eq!(it.health("/readiness").await, (503, "DOWN".into()));
    assert_eq!(it.health("").await, (503, "DOWN".into()));
    assert_eq!(it.health("/liveness").await, (200, "UP".into()));
    assert_eq!(it.send("web", "m").await, 500);
    fs::remove_file(it.server.path("broken")).unwrap();
    assert_eq!((it.health("/readiness").await.0, it.send("web", "m").await.as_u16()), (200, 201));
}

#[tokio::test]
async fn a_slow_startup_can_be_terminated() {
    let began = Instant::now();
    let mut slow = Server::spawn(&[("LOG_SERVER_SLOW_START_SECONDS", "0.5")]);
    slow.line("Tomcat started").await;
    assert!(began.elapsed() >= Duration::from_millis(500));
    let mut ended = Server::spawn(&[("LOG_SERVER_SLOW_START_SECONDS", "600")]);
    ended.line("Active switches").await;
    ended.terminate();
    assert_eq!(ended.exit().await.code(), Some(143));
}

#[tokio::test]
async fn a_leak_increases_the_heap() {
    let it = Server::ready(&[("LOG_SERVER_LEAK_MIB_PER_SECOND", "64")]).await;
    let heap = "jvm_memory_used_bytes{area=\"heap\",id=\"Tenured Gen\"}";
    until("64 MiB of heap", async || it.metric(heap).await.unwrap() > 64.0 * 1024.0 * 1024.0).await;
}

const SEND: &str = r#"{"channel":"web","level":"INFO","message":"in flight"}"#;

const ACTIVE: &str = "http_server_requests_active_seconds_count\
    {exception=\"none\",method=\"POST\",outcome=\"UNKNOWN\",status=\"200\",uri=\"UNKNOWN\"}";

/// Returns the response to a request in progress at SIGTERM, and how often its record is stored.
async fn stopped_in_flight(graceful: bool, env: &[(&str, &str)]) -> (Result<StatusCode, Failed>, i64) {
    let mut it = Server::ready(env).await;
    let path = it.server.path("data/logpilot.db");
    let held = lock(&path);
    let rest = it.rest.clone();
    let sending = tokio::spawn(async move { rest.call(Method::POST, "/api/logs", SEND).await });
    until("a request in flight", async || it.metric(ACTIVE).await == Some(1.0)).await;
    it.server.terminate();
    until("management closed", async || {
        it.management.call(Method::GET, "/actuator/health", "").await.is_err()
    })
    .await;
    if graceful {
        let place = it.http_place.clone();
        until("no new connections", async || tokio::net::TcpStream::connect(&place).await.is_err()).await;
        assert!(!sending.is_finished(), "it waits for its answer");
    } else {
        // Before the storage is free again.
        until("connection cut", async || sending.is_finished()).await;
    }
    held.execute_batch("COMMIT").unwrap();
    let answer = sending.await.unwrap().map(|(status, _)| status);
    assert_eq!(it.server.exit().await.code(), Some(143));
    let database = rusqlite::Connection::open(&path).unwrap();
    (answer, database.query_row("SELECT count(*) FROM logs", [], |row| row.get(0)).unwrap())
}

#[tokio::test]
async fn a_graceful_stop_finishes_only_requests_in_flight() {
    let (answer, stored) = stopped_in_flight(true, &[("SERVER_SHUTDOWN", "graceful")]).await;
    assert_eq!((answer, stored), (Ok(StatusCode::CREATED), 1));
}

#[tokio::test]
async fn an_abrupt_stop_closes_connections_but_stores_records() {
    let (answer, stored) = stopped_in_flight(false, &[]).await;
    assert!(matches!(answer, Err(Failed::Unanswered(_))), "{answer:?}");
    assert_eq!(stored, 1);
}

#[tokio::test]
async fn the_switch_loses_requests_in_flight() {
    let (answer, stored) =
        stopped_in_flight(false, &[("LOG_SERVER_EXIT_AT_ONCE", "true"), ("SERVER_SHUTDOWN", "graceful")])
            .await;
    assert!(matches!(answer, Err(Failed::Unanswered(_))), "{answer:?}");
    assert_eq!(stored, 0);
}

#[tokio::test]
async fn a_stop_respects_its_timeout() {
    let mut it = Server::ready(&[
        ("SERVER_SHUTDOWN", "graceful"),
        ("SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", "200ms"),
    ])
    .await;
    let _held = lock(&it.server.path("data/logpilot.db"));
    let rest = it.rest.clone();
    let sending = tokio::spawn(async move { rest.call(Method::POST, "/api/logs", SEND).await });
    until("a request in flight", async || it.metric(ACTIVE).await == Some(1.0)).await;
    let began = Instant::now();
    it.server.terminate();
    assert_eq!(it.server.exit().await.code(), Some(143));
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    assert!(sending.await.unwrap().is_err());
}
