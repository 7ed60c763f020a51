//! What every scenario needs: the cluster with the operator installed, one resource per test, clients, and the nodes where
//! they are ours.

#![allow(dead_code, unused_imports, reason = "each scenario uses its part")]

mod case;
mod client;
mod kubectl;
mod nodes;
mod operator;
mod world;
mod writer;

pub use case::{CLIENT_IMAGE, Case, condition, problems};
pub use client::{Client, Reach};
pub use kubectl::Kubectl;
pub use nodes::{Nodes, Pid};
pub use world::{OPERATOR, OPERATOR_NAMESPACE, World, world};
pub use writer::{Writer, assert_unharmed, quick, spec, stays};

use std::time::Duration;

/// What one step of a controller may take.
pub const SOON: Duration = Duration::from_secs(30);
/// What a rollout of a few pods may take, with the server's start and its preStop pause.
pub const ROLLOUT: Duration = Duration::from_mins(4);
/// What the examples name, and every node has.
pub const SERVER_IMAGE: &str = "danpung2/logpilot:1.2.0";
