//! What every scenario needs: the cluster with the operator installed, one resource per test, clients, and the nodes where
//! they are ours.

mod case;
mod client;
mod kubectl;
mod load;
mod nodes;
mod operator;
mod spec;
mod world;

pub use case::{CLIENT_IMAGE, Case, condition, problems};
pub use client::{Client, Reach};
pub use kubectl::Kubectl;
pub use load::{AS_LIBRARIES, Writer, assert_unharmed};
pub use nodes::Nodes;
pub use operator::LEASE;
pub use spec::{quick, spec};
pub use world::{OPERATOR, OPERATOR_NAMESPACE, World, alone, shared};

use std::time::Duration;

/// What one step of a controller may take.
pub const SOON: Duration = Duration::from_secs(30);
/// What a rollout of a few pods may take, with the server's start and its preStop pause.
pub const ROLLOUT: Duration = Duration::from_mins(4);
/// What the examples name, and every node has.
pub const SERVER_IMAGE: &str = "danpung2/logpilot:1.2.0";

/// Looks again and again whether something stays as it is.
pub async fn stays(what: &str, during: Duration, holds: impl Fn() -> Result<(), String>) {
    let end = tokio::time::Instant::now() + during;
    let mut look = tokio::time::interval(Duration::from_millis(500));
    while tokio::time::Instant::now() < end {
        look.tick().await;
        holds().unwrap_or_else(|seen| panic!("{what}: {seen}"));
    }
}
