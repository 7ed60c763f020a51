//! The chapter on stacks: a system of eight services starts in order, and one of them fails.

use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use logpilot_operator::stack::api::{ServiceStack, status::StackProblem};
use serde_json::json;

use crate::{
    kubectl,
    page::{Page, say},
    stage::{Result, Stage},
};

const EXAMPLE: &str = "examples/stacks/erp.yaml";
const NAMESPACE: &str = "erp-system";
const NAME: &str = "erp";
/// The component that fails.
const BROKER: &str = "kafka";
const POD: &str = "kafka-0";
const COMPONENTS: &str =
    "jsonpath={range .status.components[*]}tier {.tier}: {.name}, {.phase}, {.ready}\n{end}";
const CAUSE: &str = "jsonpath={range .status.problems[?(@.component==\"kafka\")]}{.severity}: {.reason}, {.object}: {.message}\n  affects: {.affects}\n{end}";
/// The component that crashes because of that.
const DEPENDENT: &str = "notification-service";
const EVICTIONS: &str = "jsonpath={range .items[*]}{.message}\n{end}";

pub async fn show(page: &mut Page, stage: &Stage) -> Result<()> {
    start(page, stage).await?;
    outage(page, stage).await
}

async fn start(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading("A stack from one file: eight services of an ERP, in the order of their dependencies");
    let (since, began) = (stage.marker().await?, Instant::now());
    kubectl(page, stage, &["create", "namespace", NAMESPACE])?;
    kubectl(page, stage, &["apply", "-f", EXAMPLE])?;
    stage.stack_until((NAMESPACE, NAME), "it is Ready", is_ready).await?;
    let took = began.elapsed();
    kubectl(page, stage, &["get", "stack", NAME, "-n", NAMESPACE])?;
    kubectl(page, stage, &["get", "stack", NAME, "-n", NAMESPACE, "-o", COMPONENTS])?;
    page.result("start eight services in six tiers", took, Some(&stage.requests(since).await?));
    Ok(())
}

async fn outage(page: &mut Page, stage: &Stage) -> Result<()> {
    page.heading("Kafka fails, and a service that needs it; the status names the root cause");
    say("Pods are simulated here, and so are the reports that both containers end with errors.");
    let (since, began) = (stage.marker().await?, Instant::now());
    crash(stage, DEPENDENT, "cannot connect to kafka:9092")?;
    crash(stage, BROKER, "java.io.IOException: No space left on device")?;
    let named = |stack: &ServiceStack| {
        let is_cause = |it: &StackProblem| it.component.as_deref() == Some(BROKER) && !it.affects.is_empty();
        problems(stack).iter().any(is_cause)
    };
    stage.stack_until((NAMESPACE, NAME), "the status names the cause", named).await?;
    let took = began.elapsed();
    let requests = stage.requests(since).await?;
    kubectl(page, stage, &["get", "stack", NAME, "-n", NAMESPACE])?;
    kubectl(page, stage, &["get", "stack", NAME, "-n", NAMESPACE, "-o", CAUSE])?;
    page.result("name the root cause of an outage", took, Some(&requests));

    say("Kafka's pod is replaced. The service need not wait for the end of its crash backoff:");
    let (since, began) = (stage.marker().await?, Instant::now());
    kubectl(page, stage, &["delete", "pod", POD, "-n", NAMESPACE])?;
    stage.stack_until((NAMESPACE, NAME), "it is Ready again", is_ready).await?;
    let took = began.elapsed();
    let requests = stage.requests(since).await?;
    let evictions = "reason=BackoffPodEvicted";
    kubectl(
        page,
        stage,
        &["get", "events", "-n", NAMESPACE, "--field-selector", evictions, "-o", EVICTIONS],
    )?;
    kubectl(page, stage, &["get", "stack", NAME, "-n", NAMESPACE])?;
    page.result("recover from the outage, until Ready", took, Some(&requests));
    Ok(())
}

/// Reports, as a kubelet would, that the container of a component has ended with an error.
fn crash(stage: &Stage, component: &str, error: &str) -> Result<()> {
    let selector = format!("app.kubernetes.io/component={component}");
    let first = "jsonpath={.items[0].metadata.name}";
    let pod = stage.kubectl(&["get", "pods", "-n", NAMESPACE, "-l", &selector, "-o", first])?;
    let now = Timestamp::now().to_string();
    let report = json!({ "status": {
        "conditions": [
            { "type": "Ready", "status": "False", "reason": "ContainersNotReady" },
            { "type": "ContainersReady", "status": "False", "reason": "ContainersNotReady" },
        ],
        "containerStatuses": [{
            "name": component, "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s restarting" } },
            "lastState": { "terminated": {
                "exitCode": 1, "reason": "Error", "message": error, "startedAt": now, "finishedAt": now,
            } },
        }],
    } });
    let report = report.to_string();
    stage.kubectl(&["patch", "pod", &pod, "-n", NAMESPACE, "--subresource=status", "-p", &report]).map(drop)
}

fn problems(stack: &ServiceStack) -> &[StackProblem] {
    stack.status.as_ref().map_or(&[], |status| &status.problems)
}

fn is_ready(stack: &ServiceStack) -> bool {
    stack.status.as_ref().is_some_and(|status| {
        status.observed_generation == stack.metadata.generation
            && status.conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True")
    })
}
