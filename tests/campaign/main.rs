//! Every workload, with a disturbance at each of its writes: crashes, errors, a second operator,
//! stale and late views. Whatever the disturbance, the resource converges to the state of an
//! undisturbed run, and then nothing is written.
//!
//! `cargo test --test campaign` takes a sample; `make campaign` takes all of it.
//! `CAMPAIGN_ONLY="scale/crash/committed/3"` replays one. Each trial that fails leaves a file in
//! `target/campaign` that says how, with the requests that were sent.

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
    reason = "a test that cannot continue fails"
)]

mod disturbed;
mod end_state;
mod monitor;
mod operations;
mod order;
mod workload;

use harness::{cluster, stand, witness};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use disturbed::{Plan, Reference};
use futures::FutureExt;
use logpilot_operator::kinds::SERVICE_STACK;
use serde_json::json;
use stand::{Outcome, Slot, Stand};
use workload::Workload;

/// The number of concurrent trials if `CAMPAIGN_SLOTS` is not set.
const SLOTS: usize = 8;
/// A sample contains one workload in this many.
const WORKLOADS: usize = 7;
/// A sample contains one plan in this many.
const STRIDE: usize = 20;
/// The number of tasks between two progress lines.
const TOLD_EVERY: usize = 50;

/// How much is tried, and in which order.
struct Extent {
    full: bool,
    seed: usize,
    only: Option<String>,
}

impl Extent {
    fn of_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
        Self {
            full: cluster::whole_campaign(),
            seed: number("CAMPAIGN_SEED").unwrap_or(0),
            only: std::env::var("CAMPAIGN_ONLY").ok(),
        }
    }

    fn workload(&self, place: usize, name: &str) -> bool {
        match &self.only {
            Some(only) => only.starts_with(&format!("{name}/")),
            None => self.full || in_sample(place, self.seed),
        }
    }

    fn walks(&self) -> Vec<operations::Walk> {
        let Some(only) = &self.only else { return operations::plans(self.seed as u64, self.full) };
        let seed = only.rsplit(" of ").next().and_then(|seed| seed.parse().ok());
        let mut walks = operations::plans(seed.unwrap_or(self.seed as u64), true);
        walks.retain(|walk| chosen(only, &walk.id));
        walks
    }

    /// `first` says whether it is the first plan of its class for a stack: the sample contains each class.
    fn plan(&self, place: usize, plan: &Plan, id: &str, first: bool) -> bool {
        match &self.only {
            Some(only) => chosen(only, id),
            None => {
                let of_sample = (plan.class, plan.detail.as_str(), plan.nth) == ("crashes", "committed", 1);
                self.full || of_sample || first || (place + self.seed).is_multiple_of(STRIDE)
            }
        }
    }
}

/// Returns whether the sample of a seed contains the workload at this place.
fn in_sample(place: usize, seed: usize) -> bool {
    (place + seed) % WORKLOADS == 1
}

/// Returns whether `only` is the name of a trial, or a prefix of it.
fn chosen(only: &str, id: &str) -> bool {
    id == only || only.ends_with('/') && id.starts_with(only)
}

/// The table printed at the end of a campaign.
#[derive(Default)]
struct Tally {
    classes: BTreeMap<&'static str, Class>,
    failed: Vec<String>,
}

#[derive(Default)]
struct Class {
    plans: usize,
    missed: usize,
    violated: usize,
    crashes: usize,
    slowest: Duration,
}

impl Tally {
    fn count(&mut self, class: &'static str, id: &str, outcome: &Outcome) {
        let row = self.classes.entry(class).or_default();
        if outcome.missed && outcome.violations.is_empty() {
            row.missed += 1;
            return;
        }
        row.plans += 1;
        row.crashes += outcome.crashes;
        row.slowest = row.slowest.max(outcome.recovery);
        if !outcome.violations.is_empty() {
            row.violated += 1;
            self.failed.push(format!("CAMPAIGN_ONLY=\"{id}\": {:#?}", outcome.violations));
        }
    }

    fn print(&self) {
        println!(
            "{:<14} {:>6} {:>7} {:>10} {:>16}",
            "class", "plans", "missed", "violations", "slowest recovery"
        );
        for (class, row) in &self.classes {
            println!(
                "{class:<14} {:>6} {:>7} {:>10} {:>13} ms",
                row.plans,
                row.missed,
                row.violated,
                row.slowest.as_millis()
            );
        }
    }
}

/// One trial, which a slot runs by itself.
enum Trial<'workloads> {
    Walk(operations::Walk),
    Plan(&'workloads Workload, Plan, String),
}

/// Works through a queue in all slots concurrently, and prints progress from time to time.
async fn everywhere<Task, Work>(
    slots: &[Slot],
    what: &str,
    tasks: Vec<Task>,
    work: impl Fn(usize, Task) -> Work,
) where
    Work: Future<Output = ()>,
{
    let (began, count) = (Instant::now(), tasks.len());
    let queue = Mutex::new(VecDeque::from(tasks));
    let workers = (0..slots.len()).map(async |place| {
        loop {
            let (task, left) = {
                let mut queue = queue.lock().unwrap();
                (queue.pop_front(), queue.len())
            };
            if left.is_multiple_of(TOLD_EVERY) && task.is_some() {
                println!("{what}: {} of {count} started after {} s", count - left, began.elapsed().as_secs());
            }
            let Some(task) = task else { return };
            work(place, task).await;
        }
    });
    futures::future::join_all(workers).await;
}

