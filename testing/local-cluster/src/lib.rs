//! A real Kubernetes control plane for tests and demos, on this machine and without containers.
//!
//! etcd, API server, controller-manager and scheduler are the real programs, built from pinned Go
//! modules; kwok simulates the kubelets of fake nodes, and a small binder simulates the storage.
//! Pods have addresses and readiness but no processes.
//!
//! - [`Env`] is where a test suite starts: a given cluster or a local one.
//! - [`ControlPlane`] owns the processes: faults, identities, the audit log.
//! - [`stages::MARKERS`] lists the image strings that make a pod misbehave.
//! - [`wait_for`] is the common function for waiting.
//!
//! The binary `local-cluster` keeps such a cluster running for interactive use.

mod access;
mod assets;
pub mod audit;
mod bootstrap;
pub mod build;
mod components;
mod control_plane;
mod env;
mod error;
pub mod gateway_api;
pub mod nodes;
mod pki;
mod ports;
mod process;
pub mod prometheus_operator;
pub mod stages;
mod supervisor;
pub mod up;
pub mod volumes;
mod wait;

pub use access::{Access, client_from};
pub use assets::{Assets, KUBERNETES_VERSION, cache_dir};
pub use components::Component;
pub use control_plane::{ControlPlane, Options};
pub use env::Env;
pub use error::{Error, Result};
pub use pki::Identity;
pub use ports::Port;
pub use wait::{show, wait_for, wait_for_absence, wait_for_object};
