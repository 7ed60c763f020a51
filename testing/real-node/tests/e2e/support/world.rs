//! The Kubernetes cluster, with the operator installed as the README describes, and the turns of
//! the tests.

use std::ops::Deref;

use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Kubectl, Nodes};

pub const OPERATOR: &str = "logpilot-operator";
pub const OPERATOR_NAMESPACE: &str = "logpilot-operator-system";

pub struct World {
    pub kubectl: Kubectl,
    /// The nodes, if the suite owns them.
    nodes: Option<Nodes>,
    /// Whether the servers are LogPilot, which has none of the stand-in's switches.
    real_servers: bool,
}

/// First come, first served: exclusive tests are not overtaken, and come last by their names.
static ORDER: RwLock<()> = RwLock::const_new(());
static WORLD: OnceCell<World> = OnceCell::const_new();

/// The world, for the duration of a test.
pub struct Turn {
    world: &'static World,
    _order: Order,
}

enum Order {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

/// A shared turn, for a test that has its own resource and leaves operator and nodes alone.
pub async fn shared() -> Turn {
    turn(Order::Shared { _guard: ORDER.read().await }).await
}

/// An exclusive turn, for a test that removes the operator or a node.
pub async fn alone() -> Turn {
    turn(Order::Alone { _guard: ORDER.write().await }).await
}

/// The first turn installs the operator.
async fn turn(order: Order) -> Turn {
    let install = async || {
        let world = World {
            kubectl: Kubectl::from_environment(),
            nodes: Nodes::from_environment(),
            real_servers: std::env::var(real_node::SERVER).is_ok_and(|archive| !archive.is_empty()),
        };
        world.install().await;
        world
    };
    Turn { world: WORLD.get_or_init(install).await, _order: order }
}

impl Deref for Turn {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl World {
    /// The README's command, and nothing else.
    pub async fn install(&self) {
        let said = self.kubectl.must("apply --server-side -f crds/ -f install.yaml");
        assert!(!said.contains("Warning"), "{said}");
        self.operator_is_ready().await;
    }

    /// Returns the nodes, or None after printing what is not shown without them.
    pub fn nodes(&self, what: &str) -> Option<&Nodes> {
        if self.nodes.is_none() {
            println!("SKIPPED {what}: the nodes do not belong to this suite");
        }
        self.nodes.as_ref()
    }

    /// Returns whether servers have the stand-in's switches; if not, prints what is not shown.
    pub fn misbehaves(&self, what: &str) -> bool {
        if self.real_servers {
            println!("SKIPPED {what}: LogPilot itself has no switch for this");
        }
        !self.real_servers
    }
}
