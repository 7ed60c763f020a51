//! Shared by all scenarios: the Kubernetes cluster with the operator installed, one resource per
//! test, clients, and the nodes if the suite owns them.

mod case;
mod client;
mod kubectl;
mod load;
mod nodes;
mod operator;
mod spec;
mod stack;
mod world;

pub use case::{CLIENT_IMAGE, Case, condition, problems};
pub use client::{Client, Reach};
pub use kubectl::Kubectl;
pub use load::{AS_LIBRARIES, Writer, assert_unharmed};
pub use nodes::Nodes;
pub use operator::LEASE;
pub use spec::{quick, spec};
pub use stack::Stack;
pub use world::{OPERATOR, OPERATOR_NAMESPACE, World, alone, shared};

use std::time::Duration;

/// The limit for one step of a controller.
pub const SOON: Duration = Duration::from_secs(30);
/// The limit for a rollout of a few pods, including the server's startup and its preStop pause.
pub const ROLLOUT: Duration = Duration::from_mins(4);
/// The image in the examples, which every node has.
pub const SERVER_IMAGE: &str = "danpung2/logpilot:1.2.0";

/// Polls whether a state persists.
pub async fn stays(what: &str, during: Duration, holds: impl Fn() -> Result<(), String>) {
    let end = tokio::time::Instant::now() + during;
    let mut look = tokio::time::interval(Duration::from_millis(500));
    while tokio::time::Instant::now() < end {
        look.tick().await;
        holds().unwrap_or_else(|seen| panic!("{what}: {seen}"));
    }
}
