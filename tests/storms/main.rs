//! Many resources, many edits, many strangers, and things that never get better: what an operator under load does to its
//! API server, and to the resources that have nothing to do with it.
//!
//! Part of `make campaign`. `CAMPAIGN=small cargo test --test storms` takes a small size, as `make test-faults` does,
//! `CAMPAIGN=full` the whole one, and prints figures. Each test has an operator of its own behind a proxy, which sees the resources of that test alone.

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
    reason = "a test that cannot go on fails"
)]

mod actors;
mod edits;
mod failures;
mod fleet;
mod many;
mod rights;
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

/// Whether this is a run of every test, which has no time for storms. It says so.
fn rests() -> bool {
    let rests = std::env::var_os("CAMPAIGN").is_none();
    if rests {
        println!("skipped: takes minutes; `make test-faults` and `make campaign` run it");
    }
    rests
}

/// A turn, where there is time for storms.
async fn beside_others() -> Option<RwLockReadGuard<'static, ()>> {
    if rests() { None } else { Some(MACHINE.read().await) }
}

/// The turn of a test that holds what it measures against a time: of no other.
async fn alone() -> Option<RwLockWriteGuard<'static, ()>> {
    if rests() { None } else { Some(MACHINE.write().await) }
}

/// A window that is the promise itself: nothing is waited for. Others have the machine meanwhile.
async fn watch(turn: RwLockReadGuard<'static, ()>, window: Duration) {
    drop(turn);
    tokio::time::sleep(window).await;
}

/// The small number, or the large one of a whole campaign.
fn size<Number>(small: Number, large: Number) -> Number {
    if cluster::whole_campaign() { large } else { small }
}
