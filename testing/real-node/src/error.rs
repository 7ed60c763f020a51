//! The errors of a real node. Each names the step, the cause and what to do.

use std::{fmt::Display, path::Path, process::Command};

#[derive(thiserror::Error)]
pub enum Error {
    /// The control plane, a build or a wait.
    #[error(transparent)]
    Cluster(#[from] local_cluster::Error),

    #[error("{step}: {cause}")]
    Step { step: String, cause: String },
}

/// The same as `Display`: a test that unwraps shows this.
impl std::fmt::Debug for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, formatter)
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Adds the step to any other error.
pub(crate) trait Context<T> {
    fn during(self, step: impl Display) -> Result<T>;
}

impl<T, E: Display> Context<T> for std::result::Result<T, E> {
    fn during(self, step: impl Display) -> Result<T> {
        self.map_err(|error| Error::Step { step: step.to_string(), cause: error.to_string() })
    }
}

/// Runs a program to its end; its output is the result, or the cause of the error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let step = shown(command);
    let output = command.output().during(&step)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = [text(&output.stdout), text(&output.stderr)].join("\n");
    Err(Error::Step { step, cause: format!("{}: {}", output.status, said.trim()) })
}

/// Runs a command line without quoting in it.
pub(crate) fn run_line(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    run(Command::new(words.next().unwrap_or_default()).args(words))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    if let Some(parent) = path.parent() {
        create(parent)?;
    }
    std::fs::write(path, text).during(format_args!("write {}", path.display()))
}

pub(crate) fn create(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).during(format_args!("create {}", dir.display()))
}
