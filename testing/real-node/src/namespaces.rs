//! Enters the namespaces of a run, and leaves the machine unchanged.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use local_cluster::{cache_dir, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    error::{Context as _, Result, create},
    machine::{CONTROLLERS, has_room},
};

/// The variable that keeps the directory of the run, with all logs, until the next one.
const KEEP_VARIABLE: &str = "E2E_KEEP";
const DEADLINE: Duration = Duration::from_secs(30);

/// A file in the directory of a run; locked for the duration of the run.
const LOCK: &str = "lock";

/// The location of a run's files and cgroups.
struct Run {
    dir: tempfile::TempDir,
    _lock: File,
}

impl Run {
    /// In the cache: overlays need a real file system below them, which a temporary directory may lack.
    async fn new() -> Result<Self> {
        let runs = cache_dir()?.join("runs");
        create(&runs)?;
        sweep(&runs).await?;
        has_room(&runs)?;
        let mut dir =
            tempfile::Builder::new().prefix("node-").tempdir_in(&runs).during("create a directory")?;
        if std::env::var_os(KEEP_VARIABLE).is_some_and(|value| !value.is_empty()) {
            dir.disable_cleanup(true);
            eprintln!("real-node: {} will be kept", dir.path().display());
        }
        let lock = File::create(dir.path().join(LOCK)).during("create the lock of a run")?;
        lock.lock().during("lock a run")?;
        Ok(Self { dir, _lock: lock })
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes the remains of runs that were killed or kept.
async fn sweep(runs: &Path) -> Result<()> {
    for entry in fs::read_dir(runs).during("list the runs")? {
        let dir = entry.during("list the runs")?.path();
        // Without a lock file it was created only a moment ago.
        let Ok(lock) = File::open(dir.join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            remove_cgroups(&cgroup(&dir)).await?;
            fs::remove_dir_all(&dir).during(format_args!("remove {}", dir.display()))?;
        }
    }
    Ok(())
}

/// The cgroup of a run, in every controller.
pub(crate) fn cgroup(dir: &Path) -> String {
    format!("/{}", dir.file_name().unwrap_or_default().to_string_lossy())
}

/// Runs this program again in new namespaces, with the arguments that `inner` returns for the run's
/// directory, as their first process: when it ends, or this process does, everything in them ends.
pub async fn enter(inner: impl FnOnce(&Path) -> Result<Vec<String>>) -> Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt()).during("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).during("listen for SIGTERM")?;
    let run = Run::new().await?;
    let program = std::env::current_exe().during("find this program")?;
    // `unshare` ignores SIGTERM; SIGKILL also ends its child. It is killed when this process ends.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork"])
        .args(["--kill-child=KILL", "--mount-proc", "--propagation", "private"])
        .arg(program)
        .args(inner(run.dir())?)
        .spawn()
        .during("run setpriv")?;
    let ended = tokio::select! {
        status = end_of(&mut child) => Some(status),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    let began = Instant::now();
    let status = match ended {
        Some(status) => status?,
        None => kill(&mut child)?,
    };
    remove_cgroups(&cgroup(run.dir())).await?;
    drop(run);
    eprintln!("real-node: nothing left after {:.1} s", began.elapsed().as_secs_f64());
    Ok(status)
}

async fn end_of(child: &mut Child) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().during("wait for unshare")? {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn kill(child: &mut Child) -> Result<ExitStatus> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::KILL).during("kill unshare")?;
    }
    child.wait().during("wait for unshare")
}

/// The kernel removes everything else with the last process; a cgroup must be removed explicitly,
/// after its processes have ended.
async fn remove_cgroups(name: &str) -> Result<()> {
    let roots = CONTROLLERS.map(|controller| PathBuf::from(format!("/sys/fs/cgroup/{controller}{name}")));
    wait_for(format!("cgroups {name} to be empty"), DEADLINE, || async {
        for root in &roots {
            remove_tree(root).map_err(|error| format!("{}: {error}", root.display()))?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(dir)
}
