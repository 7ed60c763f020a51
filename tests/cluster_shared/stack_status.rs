//! The bounds of a stack's status.

use std::collections::BTreeMap;

use super::{
    cluster::stack::{START, Stack, row},
    *,
};

/// Characters of the message of each pod. An object may have 1.5 MB.
const MESSAGE: usize = 1_000_000;
const COMPONENTS: usize = 32;
/// Components that fail. One may depend on 16 others.
const FAILING: usize = 16;

fn size(status: &Value) -> usize {
    status.to_string().len()
}

/// Scenario 33: half of the components fail, and each of the others waits for all of them.
#[tokio::test]
async fn the_largest_status_has_less_than_100_kb() {
    let stack = Stack::new("stack-bounds", "all").await;
    let name = |index: usize| format!("{}-{index:02}", "c".repeat(37));
    let components: BTreeMap<String, Value> = (0..COMPONENTS)
        .map(|index| {
            let on: Vec<String> = if index < FAILING { Vec::new() } else { (0..FAILING).map(name).collect() };
            (name(index), json!({ "image": "example/image-pull:1", "dependsOn": on }))
        })
        .collect();
    stack.apply(&json!({ "components": components })).await;
    let told = |status: &Value| status["problems"].as_array().map_or(0, Vec::len);
    stack.until("a problem of each", START, |status| told(status) >= FAILING).await;
    let reports = async |index: usize, reason: &str, letter: &str| {
        let pods = stack.pods_of(&name(index)).await;
        let waiting = json!({ "reason": reason, "message": letter.repeat(MESSAGE) });
        let status = json!({ "name": name(index), "state": { "waiting": waiting } });
        let pod = pods[0].metadata.name.as_deref().unwrap();
        stack.report_of_pod(pod, &json!({ "containerStatuses": [status] })).await;
    };
    for index in 0..FAILING {
        reports(index, "ImagePullBackOff", "x").await;
    }
    let long = |row: &Value| {
        let blockers = row["blockedBy"].as_array().unwrap();
        blockers.len() == FAILING && blockers.iter().all(|it| it["why"].as_str().unwrap().contains("xxx"))
    };
    let status = stack
        .until("the long messages", START, |status| {
            (FAILING..COMPONENTS).all(|index| long(row(status, &name(index))))
        })
        .await;
    assert!(told(&status) >= FAILING && status["problems"][0]["affects"].as_array().unwrap().len() == 16);
    println!("FIGURE stacks: the status of 32 failures with messages of 1 MB has {} bytes", size(&status));
    assert!(size(&status) < 100_000, "{} bytes", size(&status));

    // One change is one patch.
    let since = stack.world.marker().await;
    reports(7, "CreateContainerConfigError", "y").await;
    let status = stack
        .until("the change", START, |status| problems(status).contains("CreateContainerConfigError"))
        .await;
    assert!(size(&status) < 100_000, "{} bytes", size(&status));
    if since.is_some() {
        let writes = stack.writes_since(since.as_ref()).await;
        assert_eq!(writes.len(), 1, "{writes:#?}");
        assert_eq!(writes[0].subresource, "status");
    }
}
