//! Leadership by a Lease: one operator writes, others stand warm beside it. Every renewal carries the version that was
//! read, so that of two writers one is refused; whoever loses the Lease ends, and starts again as one of the others.
//!
//! Two that write at once are harmless all the same: every write of the engine has a precondition of its own. The Lease
//! keeps them from doing everything twice.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::error::Error;

/// A holder that was silent for so long is gone. Kubernetes' own controllers take the same three figures.
pub const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long stops writing: well before another one may start.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks of one that waits, or after a renewal that failed.
pub const RETRY: Duration = Duration::from_secs(2);
/// Between two renewals.
const RENEW: Duration = Duration::from_secs(5);
/// Two tries fit into the deadline.
const REQUEST_DEADLINE: Duration = Duration::from_secs(4);
/// A Lease that somebody wrote by hand does not keep everybody out for longer.
const LONGEST: Duration = Duration::from_mins(1);

/// Why leadership ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("the Lease {lease} is held by '{holder}' now")]
    Taken { lease: String, holder: String },
    #[error("the Lease {lease} could not be renewed for {} s: {cause}", RENEW_DEADLINE.as_secs())]
    NotRenewed { lease: String, cause: String },
}

/// How long this process may write. Cheap to ask before every request.
#[derive(Clone, Default)]
pub struct Term(Arc<Mutex<Until>>);

#[derive(Default)]
enum Until {
    /// There is no election.
    #[default]
    Always,
    /// By the clock of this process, which goes on while it is stopped.
    Moment(Instant),
    Over,
}

impl Term {
    /// Whether a write may start now.
    #[must_use]
    pub fn holds(&self) -> bool {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Until::Always => true,
            Until::Moment(moment) => Instant::now() < moment,
            Until::Over => false,
        }
    }

    fn set(&self, until: Until) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Takes part in the election for one Lease.
pub struct Elector {
    api: Api<Lease>,
    namespace: String,
    name: &'static str,
    identity: String,
    term: Term,
}

/// What to do about the Lease as it is.
#[derive(Debug, PartialEq)]
enum Step {
    Create,
    Take,
    Renew,
    Wait { holder: String },
}

/// What is known of the Lease.
struct Known {
    lease: Option<Lease>,
    /// It is what the API server last said, and no request since then failed.
    sure: bool,
    /// Since when nobody changed it, by our own clock: clocks of nodes differ.
    since: Instant,
}

