//! A control plane for interactive use: `local-cluster up` keeps one running in a known directory,
//! `down` ends it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    ControlPlane, Error, Options, Result,
    assets::cache_dir,
    control_plane::ADMIN_KUBECONFIG,
    error::IoContext,
    process::{Owner, send, start_time, tail},
    wait_for,
};

/// The log is next to the directory, because the directory does not exist before and after.
const LOG_SUFFIX: &str = "log";
/// Exists in the directory once the cluster can be used.
const READY: &str = "ready";
/// A cold build of the programs takes eight minutes on two cores.
const UP_DEADLINE: Duration = Duration::from_mins(30);
const DOWN_DEADLINE: Duration = Duration::from_mins(1);

/// `${XDG_RUNTIME_DIR}/logpilot-operator/up`, or the same in the user's cache.
pub fn default_dir() -> Result<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    let base = runtime.map_or_else(cache_dir, |dir| Ok(PathBuf::from(dir).join("logpilot-operator")))?;
    Ok(base.join("up"))
}

/// Returns the path of the kubeconfig of the cluster that runs in `dir`.
pub fn kubeconfig_of(dir: &Path) -> Result<PathBuf> {
    let path = dir.join(ADMIN_KUBECONFIG);
    if Owner::of(dir).is_some() && dir.join(READY).is_file() {
        return Ok(path);
    }
    Err(Error::Directory {
        dir: dir.to_owned(),
        cause: "no local cluster runs there; start one with `local-cluster up`".to_owned(),
    })
}

/// Runs a cluster in `dir` until SIGINT or SIGTERM; prints the kubeconfig's path once it is ready.
pub async fn foreground(dir: &Path, nodes: usize) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).at("listen for", "SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).at("listen for", "SIGTERM")?;
    let start = ControlPlane::start(Options { nodes, dir: Some(dir.to_owned()), ..Options::default() });
    let control_plane = tokio::select! {
        started = start => started?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let ready = control_plane.dir().join(READY);
    fs::write(&ready, "").at("write", ready)?;
    eprintln!(
        "local-cluster: up in {:.1} s; ^C or `local-cluster down` ends it",
        control_plane.started_in().as_secs_f64()
    );
    println!("{}", control_plane.admin_kubeconfig_path().display());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Starts this program again in the background as a separate session, and returns when its cluster
/// is ready.
pub async fn detached(dir: &Path, nodes: usize) -> Result<()> {
    let parent = dir.parent().unwrap_or(dir);
    fs::create_dir_all(parent).at("create", parent)?;
    let log = dir.with_extension(LOG_SUFFIX);
    let output = fs::File::create(&log).at("create", &log)?;
    let errors = output.try_clone().at("open", &log)?;
    let program = env::current_exe().at("find", "this program")?;
    let mut child = Command::new(&program)
        .args(["up", "--own-session", "--nodes", &nodes.to_string(), "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .at("start", &program)?;
    let ready = wait_for(format!("the cluster in {}", dir.display()), UP_DEADLINE, || {
        let ended = child.try_wait().ok().flatten();
        async move {
            match (ended, kubeconfig_of(dir)) {
                (Some(status), _) => Ok(Err(status)),
                (None, Ok(path)) => Ok(Ok(path)),
                (None, Err(error)) => Err(error.to_string()),
            }
        }
    })
    .await?;
    let cause = |status| format!("the cluster did not start ({status}):\n{}", tail(&log));
    let path = ready.map_err(|status| Error::Directory { dir: dir.to_owned(), cause: cause(status) })?;
    println!("{}", path.display());
    Ok(())
}

/// Makes this process a separate session: it survives the terminal it was started from.
pub fn own_session() -> Result<()> {
    rustix::process::setsid().map(drop).map_err(io::Error::from).at("leave", "the terminal's session")
}

/// Ends the cluster in `dir`, and waits until the directory is removed.
pub async fn down(dir: &Path) -> Result<()> {
    let Some(owner) = Owner::of(dir) else {
        eprintln!("local-cluster: nothing runs in {}", dir.display());
        return Ok(());
    };
    send(owner.pid, Signal::TERM).at("signal process", owner.pid.to_string())?;
    wait_for(format!("the cluster in {} to end", dir.display()), DOWN_DEADLINE, || async {
        match (start_time(owner.pid) == Some(owner.start_time), dir.join(ADMIN_KUBECONFIG).exists()) {
            (false, false) => Ok(()),
            (alive, files) => Err(format!("process {} alive: {alive}; files there: {files}", owner.pid)),
        }
    })
    .await
}
