//! `make demo`: the operator at work, on a dedicated control plane, with the time and the requests
//! of each step.
//!
//! Everything shown is real output: kubectl's, the API server's, its audit log's. Only the pods are
//! simulated.

mod erp;
mod page;
mod stage;
mod tree;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Service},
    networking::v1::NetworkPolicy,
};
use kube::{Api, ResourceExt as _, api::DynamicObject};
use local_cluster::wait_for;
use logpilot_operator::{api::LogPilotCluster, engine::kind::Kind, kinds::Managed as _};
use page::{Page, say};
use serde_json::json;
use stage::{DEADLINE, Error, OPERATOR_NAMESPACE, Result, Stage, at};
use tokio::time::sleep;

const CRD: &str = "crds/";
/// Listed by name: the directory also holds roles for users.
const RBAC: &str = "config/rbac/service_account.yaml,config/rbac/role.yaml,config/rbac/role_binding.yaml";
const EXAMPLE: &str = "examples/production.yaml";
/// Name and namespace of the example.
const NAME: &str = "production";
const SERVER: &str = "production-all";
const CLAIM: &str = "production-data";
/// The simulated kubelets treat it as an image that does not exist.
const BROKEN_IMAGE: &str = r#"{"spec":{"image":"danpung2/logpilot:1.3.0-image-pull"}}"#;
const NEW_CONFIG: &str = r#"{"spec":{"config":{"logLevels":{"com.logpilot":"DEBUG"}}}}"#;
const IDLE: Duration = Duration::from_secs(5);
const PROBLEMS: &str = "jsonpath={range .status.problems[*]}{.severity}: {.reason}, {.object}\n{end}";
const CAUSE: &str =
    "jsonpath={range .status.problems[0:1]}{.severity}: {.reason}, {.object}: {.message}\n  {.action}\n{end}";
/// The classes that the example names.
const CLASSES: [&str; 2] = ["fast", "slow"];

/// An image that cannot be rolled back, and a storage that would duplicate every record.
const CARELESS: &str = "\
apiVersion: logpilot.io/v1alpha1
kind: LogPilotCluster
metadata: { name: careless }
spec:
  image: danpung2/logpilot
  components: { all: { replicas: 3 } }
  storage: { backend: File }
";

#[tokio::main]
async fn main() -> ExitCode {
    let mut page = Page::new();
    let told = tokio::select! {
        told = show(&mut page) => told,
        _ = tokio::signal::ctrl_c() => Err(Error::Unexpected("interrupted".to_owned())),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndemo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn show(page: &mut Page) -> Result<()> {
    let began = Instant::now();
    println!("logpilot-operator: LogPilot on Kubernetes from one resource");
    let mut stage = control_plane(page).await?;
    install(page, &mut stage).await?;
    create(page, &stage).await?;
    idle(page, &mut stage).await?;
    by_hand(page, &stage).await?;
    config(page, &stage).await?;
    broken_image(page, &stage).await?;
    refused(page, &stage)?;
    erp::show(page, &stage).await?;
    delete(page, &stage).await?;
    stage.stop_operator().await;
    drop(stage);
    page.summary();
    println!("\n   Everything has ended and is removed, after {:.0} s.", began.elapsed().as_secs_f64());
    say("`make up` starts such a cluster for your own experiments, `make down` ends it.");
    Ok(())
}

async fn control_plane(page: &mut Page) -> Result<Stage> {
    page.heading("A Kubernetes cluster on this machine");
    say(format!(
        "Kubernetes {}. etcd, API server, controllers and scheduler",
        local_cluster::KUBERNETES_VERSION
    ));
    say("are the real programs. The nodes are simulated: pods get a node, an address and");
    say("readiness, but no container runs and no image is pulled.");
    let stage = Stage::start().await?;
    kubectl(page, &stage, &["get", "nodes"])?;
    page.result("start the control plane", stage.control_plane.started_in(), None);
    Ok(stage)
}

async fn install(page: &mut Page, stage: &mut Stage) -> Result<()> {
    page.heading("Install: the CRD, the operator's RBAC, the operator");
    let began = Instant::now();
    kubectl(page, stage, &["apply", "-f", CRD])?;
    surroundings(stage)?;
    kubectl(page, stage, &["create", "namespace", OPERATOR_NAMESPACE])?;
    kubectl(page, stage, &["apply", "-f", RBAC])?;
    let since = stage.marker().await?;
    stage.start_operator().await?;
    let took = began.elapsed();
    say("The operator runs inside this demo, with only the token of its ServiceAccount.");
    page.result("install the operator", took, Some(&stage.requests(since).await?));
    Ok(())
}

/// The other parts of a production cluster: storage classes, and the kinds of the Gateway API and
/// of the Prometheus operator. No controller handles their objects here.
fn surroundings(stage: &Stage) -> Result<()> {
    let class = |name: &str| {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": name },
            "provisioner": local_cluster::volumes::PROVISIONER,
        })
    };
    let mut manifests = local_cluster::gateway_api::crds()?;
    manifests.extend(CLASSES.map(class).iter().map(ToString::to_string));
    manifests.extend(local_cluster::prometheus_operator::crds().iter().map(ToString::to_string));
    let file = stage.control_plane.dir().join("surroundings.yaml");
    std::fs::write(&file, manifests.join("\n---\n"))?;
    // Server-side: the Gateway API's CRDs are too long for the annotation of client-side apply.
    stage.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]).map(drop)
}

