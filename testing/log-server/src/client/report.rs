//! The outcome of every record.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::Failed;

/// A record, and how often it was sent.
#[derive(Debug)]
pub struct Sent {
    pub message: String,
    pub tries: u64,
}

/// Counts responses as they arrive.
#[derive(Debug)]
pub struct Tally {
    pub sent: u64,
    retried: u64,
    acked: BTreeSet<String>,
    failed: BTreeMap<String, u64>,
    last: Instant,
    gap: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub sent: u64,
    /// Sent more than once.
    pub retried: u64,
    pub acked: u64,
    pub failed: u64,
    /// Acknowledged, and missing when read back.
    pub lost: u64,
    /// Stored more than once.
    pub duplicated: u64,
    /// Not acknowledged, but stored nevertheless: a retry by the caller would duplicate it.
    pub stored_unacked: u64,
    /// The longest time without an acknowledgement.
    pub longest_gap_millis: u64,
    /// How often each error occurred.
    pub errors: BTreeMap<String, u64>,
    /// The reason why nothing could be read back; losses and duplicates are then unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

impl Tally {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            sent: 0,
            retried: 0,
            acked: BTreeSet::new(),
            failed: BTreeMap::new(),
            last: now,
            gap: Duration::ZERO,
        }
    }

    pub fn note(&mut self, Sent { message, tries }: Sent, became: Result<(), Failed>, at: Instant) {
        self.retried += u64::from(tries > 1);
        match became {
            Ok(()) => {
                self.acked.insert(message);
                self.close(at);
            }
            Err(failed) => *self.failed.entry(failed.to_string()).or_default() += 1,
        }
    }

    /// Ends the time without an acknowledgement. Responses are recorded in the order in which they
    /// are processed, not by their time.
    pub fn close(&mut self, at: Instant) {
        self.gap = self.gap.max(at.saturating_duration_since(self.last));
        self.last = self.last.max(at);
    }

    /// Records of other runs are excluded.
    #[must_use]
    pub fn compare(self, read: Result<&[String], String>, run: &str) -> Report {
        let unread = read.as_ref().err().cloned();
        let mut times: BTreeMap<&str, u64> = BTreeMap::new();
        let of_this_run =
            |message: &&String| message.strip_prefix(run).is_some_and(|rest| rest.starts_with('-'));
        for message in read.unwrap_or_default().iter().filter(of_this_run) {
            *times.entry(message).or_default() += 1;
        }
        let lost = self.acked.iter().filter(|message| !times.contains_key(message.as_str()));
        Report {
            sent: self.sent,
            retried: self.retried,
            acked: count(self.acked.iter()),
            failed: self.failed.values().sum(),
            lost: if unread.is_some() { 0 } else { count(lost) },
            duplicated: count(times.values().filter(|times| **times > 1)),
            stored_unacked: count(times.keys().filter(|message| !self.acked.contains(**message))),
            longest_gap_millis: u64::try_from(self.gap.as_millis()).unwrap_or(u64::MAX),
            errors: self.failed,
            unread,
        }
    }
}

fn count(of: impl Iterator) -> u64 {
    of.fold(0, |count, _| count + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_duplicated_and_unacknowledged_records_are_distinguished() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut tally = Tally::new(start);
        let sent = |message: &str, tries| Sent { message: message.into(), tries };
        tally.note(sent("r-0", 1), Ok(()), at(10));
        tally.note(sent("r-1", 1), Err(Failed::Sent("reset".into())), at(400));
        tally.note(sent("r-2", 3), Ok(()), at(300));
        tally.note(sent("r-3", 1), Ok(()), at(290));
        tally.sent = 5;
        tally.close(at(500));
        let read = ["r-0", "r-0", "r-1", "r-3", "r", "other-2"].map(str::to_owned);
        let report = tally.compare(Ok(&read), "r");
        let errors = BTreeMap::from([("reset".to_owned(), 1)]);
        assert_eq!(
            report,
            Report {
                sent: 5,
                retried: 1,
                acked: 3,
                failed: 1,
                lost: 1,
                duplicated: 1,
                stored_unacked: 1,
                longest_gap_millis: 290,
                errors,
                unread: None
            }
        );
    }

    #[test]
    fn without_reading_no_loss_is_reported() {
        let mut tally = Tally::new(Instant::now());
        tally.note(Sent { message: "r-0".into(), tries: 1 }, Ok(()), Instant::now());
        let report = tally.compare(Err("refused".into()), "r");
        assert_eq!((report.acked, report.lost, report.unread.as_deref()), (1, 0, Some("refused")));
    }
}
