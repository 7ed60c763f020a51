//! An installation from the manifest alone; the quickstart serves; all three components do.

use std::time::Instant;

use serde_json::Value;

use crate::support::{Case, shared};

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn the_operator_runs_unprivileged_with_read_only_root() {
    let world = shared().await;
    let pods = world.operator_pods();
    assert!(!pods.is_empty());
    for pod in &pods {
        let ready = pod["status"]["conditions"].as_array().unwrap().iter();
        assert!(ready.clone().any(|it| it["type"] == "Ready" && it["status"] == "True"), "{pod}");
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);

        let Some(nodes) = world.nodes("the operator's process as the kernel sees it") else { continue };
        let process = nodes.pid(pod);
        assert_eq!(process.status("Uid"), "65532\t65532\t65532\t65532");
        assert_eq!(process.status("Gid"), "65532\t65532\t65532\t65532");
        assert_eq!(process.status("CapEff"), "0000000000000000");
        assert_eq!(process.status("NoNewPrivs"), "1");
        assert_eq!(process.status("Seccomp"), "2", "a filter");
        let root = process.mount("/").unwrap();
        assert!(root.split(',').any(|option| option == "ro"), "{root}");
        println!("FIGURE memory of the operator's pod: {} KiB", nodes.memory(pod) / 1024);
    }
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn the_quickstart_stores_and_returns_logs() {
    let world = shared().await;
    let case = Case::example(&world, "quickstart.yaml", "quickstart");
    let began = Instant::now();
    case.ready().await;
    println!("FIGURE quickstart Ready: {:.1} s", began.elapsed().as_secs_f64());
    let pods = case.pods("all");
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0]["status"]["phase"], "Running");

    let (client, _reach) = case.answering("all").await;
    let messages: Vec<String> = (0..10).map(|number| format!("message {number}")).collect();
    for message in &messages {
        client.send("e2e", message).unwrap();
    }
    assert_eq!(client.consume("e2e", "reader", 100).unwrap(), messages);

    // From a pod, by the names that the status publishes.
    for to in ["http://quickstart-all.quickstart.svc:8080", "grpc://quickstart-all.quickstart.svc:50051"] {
        case.takes_logs(to).await;
    }
    assert_eq!(case.restarts("all"), 0);
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn three_components_share_one_volume_and_node() {
    let world = shared().await;
    let case = Case::example(&world, "three-modes.yaml", "logpilot");
    let began = Instant::now();
    case.ready().await;
    println!("FIGURE seven pods Ready: {:.1} s", began.elapsed().as_secs_f64());

    let pods: Vec<Value> =
        ["all", "rest", "grpc"].iter().flat_map(|component| case.pods(component)).collect();
    assert_eq!(pods.len(), 7);
    assert!(pods.iter().all(|pod| pod["spec"]["nodeName"] == pods[0]["spec"]["nodeName"]), "one node");

    // Records written to one are read from the other.
    let (all, _reach_all) = case.answering("all").await;
    let (rest, _reach_rest) = case.answering("rest").await;
    rest.send("shared", "through rest").unwrap();
    assert_eq!(all.consume("shared", "reader", 10).unwrap(), ["through rest"]);
    case.remove().await;
}
