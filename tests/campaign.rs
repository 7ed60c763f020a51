//! The operator dies at every one of its writes: before it, after it with the reply lost, after the reply. Whatever it was
//! doing, the next one ends in the state that an undisturbed run ends in, and then writes nothing.
//!
//! `cargo test --test campaign` takes a sample; `make campaign` takes every write. `CAMPAIGN_ONLY="scale/committed/3"`
//! replays one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::large_futures,
    clippy::duration_suboptimal_units,
    clippy::single_match_else,
    clippy::default_trait_access,
    reason = "a test that cannot go on fails"
)]

mod cluster;
#[path = "campaign/end_state.rs"]
mod end_state;
#[path = "campaign/workload.rs"]
mod workload;

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use cluster::{
    OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Running, World,
    case::{Case, condition},
    install_service_monitors, world,
};
use end_state::EndState;
use fault_proxy::{Fault, Moment, Proxy, Rule, RuleId, Times, When};
use kube::{
    Api, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use local_cluster::wait_for;
use serde_json::{Value, json};
use workload::Workload;

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Committed, Moment::Replied];
/// From the crash to the state as it should be; includes what pods take to become ready.
const CONVERGED: Duration = Duration::from_secs(60);
/// No request for so long is silence.
const QUIET: Duration = Duration::from_millis(300);
/// Of a sample: every so many writes.
const STRIDE: usize = 11;

struct Stand {
    world: &'static World,
    proxy: Proxy,
    through: Kubeconfig,
}

/// What one crash led to.
struct Trial {
    /// The workload has fewer writes than that.
    missed: bool,
    recovery: Duration,
    violations: Vec<String>,
}

impl Stand {
    async fn new() -> Self {
        let world = world().await;
        let client = world.client().await;
        install_service_monitors(&client).await;
        let kubeconfig = world
            .env
            .access()
            .service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
            .await
            .unwrap();
        let proxy = Proxy::start(&kubeconfig, None).await.unwrap();
        let through = proxy.kubeconfig(&kubeconfig);
        Self { world, proxy, through }
    }

    async fn operator(&self, image: &str) -> Running {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(self.through.clone(), &options).await.unwrap();
        self.world.start_behind(config, image).await
    }

    /// A resource of its own; trials never meet.
    async fn case(&self) -> Case {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Case::new(self.world, &format!("c{:05}", NEXT.fetch_add(1, Ordering::Relaxed))).await
    }

    /// Until the newest spec is in force, every pod runs it, and nothing is sent any more.
    async fn settled(&self, case: &Case, spec: &Value) -> Result<(), String> {
        let stopped = spec.pointer("/operation/stopped").is_some_and(|stopped| stopped == true);
        wait_for(format!("{} to settle", case.name), CONVERGED, async || {
            let object = case.get().await;
            let status = object.data.get("status").cloned().unwrap_or(Value::Null);
            let observed = status.get("observedGeneration").and_then(Value::as_i64);
            let ready = if stopped {
                condition(&status, "Ready").1 == "Stopped" && status["pods"] == "0/0"
            } else {
                condition(&status, "Ready").0 == "True"
            };
            if observed == object.metadata.generation && ready && condition(&status, "Applied").0 == "True" {
                Ok(())
            } else {
                Err(status.to_string())
            }
        })
        .await
        .map_err(|error| error.to_string())?;
        self.quiet().await
    }

    async fn quiet(&self) -> Result<(), String> {
        let last = Mutex::new((self.requests(), Instant::now()));
        wait_for("silence", Duration::from_secs(20), async || {
            let now = self.requests();
            let mut last = last.lock().unwrap();
            if now != last.0 {
                *last = (now, Instant::now());
            }
            if last.1.elapsed() >= QUIET { Ok(()) } else { Err(format!("{now} requests")) }
        })
        .await
        .map_err(|error| error.to_string())
    }

    fn requests(&self) -> usize {
        self.proxy.records().iter().filter(|record| record.asked.verb != "watch").count()
    }

    fn crash_at(&self, nth: u64, moment: Moment) -> RuleId {
        self.proxy.rule(Rule { when: When::writes(), times: Times::Nth(nth), then: Fault::Crash(moment) })
    }

    /// The change that the workload makes, up to the spec.
    async fn change(&self, case: &Case, workload: &Workload) {
        if workload.again {
            case.delete().await;
            let api = case.api();
            wait_for("the resource to go", CONVERGED, async || match api.get_opt(&case.name).await {
                Ok(None) => Ok(()),
                other => Err(format!("{:?}", other.map(|object| object.is_some()))),
            })
            .await
            .unwrap();
        }
        case.apply(named(&workload.to, &case.name)).await;
    }

    async fn prepared(&self, workload: &Workload) -> (Case, Running) {
        let case = self.case().await;
        let operator = self.operator("logpilot-operator:test").await;
        if let Some(from) = &workload.from {
            case.apply(named(from, &case.name)).await;
            self.settled(&case, from).await.unwrap();
        }
        (case, operator)
    }

    /// A run without a fault; with an upgrade, the newer operator comes afterwards.
    async fn undisturbed(&self, workload: &Workload) -> EndState {
        let (case, mut operator) = self.prepared(workload).await;
        self.change(&case, workload).await;
        self.settled(&case, &workload.to).await.unwrap();
        if workload.upgrade {
            operator.kill();
            operator = self.operator(image_after(workload)).await;
            self.settled(&case, &workload.to).await.unwrap();
        }
        let state = end_state::read(&case.client, &case.name).await;
        self.done(case, operator).await;
        state
    }

