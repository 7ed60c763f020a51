//! A changed configuration is checked before any serving pod is changed.

use std::collections::BTreeSet;

use super::{operation::revision, *};

/// A spec with a configuration of its own for each name, and with Jobs whose servers behave as the
/// simulated kubelet reads from an image.
fn checked(case: &Case, config: &str, fate: Option<&str>) -> Value {
    let mut spec = json!({
        "image": IMAGE,
        "components": { "all": { "replicas": 2, "strategy": { "maxSurge": 1 } } },
        "config": {
            "check": { "timeoutSeconds": 600 },
            "overlay": { "spring": { "application": { "name": config } } },
        },
    });
    if let Some(fate) = fate {
        spec["patches"] = json!([{
            "target": { "kind": "Job", "name": format!("{}-all-check", case.name) }, "type": "Strategic",
            "patch": { "spec": { "template": { "spec": { "containers": [{ "name": "logpilot", "image": fate }] } } } },
        }]);
    }
    spec
}

/// UIDs of the servers' pods, and the generation of their Deployment.
async fn servers(case: &Case) -> (BTreeSet<String>, Option<i64>) {
    let pods = case.children(kind("Pod")).await;
    let serves = |pod: &&kube::api::DynamicObject| {
        pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key("app"))
    };
    let deployment = case.child("Deployment", &format!("{}-all", case.name)).await;
    (pods.iter().filter(serves).map(uid).collect(), deployment.metadata.generation)
}

/// Name and UID of the Jobs.
async fn jobs(case: &Case) -> Vec<(String, String)> {
    let all = case.children(kind("Job")).await;
    all.iter().map(|job| (job.metadata.name.clone().unwrap(), uid(job))).collect()
}

async fn no_jobs(case: &Case) {
    wait_for("the Jobs to be deleted", SOON, async || match jobs(case).await {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_bad_configuration_is_reported_before_any_rollout() {
    let case = case("tried").await;
    case.apply(checked(&case, "good", None)).await;
    case.ready().await;
    assert_eq!(jobs(&case).await, [], "nothing served yet, so there was nothing to protect");
    let before = servers(&case).await;
    assert_eq!(before.0.len(), 2);

    case.apply(checked(&case, "bad", Some("danpung2/logpilot-job-fail:2"))).await;
    let status = case.reason("Stalled", "True", "ConfigCheckFailed").await;
    let [(job, first)] = jobs(&case).await.try_into().expect("one Job");
    let told =
        status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == "ConfigCheckFailed").unwrap();
    assert_eq!(told["object"], format!("Job tried/{job}"));
    assert!(
        told["message"].as_str().unwrap().contains("exit code 1 (Error): backup failed: disk full"),
        "{told:#}"
    );
    assert!(told["action"].as_str().unwrap().contains("spec.config"), "{told:#}");
    assert_eq!(condition(&status, "Ready"), ("False".into(), "ConfigCheckFailed".into()));
    assert_eq!(condition(&status, "Applied"), ("False".into(), "ConfigCheckFailed".into()));
    assert_eq!(status["endpoints"][0]["readyAddresses"], 2, "{status:#}");
    assert_eq!(servers(&case).await, before);
    assert_eq!(case.children(kind("ConfigMap")).await.len(), 2, "the old one serves, the new one is checked");

    // The same configuration is checked again.
    kinds::delete(&case.client, kind("Job"), case.ns(), &job).await;
    wait_for("the second try", SOON, async || match jobs(&case).await.as_slice() {
        [(name, uid)] if *name == job && *uid != first => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    case.reason("Stalled", "True", "ConfigCheckFailed").await;
    assert_eq!(servers(&case).await, before);

    case.apply(checked(&case, "good", None)).await;
    let status = case.ready().await;
    assert!(!problems(&status).contains("ConfigCheckFailed"), "{status:#}");
    no_jobs(&case).await;
    assert_eq!(servers(&case).await, before);
    assert_eq!(case.children(kind("ConfigMap")).await.len(), 1, "a configuration that never ran is not kept");
}

#[tokio::test]
async fn a_good_configuration_is_checked_and_rolled_once() {
    let case = case("tries").await;
    case.apply(checked(&case, "one", None)).await;
    case.ready().await;
    let before = servers(&case).await;

    case.apply(checked(&case, "two", Some("danpung2/logpilot-image-pull:2"))).await;
    let status =
        case.until("its pod waits", SOON, |status| problems(status).contains("ImagePullBackOff")).await;
    for (type_, value) in [("Ready", "False"), ("Applied", "False"), ("Reconciling", "True")] {
        assert_eq!(condition(&status, type_), (value.into(), "ConfigChecking".into()), "{status:#}");
    }
    assert_eq!(condition(&status, "Stalled").0, "");
    let [(waits, _)] = jobs(&case).await.try_into().expect("one Job");
    assert!(message(&status, "Ready").contains(&format!("Job tries/{waits}")), "{status:#}");
    assert_eq!(servers(&case).await, before);

    // Another configuration is checked by another Job, and the pending Job is deleted.
    let since = case.world.marker().await;
    case.apply(checked(&case, "three", None)).await;
    let status = case.ready().await;
    no_jobs(&case).await;
    let after = servers(&case).await;
    assert!(before.0.is_disjoint(&after.0) && after.0.len() == 2, "{after:?}");
    assert_eq!(revision(&case, "tries-all").await, "2", "rolled once");
    let hash = status["components"][0]["configHash"].as_str().unwrap();
    let map = case.child("ConfigMap", &format!("tries-all-config-{hash}")).await;
    assert!(map.data["data"]["application.yml"].as_str().unwrap().contains("three"));
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        let mut wrote: Vec<_> =
            writes(&requests).into_iter().map(|it| (it.verb.as_str(), it.resource.as_str())).collect();
        wrote.sort_unstable();
        let wanted = [
            ("delete", "configmaps"),
            ("delete", "jobs"),
            ("delete", "jobs"),
            ("patch", "configmaps"),
            ("patch", "deployments"),
            ("patch", "jobs"),
        ];
        assert_eq!(wrote, wanted);
    }

    // A configuration that ran before is not checked again; and nothing else was written in the
    // meantime.
    let since = case.world.marker().await;
    case.apply(checked(&case, "one", None)).await;
    case.ready().await;
    assert_eq!(revision(&case, "tries-all").await, "3");
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        let wrote: Vec<_> = writes(&requests).into_iter().map(|it| it.resource.as_str()).collect();
        assert_eq!(wrote, ["deployments"]);
    }
}
