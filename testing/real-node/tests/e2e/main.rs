//! The user's view on a real cluster: the operator as its manifests install it, pods that are
//! processes, probes, volumes, Services.
//!
//! `make e2e` runs it on its own nodes, `make e2e-kind` on a given cluster. Without either, every
//! test is ignored with a message. Several tests run concurrently, each with its own resource;
//! those in `solo` run exclusively.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of a test")]

mod causes;
mod data;
mod install;
mod probes;
mod rollout;
mod solo;
mod stack;
mod support;
