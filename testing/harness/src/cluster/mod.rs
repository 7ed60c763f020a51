//! The shared parts of the cluster suites: one control plane, the operator running in this process
//! with its own ServiceAccount's token, and one case (a resource and its namespace) per test.

pub mod behind;
pub mod case;
pub mod kinds;
pub mod lease;
pub mod stack;

use std::{
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use k8s_openapi::ByteString;
use kube::{
    Api, Client,
    api::{
        ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams, TypeMeta,
    },
    config::Kubeconfig,
};
use local_cluster::{
    Env,
    audit::{AuditEvent, Marker},
    wait_for,
};
use logpilot_operator::{
    api,
    engine::{lease::LeadershipLost, resource::ResourceKind},
    kinds::{KINDS, LOGPILOT_CLUSTER, SERVICE_STACK},
    logpilot::plan::{self, Planner},
    operator::{self, Operator},
};
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

pub const OPERATOR_NAMESPACE: &str = "logpilot-operator-system";
pub const OPERATOR_ACCOUNT: &str = "logpilot-operator";
pub const OPERATOR_USER: &str = "system:serviceaccount:logpilot-operator-system:logpilot-operator";

/// The name of a resource whose plan panics, and of one whose plan never returns.
pub const PANICS: &str = "plan-panics";
pub const HANGS: &str = "plan-hangs";

/// The Kubernetes cluster under test, with CRD and RBAC installed.
pub struct World {
    pub env: Env,
    log: PathBuf,
}

static WORLD: OnceCell<World> = OnceCell::const_new();

/// Returns the cluster of this test binary.
pub async fn world() -> &'static World {
    WORLD
        .get_or_init(|| async {
            let log = log_file();
            let env = Env::from_environment().await.expect("a cluster to test on");
            let client = env.client().await.expect("a client");
            for crd in api::crd::definitions() {
                apply(&client, &serde_json::to_value(crd).unwrap()).await;
            }
            for resource in [resource(), stacks()] {
                wait_for("the CRDs to be served", Duration::from_secs(30), async || {
                    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
                    api.list(&kube::api::ListParams::default()).await.map(drop).map_err(|error| error.to_string())
                })
                .await
                .unwrap();
            }
            for file in [
                "rbac/service_account.yaml",
                "rbac/role.yaml",
                "rbac/role_binding.yaml",
                "rbac/lease.yaml",
                // In every suite, the admission policy must admit the product's writes.
                "admission/operator_reach.yaml",
                "admission/stack_author.yaml",
            ] {
                let path = crate::root().join("config").join(file);
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                for manifest in documents(&text) {
                    if manifest.pointer("/kind").is_some_and(|kind| kind == "ServiceAccount") {
                        apply(&client, &serde_json::json!({
                            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": OPERATOR_NAMESPACE },
                        }))
                        .await;
                    }
                    apply(&client, &manifest).await;
                }
            }
            World { env, log }
        })
        .await
}

impl World {
    pub async fn client(&self) -> Client {
        self.env.client().await.unwrap()
    }

    /// Returns a kubeconfig with the operator's own permissions.
    pub async fn operator_kubeconfig(&self) -> Kubeconfig {
        self.env.access().service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT).await.unwrap()
    }

    /// Returns a client configuration with them.
    pub async fn operator_config(&self) -> kube::Config {
        behind::config(&self.operator_kubeconfig().await).await
    }

    pub async fn marker(&self) -> Option<Marker> {
        let Some(plane) = self.env.control_plane() else {
            eprintln!("requests are not counted on a given cluster: it has no audit log to read");
            return None;
        };
        Some(plane.audit_marker().await.unwrap())
    }

    /// Returns the operator's requests since a marker.
    pub async fn requests(&self, since: Option<&Marker>) -> Vec<AuditEvent> {
        match (self.env.control_plane(), since) {
            (Some(plane), Some(since)) => plane.requests_of(OPERATOR_USER, *since).await.unwrap(),
            _ => Vec::new(),
        }
    }

    /// Returns everything that the operator logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the lines of the operator's log that contain a name.
    pub fn log_of(&self, name: &str) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(name)).collect();
        lines.iter().rev().take(60).rev().copied().collect::<Vec<_>>().join("\n")
    }

    /// Starts an operator with a thread and runtime of its own, like a process.
    pub async fn start_operator(&self, planner: Planner) -> Running {
        let config = self.operator_config().await;
        self.start(config, planner, None, "logpilot-operator:test").await
    }

    /// Starts an operator that reaches the API server with this configuration and knows itself by
    /// this image.
    pub async fn start_behind(&self, config: kube::Config, image: &str) -> Running {
        self.start(config, plan::planner(), None, image).await
    }

    /// Starts an operator that writes only while it holds the Lease, under this name.
    pub async fn start_candidate(&self, identity: &'static str) -> Running {
        let config = self.operator_config().await;
        self.start(config, plan::planner(), Some(identity), "logpilot-operator:test").await
    }

    /// Starts such a candidate with this client configuration.
    pub async fn start_candidate_behind(&self, config: kube::Config, identity: &'static str) -> Running {
        self.start(config, plan::planner(), Some(identity), "logpilot-operator:test").await
    }

    /// Starts an operator that may not be able to list everything yet.
    pub async fn start_early(&self, planner: Planner) -> Running {
        spawn(self.operator_config().await, planner, None, "logpilot-operator:test")
    }

    async fn start(
        &self,
        config: kube::Config,
        planner: Planner,
        identity: Option<&'static str>,
        image: &str,
    ) -> Running {
        let running = spawn(config, planner, identity, image);
        wait_for("the operator's first lists", Duration::from_secs(20), async || {
            running.is_ready().then_some(()).ok_or("not ready".to_owned())
        })
        .await
        .unwrap();
        running
    }
}

