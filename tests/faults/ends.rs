//! Operators that end: repeatedly, on SIGTERM, and after a stall.

use std::{io::Write, time::Duration};

use fault_proxy::{Fault, Record, Times, When};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use local_cluster::wait_for;
use tempfile::NamedTempFile;

use super::{
    cluster::{
        OPERATOR_NAMESPACE,
        case::SOON,
        lease::{holder, leads, no_lease},
    },
    full,
    leadership::ALONE,
    process::Process,
    quickstart,
    stand::Slot,
    trial::Trial,
    with_replicas,
};

/// A kubeconfig that passes through the slot's proxy.
fn kubeconfig(slot: &Slot) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(serde_yaml::to_string(&slot.through).unwrap().as_bytes()).unwrap();
    file
}

const ELECTED: [&str; 2] = ["--lease-namespace", OPERATOR_NAMESPACE];

/// The program, as elected leader, in place of the trial's operator; the file must stay.
async fn elected(trial: &mut Trial) -> (Process, NamedTempFile) {
    trial.stop();
    let client = &trial.case.client;
    no_lease(client).await;
    let kubeconfig = kubeconfig(&trial.slot);
    let process =
        Process::start_with(env!("CARGO_BIN_EXE_logpilot-operator"), kubeconfig.path(), &ELECTED).await;
    wait_for("the election", SOON, async || holder(client).await.map(drop).ok_or("nobody".to_owned()))
        .await
        .unwrap();
    (process, kubeconfig)
}

/// Fault catalogue: F05.
#[tokio::test]
async fn crashing_operators_progress_and_report_once() {
    let mut trial = Trial::behind(Vec::new()).await;
    trial.case.apply(quickstart()).await;
    let written = |trial: &Trial| trial.requests(|record| record.asked.writes() && record.status < 300).len();
    for _ in 0..8 {
        let before = written(&trial);
        // One more write, or nothing left to write.
        let _ = wait_for("a write", Duration::from_secs(1), async || {
            if written(&trial) > before { Ok(()) } else { Err(String::new()) }
        })
        .await;
        trial.crash();
        trial.restart(Vec::new()).await;
    }
    trial.is_settled(&quickstart()).await;
    let deployment = trial.case.child("Deployment", &format!("{}-all", trial.case.name)).await;
    assert_eq!(deployment.metadata.annotations.unwrap()["deployment.kubernetes.io/revision"], "1");
    let events: Api<Event> = Api::namespaced(trial.case.client.clone(), "default");
    let mut told: Vec<String> = events
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .filter(|event| event.regarding.as_ref().and_then(|it| it.name.as_ref()) == Some(&trial.case.name))
        .filter_map(|event| event.reason)
        .collect();
    told.sort();
    let all = told.len();
    told.dedup();
    assert_eq!(all, told.len(), "reported twice: {told:?}");
    trial.end().await;
}

/// Fault catalogue: F07.
#[tokio::test]
async fn sigterm_ends_the_operator_during_a_rollout() {
    let _alone = ALONE.lock().await;
    let mut trial = Trial::running(&quickstart()).await;
    let (mut process, _kubeconfig) = elected(&mut trial).await;
    let slow = Fault::Delay { millis: 1000 };
    let rollout = trial.rule(When::of("patch", "deployments"), Times::First(1), slow);
    trial.case.apply(with_replicas(3)).await;
    trial.hit(rollout).await;
    process.signal("TERM");
    assert_eq!(process.ended(Duration::from_secs(5)).await, Some(0));
    assert_eq!(
        holder(&trial.case.client).await.filter(|holder| !holder.is_empty()),
        None,
        "the next one need not wait"
    );
    trial.restart(Vec::new()).await;
    trial.is_settled(&with_replicas(3)).await;
    trial.end().await;
}

/// Fault catalogue: F49.
#[tokio::test]
async fn a_stalled_leader_exits_without_a_write() {
    if !full("a leader that stalls until another one leads") {
        return;
    }
    let _alone = ALONE.lock().await;
    let mut trial = Trial::running(&quickstart()).await;
    let (mut process, _kubeconfig) = elected(&mut trial).await;
    process.signal("STOP");
    // The operator knows of it when it resumes.
    trial.case.apply(with_replicas(2)).await;
    let mut other = Trial::behind(Vec::new()).await;
    other.stop();
    other.slot.narrow(&trial.case);
    let second = other.slot.world.start_candidate_behind(other.slot.config().await, "second").await;
    leads(&second, Duration::from_secs(30)).await;
    other.slot.is_settled(&trial.case, &with_replicas(2)).await.unwrap();
    let before = trial.slot.proxy.count(|_| true);
    // Work that only one of them may do.
    trial.case.apply(with_replicas(3)).await;
    process.signal("CONT");
    assert_eq!(process.ended(Duration::from_secs(60)).await, Some(1));
    let ours = |record: &Record| record.asked.writes() && record.asked.resource != "leases";
    let written: Vec<Record> = trial.requests(|_| true).split_off(before).into_iter().filter(ours).collect();
    assert!(written.is_empty(), "{written:#?}");
    other.slot.is_settled(&trial.case, &with_replicas(3)).await.unwrap();
    second.kill();
    trial.end().await;
    other.end().await;
}