    async fn crashed(
        &self,
        workload: &Workload,
        (nth, moment): (u64, Moment),
        (expected, mask): (&EndState, &BTreeSet<String>),
    ) -> Trial {
        let (case, operator) = self.prepared(workload).await;
        let rule = self.crash_at(nth, moment);
        self.change(&case, workload).await;
        let hit = tokio::select! {
            hit = self.proxy.wait_for(rule, CONVERGED) => hit,
            _ = self.settled(&case, &workload.to) => self.proxy.acted(rule) > 0,
        };
        let began = Instant::now();
        operator.crash();
        self.proxy.lift(rule);
        self.proxy.revive();
        let operator = self.operator(image_after(workload)).await;
        let mut violations = Vec::new();
        match self.settled(&case, &workload.to).await {
            Ok(()) => {
                let seen = end_state::read(&case.client, &case.name).await;
                violations.extend(end_state::differences(expected, &seen, mask));
            }
            Err(error) => violations.push(error),
        }
        let recovery = began.elapsed();
        self.done(case, operator).await;
        Trial { missed: !hit, recovery, violations }
    }

    /// Leaves nothing that slows the next ones down.
    async fn done(&self, case: Case, operator: Running) {
        operator.kill();
        case.delete().await;
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(case.client.clone());
        // Goes by itself, while the next trial runs.
        let _ = namespaces.delete(&case.name, &kube::api::DeleteParams::default()).await;
    }
}

fn named(spec: &Value, name: &str) -> Value {
    serde_json::from_str(&spec.to_string().replace("L.example.com", &format!("{name}.example.com"))).unwrap()
}

fn image_after(workload: &Workload) -> &'static str {
    if workload.upgrade { "logpilot-operator:next" } else { "logpilot-operator:test" }
}

fn label(moment: Moment) -> &'static str {
    match moment {
        Moment::Before => "before",
        Moment::Committed => "committed",
        Moment::Replied => "replied",
    }
}

/// Which of a workload's crashes are tried: `from`, and every `stride`-th write after it, until there are no more.
struct Series {
    moment: Moment,
    from: u64,
    stride: usize,
}

/// All of them; of a sample, in two workloads, at one moment, beginning elsewhere for each.
fn series(place: usize, full: bool, seed: usize) -> Vec<Series> {
    let sample = || Series {
        moment: MOMENTS[(place + seed) % MOMENTS.len()],
        // The smallest change has no more writes than this.
        from: u64::try_from(1 + (place + seed) % 3).unwrap(),
        stride: STRIDE,
    };
    if !full && (place + seed) % 7 != 1 {
        return Vec::new();
    }
    if full { MOMENTS.map(|moment| Series { moment, from: 1, stride: 1 }).into() } else { vec![sample()] }
}

#[tokio::test]
async fn a_crash_at_any_write_leads_to_the_same_state_as_none() {
    let only = std::env::var("CAMPAIGN_ONLY").ok();
    let only: Option<Vec<&str>> = only.as_deref().map(|only| only.split('/').collect());
    let full = std::env::var("CAMPAIGN").is_ok_and(|value| value == "full");
    let seed = std::env::var("CAMPAIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let stand = Stand::new().await;
    let began = Instant::now();
    let (mut crashes, mut failed) = (0, Vec::new());
    println!("{:<24} {:>7} {:>10} {:>16}", "workload", "crashes", "violations", "slowest recovery");
    for (place, workload) in workload::all().iter().enumerate() {
        let series = match only.as_deref() {
            None => series(place, full, seed),
            Some([name, moment, nth]) if *name == workload.name => {
                let moment = MOMENTS.into_iter().find(|it| label(*it) == *moment).unwrap();
                vec![Series { moment, from: nth.parse().unwrap(), stride: usize::MAX }]
            }
            Some(_) => Vec::new(),
        };
        if series.is_empty() {
            continue;
        }
        let expected = stand.undisturbed(workload).await;
        let mask = end_state::mask(&expected, &stand.undisturbed(workload).await);
        let (mut of_this, mut wrong, mut slowest) = (0, 0, Duration::ZERO);
        for Series { moment, from, stride } in series {
            for nth in (from..).step_by(stride) {
                let trial = stand.crashed(workload, (nth, moment), (&expected, &mask)).await;
                if trial.missed {
                    break;
                }
                of_this += 1;
                slowest = slowest.max(trial.recovery);
                if !trial.violations.is_empty() {
                    wrong += 1;
                    let replay = format!("CAMPAIGN_ONLY=\"{}/{}/{nth}\"", workload.name, label(moment));
                    failed.push(json!({ "replay": replay, "violations": trial.violations }));
                }
                if only.is_some() {
                    break;
                }
            }
        }
        crashes += of_this;
        println!("{:<24} {of_this:>7} {wrong:>10} {:>13} ms", workload.name, slowest.as_millis());
    }
    println!(
        "FIGURE campaign: {crashes} crashes, {} violations, {} s",
        failed.len(),
        began.elapsed().as_secs()
    );
    assert!(crashes > 0, "nothing was tried");
    assert!(failed.is_empty(), "{}", serde_json::to_string_pretty(&failed).unwrap());
}