fn spawn(config: kube::Config, planner: Planner, identity: Option<&'static str>, image: &str) -> Running {
    let image = image.to_owned();
    let (stop, crash) = (CancellationToken::new(), CancellationToken::new());
    let (operator, ended): (Arc<OnceLock<Operator>>, Arc<OnceLock<LeadershipLost>>) = <_>::default();
    let thread = std::thread::spawn({
        let (stop, crash) = (stop.clone(), crash.clone());
        let (operator, ended) = (Arc::clone(&operator), Arc::clone(&ended));
        move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let mut running =
                    Operator::new(operator::client(config.clone()).unwrap(), planner).with_image(Some(image));
                if let Some(identity) = identity {
                    let client = operator::client(config).unwrap();
                    running = running.with_election(client, OPERATOR_NAMESPACE, identity.to_owned());
                }
                let _ = operator.set(running.clone());
                tokio::select! {
                    result = running.run(stop) => if let Err(lost) = result { ended.set(lost).unwrap() },
                    () = crash.cancelled() => {}
                }
            });
            // Like a killed process: it does not wait for requests in progress.
            runtime.shutdown_background();
        }
    });
    Running { stop, crash, operator, ended, thread: Some(thread) }
}

/// A running operator; it ends when this is dropped or stopped.
pub struct Running {
    stop: CancellationToken,
    crash: CancellationToken,
    operator: Arc<OnceLock<Operator>>,
    ended: Arc<OnceLock<LeadershipLost>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    pub fn is_ready(&self) -> bool {
        self.operator.get().is_some_and(Operator::is_ready)
    }

    pub fn leads(&self) -> bool {
        self.operator.get().is_some_and(Operator::leads)
    }

    /// Returns the number of completed reconciles.
    pub fn reconciles(&self) -> u64 {
        let finished = "logpilot_operator_reconciles_total{result=\"finished\"} ";
        self.metrics()
            .lines()
            .find_map(|line| line.strip_prefix(finished))
            .map_or(0, |number| number.parse().unwrap())
    }

    /// Returns the operator's metrics, as they are scraped.
    pub fn metrics(&self) -> String {
        let metrics = self.operator.get().map(|operator| operator.metrics.render(&[], 0, true, &[]));
        metrics.unwrap_or_default()
    }

    /// Returns the time since a watch last reported anything.
    pub fn silence(&self, resource: &str) -> Duration {
        let silences = self.operator.get().map(|operator| operator.liveness.silences()).unwrap_or_default();
        silences.into_iter().find(|(name, _)| *name == resource).expect("it is watched").1
    }

    /// Returns the reason why the operator ended by itself, if it did.
    pub fn lost(&self) -> Option<&LeadershipLost> {
        self.ended.get()
    }

    /// Ends the operator abruptly, without a final request.
    pub fn crash(mut self) {
        self.crash.cancel();
        self.end();
    }

    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Installs the Prometheus operator's CRDs, without the operator.
pub async fn install_service_monitors(client: &Client) {
    for crd in local_cluster::prometheus_operator::crds() {
        apply(client, &crd).await;
    }
    served(client, "monitoring.coreos.com").await;
}

/// Waits until the kinds of a group whose CRDs were just created are served.
async fn served(client: &Client, group: &str) {
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        let api = kinds::api(client, kind, "default");
        wait_for(format!("{} to be served", kind.plural), Duration::from_secs(20), async || {
            api.list(&ListParams::default()).await.map(drop).map_err(|error| error.to_string())
        })
        .await
        .unwrap();
    }
}

