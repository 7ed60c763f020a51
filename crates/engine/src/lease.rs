//! Leader election by a Lease: one operator writes, the others are on standby with warm caches. Every
//! renewal carries the version that was read, so of two concurrent writers one is rejected. A process
//! that loses the Lease exits, and starts again as a standby.
//!
//! Two operators that write at the same time do no harm, because every write of the engine has a
//! precondition of its own. The Lease prevents duplicate work.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::error::Error;

/// A holder that has not renewed for this long counts as gone. Kubernetes' own controllers use the same
/// three values.
pub const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long stops writing, well before another process may start.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// A leader without a response for this long exits, so that another process tries with new connections.
/// Until then it writes nothing and may still renew: a restart does not help on a node that is short of
/// CPU, or while an API server is away for seconds, and after a restart everything is read again.
pub const GIVE_UP: Duration = Duration::from_mins(1);
/// Pause between two reads of a standby, and after a failed renewal.
pub const RETRY: Duration = Duration::from_secs(2);
/// Pause between two renewals.
const RENEW: Duration = Duration::from_secs(5);
/// Two attempts fit into the renew deadline.
const REQUEST_DEADLINE: Duration = Duration::from_secs(4);
/// Upper limit for the duration in a Lease, so that a Lease that was written by hand does not block all
/// operators for longer.
const LONGEST: Duration = Duration::from_mins(1);

/// The cause of the end of leadership.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeadershipLost {
    #[error("the Lease {lease} is held by '{holder}' now")]
    Taken { lease: String, holder: String },
    #[error("the Lease {lease} could not be renewed for {} s: {cause}", GIVE_UP.as_secs())]
    NotRenewed { lease: String, cause: String },
}

/// The time for which this process may write. Cheap enough to check before every request.
#[derive(Clone, Default)]
pub struct Leadership(Arc<Mutex<Validity>>);

#[derive(Default)]
enum Validity {
    /// There is no election.
    #[default]
    Unconditional,
    /// In the time of this process's clock, which also advances while the process is stopped.
    Expires(Instant),
    Lost,
}

