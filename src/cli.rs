//! The command line.

mod plan;
pub(crate) mod print;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Parser, Subcommand};
use kube::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    api,
    backup::{self, BackupArgs, RestoreArgs},
    engine::lease::LeadershipLost,
    logpilot::plan::planner,
    operator::{self, Operator},
    server,
    telemetry::{self, LogFormat},
    termination,
};

/// Runs LogPilot on Kubernetes from one custom resource.
#[derive(Debug, Parser)]
#[command(name = "logpilot-operator", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reconciles all LogPilotClusters of the Kubernetes cluster that KUBECONFIG or the token of
    /// the pod selects.
    Run {
        /// Listen address for /livez, /readyz and /metrics.
        #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
        listen: SocketAddr,
        /// Log filter, as in RUST_LOG.
        #[arg(long, env = "LOG", default_value = "info")]
        log: String,
        #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t)]
        log_format: LogFormat,
        /// Image of this program, which backup, restore and config-check pods run. Without it there
        /// are no backups.
        #[arg(long, env = "OPERATOR_IMAGE")]
        operator_image: Option<String>,
        /// Namespace of the Lease for leader election. Without it, this process must be the only
        /// operator.
        #[arg(long, env = "LEASE_NAMESPACE")]
        lease_namespace: Option<String>,
        /// Unique name of this process in the Lease. The manifest sets the name of the pod.
        #[arg(long, env = "POD_NAME", requires = "lease_namespace")]
        identity: Option<String>,
    },
    /// Prints the CustomResourceDefinition.
    Crd,
    /// Prints all objects that the operator would create, in apply order, or the reasons why the
    /// input is rejected. Needs no Kubernetes cluster.
    #[command(after_help = plan::HELP)]
    Plan {
        /// A manifest with LogPilotClusters or ServiceStacks, or a directory of manifests. `-` is
        /// standard input. Can be repeated.
        #[arg(short, long = "file", value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Copies a SQLite database during writes, verifies the copy, and keeps the newest backups.
    Backup {
        #[command(flatten)]
        args: BackupArgs,
        #[command(flatten)]
        told: Told,
    },
    /// Verifies a backup and replaces an unused database with it.
    Restore {
        #[command(flatten)]
        args: RestoreArgs,
        #[command(flatten)]
        told: Told,
    },
}

#[derive(Debug, Args)]
struct Told {
    /// Termination message file of the container. It is not written if it does not exist.
    #[arg(long, default_value = termination::LOG)]
    termination_log: PathBuf,
}

impl Told {
    /// Writes the outcome of a command to the termination message, where the status reads it.
    fn leave(&self, outcome: Result<String, backup::Error>) -> Result<String, backup::Error> {
        let words = outcome.as_ref().map_or_else(ToString::to_string, Clone::clone);
        termination::write(&self.termination_log, &words);
        outcome
    }
}

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Refused(plan::Refused),
    #[error("cannot print: {0}")]
    Print(serde_yaml::Error),
    #[error(
        "no Kubernetes cluster is configured: {0}; set KUBECONFIG, or run in a pod with a ServiceAccount"
    )]
    NoCluster(kube::config::InferConfigError),
    #[error("cannot create a client: {0}")]
    NoClient(kube::Error),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("no backup was taken: {0}")]
    Backup(backup::Error),
    #[error("nothing was restored: {0}")]
    Restore(backup::Error),
    #[error("{0}; exiting, to restart as a follower")]
    LeadershipLost(LeadershipLost),
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
}

/// Runs the command and prints an error to standard error.
#[must_use]
pub async fn main() -> ExitCode {
    match Box::pin(run(Cli::parse().command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            match failure {
                Failure::Refused(_) => ExitCode::from(plan::REFUSED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run { listen, log, log_format, operator_image, lease_namespace, identity } => {
            telemetry::start(log_format, &log);
            let lease = lease_namespace.filter(|namespace| !namespace.is_empty());
            Box::pin(reconcile(listen, operator_image, lease.map(|lease| (lease, identity)))).await
        }
        Command::Backup { args, told } => {
            println!("{}", told.leave(backup::backup(&args)).map_err(Failure::Backup)?);
            Ok(())
        }
        Command::Restore { args, told } => {
            println!("{}", told.leave(backup::restore(&args)).map_err(Failure::Restore)?);
            Ok(())
        }
        Command::Crd => {
            let [cluster, stack] = api::crd::definitions().map(|it| api::crd::yaml(&it));
            print!("{}---\n{}", cluster.map_err(Failure::Print)?, stack.map_err(Failure::Print)?);
            Ok(())
        }
        Command::Plan { files } => {
            let plan::Shown { plans, warnings } = plan::plan(&files).map_err(Failure::Refused)?;
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            print!("{plans}");
            Ok(())
        }
    }
}

async fn reconcile(
    listen: SocketAddr,
    image: Option<String>,
    lease: Option<(String, Option<String>)>,
) -> Result<(), Failure> {
    let config = Config::infer().await.map_err(Failure::NoCluster)?;
    let server = config.cluster_url.clone();
    let client = operator::client(config.clone()).map_err(Failure::NoClient)?;
    let mut operator = Operator::new(client, planner()).with_image(image);
    if let Some((namespace, identity)) = lease {
        let client = operator::client(config).map_err(Failure::NoClient)?;
        // The name of a pod is unique. Outside a pod no name is.
        let identity = identity.unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()));
        operator = operator.with_election(client, &namespace, identity);
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Signal)?;
    let stop = CancellationToken::new();
    let http = server::start(listen, operator.clone(), stop.clone())
        .map_err(|source| Failure::Listen { address: listen, source })?;
    info!(version = env!("CARGO_PKG_VERSION"), %server, %listen, "started");
    let vitals = Arc::clone(&operator.vitals);
    let measured = Arc::clone(&vitals);
    tokio::spawn(async move { measured.watch_delays().await });
    let work = operator.run(stop.clone());
    tokio::pin!(work);
    let ended = tokio::select! {
        ended = &mut work => Some(ended),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    // Immediately, because a kubelet that stops waiting sends SIGKILL.
    let why = match &ended {
        Some(Ok(())) => "the watches ended".to_owned(),
        Some(Err(lost)) => lost.to_string(),
        None => "received SIGTERM or SIGINT".to_owned(),
    };
    termination::write(Path::new(termination::LOG), &format!("{why}; {}", vitals.report()));
    if matches!(ended, Some(Ok(()))) {
        error!("the watches ended");
    }
    stop.cancel();
    // Releases the Lease.
    let ended = match ended {
        Some(ended) => ended,
        None => work.await,
    };
    // Open connections of scrapers must not delay the exit.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), http).await;
    info!("stopped");
    ended.map_err(Failure::LeadershipLost)
}
