//! What a user runs, on a real cluster: the operator as its manifests install it, pods that are processes, probes, volumes,
//! Services.
//!
//! `make e2e` runs it on nodes of its own, `make e2e-kind` on a given cluster. Without either every test is ignored, and says
//! so. Several run at once, each with a resource of its own; those in `solo` share the operator with nobody.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of a test")]

mod causes;
mod data;
mod install;
mod probes;
mod rollout;
mod solo;
mod support;
