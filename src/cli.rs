//! The command line.

use std::{
    fs,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use kube::{Config, ResourceExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    api::{self, LogPilotCluster},
    backup::{self, BackupArgs, RestoreArgs},
    engine::{kind::Role, lease::Lost, plan::Plan},
    logpilot::{
        config, controller,
        facts::{ApiKeyFact, Facts, Hidden},
        plan, validate,
    },
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
    /// Reconciles every LogPilotCluster of the cluster that KUBECONFIG or the pod's token names.
    Run {
        /// Address of /livez, /readyz and /metrics.
        #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
        listen: SocketAddr,
        /// Filter of log lines, as in RUST_LOG.
        #[arg(long, env = "LOG", default_value = "info")]
        log: String,
        #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t)]
        log_format: LogFormat,
        /// This program's own image, which the pods of backups run.
        #[arg(long, env = "OPERATOR_IMAGE")]
        operator_image: Option<String>,
        /// Namespace of the Lease that lets one of several operators write; without it this one is the only one.
        #[arg(long, env = "LEASE_NAMESPACE")]
        lease_namespace: Option<String>,
        /// Name in the Lease: this process's alone. The manifest gives the pod's name.
        #[arg(long, env = "POD_NAME", requires = "lease_namespace")]
        identity: Option<String>,
    },
    /// Prints the CustomResourceDefinition.
    Crd,
    /// Prints every object that would be made, in apply order, without a cluster.
    Plan {
        /// A file with one or more LogPilotClusters; `-` is standard input.
        #[arg(short, long)]
        file: PathBuf,
    },
    /// Copies a SQLite database while servers write it, verifies the copy, and keeps the newest few.
    Backup(BackupArgs),
    /// Verifies a backup and puts it in the place of a database that nobody uses.
    Restore(RestoreArgs),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", .path.display())]
    Parse { path: PathBuf, source: serde_yaml::Error },
    #[error("{}: there is no {} in it", .path.display(), api::KIND)]
    Empty { path: PathBuf },
    #[error("{name}: the resource is not valid:\n{}", .violations.join("\n"))]
    Invalid { name: String, violations: Vec<String> },
    #[error("cannot print: {0}")]
    Print(serde_yaml::Error),
    #[error("no cluster: {0}; set KUBECONFIG, or run in a pod with a service account")]
    NoCluster(kube::config::InferConfigError),
    #[error("no client: {0}")]
    NoClient(kube::Error),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("no backup was taken: {0}")]
    Backup(backup::Error),
    #[error("nothing was restored: {0}")]
    Restore(backup::Error),
    #[error("{0}; ends, and starts again behind the one that leads")]
    Lost(Lost),
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
}

/// Runs the command; an error is told on standard error.
#[must_use]
pub async fn main() -> ExitCode {
    match Box::pin(run(Cli::parse().command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
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
        Command::Backup(args) => {
            println!("{}", backup::backup(&args).map_err(Failure::Backup)?);
            Ok(())
        }
        Command::Restore(args) => {
            println!("{}", backup::restore(&args).map_err(Failure::Restore)?);
            Ok(())
        }
        Command::Crd => {
            print!("{}", api::crd::yaml().map_err(Failure::Print)?);
            Ok(())
        }
        Command::Plan { file } => {
            for cr in read(&file)? {
                print!("{}", print_plan(&cr)?);
            }
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
    let mut operator = Operator::new(client, controller::planner()).with_image(image);
    if let Some((namespace, identity)) = lease {
        let client = operator::client(config).map_err(Failure::NoClient)?;
        // A pod's name is no other's; elsewhere nothing is.
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
    // At once: a kubelet that waits no longer sends SIGKILL.
    let why = match &ended {
        Some(Ok(())) => "the watches ended".to_owned(),
        Some(Err(lost)) => lost.to_string(),
        None => "was told to end (SIGTERM or SIGINT)".to_owned(),
    };
    termination::write(Path::new(termination::LOG), &format!("{why}; {}", vitals.report()));
    if matches!(ended, Some(Ok(()))) {
        error!("the watches ended");
    }
    stop.cancel();
    // The Lease is given free.
    let ended = match ended {
        Some(ended) => ended,
        None => work.await,
    };
    // Open connections of scrapers may not hold the end up.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), http).await;
    info!("stopped");
    ended.map_err(Failure::Lost)
}

fn read(path: &PathBuf) -> Result<Vec<LogPilotCluster>, Failure> {
    let failed = |source| Failure::Read { path: path.clone(), source };
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        text
    } else {
        fs::read_to_string(path).map_err(failed)?
    };
    let parsed = |source| Failure::Parse { path: path.clone(), source };
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = serde_yaml::Value::deserialize(document).map_err(parsed)?;
        if value.get("kind").and_then(serde_yaml::Value::as_str) == Some(api::KIND) {
            found.push(serde_yaml::from_value(value).map_err(parsed)?);
        }
    }
    if found.is_empty() { Err(Failure::Empty { path: path.clone() }) } else { Ok(found) }
}

/// The plan of a resource as YAML documents, in apply order, secrets hidden.
fn print_plan(cr: &LogPilotCluster) -> Result<String, Failure> {
    let cluster = validate::validate(cr).map_err(|violations| Failure::Invalid {
        name: cr.name_any(),
        violations: violations.iter().map(|it| format!("  {}: {}", it.path, it.message)).collect(),
    })?;
    Ok(to_yaml(&plan::plan(&cluster, &without_cluster())))
}

/// A world in which nothing exists yet; the key that would be generated is not.
fn without_cluster() -> Facts {
    let value = Hidden("(generated when applied)".to_owned());
    Facts {
        api_key: ApiKeyFact::Generate { value, hash: "(of the generated key)".to_owned() },
        ..Facts::default()
    }
}

fn to_yaml(plan: &Plan) -> String {
    let mut text = String::new();
    for planned in plan.in_apply_order() {
        let mut body = planned.body.clone();
        if planned.kind.role == Role::Once {
            for field in ["data", "stringData"] {
                if let Some(data) = body.get_mut(field).and_then(Value::as_object_mut) {
                    data.values_mut().for_each(|value| *value = "(hidden)".into());
                }
            }
        }
        text.push_str("---\n");
        text.push_str(&config::render(&body));
    }
    text
}