impl Leadership {
    /// Returns whether a write may start now.
    #[must_use]
    pub fn may_write(&self) -> bool {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Validity::Unconditional => true,
            Validity::Expires(moment) => Instant::now() < moment,
            Validity::Lost => false,
        }
    }

    fn set(&self, until: Validity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// A participant in the election for one Lease.
pub struct Elector {
    api: Api<Lease>,
    namespace: String,
    name: &'static str,
    identity: String,
    leadership: Leadership,
}

/// The action for the Lease in its current state.
#[derive(Debug, PartialEq)]
enum LeaseAction {
    Create,
    Take,
    Renew,
    Wait { holder: String },
}

/// The state of a leader, depending on the time since the last renewal.
#[derive(Debug, PartialEq)]
enum Unrenewed {
    /// The leader may still write.
    Leads,
    /// Another process may be leading by now: this one writes nothing, and keeps trying to renew.
    Pauses,
    Ends,
}

fn unrenewed(since: Duration) -> Unrenewed {
    match since {
        since if since + RETRY >= GIVE_UP => Unrenewed::Ends,
        since if since + RETRY >= RENEW_DEADLINE => Unrenewed::Pauses,
        _ => Unrenewed::Leads,
    }
}

/// The last known state of the Lease.
struct Known {
    lease: Option<Lease>,
    /// True if this is the API server's last response, and no request has failed since.
    sure: bool,
    /// Since when no client has changed the Lease, by the clock of this process: clocks of nodes
    /// differ.
    since: Instant,
}

impl Elector {
    /// `identity` must be unique to this process for as long as the Lease may name it. From now on,
    /// until the election is won, `term` allows no writes.
    ///
    /// `client` must not be shared with the reconciles: requests that queue there must not delay a
    /// renewal.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        name: &'static str,
        identity: String,
        leadership: Leadership,
    ) -> Self {
        leadership.set(Validity::Lost);
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name,
            identity,
            leadership,
        }
    }

    /// Waits, leads and renews. Returns without an error when cancelled, and releases the Lease in that
    /// case.
    ///
    /// # Errors
    /// Leadership was lost: the process has to exit, since another process now does its work.
    pub async fn run(
        &self,
        leading: &watch::Sender<bool>,
        stop: &CancellationToken,
    ) -> Result<(), LeadershipLost> {
        let mut known = Known { lease: None, sure: false, since: Instant::now() };
        let result = tokio::select! {
            lost = self.contend(&mut known, leading) => Err(lost),
            () = stop.cancelled() => Ok(()),
        };
        self.leadership.set(Validity::Lost);
        if result.is_ok() && *leading.borrow() {
            self.release(known.lease).await;
        }
        result
    }

    async fn contend(&self, known: &mut Known, leading: &watch::Sender<bool>) -> LeadershipLost {
        let mut renewed: Option<Instant> = None;
        let (mut failing, mut paused) = (false, false);
        loop {
            let asked = Instant::now();
            let round = self.round(known, renewed.is_some());
            let cause = match tokio::time::timeout(REQUEST_DEADLINE, round).await.unwrap_or_else(|_| {
                let object = format!("Lease {}", self.lease());
                Err(Error::Timeout { verb: "renew", object, deadline: REQUEST_DEADLINE })
            }) {
                Ok(LeaseAction::Wait { holder }) => {
                    if renewed.is_some() {
                        return LeadershipLost::Taken { lease: self.lease(), holder };
                    }
                    None
                }
                Ok(_) => {
                    self.leadership.set(Validity::Expires(asked + RENEW_DEADLINE));
                    if renewed.replace(asked).is_none() {
                        info!(lease = self.lease(), identity = self.identity, "leading");
                        leading.send_replace(true);
                    } else if paused {
                        info!(lease = self.lease(), "the Lease is renewed; writes continue");
                    }
                    paused = false;
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
                (Some(last), Some(cause)) => match unrenewed(last.elapsed()) {
                    Unrenewed::Ends => return LeadershipLost::NotRenewed { lease: self.lease(), cause },
                    Unrenewed::Pauses if !paused => {
                        warn!(lease = self.lease(), cause, "nothing is written until the Lease is renewed");
                        paused = true;
                        RETRY
                    }
                    Unrenewed::Pauses | Unrenewed::Leads => RETRY,
                },
                (Some(_), None) => RENEW,
                (None, _) => RETRY,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads the Lease if its state is unknown, and writes it if this process may do so.
    async fn round(&self, known: &mut Known, leading: bool) -> Result<LeaseAction, Error> {
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
            LeaseAction::Wait { .. } => return Ok(step),
            LeaseAction::Create => self.api.create(&PostParams::default(), &self.claimed(None)).await,
            LeaseAction::Take | LeaseAction::Renew => {
                self.api.replace(self.name, &PostParams::default(), &self.claimed(known.lease.clone())).await
            }
        };
        match written {
            Ok(lease) => {
                *known = Known { lease: Some(lease), sure: true, since: Instant::now() };
                Ok(step)
            }
            // Another process was faster. The next read shows which one.
            Err(kube::Error::Api(status)) if status.code == 409 && !leading => {
                Ok(LeaseAction::Wait { holder: String::new() })
            }
            Err(error) => Err(self.failed("update", &error)),
        }
    }

    /// Returns the Lease with this process as its holder.
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

    /// Releases the Lease, so that the next leader does not have to wait until it expires.
    async fn release(&self, lease: Option<Lease>) {
        let Some(mut lease) = lease else { return };
        let spec = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec { holder_identity: None, lease_duration_seconds: Some(1), ..spec });
        let parameters = PostParams::default();
        let release = self.api.replace(self.name, &parameters, &lease);
        match tokio::time::timeout(RETRY, release).await {
            Ok(Ok(_)) => info!(lease = self.lease(), "released"),
            Ok(Err(error)) => warn!(lease = self.lease(), %error, "not released; it expires by itself"),
            Err(_) => warn!(lease = self.lease(), "not released in time; it expires by itself"),
        }
    }

    fn failed(&self, verb: &'static str, error: &kube::Error) -> Error {
        Error::from_kube(verb, format!("Lease {}", self.lease()), error)
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn decide(spec: Option<&LeaseSpec>, me: &str, unchanged_for: Duration) -> LeaseAction {
    let Some(spec) = spec else { return LeaseAction::Create };
    let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let duration = duration.map_or(DURATION, Duration::from_secs).min(LONGEST);
    match spec.holder_identity.as_deref() {
        None | Some("") => LeaseAction::Take,
        Some(holder) if holder == me => LeaseAction::Renew,
        Some(_) if unchanged_for > duration => LeaseAction::Take,
        Some(holder) => LeaseAction::Wait { holder: holder.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::pin,
        sync::atomic::{AtomicBool, Ordering},
    };

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::Value;

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
    fn an_absent_free_or_own_lease_is_written() {
        assert_eq!(decide(None, "a", after(0)), LeaseAction::Create);
        assert_eq!(decide(Some(&LeaseSpec::default()), "a", after(0)), LeaseAction::Take);
        assert_eq!(decide(Some(&held_by("", 15)), "a", after(0)), LeaseAction::Take);
        assert_eq!(decide(Some(&held_by("a", 15)), "a", after(0)), LeaseAction::Renew);
    }

    #[test]
    fn another_holder_keeps_the_lease_for_its_duration() {
        let wait = LeaseAction::Wait { holder: "b".to_owned() };
        assert_eq!(decide(Some(&held_by("b", 15)), "a", after(15)), wait);
        assert_eq!(decide(Some(&held_by("b", 15)), "a", after(16)), LeaseAction::Take);
        assert_eq!(decide(Some(&held_by("b", 30)), "a", after(16)), wait);
    }

    /// Fault catalogue: F53.
    #[test]
    fn the_clock_of_another_holder_is_ignored() {
        let written = |seconds| LeaseSpec {
            renew_time: Some(MicroTime(Timestamp::from_second(seconds).unwrap())),
            ..held_by("b", 15)
        };
        let now = Timestamp::now().as_second();
        for renewed in [0, now - 3600, now + 3600, now + 400 * 24 * 3600] {
            let wait = LeaseAction::Wait { holder: "b".to_owned() };
            assert_eq!(decide(Some(&written(renewed)), "a", after(1)), wait, "renewed at {renewed}");
            assert_eq!(
                decide(Some(&written(renewed)), "a", after(16)),
                LeaseAction::Take,
                "renewed at {renewed}"
            );
        }
    }

    #[test]
    fn an_excessive_lease_duration_is_limited() {
        assert_eq!(decide(Some(&held_by("b", i32::MAX)), "a", after(61)), LeaseAction::Take);
        assert_eq!(decide(Some(&held_by("b", -1)), "a", after(16)), LeaseAction::Take);
    }

    #[test]
    fn a_term_expires_by_the_clock() {
        let leadership = Leadership::default();
        assert!(leadership.may_write());
        leadership.set(Validity::Expires(Instant::now() + after(60)));
        assert!(leadership.clone().may_write());
        leadership.set(Validity::Expires(Instant::now()));
        assert!(!leadership.may_write());
        leadership.set(Validity::Lost);
        assert!(!leadership.may_write());
    }

    #[test]
    fn a_leader_pauses_first_and_ends_much_later() {
        for (silent, expected) in [
            (0, Unrenewed::Leads),
            (7, Unrenewed::Leads),
            (8, Unrenewed::Pauses),
            (57, Unrenewed::Pauses),
            (58, Unrenewed::Ends),
        ] {
            assert_eq!(unrenewed(after(silent)), expected, "{silent} s");
        }
    }

    /// An API server that stores one Lease and can be unreachable.
    #[derive(Clone, Default)]
    struct Server {
        away: Arc<AtomicBool>,
        lease: Arc<Mutex<Option<Value>>>,
    }

    impl Server {
        fn client(&self) -> Client {
            let server = self.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(server.answer(request).await) }
            });
            Client::new(service, "default")
        }

        async fn answer(&self, request: Request<Body>) -> Response<Body> {
            if self.away.load(Ordering::Relaxed) {
                // The request hangs, as behind a network that drops all packets.
                std::future::pending::<()>().await;
            }
            let (parts, body) = request.into_parts();
            let body: Option<Value> = serde_json::from_slice(&body.collect_bytes().await.unwrap()).ok();
            let mut lease = self.lease.lock().unwrap();
            let version = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().map(str::to_owned);
            let (code, answer) = match (parts.method.as_str(), lease.clone(), body) {
                ("GET", Some(lease), _) => (200, lease),
                ("GET", None, _) => (404, status(404, "NotFound")),
                (_, Some(old), Some(new)) if version(&old) != version(&new) => (409, status(409, "Conflict")),
                (_, old, new) => {
                    let next = old.and_then(|old| version(&old)?.parse::<u64>().ok()).unwrap_or(0) + 1;
                    let mut new = new.unwrap();
                    new["metadata"]["resourceVersion"] = next.to_string().into();
                    *lease = Some(new.clone());
                    (200, new)
                }
            };
            Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap()
        }

        fn take(&self, holder: &str) {
            let mut lease = self.lease.lock().unwrap();
            let lease = lease.as_mut().unwrap();
            lease["spec"]["holderIdentity"] = holder.into();
            lease["metadata"]["resourceVersion"] = "1000".into();
        }
    }

    fn status(code: u16, reason: &str) -> Value {
        serde_json::json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason })
    }

    /// Runs an election while the API server is unreachable for this many seconds. `meanwhile` runs
    /// before it is back. Returns whether the process might write at the end of that time and 5 s after
    /// it, and how the election ended.
    async fn away_for(seconds: u64, meanwhile: impl FnOnce(&Server)) -> (bool, bool, Option<LeadershipLost>) {
        let (server, leadership) = (Server::default(), Leadership::default());
        let elector = Elector::new(server.client(), "default", "lease", "me".to_owned(), leadership.clone());
        let (leading, stop) = (watch::channel(false).0, CancellationToken::new());
        let mut run = pin!(elector.run(&leading, &stop));
        let mut lost = None;
        let mut goes_on = async |seconds: u64| {
            if lost.is_none() {
                lost = tokio::time::timeout(after(seconds), &mut run).await.ok().map(Result::unwrap_err);
            }
            leadership.may_write()
        };
        assert!(goes_on(1).await, "it leads");
        server.away.store(true, Ordering::Relaxed);
        let led_at_the_end = goes_on(seconds).await;
        meanwhile(&server);
        server.away.store(false, Ordering::Relaxed);
        let leads_again = goes_on(7).await;
        (led_at_the_end, leads_again, lost)
    }

    /// Fault catalogue: F52.
    #[tokio::test(start_paused = true)]
    async fn a_leader_survives_an_api_server_outage() {
        let nothing = |_: &Server| {};
        assert_eq!(away_for(3, nothing).await, (true, true, None));
        assert_eq!(away_for(12, nothing).await, (false, true, None));
        assert_eq!(away_for(45, nothing).await, (false, true, None));
        let (led, leads, lost) = away_for(75, nothing).await;
        assert!(!led && !leads && matches!(lost, Some(LeadershipLost::NotRenewed { .. })), "{lost:?}");
    }

    /// Fault catalogue: F52.
    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_lease_was_taken_exits() {
        let (led, leads, lost) = away_for(30, |server| server.take("other")).await;
        assert!(!led && !leads);
        assert_eq!(
            lost,
            Some(LeadershipLost::Taken { lease: "default/lease".to_owned(), holder: "other".to_owned() })
        );
    }
}