/// The names of the Gateway API's CRDs that the operator uses.
pub const GATEWAY_CRDS: [&str; 3] = [
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "grpcroutes.gateway.networking.k8s.io",
];

/// Installs the Gateway API's own CRDs, with their validation and defaults.
pub async fn install_gateway_api(client: &Client) {
    for text in local_cluster::gateway_api::crds().unwrap() {
        for manifest in documents(&text) {
            apply(client, &manifest).await;
        }
    }
    served(client, "gateway.networking.k8s.io").await;
}

static SHARED: OnceCell<Mutex<Running>> = OnceCell::const_new();

/// The operator that all tests of a shared binary use; its planner fails for two names.
pub async fn shared_operator() -> &'static World {
    let world = world().await;
    let client = world.client().await;
    install_service_monitors(&client).await;
    install_gateway_api(&client).await;
    SHARED.get_or_init(|| async { Mutex::new(world.start_operator(breaking_planner()).await) }).await;
    world
}

/// The metrics of that operator.
pub fn shared_metrics() -> String {
    SHARED.get().map(|running| running.lock().unwrap().metrics()).unwrap_or_default()
}

fn breaking_planner() -> Planner {
    let plan = plan::planner();
    Arc::new(move |cluster, facts| match cluster.name() {
        PANICS => Box::pin(async { panic!("the plan of this resource is broken") }),
        HANGS => Box::pin(std::future::pending()),
        _ => plan(cluster, facts),
    })
}

pub fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(api::GROUP, api::VERSION, api::KIND),
        api::PLURAL,
    )
}

/// The resource of ServiceStacks.
pub fn stacks() -> ApiResource {
    SERVICE_STACK.api_resource()
}

/// Returns whether the whole campaign runs, and not a sample.
pub fn whole_campaign() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

/// Returns a `LogPilotCluster` of this name with this spec.
pub fn manifest(name: &str, spec: &serde_json::Value) -> serde_json::Value {
    manifest_of(&LOGPILOT_CLUSTER, name, name, spec)
}

/// Returns a resource of any kind. A cluster-scoped one has no namespace.
pub fn manifest_of(
    kind: &ResourceKind,
    namespace: &str,
    name: &str,
    spec: &serde_json::Value,
) -> serde_json::Value {
    let mut metadata = serde_json::json!({ "name": name });
    if kind.namespaced {
        metadata["namespace"] = namespace.into();
    }
    serde_json::json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata, "spec": spec,
    })
}

/// Applies any manifest as the administrator.
pub async fn apply(client: &Client, manifest: &serde_json::Value) -> DynamicObject {
    try_apply(client, manifest).await.unwrap_or_else(|error| panic!("{error}\n{manifest}"))
}

pub async fn try_apply(client: &Client, manifest: &serde_json::Value) -> kube::Result<DynamicObject> {
    let (api, object) = addressed(client, manifest);
    let parameters = PatchParams::apply("suite").force();
    api.patch(object.metadata.name.as_deref().unwrap(), &parameters, &Patch::Apply(manifest)).await
}

/// Creates the manifest, which costs the API server half as much as an apply.
pub async fn create(client: &Client, manifest: &serde_json::Value) {
    let (api, object) = addressed(client, manifest);
    let created = api.create(&PostParams::default(), &object).await;
    created.unwrap_or_else(|error| panic!("{error}\n{manifest}"));
}

fn addressed(client: &Client, manifest: &serde_json::Value) -> (Api<DynamicObject>, DynamicObject) {
    let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
    let types: TypeMeta = object.types.clone().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types).unwrap());
    let api = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    (api, object)
}

/// Returns a Secret's value as it appears in JSON of the API, whatever follows it.
pub fn encoded(value: &str) -> String {
    let text = serde_json::to_value(ByteString(value.as_bytes().to_vec())).unwrap();
    text.as_str().unwrap().trim_end_matches('=').to_owned()
}

pub fn documents(text: &str) -> Vec<serde_json::Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_json::Value::deserialize(document).unwrap())
        .filter(|value| !value.is_null())
        .collect()
}

fn log_file() -> PathBuf {
    let path = crate::scratch().join(format!("operator-{}.log", std::process::id()));
    let file = File::create(&path).unwrap();
    let _ = tracing_subscriber::fmt()
        .with_env_filter("info,logpilot_operator=debug")
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .try_init();
    path
}
