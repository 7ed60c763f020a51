//! One operator behind its own proxy, and one resource.

use std::time::{Duration, Instant};

use fault_proxy::{Fault, Record, Rule, RuleId, Times, When};
use kube::{Config, ResourceExt};
use local_cluster::wait_for;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    cluster::{Running, case::Case, kinds},
    stand::{IMAGE, Slot, Stand},
};

pub struct Trial {
    pub slot: Slot,
    pub case: Case,
    operator: Option<Running>,
}

/// An object that another client deleted.
pub struct LeadershipLost {
    kind: &'static str,
    name: String,
    uid: String,
    pub at: Instant,
}

impl Trial {
    /// Injects the faults before the operator starts.
    pub async fn behind(rules: Vec<Rule>) -> Self {
        static STAND: OnceCell<Stand> = OnceCell::const_new();
        let slot = STAND.get_or_init(Stand::new).await.slot().await;
        let case = slot.case().await;
        for rule in rules {
            slot.proxy.rule(rule);
        }
        let operator = slot.operator(IMAGE).await;
        Self { slot, case, operator: Some(operator) }
    }

    /// Starts without a fault, and waits until the resource runs.
    pub async fn running(spec: &Value) -> Self {
        let trial = Self::behind(Vec::new()).await;
        trial.apply(spec).await;
        trial
    }

    /// Changes the spec and waits until it is in effect and everything is silent.
    pub async fn apply(&self, spec: &Value) {
        self.case.apply(spec.clone()).await;
        self.is_settled(spec).await;
    }

    pub async fn is_settled(&self, spec: &Value) {
        self.slot.is_settled(&self.case, spec).await.unwrap();
    }

    /// Replaces the operator.
    pub async fn restart(&mut self, rules: Vec<Rule>) {
        self.stop();
        for rule in rules {
            self.slot.proxy.rule(rule);
        }
        self.operator = Some(self.slot.operator(IMAGE).await);
    }

    /// Replaces the operator with one that reaches the API server with this configuration.
    pub async fn replace(&mut self, config: Config) {
        self.stop();
        self.operator = Some(self.slot.world.start_behind(config, IMAGE).await);
    }

    pub fn stop(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.kill();
        }
    }

    /// Ends the operator abruptly.
    pub fn crash(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.crash();
        }
    }

    pub fn rule(&self, when: When, times: Times, then: Fault) -> RuleId {
        self.slot.proxy.rule(Rule { when, times, then })
    }

    /// Restarts the watches, and this one meets the fault once.
    pub async fn watch_meets(&self, resource: &str, then: Fault) -> RuleId {
        let rule = self.rule(When::of("watch", resource), Times::First(1), then);
        self.slot.proxy.cut();
        self.hit(rule).await;
        rule
    }

    pub async fn hit(&self, rule: RuleId) {
        assert!(self.slot.proxy.wait_for(rule, Duration::from_secs(20)).await, "the fault was never met");
    }

    /// Deletes the first object of a kind, as another client.
    pub async fn lose(&self, kind: &'static str) -> LeadershipLost {
        let row = kinds::kind(kind);
        let child = self.case.children(row).await.into_iter().next().unwrap_or_else(|| panic!("no {kind}"));
        kinds::delete(&self.case.client, row, self.case.ns(), &child.name_any()).await;
        LeadershipLost { kind, name: child.name_any(), uid: child.uid().unwrap(), at: Instant::now() }
    }

    /// Returns how long it took until the object was recreated.
    pub async fn back(&self, lost: &LeadershipLost, within: Duration) -> Duration {
        self.case
            .child_until(lost.kind, &lost.name, "made again", within, |child| {
                child.uid().as_ref() != Some(&lost.uid)
            })
            .await;
        lost.at.elapsed()
    }

    /// Returns the number of completed reconciles.
    pub fn reconciles(&self) -> u64 {
        self.operator.as_ref().map_or(0, Running::reconciles)
    }

    /// Returns the requests so far, in order.
    pub fn requests(&self, of: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.slot.proxy.records().into_iter().filter(of).collect()
    }

    /// Returns the times of writes to a resource, after this request.
    pub fn attempts(&self, resource: &str, after: usize) -> Vec<Duration> {
        let written = |record: &&Record| record.asked.writes() && record.asked.resource == resource;
        let records = self.slot.proxy.records();
        records[after..].iter().filter(written).map(|record| Duration::from_millis(record.millis)).collect()
    }

    /// Waits for this many of those.
    pub async fn attempted(&self, resource: &str, after: usize, count: usize) -> Vec<Duration> {
        wait_for(format!("{count} writes of {resource}"), Duration::from_secs(40), async || {
            let attempts = self.attempts(resource, after);
            if attempts.len() >= count { Ok(attempts) } else { Err(format!("{}", attempts.len())) }
        })
        .await
        .unwrap()
    }

    pub async fn end(mut self) {
        let operators = self.operator.take().into_iter().collect();
        self.slot.done(self.case, operators).await;
    }
}

/// Returns the intervals between consecutive moments.
pub fn gaps(moments: &[Duration]) -> Vec<Duration> {
    moments.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect()
}

pub fn refused(status: u16, reason: &str) -> Fault {
    Fault::Answer(fault_proxy::Reply::new(status, reason))
}
