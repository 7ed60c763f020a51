//! Runs the proxy for a kubeconfig until it is interrupted. A test tool.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use fault_proxy::{Proxy, read_rules};
use kube::config::Kubeconfig;

/// Records every request between a client and its API server, and injects the faults that rules define.
#[derive(Parser)]
struct Args {
    /// The kubeconfig of the API server.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: PathBuf,
    /// Where to write the kubeconfig that points to the proxy.
    #[arg(long)]
    write: PathBuf,
    /// A file with a list of rules.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// A file that receives a line of JSON for each answered request.
    #[arg(long)]
    log: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let kubeconfig = Kubeconfig::read_from(&args.kubeconfig)?;
    let proxy = Proxy::start(&kubeconfig, args.log).await?;
    if let Some(path) = args.rules {
        for rule in read_rules(&std::fs::read_to_string(path)?)? {
            proxy.rule(rule);
        }
    }
    std::fs::write(&args.write, serde_yaml::to_string(&proxy.kubeconfig(&kubeconfig))?)?;
    println!("export KUBECONFIG={}", args.write.display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
