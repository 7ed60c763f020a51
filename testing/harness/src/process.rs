//! The real program as a child process, and the resources it uses.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use local_cluster::{Port, wait_for};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The ticks per second in /proc/…/stat; Linux has used this number for user space since 2.6.
const TICKS: f64 = 100.0;

pub struct Process {
    child: Child,
    port: Port,
}

impl Process {
    /// Starts the program at this path, which cargo passes only to test programs, and waits until
    /// it has listed everything.
    pub async fn start(program: &str, kubeconfig: &Path) -> Self {
        Self::start_with(program, kubeconfig, &[]).await
    }

    pub async fn start_with(program: &str, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let port = Port::free(Ipv4Addr::LOCALHOST).unwrap();
        let child = Command::new(program)
            .args(["run", "--listen", &format!("127.0.0.1:{port}")])
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self { child, port };
        wait_for("the program to be ready", Duration::from_mins(1), async || {
            match process.get("/readyz").await {
                Ok(answer) if answer.starts_with("HTTP/1.0 200") => Ok(()),
                Ok(answer) => Err(answer),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"));
        process
    }

    /// `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let arguments = [format!("-{name}"), self.child.id().to_string()];
        assert!(Command::new("kill").args(arguments).status().unwrap().success());
    }

    /// Waits until the process ends by itself, and returns its exit code.
    pub async fn ended(&mut self, within: Duration) -> Option<i32> {
        let child = std::sync::Mutex::new(&mut self.child);
        wait_for("the program to end", within, async || match child.lock().unwrap().try_wait().unwrap() {
            Some(status) => Ok(status.code()),
            None => Err("it runs".to_owned()),
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The part of the resident memory, in KiB, that is not backed by a file such as the program itself.
    pub fn anonymous(&self) -> u64 {
        self.memory("RssAnon:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Seconds of CPU time used so far.
    pub fn busy(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks = |place: usize| fields[place].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
