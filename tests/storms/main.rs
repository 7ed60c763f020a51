//! Stress: many resources, many edits, many foreign objects, and permanent failures: the load of an
//! operator on its API server, and the effect on uninvolved resources.
//!
//! Part of `make campaign`. `CAMPAIGN=small cargo test --test storms` takes a small size, as `make
//! test-faults` does, `CAMPAIGN=full` the whole one, and prints figures. Each test has its own
//! operator behind a proxy, which sees only the resources of that test.

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
    clippy::cast_precision_loss,
    reason = "a test that cannot continue fails"
)]

mod actors;
mod edits;
mod failures;
mod fleet;
mod many;
mod rights;
mod stacks;
mod values;

use harness::{cluster, process};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

const IMAGE: &str = "danpung2/logpilot:1.2.0";

fn quickstart() -> Value {
    json!({ "image": IMAGE, "components": { "all": { "replicas": 1 } } })
}

static MACHINE: RwLock<()> = RwLock::const_new(());

/// Returns whether stress tests are skipped, as in a run of all tests, which has no time for them.
/// Prints a line if so.
fn rests() -> bool {
    let rests = std::env::var_os("CAMPAIGN").is_none();
    if rests {
        println!("skipped: takes minutes; `make test-faults` and `make campaign` run it");
    }
    rests
}

/// A shared turn, if stress tests run.
async fn beside_others() -> Option<RwLockReadGuard<'static, ()>> {
    if rests() { None } else { Some(MACHINE.read().await) }
}

/// The exclusive turn of a test that measures times.
async fn alone() -> Option<RwLockWriteGuard<'static, ()>> {
    if rests() { None } else { Some(MACHINE.write().await) }
}

/// Waits for a time window about which a promise is made. Other tests use the machine meanwhile.
async fn watch(turn: RwLockReadGuard<'static, ()>, window: Duration) {
    drop(turn);
    tokio::time::sleep(window).await;
}

/// Returns the small number, or the large one of a whole campaign.
fn size<Number>(small: Number, large: Number) -> Number {
    if cluster::whole_campaign() { large } else { small }
}
