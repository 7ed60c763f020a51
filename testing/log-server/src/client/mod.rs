//! Writes at a steady rate, and counts the outcome of every record. It retries only as configured.

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

/// The pause of a client library between attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// The number of records per read.
const PAGE: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// No server has processed the request, so it can be repeated.
    Unsent(String),
    /// The connection ended before the first byte of the response, as a kept connection does when a
    /// request crosses the server's GOAWAY. The record may be stored or not.
    Unanswered(String),
    /// The record may be stored or not.
    Sent(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(why) | Self::Unanswered(why) | Self::Sent(why) => formatter.write_str(why),
        }
    }
}

/// Returns an error with all its sources: the first line alone says "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The target of the records: `http://host:port` is REST, `grpc://host:port` is gRPC.
#[derive(Clone, Debug)]
pub enum Target {
    Rest(Box<Rest>),
    Grpc(Box<Grpc>),
}

impl Target {
    /// # Errors
    /// The address is invalid.
    pub fn new(address: &str, key: &str, fresh: bool) -> Result<Self, String> {
        match address.split_once("://") {
            Some(("http", place)) => Ok(Self::Rest(Rest::new(place, key, fresh).into())),
            Some(("grpc", place)) => Grpc::new(place, key, fresh).map(|grpc| Self::Grpc(grpc.into())),
            _ => Err(format!("{address}: give http://HOST:PORT for REST or grpc://HOST:PORT for gRPC")),
        }
    }

    /// # Errors
    /// The record got no response that confirms its storage.
    pub async fn send(&self, channel: &str, message: &str) -> Result<(), Failed> {
        match self {
            Self::Rest(rest) => rest.send(channel, message).await,
            Self::Grpc(grpc) => grpc.send(channel, message).await,
        }
    }

    /// Returns the next messages for this consumer; none at the end.
    ///
    /// # Errors
    /// The read got no response.
    pub async fn fetch(&self, channel: &str, consumer: &str, limit: usize) -> Result<Vec<String>, Failed> {
        match self {
            Self::Rest(rest) => rest.fetch(channel, consumer, limit).await,
            Self::Grpc(grpc) => grpc.fetch(channel, consumer, limit).await,
        }
    }
}

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Load {
    pub channel: String,
    /// Records per second, regardless of the responses.
    pub rate: f64,
    pub lasting: Duration,
    /// Writing ends earlier when this file exists.
    pub until: Option<PathBuf>,
    /// The timeout for one record, with all its attempts.
    pub timeout: Duration,
    /// Retry requests that no server has processed, as client libraries do.
    pub retry_unsent: bool,
    /// Retry requests without a response, as some client libraries do. A record stored twice as a
    /// result counts as duplicated.
    pub retry_unanswered: bool,
    /// Reading back is not measured: a failed read is retried for this long.
    pub read_for: Duration,
}

/// Writes, reads everything back, and compares. `run` is in every message, and keeps the records of
/// two runs apart.
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

/// Reads all records of the channel, with a consumer of this run.
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