fn keep(slot: &Slot, id: &str, outcome: &Outcome) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../campaign");
    std::fs::create_dir_all(&directory).unwrap();
    let told = json!({
        "replay": format!("CAMPAIGN_ONLY=\"{id}\" cargo test --test campaign -- --nocapture"),
        "violations": outcome.violations,
        "requests": slot.proxy.records(),
    });
    let file = directory.join(format!("{}.json", id.replace(['/', ' '], "-")));
    std::fs::write(file, serde_json::to_vec_pretty(&told).unwrap()).unwrap();
}

async fn tried(slot: &Slot, id: &str, trial: impl Future<Output = Outcome>) -> Outcome {
    let outcome = AssertUnwindSafe(trial).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".to_owned());
        Outcome { violations: vec![text], ..Outcome::default() }
    });
    if !outcome.violations.is_empty() {
        keep(slot, id, &outcome);
    }
    outcome
}

/// Fault catalogue: F01, F02, F03, F04, F11, F16, F33, F39, F48, F61.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_converges_despite_disturbances() {
    let extent = Extent::of_environment();
    let began = Instant::now();
    let stand = Stand::new().await;
    let count = std::env::var("CAMPAIGN_SLOTS").ok().and_then(|count| count.parse().ok()).unwrap_or(SLOTS);
    let mut slots = Vec::new();
    for _ in 0..count {
        slots.push(stand.slot().await);
    }
    operations::prepare(&stand).await;

    let workloads = workload::all();
    let chosen: Vec<&Workload> = workloads
        .iter()
        .enumerate()
        .filter(|(place, workload)| extent.workload(*place, workload.name))
        .map(|(_, workload)| workload)
        .collect();
    let references: Mutex<BTreeMap<&str, Reference>> = Mutex::default();
    everywhere(&slots, "workloads", chosen.clone(), async |place, workload: &Workload| {
        let reference = disturbed::reference(&slots[place], workload).await;
        references.lock().unwrap().insert(workload.name, reference);
    })
    .await;
    let references = references.into_inner().unwrap();
    println!("learnt {} workloads in {} s", references.len(), began.elapsed().as_secs());
    for (name, reference) in &references {
        println!("{name}: {} writes", reference.ordinary.writes);
    }

    let mut plans: Vec<(&Workload, Plan, String)> = Vec::new();
    for workload in chosen {
        for plan in disturbed::plans(&references[workload.name], extent.seed) {
            let id = format!("{}/{}/{}/{}", workload.name, plan.class, plan.detail, plan.nth);
            plans.push((workload, plan, id));
        }
    }
    let (mut place, mut classes) = (0, BTreeSet::new());
    plans.retain(|(workload, plan, id)| {
        place += 1;
        let first = *workload.of == SERVICE_STACK && classes.insert((workload.name, plan.class));
        extent.plan(place, plan, id, first)
    });
    // The longest trials come first, so that every slot is busy until the end.
    plans.sort_by_key(|(workload, plan, _)| {
        Reverse(if plan.class == "crashes" { references[workload.name].ordinary.writes } else { 0 })
    });
    let walks = extent.walks().into_iter().map(Trial::Walk);
    let trials: Vec<Trial> =
        walks.chain(plans.into_iter().map(|(of, plan, id)| Trial::Plan(of, plan, id))).collect();
    let tally = Mutex::new(Tally::default());
    everywhere(&slots, "trials", trials, async |place, trial: Trial| {
        let slot = &slots[place];
        let (class, id, outcome) = match &trial {
            Trial::Walk(walk) => {
                ("operations", &walk.id, tried(slot, &walk.id, operations::run(slot, walk)).await)
            }
            Trial::Plan(workload, plan, id) => {
                let run = disturbed::run(slot, workload, plan, &references[workload.name]);
                (plan.class, id, tried(slot, id, run).await)
            }
        };
        if extent.only.is_some() || !outcome.violations.is_empty() {
            println!("{id}: {outcome:#?}");
        }
        tally.lock().unwrap().count(class, id, &outcome);
    })
    .await;
    println!("{}", operations::report(extent.full || extent.only.is_some()));

    let tally = tally.into_inner().unwrap();
    tally.print();
    let plans: usize = tally.classes.values().map(|class| class.plans).sum();
    let crashes: usize = tally.classes.values().map(|class| class.crashes).sum();
    println!(
        "FIGURE campaign: seed {}, {plans} plans with {crashes} crashes, {} violations, {} s",
        extent.seed,
        tally.failed.len(),
        began.elapsed().as_secs()
    );
    assert!(plans > 0, "nothing was tried");
    assert!(tally.failed.is_empty(), "{}", tally.failed.join("\n"));
}
