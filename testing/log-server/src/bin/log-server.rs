//! `log-server`: a stand-in for the LogPilot server, for tests.

use std::process::ExitCode;

use clap::Parser;
use log_server::{server, switches};

/// A stand-in for the LogPilot server, for tests: it is not LogPilot, and does not store data safely.
///
/// It is configured as LogPilot is: by application.yml in ./config/ or at
/// SPRING_CONFIG_ADDITIONAL_LOCATION, and by the environment.
#[derive(Parser)]
#[command(version, after_help = help())]
struct Arguments {}

fn help() -> String {
    let switches: Vec<_> = switches::ALL.iter().map(|(name, what)| format!("  {name:<32}{what}")).collect();
    format!("Environment variables that make it misbehave:\n{}", switches.join("\n"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    // Names and values that are not text cannot be settings.
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let directory = std::env::current_dir().unwrap_or_default();
    let code = server::run(env, &directory).await.unwrap_or_else(|failure| {
        failure.report();
        1
    });
    // Does not wait for running calls, and does not close the database: neither does LogPilot.
    std::process::exit(code.into())
}
