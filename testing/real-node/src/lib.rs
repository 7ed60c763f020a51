//! Real Kubernetes nodes on this machine, without a container engine, a registry or a virtual machine.
//!
//! The control plane is that of `local-cluster`. A node is a set of namespaces with containerd,
//! kubelet and kube-proxy, built from pinned Go modules; runc and the network plugins are packages
//! of the machine. Everything lives in namespaces that a run creates itself, so nothing is visible
//! on the machine's network, nothing can leave, and the kernel removes everything when the run
//! ends.
//!
//! The binary `real-node` runs a command with access to such a cluster; `tests/e2e` is the suite.

mod cluster;
mod debian;
mod error;
pub mod image;
mod machine;
mod namespaces;
mod node;
mod programs;

pub use cluster::{Images, beside};
pub use debian::PACKAGED;
pub use error::{Error, Result};
pub use machine::obstacle;
pub use namespaces::enter;
pub use programs::{NODE, SERVICES};

/// The variable with the kubeconfig of the suite's cluster; without it the suite does not run.
pub const KUBECONFIG: &str = "E2E_KUBECONFIG";
/// The variable with the directory of the run if this crate provides the nodes; absent on a given
/// cluster.
pub const DIRECTORY: &str = "E2E_DIRECTORY";
/// The variable with the directory of the programs of the control plane and of the nodes.
pub const KUBECTL: &str = "KUBECTL";
/// The variable with an archive of LogPilot's own image if that runs instead of the stand-in; empty
/// or absent otherwise.
pub const SERVER: &str = "LOGPILOT_IMAGE";
/// The directory, in that of the run, with an archive of each image that the nodes have.
pub const IMAGES: &str = "images";
