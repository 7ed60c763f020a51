//! Operators that reach the API server through a proxy, and the requests they sent.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use fault_proxy::{Narrow, Proxy, Record, When};
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use local_cluster::wait_for;

use super::World;

/// Starts a proxy for one operator, and returns the operator's kubeconfig for it.
pub async fn start(world: &World) -> (Proxy, Kubeconfig) {
    let account = world.operator_kubeconfig().await;
    let proxy = Proxy::start(&account, None).await.unwrap();
    let through = proxy.kubeconfig(&account);
    (proxy, through)
}

pub async fn config(through: &Kubeconfig) -> Config {
    Config::from_custom_kubeconfig(through.clone(), &KubeConfigOptions::default()).await.unwrap()
}

/// Restricts lists and watches of one kind to what this selector matches.
pub fn only(resource: &str, parameter: &'static str, selector: String) -> Narrow {
    let when = When { resource: Some(resource.to_owned()), ..When::default() };
    Narrow { when, parameter, selector }
}

fn no_watch(record: &Record) -> bool {
    record.asked.verb != "watch"
}

/// Returns every request except renewals of watches.
pub fn sent(proxy: &Proxy) -> Vec<Record> {
    proxy.records().into_iter().filter(no_watch).collect()
}

/// Waits until no request was sent for this long.
pub async fn quiet(proxy: &Proxy, still: Duration, within: Duration) -> Result<(), String> {
    let last = Mutex::new((proxy.count(no_watch), Instant::now()));
    let silence = wait_for("silence", within, async || {
        let count = proxy.count(no_watch);
        let mut last = last.lock().unwrap();
        if count != last.0 {
            *last = (count, Instant::now());
        }
        if last.1.elapsed() >= still { Ok(()) } else { Err(format!("{count} requests")) }
    });
    silence.await.map_err(|error| {
        let newest: Vec<String> = sent(proxy).iter().rev().take(8).map(shown).collect();
        format!("{error}; the newest: {}", newest.join(", "))
    })
}

/// Returns a short description of a request.
pub fn shown(record: &Record) -> String {
    let asked = &record.asked;
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let (namespace, name, below) = (part(&asked.namespace), part(&asked.name), part(&asked.subresource));
    format!("{} {} {namespace}/{name} {below}: {}", asked.verb, asked.resource, record.status)
}
