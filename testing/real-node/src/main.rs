//! `real-node`: a Kubernetes cluster of real nodes on this machine, for the duration of a command.

use std::{
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
};

use clap::{Args, Parser, Subcommand};
use local_cluster::Assets;
use real_node::{
    IMAGES, Images, NODE, PACKAGED, Result, SERVICES, beside, enter,
    image::{self, Image},
    obstacle,
};

#[derive(Parser)]
#[command(about = "Real Kubernetes nodes in namespaces of this machine", version)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check whether nodes can run here, after installing missing packages; exits with 3 if they cannot
    Check,
    /// Build the programs of control plane and nodes if they do not exist yet
    Build,
    /// Write the images as archives, for a given cluster
    Images {
        #[command(flatten)]
        images: Given,
        dir: PathBuf,
    },
    /// Start a cluster, run a command with KUBECONFIG set, and remove everything
    Run {
        #[command(flatten)]
        images: Given,
        /// Number of nodes
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=9))]
        nodes: u8,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    #[command(hide = true)]
    Inside {
        dir: PathBuf,
        nodes: u8,
        programs: PathBuf,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

/// The images in addition to those that every node has; a static program each, as NAME=PROGRAM.
#[derive(Args)]
struct Given {
    /// The operator, under its name in install.yaml
    #[arg(long, value_parser = named)]
    operator: Option<(String, PathBuf)>,
    /// Any other program; may be repeated
    #[arg(long, value_parser = named)]
    image: Vec<(String, PathBuf)>,
    /// An image that `docker save` wrote; may be repeated
    #[arg(long)]
    archive: Vec<PathBuf>,
    /// The programs of a stack: PostgreSQL, Redis and Prometheus from Debian's packages, and a service
    #[arg(long)]
    stack: bool,
}

fn named(argument: &str) -> std::result::Result<(String, PathBuf), &'static str> {
    let (name, program) = argument.split_once('=').ok_or("expected NAME=PROGRAM")?;
    Ok((name.to_owned(), program.into()))
}

impl Given {
    fn pack(&self, dir: &Path) -> Result<()> {
        let operator = self.operator.iter().map(|(name, program)| Image::operator(name, program));
        let images = operator.chain(self.image.iter().map(|(name, program)| Image::new(name, program)));
        images.into_iter().try_for_each(|image| pack(&image, dir))?;
        self.archive.iter().try_for_each(|archive| image::link(archive, dir))?;
        if self.stack { pack_stack(dir) } else { Ok(()) }
    }
}

fn pack(image: &Image, dir: &Path) -> Result<()> {
    let archive = image.pack(dir)?;
    eprintln!("real-node: image {} has {} kB", image.name, size(&archive) / 1000);
    Ok(())
}

fn size(archive: &Path) -> u64 {
    std::fs::metadata(archive).map_or(0, |file| file.len())
}

fn pack_stack(dir: &Path) -> Result<()> {
    pack(&Image::new("orders:1", SERVICES.find_or_build()?.join("orders")), dir)?;
    for image in &PACKAGED {
        match image.find_or_pack() {
            Ok(archive) => {
                eprintln!("real-node: image {} has {} kB", image.name, size(&archive) / 1000);
                image::link(&archive, dir)?;
            }
            // The suite skips the tests that need it.
            Err(reason) => eprintln!("real-node: no image {}: {reason}", image.name),
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Arguments::parse().command)).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("real-node: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Check => {
            let Some(reason) = obstacle() else { return Ok(ExitCode::SUCCESS) };
            println!("SKIPPED the suite on a real node: {reason}");
            Ok(ExitCode::from(3))
        }
        Action::Build => {
            Assets::find_or_build()?;
            NODE.find_or_build()?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Images { images, dir } => images.pack(&dir).map(|()| ExitCode::SUCCESS),
        Action::Run { images, nodes, command } => {
            Assets::find_or_build()?;
            let programs = NODE.find_or_build()?;
            let inner = |dir: &Path| {
                let archives = dir.join(IMAGES);
                for name in ["pause", "coredns"] {
                    pack(&Image::new(&format!("real-node.local/{name}:1"), programs.join(name)), &archives)?;
                }
                images.pack(&archives)?;
                Ok(inside(dir, nodes, &programs, &command))
            };
            enter(inner).await.map(code)
        }
        Action::Inside { dir, nodes, programs, command } => {
            let images = Images { dir: dir.join(IMAGES), programs };
            Box::pin(beside(&dir, nodes, &images, &command)).await.map(code)
        }
    }
}

/// The arguments that run this program inside the namespaces.
fn inside(dir: &Path, nodes: u8, programs: &Path, command: &[String]) -> Vec<String> {
    let (dir, programs) = (dir.display().to_string(), programs.display().to_string());
    let mut words = vec!["inside".to_owned(), dir, nodes.to_string(), programs, "--".to_owned()];
    words.extend_from_slice(command);
    words
}

fn code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
