//! `log-client`: writes to LogPilot, or to its stand-in, at a steady rate, reads back, and counts.
//! For tests.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use log_server::client::{self, Load, Target};

/// Writes records at a steady rate, reads them back, and prints one line of JSON: sent, retried,
/// acked, failed, lost, duplicated, storedUnacked, longestGapMillis, and how often each error
/// occurred.
///
/// Exit code: 0 if no record failed, was lost or duplicated, otherwise 1.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// http://HOST:PORT for REST, grpc://HOST:PORT for gRPC
    #[arg(long)]
    to: String,
    #[arg(long, env = "LOGPILOT_SERVER_API_KEY", hide_env_values = true)]
    api_key: String,
    /// Records a second
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Stop writing earlier when this file exists
    #[arg(long)]
    until: Option<PathBuf>,
    #[arg(long, default_value = "log-client")]
    channel: String,
    /// Part of every message; must differ between runs [default: the time and the process]
    #[arg(long)]
    run: Option<String>,
    /// Timeout for one record, with all its attempts
    #[arg(long, default_value_t = 10.0)]
    timeout_seconds: f64,
    /// Retry reading back for this long
    #[arg(long, default_value_t = 30.0)]
    read_seconds: f64,
    /// Retry requests that no server has processed, as client libraries do
    #[arg(long)]
    retry_unsent: bool,
    /// Retry requests whose connection ended, as some client libraries do; nothing else is retried
    #[arg(long)]
    retry_unanswered: bool,
    /// Use a new connection for each request; otherwise connections are kept, and stay with the pod
    /// they reached
    #[arg(long)]
    fresh_connections: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let target = match Target::new(&arguments.to, &arguments.api_key, arguments.fresh_connections) {
        Ok(target) => target,
        Err(error) => {
            eprintln!("log-client: {error}");
            return ExitCode::from(2);
        }
    };
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let load = Load {
        channel: arguments.channel,
        rate: arguments.rate,
        lasting: seconds(arguments.seconds),
        until: arguments.until,
        timeout: seconds(arguments.timeout_seconds),
        retry_unsent: arguments.retry_unsent,
        retry_unanswered: arguments.retry_unanswered,
        read_for: seconds(arguments.read_seconds),
    };
    let now = || format!("{}-{}", jiff::Timestamp::now().as_millisecond(), std::process::id());
    let report = client::run(&target, &load, &arguments.run.unwrap_or_else(now)).await;
    println!("{}", serde_json::to_string(&report).unwrap_or_default());
    let clean = report.failed + report.lost + report.duplicated == 0 && report.unread.is_none();
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
