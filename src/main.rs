use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    logpilot_operator::cli::main().await
}