async fn create(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading(
        "Production from one file: autoscaling, routes, monitoring, backups, network policy, on one volume",
    );
    apply_until_ready(page, stage, "create, until Ready").await?;
    say("The objects it created, as the API server stores them:");
    page.output(&tree::draw(&stage.client, NAME).await.map_err(at("list the objects"))?);
    say("Ready, with warnings. No Gateway controller runs here to accept the routes:");
    kubectl(page, stage, &["get", "lpc", NAME, "-o", PROBLEMS])
}

async fn idle(page: &mut Page, stage: &mut Stage) -> Result<()> {
    page.heading("An idle operator; then the operator is restarted");
    let since = stage.marker().await?;
    sleep(IDLE).await;
    page.result("stay idle", IDLE, Some(&stage.requests(since).await?));
    stage.stop_operator().await;
    let (since, began) = (stage.marker().await?, Instant::now());
    stage.start_operator().await?;
    let took = began.elapsed();
    page.result("restart the operator", took, Some(&stage.requests(since).await?));
    Ok(())
}

async fn by_hand(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading("A user deletes a Service, and then opens the network policy");
    let open = |object: &DynamicObject| object.data.pointer("/spec/ingress/0/from").is_none();
    let delete = ["delete", "service", SERVER, "-n", NAME];
    let patch = r#"[{"op":"remove","path":"/spec/ingress/0/from"}]"#;
    let policy = ["patch", "networkpolicy", SERVER, "-n", NAME, "--type=json", "-p", patch];
    repair(page, stage, (Service::KIND, SERVER), |_| false, &delete, "recreate a deleted Service").await?;
    repair(page, stage, (NetworkPolicy::KIND, SERVER), open, &policy, "close an opened network policy")
        .await?;

    say("The autoscaler's decision is not reverted. It has no metrics here, so it is simulated by hand:");
    let (since, began) = (stage.marker().await?, Instant::now());
    kubectl(page, stage, &["scale", "deployment", SERVER, "-n", NAME, "--replicas=4"])?;
    let four = |cr: &LogPilotCluster| cr.status.as_ref().is_some_and(|it| it.pods.as_deref() == Some("4/4"));
    stage.until(NAME, "4 of 4 pods are ready", four).await?;
    let took = began.elapsed();
    kubectl(page, stage, &["get", "hpa,deployment", "-n", NAME])?;
    page.result("leave 4 pods to the autoscaler", took, Some(&stage.requests(since).await?));
    Ok(())
}

async fn config(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading("A setting of the servers is changed");
    let (since, began) = (stage.marker().await?, Instant::now());
    kubectl(page, stage, &["patch", "lpc", NAME, "--type=merge", "-p", NEW_CONFIG])?;
    stage.until(NAME, "it is Ready", is_ready).await?;
    let took = began.elapsed();
    let requests = stage.requests(since).await?;
    say("One rollout, and still 4 pods. The previous configuration stays for a rollback:");
    kubectl(
        page,
        stage,
        &["get", "replicasets,configmaps", "-n", NAME, "-l", "app.kubernetes.io/component=all"],
    )?;
    page.result("roll a new configuration out", took, Some(&requests));
    Ok(())
}

async fn repair(
    page: &mut Page,
    stage: &Stage,
    (kind, name): (&Kind, &str),
    broken: fn(&DynamicObject) -> bool,
    command: &[&str],
    step: &str,
) -> Result<()> {
    let since = stage.marker().await?;
    let took = stage.repaired(kind, (NAME, name), broken, || kubectl(page, stage, command)).await?;
    stage.until(NAME, "it is Ready again", is_ready).await?;
    let requests = stage.requests(since).await?;
    say("The operator's requests to the API server:");
    page.output(&requests.lines());
    page.result(step, took, Some(&requests));
    Ok(())
}

