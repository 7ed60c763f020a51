//! Writes at a steady rate, and counts what became of every record. It tries nothing twice that it was not told to.

mod grpc;
mod report;
mod rest;

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

pub use self::{
    grpc::Grpc,
    report::{Report, Sent, Tally},
    rest::Rest,
};

/// Pauses of a client library between tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Records of one read.
const PAGE: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The server has not seen the request, so that it can be sent again.
    Unsent(String),
    /// The connection ended before a byte of the answer, as a kept one does when a request crosses the server's goodbye. It may
    /// have been stored or not.
    Unanswered(String),
    /// It may have been stored or not.
    Sent(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(why) | Self::Unanswered(why) | Self::Sent(why) => formatter.write_str(why),
        }
    }
}

/// An error with everything under it: the first line alone says "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Where records go: `http://host:port` is REST, `grpc://host:port` is gRPC.
#[derive(Clone, Debug)]
pub enum Target {
    Rest(Box<Rest>),
    Grpc(Box<Grpc>),
}

impl Target {
    /// # Errors
    /// What is wrong with the address.
    pub fn new(address: &str, key: &str, fresh: bool) -> Result<Self, String> {
        match address.split_once("://") {
            Some(("http", place)) => Ok(Self::Rest(Rest::new(place, key, fresh).into())),
            Some(("grpc", place)) => Grpc::new(place, key, fresh).map(|grpc| Self::Grpc(grpc.into())),
            _ => Err(format!("{address}: give http://HOST:PORT for REST or grpc://HOST:PORT for gRPC")),
        }
    }

    /// # Errors
    /// A record without an answer that says it is stored.
    pub async fn send(&self, channel: &str, message: &str) -> Result<(), Failed> {
        match self {
            Self::Rest(rest) => rest.send(channel, message).await,
            Self::Grpc(grpc) => grpc.send(channel, message).await,
        }
    }

    /// The next messages for this consumer; none at the end.
    ///
    /// # Errors
    /// A read without an answer.
    pub async fn fetch(&self, channel: &str, consumer: &str, limit: usize) -> Result<Vec<String>, Failed> {
        match self {
            Self::Rest(rest) => rest.fetch(channel, consumer, limit).await,
            Self::Grpc(grpc) => grpc.fetch(channel, consumer, limit).await,
        }
    }
}

/// How to write.
#[derive(Clone, Debug)]
pub struct Load {
    pub channel: String,
    /// Records a second, whatever the answers do.
    pub rate: f64,
    pub lasting: Duration,
    /// Ends earlier once this file is there.
    pub until: Option<PathBuf>,
    /// For one record, with all its tries.
    pub timeout: Duration,
    /// Try again what no server has seen, as client libraries do.
    pub retry_unsent: bool,
    /// Try again what was not answered, as some client libraries do. What is stored twice for that is counted as doubled.
    pub retry_unanswered: bool,
    /// Reading back is not what is measured: a read that fails is tried again for so long.
    pub read_for: Duration,
}

/// Writes, reads everything back, and compares. `run` is in every message, and keeps the records of two runs apart.
pub async fn run(target: &Target, load: &Load, run: &str) -> Report {
    let tally = write(target, load, run).await;
    let read = read_back(target, load, run).await;
    tally.compare(read.as_deref().map_err(ToString::to_string), run)
}

async fn write(target: &Target, load: &Load, run: &str) -> Tally {
    let target = Arc::new(target.clone());
    let load_of_each = Arc::new(load.clone());
    let mut tally = Tally::new(Instant::now());
    let mut sending = JoinSet::new();
    let gap = Duration::try_from_secs_f64(1.0 / load.rate).unwrap_or(Duration::from_secs(1));
    let mut tick = tokio::time::interval(gap);
    let end = tokio::time::sleep(load.lasting);
    tokio::pin!(end);
    let mut number = 0_u64;
    loop {
        tokio::select! {
            biased;
            () = &mut end => break,
            _ = tick.tick() => {
                if load.until.as_ref().is_some_and(|file| file.exists()) {
                    break;
                }
                let (target, load, message) = (target.clone(), load_of_each.clone(), format!("{run}-{number}"));
                sending.spawn(async move {
                    let mut tries = 0;
                    let one = one(&target, &load, &message, &mut tries);
                    let sent = tokio::time::timeout(load.timeout, one).await;
                    let sent = sent.unwrap_or_else(|_| Err(Failed::Sent("no answer in time".into())));
                    (Sent { message, tries }, sent, Instant::now())
                });
                number += 1;
            }
            Some(Ok((sent, became, at))) = sending.join_next() => tally.note(sent, became, at),
        }
    }
    let stopped = Instant::now();
    while let Some(done) = sending.join_next().await {
        if let Ok((sent, became, at)) = done {
            tally.note(sent, became, at);
        }
    }
    tally.sent = number;
    tally.close(stopped);
    tally
}

async fn one(target: &Target, load: &Load, message: &str, tries: &mut u64) -> Result<(), Failed> {
    loop {
        *tries += 1;
        match target.send(&load.channel, message).await {
            Err(Failed::Unsent(_)) if load.retry_unsent => tokio::time::sleep(PAUSE).await,
            Err(Failed::Unanswered(_)) if load.retry_unanswered => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
}

/// Everything of the channel, by a consumer of this run.
async fn read_back(target: &Target, load: &Load, run: &str) -> Result<Vec<String>, Failed> {
    let mut all = Vec::new();
    let deadline = Instant::now() + load.read_for;
    loop {
        match target.fetch(&load.channel, run, PAGE).await {
            Ok(page) if page.is_empty() => return Ok(all),
            Ok(page) => all.extend(page),
            Err(failed) if Instant::now() > deadline => return Err(failed),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
