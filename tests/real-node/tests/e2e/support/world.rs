//! The cluster, with the operator installed as the README says.

use tokio::sync::OnceCell;

use super::{Kubectl, Nodes, ROLLOUT};

pub const OPERATOR: &str = "logpilot-operator";
pub const OPERATOR_NAMESPACE: &str = "logpilot-operator-system";

pub struct World {
    pub kubectl: Kubectl,
    /// The nodes, where they are ours.
    nodes: Option<Nodes>,
}

static WORLD: OnceCell<World> = OnceCell::const_new();

/// The one of this run. The first test to ask installs the operator.
pub async fn world() -> &'static World {
    WORLD
        .get_or_init(async || {
            let world = World { kubectl: Kubectl::from_environment(), nodes: Nodes::from_environment() };
            world.install().await;
            world
        })
        .await
}

impl World {
    /// The README's command, and nothing else.
    pub async fn install(&self) {
        let said = self.kubectl.must("apply --server-side -f crds/ -f install.yaml");
        assert!(!said.contains("Warning"), "{said}");
        let deployment = format!("deployment/{OPERATOR} -n {OPERATOR_NAMESPACE}");
        self.kubectl
            .until(&deployment, "has all its pods", ROLLOUT, |seen| {
                let status = &seen["status"];
                seen["spec"]["replicas"] == status["readyReplicas"]
                    && status["updatedReplicas"] == status["readyReplicas"]
                    && seen["metadata"]["generation"] == status["observedGeneration"]
            })
            .await;
    }

    /// The nodes, or nothing after a line that says what is not shown without them.
    pub fn nodes(&self, what: &str) -> Option<&Nodes> {
        if self.nodes.is_none() {
            eprintln!("SKIPPED {what}: the nodes are not this suite's");
        }
        self.nodes.as_ref()
    }
}
