//! The token and the CA in a pod's files, which Kubernetes rotates.

use std::{fs, path::Path, time::Duration};

use fault_proxy::{Certificate, Record};
use kube::{
    Config,
    config::{AuthInfo, Kubeconfig},
};

use super::{cluster::case::SOON, full, quickstart, trial::Trial};

/// The client reads both again at least once a minute.
const READ_AGAIN: Duration = Duration::from_secs(61);

/// Writes the CA and the token to files, as in a pod.
fn with_files(mut config: Config, folder: &Path) -> Config {
    config.auth_info =
        AuthInfo { token_file: Some(folder.join("token").display().to_string()), ..AuthInfo::default() };
    config.root_cert_file = Some(folder.join("ca.crt"));
    config
}

fn token(of: &Kubeconfig) -> String {
    let shown = serde_json::to_value(of).unwrap();
    shown["users"][0]["user"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn rotated_tokens_and_cas_are_followed() {
    if !full("credentials that are read again after a minute") {
        return;
    }
    let mut trial = Trial::running(&quickstart()).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let (first, next, strange) =
        (Certificate::new().unwrap(), Certificate::new().unwrap(), Certificate::new().unwrap());
    write("token", &token(&trial.slot.through));
    write("ca.crt", first.pem());
    trial.slot.proxy.present(first.clone());
    trial.replace(with_files(trial.slot.config().await, folder.path())).await;
    let credential = |trial: &Trial| trial.requests(|_| true).pop().unwrap().credential;
    let lost = trial.lose("Service").await;
    trial.back(&lost, SOON).await;
    let before = credential(&trial);

    // First both sides trust both; then the API server switches.
    write("token", &token(&trial.slot.world.operator_kubeconfig().await));
    write("ca.crt", &format!("{}{}", first.pem(), next.pem()));
    // The client's guarantee; nothing can be observed earlier.
    tokio::time::sleep(READ_AGAIN).await;
    trial.slot.proxy.present(next.clone());
    let changed = trial.slot.proxy.count(|_| true);
    trial.slot.proxy.cut();
    let lost = trial.lose("Service").await;
    let gap = trial.back(&lost, SOON).await;
    println!("repaired {gap:?} after the API server's certificate and the token changed");
    assert!(gap <= Duration::from_secs(5), "{gap:?}");
    let after: Vec<Record> = trial.requests(|_| true).split_off(changed);
    assert!(after.iter().all(|record| record.credential != before), "the old token was sent: {after:#?}");

    // A certificate that no client trusts.
    trial.slot.proxy.present(strange);
    trial.slot.proxy.cut();
    let told = trial.slot.proxy.count(|_| true);
    let lost = trial.lose("Service").await;
    // The promise is about this time window.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let told = trial.requests(|_| true).split_off(told);
    assert!(told.is_empty(), "{told:#?}");
    trial.slot.proxy.present(next);
    trial.back(&lost, SOON).await;
    trial.is_settled(&quickstart()).await;
    trial.end().await;
}
