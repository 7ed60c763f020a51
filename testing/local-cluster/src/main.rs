//! `local-cluster`: a Kubernetes control plane with fake nodes, for interactive use.

use std::{ffi::OsString, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use clap::{Parser, Subcommand};
use local_cluster::{Assets, Error, Result, up};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(about = "A real Kubernetes control plane with fake nodes, on this machine", version)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start a cluster and keep it running until ^C; prints the path of its kubeconfig
    Up {
        #[command(flatten)]
        place: Place,
        /// Number of fake nodes
        #[arg(long, default_value_t = 3)]
        nodes: usize,
        /// Return when the cluster is ready, and leave it running in the background
        #[arg(long)]
        detach: bool,
        #[arg(long, hide = true)]
        own_session: bool,
    },
    /// Stop the cluster and remove its directory
    Down {
        #[command(flatten)]
        place: Place,
    },
    /// Build the programs of the control plane if they do not exist yet
    Build,
    /// Run kubectl of the same version against the running cluster
    Kubectl {
        #[command(flatten)]
        place: Place,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Print the path of a program: kubectl, etcd, kube-apiserver…
    Bin { name: String },
}

#[derive(clap::Args)]
struct Place {
    /// Directory of the cluster [default: logpilot-operator/up in the user's runtime or cache directory]
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Place {
    fn dir(self) -> Result<PathBuf> {
        self.dir.map_or_else(up::default_dir, Ok)
    }
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    // The client logs refused connections, which the volume binder sees while a cluster shuts down.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,kube_client=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::parse().command).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local-cluster: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(action: Action) -> Result<()> {
    match action {
        Action::Up { place, nodes, detach: true, .. } => up::detached(&place.dir()?, nodes).await,
        Action::Up { place, nodes, own_session, .. } => {
            if own_session {
                up::own_session()?;
            }
            up::foreground(&place.dir()?, nodes).await
        }
        Action::Down { place } => up::down(&place.dir()?).await,
        Action::Build => Assets::find_or_build().map(drop),
        Action::Kubectl { place, arguments } => {
            let kubeconfig = up::kubeconfig_of(&place.dir()?)?;
            let program = Assets::find_or_build()?.tool("kubectl");
            let source = Command::new(&program).args(arguments).env("KUBECONFIG", kubeconfig).exec();
            Err(Error::Io { step: "run", path: program, source })
        }
        Action::Bin { name } => {
            println!("{}", Assets::find_or_build()?.tool(&name).display());
            Ok(())
        }
    }
}