async fn broken_image(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading("A new image that cannot be pulled, and the revert");
    let (since, began) = (stage.marker().await?, Instant::now());
    kubectl(page, stage, &["patch", "lpc", NAME, "--type=merge", "-p", BROKEN_IMAGE])?;
    stage.until(NAME, "the status names the cause", |cr| is_named(cr, "ImagePullBackOff")).await?;
    let took = began.elapsed();
    kubectl(page, stage, &["get", "lpc"])?;
    let requests = stage.requests(since).await?;
    kubectl(page, stage, &["get", "lpc", NAME, "-o", CAUSE])?;
    page.result("report the cause of a broken image", took, Some(&requests));
    say("The pods of the old image keep serving:");
    kubectl(page, stage, &["get", "deployments", "-n", NAME])?;
    say("To revert, apply the manifest again:");
    apply_until_ready(page, stage, "revert, until Ready").await
}

fn refused(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading("A manifest that would duplicate every record is refused");
    let file = stage.control_plane.dir().join("careless.yaml");
    std::fs::write(&file, CARELESS)?;
    page.command("cat careless.yaml");
    page.output(CARELESS);
    page.command("kubectl apply -f careless.yaml");
    let began = Instant::now();
    match stage.kubectl(&["apply", "-f", &file.to_string_lossy()]) {
        Err(Error::Kubectl { said, .. }) => page.output(&said),
        Err(error) => return Err(error),
        Ok(said) => return Err(Error::Unexpected(format!("the manifest was accepted: {said}"))),
    }
    page.result("refuse a manifest", began.elapsed(), None);
    Ok(())
}

async fn delete(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading("The resource is deleted, the data stays");
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(stage.client.clone(), NAME);
    let claim = async || claims.get(CLAIM).await.map(|claim| claim.uid()).map_err(at("read the PVC"));
    let before = claim().await?;
    if !stage.is_collected()? {
        say(
            "Kubernetes' garbage collector looks for new kinds every 30 s; on this new cluster the demo waits for that.",
        );
        let known = || {
            std::future::ready(if let Ok(true) = stage.is_collected() {
                Ok(())
            } else {
                Err("not yet".into())
            })
        };
        wait_for("the garbage collector to know the kind", DEADLINE, known).await?;
    }
    let (since, began) = (stage.marker().await?, Instant::now());
    kubectl(page, stage, &["delete", "lpc", NAME])?;
    let left = wait_for("the owned objects to be deleted", DEADLINE, async || {
        let left = tree::draw(&stage.client, NAME).await.map_err(|error| error.to_string())?;
        if left.lines().all(|line| line.contains("no owner")) { Ok(left) } else { Err(left) }
    })
    .await?;
    let took = began.elapsed();
    say("The remaining objects:");
    page.output(&left);
    page.result("delete, until all owned objects are deleted", took, Some(&stage.requests(since).await?));
    say("The recreated resource finds its volume:");
    apply_until_ready(page, stage, "recreate, until Ready").await?;
    if claim().await? == before { Ok(()) } else { Err(Error::Unexpected("the PVC was replaced".to_owned())) }
}

async fn apply_until_ready(page: &mut Page, stage: &Stage, step: &str) -> Result<()> {
    let (since, began) = (stage.marker().await?, Instant::now());
    kubectl(page, stage, &["apply", "-f", EXAMPLE])?;
    stage.until(NAME, "it is Ready", is_ready).await?;
    let took = began.elapsed();
    kubectl(page, stage, &["get", "lpc"])?;
    let requests = stage.requests(since).await?;
    page.result(step, took, Some(&requests));
    Ok(())
}

/// Runs kubectl and shows the command as a user would type it, with its output.
fn kubectl(page: &Page, stage: &Stage, arguments: &[&str]) -> Result<()> {
    let quoted = |text: &&str| {
        let text = text.replace('\n', "\\n");
        if text.contains([' ', '"']) { format!("'{text}'") } else { text }
    };
    page.command(&format!("kubectl {}", arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")));
    page.output(&stage.kubectl(arguments)?);
    Ok(())
}

fn is_ready(cr: &LogPilotCluster) -> bool {
    cr.status.as_ref().is_some_and(|status| {
        status.observed_generation == cr.metadata.generation
            && status.conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True")
    })
}

/// Returns whether the status of the newest generation contains a problem with this reason.
fn is_named(cr: &LogPilotCluster, reason: &str) -> bool {
    cr.status.as_ref().is_some_and(|status| {
        status.observed_generation == cr.metadata.generation
            && status.problems.iter().any(|it| it.reason == reason)
    })
}
