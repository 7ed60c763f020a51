//! The real programs as processes, on loopback ports that the system selects.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use axum::http::{Method, StatusCode};
use log_server::client::{Grpc, Rest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

pub const KEY: &str = "of-the-test";
const SOON: Duration = Duration::from_secs(10);

pub struct Server {
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
    pub lines: Vec<String>,
    pub directory: TempDir,
}

/// A server that is ready, and its ports.
pub struct Ready {
    pub server: Server,
    pub rest: Rest,
    pub management: Rest,
    pub grpc: Grpc,
    /// `host:port`
    pub http_place: String,
    pub grpc_place: String,
}

impl Server {
    /// Its working directory and its data are in a separate directory; it inherits no environment
    /// of this process.
    pub fn spawn(env: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_log-server"))
            .env_clear()
            .envs([
                ("LOGPILOT_SERVER_API_KEY", KEY),
                ("LOGPILOT_HTTP_PORT", "0"),
                ("LOGPILOT_MANAGEMENT_PORT", "0"),
                // Its short name is also a property that must be a number.
                ("LOGPILOT_GRPC_PORT", "0"),
                ("SERVER_ADDRESS", "127.0.0.1"),
                ("MANAGEMENT_SERVER_ADDRESS", "127.0.0.1"),
                ("GRPC_SERVER_ADDRESS", "127.0.0.1"),
                ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
                ("KUBERNETES_SERVICE_PORT", "443"),
            ])
            .envs(
                env.iter()
                    .map(|(name, value)| (name, value.replace("DIR", directory.path().to_str().unwrap()))),
            )
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, log, lines: Vec::new(), directory }
    }

    /// Reads the log until a line contains the text.
    pub async fn line(&mut self, text: &str) -> String {
        let find = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                self.lines.push(line.clone());
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the log ended without {text:?}: {:#?}", self.lines)
        };
        timeout(SOON, find).await.unwrap_or_else(|_| panic!("no line with {text:?}"))
    }

    pub async fn ready(env: &[(&str, &str)]) -> Ready {
        let mut server = Self::spawn(env);
        let port = |line: String| {
            let after = line.split("port").nth(1).unwrap().trim_start_matches(':').trim();
            let digits = after.split(' ').next().unwrap();
            format!("127.0.0.1:{digits}")
        };
        let http_place = port(server.line("Tomcat started").await);
        let management = port(server.line("Tomcat started").await);
        let grpc_place = port(server.line("gRPC Server started").await);
        server.line("Started LogPilotServerApplication").await;
        Ready {
            server,
            rest: Rest::new(&http_place, KEY, false),
            management: Rest::new(&management, "", true),
            grpc: Grpc::new(&grpc_place, KEY, true).unwrap(),
            http_place,
            grpc_place,
        }
    }

    pub fn terminate(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    }

    pub async fn exit(&mut self) -> ExitStatus {
        let exit = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                self.lines.push(line);
            }
            self.child.wait().await.unwrap()
        };
        timeout(SOON, exit).await.expect("it ends")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Ready {
    pub async fn send(&self, channel: &str, message: &str) -> StatusCode {
        let body = json!({ "channel": channel, "level": "INFO", "message": message }).to_string();
        self.rest.call(Method::POST, "/api/logs", &body).await.unwrap().0
    }

    /// The messages of a read.
    pub async fn read(&self, path: &str) -> Vec<String> {
        let (status, body) = self.rest.call(Method::GET, &format!("/api/logs/{path}"), "").await.unwrap();
        assert_eq!(status, StatusCode::OK, "{body}");
        let records: Vec<Value> = serde_json::from_str(&body).unwrap();
        records.iter().map(|record| record["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Status and `status` of a health check.
    pub async fn health(&self, path: &str) -> (u16, String) {
        let path = format!("/actuator/health{path}");
        let (status, body) = self.management.call(Method::GET, &path, "").await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        (status.as_u16(), body["status"].as_str().unwrap_or_default().to_owned())
    }

    pub async fn metrics(&self) -> String {
        let (status, page) = self.management.call(Method::GET, "/actuator/prometheus", "").await.unwrap();
        assert_eq!(status, StatusCode::OK);
        page
    }

    pub async fn metric(&self, series: &str) -> Option<f64> {
        let page = self.metrics().await;
        page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }
}

/// Waits until the condition is true.
pub async fn until<A: Future<Output = bool>>(what: &str, ask: impl Fn() -> A) {
    let deadline = Instant::now() + SOON;
    while !ask().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Holds the write lock of a database, as another process would.
pub fn lock(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}
