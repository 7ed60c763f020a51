//! Child processes: their start, logs, signals, and reliable termination.
//!
//! Two mechanisms end them: dropping the owner, and, if the owner dies without dropping anything (a
//! killed test, a static), a small shell that waits on a pipe for the owner's death. Both use the
//! pids recorded here, with start times.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Result, error::IoContext};

const REAPER: &str = include_str!("reaper.sh");
/// File of the cluster's directory that lists its processes: pid, start time, name.
const PIDS: &str = "pids";
/// The maximum size of the log excerpt in a failure message.
const TAIL_BYTES: u64 = 4_000;
const POLL: Duration = Duration::from_millis(10);

/// One running child. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts the program in its own process group (a ^C is meant for its owner), with its output
    /// appended to `log`.
    pub fn spawn(program: &Path, args: &[String], log: &Path) -> Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log).at("open", log)?;
        let errors = output.try_clone().at("open", log)?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .at("start", program)?;
        Ok(Self { child })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended, or nothing while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended().is_some() {
            return Ok(());
        }
        send(self.pid(), signal).at("signal process", self.pid().to_string())
    }

    /// Sends SIGTERM to the process, and kills it if it has not ended within `grace`.
    pub fn stop(mut self, grace: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)?;
        let deadline = Instant::now() + grace;
        while self.ended().is_none() && Instant::now() < deadline {
            sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}

/// Waits in a separate process for the owner's end; see `reaper.sh`.
pub(crate) struct Reaper {
    shell: Child,
    pids: PathBuf,
}

impl Reaper {
    /// Starts the reaper. `dir` is removed at the end unless it is to be kept.
    pub fn start(dir: &Path, keep: bool) -> Result<Self> {
        let pids = dir.join(PIDS);
        File::create(&pids).at("create", &pids)?;
        let shell = Command::new("/bin/sh")
            .args(["-c", REAPER, "reaper"])
            .arg(dir)
            .arg(if keep { "keep" } else { "remove" })
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .at("start", "/bin/sh")?;
        Ok(Self { shell, pids })
    }

    /// Returns whether a reaper was started for the directory.
    pub fn owns(dir: &Path) -> bool {
        dir.join(PIDS).is_file()
    }

    /// From now on the process ends with its owner.
    pub fn watch(&self, process: &Process, name: &str) -> Result<()> {
        record(&self.pids, process.pid(), name)
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The process that keeps a cluster running for interactive use, as `local-cluster up` recorded it.
pub(crate) struct Owner {
    pub pid: u32,
    pub start_time: u64,
}

impl Owner {
    const FILE: &str = "owner";

    /// Records that this process owns the cluster in `dir`, which is ready.
    pub fn record(dir: &Path) -> Result<()> {
        let pid = std::process::id();
        let path = dir.join(Self::FILE);
        std::fs::write(&path, format!("{pid} {}", start_time(pid).unwrap_or_default())).at("write", path)
    }

    /// Returns the living owner of the cluster in `dir`.
    pub fn of(dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(dir.join(Self::FILE)).ok()?;
        let (pid, start_time) = parse(&text)?;
        is_alive(pid, start_time).then_some(Self { pid, start_time })
    }
}

fn is_alive(pid: u32, recorded_start: u64) -> bool {
    start_time(pid) == Some(recorded_start)
}

/// Pid and start time at the start of a line.
fn parse(line: &str) -> Option<(u32, u64)> {
    let mut fields = line.split_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Appends a process to the list.
fn record(pids: &Path, pid: u32, name: &str) -> Result<()> {
    let Some(start) = start_time(pid) else { return Ok(()) };
    let mut file = OpenOptions::new().append(true).open(pids).at("open", pids)?;
    writeln!(file, "{pid} {start} {name}").at("write", pids)
}

/// Returns whether a process listed in the cluster's directory still runs.
pub(crate) fn any_alive(dir: &Path) -> bool {
    let list = std::fs::read_to_string(dir.join(PIDS)).unwrap_or_default();
    list.lines().filter_map(parse).any(|(pid, start)| is_alive(pid, start))
}

/// Kernel start time of a process in clock ticks since boot; together with the pid it identifies a
/// process permanently. None if the process has ended or is a zombie.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Signals one process by pid.
pub(crate) fn send(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match pid {
        Some(pid) => Ok(kill_process(pid, signal)?),
        None => Err(std::io::ErrorKind::InvalidInput.into()),
    }
}

/// The last lines of a log; empty when there is none.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}
