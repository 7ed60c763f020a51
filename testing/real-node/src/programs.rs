//! The programs of a node, built from pinned Go modules like the control plane.

use local_cluster::build::{KUBERNETES, Module, Programs, Tool};

const CONTAINERD: Module = Module {
    name: "containerd",
    go_mod: include_str!("../tools/containerd/go.mod"),
    go_sum: include_str!("../tools/containerd/go.sum"),
    tools_go: include_str!("../tools/containerd/tools.go"),
    sources: &[],
};

/// Programs of pods that every node has.
const IMAGES: Module = Module {
    name: "images",
    go_mod: include_str!("../tools/images/go.mod"),
    go_sum: include_str!("../tools/images/go.sum"),
    tools_go: include_str!("../tools/images/tools.go"),
    sources: &[
        ("coredns/main.go", include_str!("../tools/images/coredns/main.go")),
        ("pause/main.go", include_str!("../tools/images/pause/main.go")),
    ],
};

/// All programs of a node except runc and the network plugins, which are packages of the machine.
pub const NODE: Programs = Programs {
    name: "node",
    modules: &[KUBERNETES, CONTAINERD, IMAGES],
    tools: &[
        Tool { name: "kubelet", module: "kubernetes", package: "k8s.io/kubernetes/cmd/kubelet" },
        Tool { name: "kube-proxy", module: "kubernetes", package: "k8s.io/kubernetes/cmd/kube-proxy" },
        Tool {
            name: "containerd",
            module: "containerd",
            package: "github.com/containerd/containerd/v2/cmd/containerd",
        },
        Tool {
            name: "containerd-shim-runc-v2",
            module: "containerd",
            package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        },
        Tool { name: "ctr", module: "containerd", package: "github.com/containerd/containerd/v2/cmd/ctr" },
        Tool { name: "coredns", module: "images", package: "./coredns" },
        Tool { name: "pause", module: "images", package: "./pause" },
    ],
    files: &[],
};

/// The service that the suite's stack runs in addition to Debian's programs. Separate from [`NODE`]: a
/// change of it builds no kubelet.
pub const SERVICES: Programs = Programs {
    name: "services",
    modules: &[Module {
        name: "services",
        go_mod: include_str!("../tools/services/go.mod"),
        go_sum: include_str!("../tools/services/go.sum"),
        tools_go: include_str!("../tools/services/tools.go"),
        sources: &[("orders/main.go", include_str!("../tools/services/orders/main.go"))],
    }],
    tools: &[Tool { name: "orders", module: "services", package: "./orders" }],
    files: &[],
};