impl Elector {
    /// `identity` is this process's alone, for as long as the Lease may name it. From now on, until the election is won,
    /// nothing may be written in this term.
    ///
    /// `client` is not shared with the work: what waits behind that may not delay a renewal.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &'static str, identity: String, term: Term) -> Self {
        term.set(Until::Over);
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name,
            identity,
            term,
        }
    }

    /// Waits, leads and renews; ends well when cancelled, and gives the Lease free then.
    ///
    /// # Errors
    /// Leadership was lost: the process has to end, since what it was doing is another one's work now.
    pub async fn run(&self, leading: &watch::Sender<bool>, stop: &CancellationToken) -> Result<(), Lost> {
        let mut known = Known { lease: None, sure: false, since: Instant::now() };
        let result = tokio::select! {
            lost = self.contend(&mut known, leading) => Err(lost),
            () = stop.cancelled() => Ok(()),
        };
        self.term.set(Until::Over);
        if result.is_ok() && *leading.borrow() {
            self.release(known.lease).await;
        }
        result
    }

    async fn contend(&self, known: &mut Known, leading: &watch::Sender<bool>) -> Lost {
        let mut renewed: Option<Instant> = None;
        let mut failing = false;
        loop {
            let asked = Instant::now();
            let round = self.round(known, renewed.is_some());
            let cause = match tokio::time::timeout(REQUEST_DEADLINE, round).await.unwrap_or_else(|_| {
                let object = format!("Lease {}", self.lease());
                Err(Error::Timeout { verb: "renew", object, deadline: REQUEST_DEADLINE })
            }) {
                Ok(Step::Wait { holder }) => {
                    if renewed.is_some() {
                        return Lost::Taken { lease: self.lease(), holder };
                    }
                    None
                }
                Ok(_) => {
                    self.term.set(Until::Moment(asked + RENEW_DEADLINE));
                    if renewed.replace(asked).is_none() {
                        info!(lease = self.lease(), identity = self.identity, "leading");
                        leading.send_replace(true);
                    }
                    None
                }
                Err(error) => {
                    known.sure = false;
                    Some(error.to_string())
                }
            };
            if let (Some(cause), false) = (&cause, failing) {
                warn!(lease = self.lease(), cause, "the Lease was not renewed; trying again");
            }
            failing = cause.is_some();
            let pause = match (renewed, cause) {
                (Some(last), Some(cause)) => {
                    if last.elapsed() + RETRY >= RENEW_DEADLINE {
                        return Lost::NotRenewed { lease: self.lease(), cause };
                    }
                    RETRY
                }
                (Some(_), None) => RENEW,
                (None, _) => RETRY,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks, where nothing is known, and writes, where it is ours to write.
    async fn round(&self, known: &mut Known, leading: bool) -> Result<Step, Error> {
        if !leading || !known.sure {
            let lease = self.api.get_opt(self.name).await.map_err(|error| self.failed("get", &error))?;
            let version =
                |lease: &Option<Lease>| lease.as_ref().and_then(|it| it.metadata.resource_version.clone());
            if version(&lease) != version(&known.lease) {
                known.since = Instant::now();
            }
            (known.lease, known.sure) = (lease, true);
        }
        let spec = known.lease.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        let step = decide(spec.as_ref(), &self.identity, known.since.elapsed());
        let written = match step {
            Step::Wait { .. } => return Ok(step),
            Step::Create => self.api.create(&PostParams::default(), &self.claimed(None)).await,
            Step::Take | Step::Renew => {
                self.api.replace(self.name, &PostParams::default(), &self.claimed(known.lease.clone())).await
            }
        };
        match written {
            Ok(lease) => {
                *known = Known { lease: Some(lease), sure: true, since: Instant::now() };
                Ok(step)
            }
            // Somebody was faster: the next look says who.
            Err(kube::Error::Api(status)) if status.code == 409 && !leading => {
                Ok(Step::Wait { holder: String::new() })
            }
            Err(error) => Err(self.failed("update", &error)),
        }
    }

    /// The Lease with us as its holder.
    fn claimed(&self, lease: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = lease.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.name.to_owned()), ..ObjectMeta::default() },
            spec: None,
        });
        let spec = lease.spec.take().unwrap_or_default();
        let ours = spec.holder_identity.as_ref() == Some(&self.identity);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: spec.acquire_time.filter(|_| ours).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!ours)),
            ..spec
        });
        lease
    }

    /// The next one need not wait until our silence is long enough.
    async fn release(&self, lease: Option<Lease>) {
        let Some(mut lease) = lease else { return };
        let spec = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec { holder_identity: None, lease_duration_seconds: Some(1), ..spec });
        let parameters = PostParams::default();
        let release = self.api.replace(self.name, &parameters, &lease);
        match tokio::time::timeout(RETRY, release).await {
            Ok(Ok(_)) => info!(lease = self.lease(), "released"),
            Ok(Err(error)) => warn!(lease = self.lease(), %error, "not released; it runs out by itself"),
            Err(_) => warn!(lease = self.lease(), "not released in time; it runs out by itself"),
        }
    }

    fn failed(&self, verb: &'static str, error: &kube::Error) -> Error {
        Error::of(verb, format!("Lease {}", self.lease()), error)
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn decide(spec: Option<&LeaseSpec>, me: &str, unchanged_for: Duration) -> Step {
    let Some(spec) = spec else { return Step::Create };
    let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let duration = duration.map_or(DURATION, Duration::from_secs).min(LONGEST);
    match spec.holder_identity.as_deref() {
        None | Some("") => Step::Take,
        Some(holder) if holder == me => Step::Renew,
        Some(_) if unchanged_for > duration => Step::Take,
        Some(holder) => Step::Wait { holder: holder.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str, seconds: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            ..LeaseSpec::default()
        }
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_that_is_absent_free_or_ours_is_written_at_once() {
        assert_eq!(decide(None, "a", after(0)), Step::Create);
        assert_eq!(decide(Some(&LeaseSpec::default()), "a", after(0)), Step::Take);
        assert_eq!(decide(Some(&held_by("", 15)), "a", after(0)), Step::Take);
        assert_eq!(decide(Some(&held_by("a", 15)), "a", after(0)), Step::Renew);
    }

    #[test]
    fn another_one_is_waited_for_until_it_was_silent_for_its_own_duration() {
        let wait = Step::Wait { holder: "b".to_owned() };
        assert_eq!(decide(Some(&held_by("b", 15)), "a", after(15)), wait);
        assert_eq!(decide(Some(&held_by("b", 15)), "a", after(16)), Step::Take);
        assert_eq!(decide(Some(&held_by("b", 30)), "a", after(16)), wait);
    }

    #[test]
    fn what_the_clock_of_another_one_says_is_not_believed() {
        let written = |seconds| LeaseSpec {
            renew_time: Some(MicroTime(Timestamp::from_second(seconds).unwrap())),
            ..held_by("b", 15)
        };
        let now = Timestamp::now().as_second();
        for renewed in [0, now - 3600, now + 3600, now + 400 * 24 * 3600] {
            let wait = Step::Wait { holder: "b".to_owned() };
            assert_eq!(decide(Some(&written(renewed)), "a", after(1)), wait, "renewed at {renewed}");
            assert_eq!(decide(Some(&written(renewed)), "a", after(16)), Step::Take, "renewed at {renewed}");
        }
    }

    #[test]
    fn a_duration_that_somebody_invented_keeps_nobody_out_for_ever() {
        assert_eq!(decide(Some(&held_by("b", i32::MAX)), "a", after(61)), Step::Take);
        assert_eq!(decide(Some(&held_by("b", -1)), "a", after(16)), Step::Take);
    }

    #[test]
    fn a_term_is_open_without_an_election_and_ends_by_the_clock() {
        let term = Term::default();
        assert!(term.holds());
        term.set(Until::Moment(Instant::now() + after(60)));
        assert!(term.clone().holds());
        term.set(Until::Moment(Instant::now()));
        assert!(!term.holds());
        term.set(Until::Over);
        assert!(!term.holds());
    }
}
