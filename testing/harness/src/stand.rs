//! The bench of the trials: one Kubernetes cluster, and slots with one proxy and one operator each,
//! so that a crash in one slot does not affect another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fault_proxy::{Proxy, Record};
use kube::{
    Config,
    api::{DeleteParams, ListParams},
    config::Kubeconfig,
};
use local_cluster::wait_for;
use logpilot_operator::{
    engine::{INSTANCE_LABEL, resource::ResourceKind},
    kinds::{KINDS, LOGPILOT_CLUSTER, SERVICE_STACK},
};
use serde_json::Value;

use crate::{
    cluster::{
        Running, World, behind,
        case::{Case, condition},
        install_service_monitors, kinds, world,
    },
    witness::Witness,
};

/// The limit from a disturbance to the desired state; includes the time that pods take to become ready.
pub const CONVERGED: Duration = Duration::from_mins(1);
/// This long without a request counts as silence.
const QUIET: Duration = Duration::from_millis(400);
/// The operator's longest backoff after the longest series of rejections.
const RESTS: Duration = Duration::from_secs(20);
/// Kinds whose controllers send requests continuously, and the kind that uses node ports.
const BUSY: [&str; 3] = ["horizontalpodautoscalers", "cronjobs", "services"];
pub const IMAGE: &str = "logpilot-operator:test";

/// The outcome of one trial.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The event to disturb never occurred.
    pub missed: bool,
    /// The number of changes to the resource that were made and awaited.
    pub steps: usize,
    /// The number of operators that crashed at a write.
    pub crashes: usize,
    pub recovery: Duration,
    pub violations: Vec<String>,
}

pub struct Stand {
    pub world: &'static World,
    pub witness: Arc<Witness>,
}

impl Stand {
    pub async fn new() -> Self {
        let world = world().await;
        let client = world.client().await;
        install_service_monitors(&client).await;
        Self { world, witness: Witness::start(world).await }
    }

    pub async fn slot(&self) -> Slot {
        let (proxy, through) = behind::start(self.world).await;
        Slot { world: self.world, witness: Arc::clone(&self.witness), proxy, through }
    }
}

/// A slot, which runs one trial at a time.
pub struct Slot {
    pub world: &'static World,
    pub witness: Arc<Witness>,
    pub proxy: Proxy,
    pub through: Kubeconfig,
}

impl Slot {
    /// Returns a new `LogPilotCluster`, the only resource that this slot's operators see.
    pub async fn case(&self) -> Case {
        self.case_of(&LOGPILOT_CLUSTER).await
    }

    /// Returns a new resource of this kind. Stacks have the same name, in different namespaces: hashes
    /// of their objects contain the name.
    pub async fn case_of(&self, kind: &'static ResourceKind) -> Case {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("c{:05}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.proxy.forget();
        let case = if *kind == SERVICE_STACK {
            Case::stack(self.world, &unique, "shop").await
        } else {
            Case::new(self.world, &unique).await
        };
        self.narrow(&case);
        self.proxy.revive();
        case
    }

    /// Restricts this slot's operators to one resource and its objects.
    pub fn narrow(&self, case: &Case) {
        let ns = case.ns();
        let field =
            |resource, field| behind::only(resource, "fieldSelector", format!("metadata.{field}={ns}"));
        let object = |resource| {
            if case.of.namespaced {
                field(resource, "namespace")
            } else {
                // A LogPilotCluster may have objects in a second namespace.
                behind::only(resource, "labelSelector", format!("{INSTANCE_LABEL}={ns}"))
            }
        };
        let kinds = KINDS.iter().filter(|kind| kind.management.watched() && kind.plural != "namespaces");
        let mut narrow = vec![
            field(LOGPILOT_CLUSTER.plural, "name"),
            field(SERVICE_STACK.plural, "namespace"),
            field("namespaces", "name"),
        ];
        narrow.extend(kinds.map(|kind| object(kind.plural)));
        self.proxy.narrow(narrow);
    }

    /// Starts an operator that knows itself by this image.
    pub async fn operator(&self, image: &str) -> Running {
        self.world.start_behind(self.config().await, image).await
    }

    /// Returns a client configuration through the proxy, with the operator's permissions.
    pub async fn config(&self) -> Config {
        behind::config(&self.through).await
    }

    /// Waits until the newest spec is in effect, every pod runs it, and no further request is sent.
    pub async fn is_settled(&self, case: &Case, spec: &Value) -> Result<(), String> {
        let stopped = spec.pointer("/operation/stopped").is_some_and(|stopped| stopped == true);
        let there = |status: &Value| {
            let ready = if stopped {
                condition(status, "Ready").1 == "Stopped" && without_pods(case, status)
            } else {
                condition(status, "Ready").0 == "True"
            };
            ready && condition(status, "Applied").0 == "True"
        };
        for _ in 0..5 {
            self.reached(case, there).await?;
            self.quiet().await?;
            // The last status may report remaining work, which waits for its backoff.
            if self.witness.newest(case).is_some_and(|object| there(&object["status"])) {
                return Ok(());
            }
        }
        Err(format!("{} settles repeatedly", case.name))
    }

    /// Waits until a status for the newest spec satisfies a predicate.
    pub async fn reached(&self, case: &Case, asked: impl Fn(&Value) -> bool) -> Result<(), String> {
        let asked_last =
            case.api().get(&case.name).await.map_err(|error| error.to_string())?.metadata.generation;
        wait_for(format!("{} to settle", case.name), CONVERGED, async || {
            let Some(object) = self.witness.newest(case) else {
                return Err("there is no resource".to_owned());
            };
            let (generation, status) = (object["metadata"]["generation"].as_i64(), &object["status"]);
            let observed = status["observedGeneration"].as_i64();
            if generation >= asked_last && observed == generation && asked(status) {
                Ok(())
            } else {
                Err(status.to_string())
            }
        })
        .await
        .map_err(|error| error.to_string())
    }

    /// Waits until no further request is sent. An operator whose last write was kept from the API
    /// server is only in backoff before it repeats the write, unless the write is no longer needed.
    pub async fn quiet(&self) -> Result<(), String> {
        loop {
            behind::quiet(&self.proxy, QUIET, Duration::from_secs(20)).await?;
            let Some(last) = self.last_write().filter(Record::kept_back) else { return Ok(()) };
            let repeated = wait_for("another try", RESTS, async || match self.last_write() {
                Some(newer) if newer.sequence > last.sequence => Ok(()),
                _ => Err(behind::shown(&last)),
            });
            if repeated.await.is_err() {
                return Ok(());
            }
        }
    }

    fn last_write(&self) -> Option<Record> {
        self.proxy.last(|record| record.asked.writes())
    }

    /// Leaves the resource without an operator: deleting it would cost the API server as many
    /// requests as a trial. Only objects that would stay active, or that use scarce node ports, are
    /// deleted.
    pub async fn done(&self, case: Case, operators: Vec<Running>) {
        for operator in operators {
            operator.kill();
        }
        for kind in KINDS.iter().filter(|kind| BUSY.contains(&kind.plural)) {
            let api = kinds::api(&case.client, kind, case.ns());
            let _ = api.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        }
        self.witness.forget(&case);
    }
}

/// Returns whether the status of a stopped resource reports that no pods are left.
fn without_pods(case: &Case, status: &Value) -> bool {
    if case.of.namespaced {
        let rows = status["components"].as_array().into_iter().flatten();
        rows.filter(|row| row["ready"].is_string()).all(|row| row["phase"] == "Stopped")
    } else {
        status["pods"] == "0/0"
    }
}
