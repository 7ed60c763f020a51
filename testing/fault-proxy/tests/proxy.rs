//! Every fault, observed by a kube client on a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot continue fails"
)]

use std::{collections::BTreeMap, pin::pin, time::Duration};

use fault_proxy::{Fault, Moment, Proxy, Reply, Rule, Times, When};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use local_cluster::{Env, wait_for};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

static ENV: OnceCell<Env> = OnceCell::const_new();

/// A namespace, a kubeconfig that bypasses the proxy, and the proxy.
struct Stand {
    proxy: Proxy,
    through: Kubeconfig,
    direct: Api<ConfigMap>,
    namespace: String,
}

impl Stand {
    async fn new(namespace: &str) -> Self {
        let env = ENV.get_or_init(|| async { Env::from_environment().await.unwrap() }).await;
        let client = env.client().await.unwrap();
        let named = |name: &str| -> Namespace {
            serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
        };
        Api::all(client.clone()).create(&PostParams::default(), &named(namespace)).await.unwrap();
        let account = json!({ "metadata": { "name": "tester" } });
        let accounts = Api::namespaced(client.clone(), namespace);
        let _: k8s_openapi::api::core::v1::ServiceAccount =
            accounts.create(&PostParams::default(), &serde_json::from_value(account).unwrap()).await.unwrap();
        let binding = json!({
            "metadata": { "name": namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "tester", "namespace": namespace }],
        });
        let _: k8s_openapi::api::rbac::v1::ClusterRoleBinding = Api::all(client.clone())
            .create(&PostParams::default(), &serde_json::from_value(binding).unwrap())
            .await
            .unwrap();
        let kubeconfig = env.access().service_account_kubeconfig(namespace, "tester").await.unwrap();
        let proxy = Proxy::start(&kubeconfig, None).await.unwrap();
        let through = proxy.kubeconfig(&kubeconfig);
        let direct: Api<ConfigMap> = Api::namespaced(client, namespace);
        // Kubernetes creates one in every namespace, at an unpredictable time.
        wait_for("the Kubernetes cluster's own ConfigMap", Duration::from_secs(20), async || {
            direct.get("kube-root-ca.crt").await.map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        Self { proxy, through, direct, namespace: namespace.to_owned() }
    }

    /// A new client, as a new process creates it.
    async fn api(&self) -> Api<ConfigMap> {
        let mut config = Config::from_custom_kubeconfig(self.through.clone(), &KubeConfigOptions::default())
            .await
            .unwrap();
        config.default_retry = false;
        Api::namespaced(Client::try_from(config).unwrap(), &self.namespace)
    }

    fn rule(&self, when: When, then: Fault) {
        self.proxy.rule(Rule { when: when.within(&self.namespace), times: Times::Nth(1), then });
    }

    async fn exists(&self, name: &str) -> bool {
        self.direct.get_opt(name).await.unwrap().is_some()
    }
}

fn map(name: &str) -> ConfigMap {
    let data = BTreeMap::from([("key".to_owned(), "x".repeat(4000))]);
    ConfigMap { data: Some(data), ..serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap() }
}

/// Returns the result of a create: `ok`, a status, `closed`, or `nothing` within a second.
async fn create(api: &Api<ConfigMap>, name: &str) -> String {
    let (parameters, map) = (PostParams::default(), map(name));
    match tokio::time::timeout(Duration::from_secs(1), api.create(&parameters, &map)).await {
        Ok(Ok(_)) => "ok".to_owned(),
        Ok(Err(kube::Error::Api(status))) => status.code.to_string(),
        Ok(Err(_)) => "closed".to_owned(),
        Err(_) => "nothing".to_owned(),
    }
}

#[tokio::test]
async fn a_write_is_lost_unanswered_or_answered_differently() {
    let stand = Stand::new("writes").await;
    let api = stand.api().await;
    let when = || When::of("create", "configmaps");
    for (then, answer, written) in [
        (Fault::Refuse, "closed", false),
        (Fault::LoseReply, "closed", true),
        (Fault::Hang, "nothing", false),
        (Fault::Answer(Reply::new(503, "ServiceUnavailable")), "503", false),
        (Fault::AnswerAfter(Reply::new(504, "Timeout")), "504", true),
        (Fault::Delay { millis: 100 }, "ok", true),
    ] {
        let name = format!("{written}-{answer}");
        stand.rule(when(), then.clone());
        assert_eq!(create(&api, &name).await, answer, "{then:?}");
        assert_eq!(stand.exists(&name).await, written, "{then:?}");
    }
    let records = stand.proxy.records();
    assert_eq!(records.len(), 6);
    assert_eq!(records.iter().map(|it| it.status).collect::<Vec<_>>(), [0, 0, 0, 503, 504, 201]);
    assert!(records.iter().all(|it| it.asked.verb == "create" && it.body.len() == 16 && it.fault.is_some()));
}

#[tokio::test]
async fn needles_are_found_in_urls_and_bodies() {
    let stand = Stand::new("listening").await;
    let api = stand.api().await;
    stand.proxy.listen_for(vec!["xxxx".to_owned(), "named".to_owned(), "nowhere".to_owned()]);
    assert_eq!(create(&api, "named").await, "ok");
    api.get("named").await.unwrap();
    api.list(&ListParams::default()).await.unwrap();
    let heard: Vec<_> = stand.proxy.records().into_iter().map(|it| it.heard).collect();
    assert_eq!(heard, [vec!["xxxx", "named"], vec!["named"], vec![]]);
}

#[tokio::test]
async fn after_a_crash_no_request_passes_until_restart() {
    let stand = Stand::new("crashes").await;
    for (moment, answer, written) in [
        (Moment::Before, "nothing", false),
        (Moment::Committed, "nothing", true),
        (Moment::Replied, "ok", true),
    ] {
        let name = answer.to_owned() + if written { "-written" } else { "" };
        let id = stand.proxy.rule(Rule {
            when: When::writes().within(&stand.namespace),
            times: Times::Nth(1),
            then: Fault::Crash(moment),
        });
        let old = stand.api().await;
        assert_eq!(create(&old, &name).await, answer, "{moment:?}");
        assert!(stand.proxy.wait_for(id, Duration::from_secs(1)).await);
        assert_eq!(stand.exists(&name).await, written, "{moment:?}");
        assert_eq!(create(&old, "late").await, "nothing", "{moment:?}");
        assert!(!stand.exists("late").await);
        stand.proxy.lift(id);
        stand.proxy.revive();
        let new = stand.api().await;
        let next = format!("{name}-next");
        assert_eq!(create(&new, &next).await, "ok", "{moment:?}");
    }
}

#[tokio::test]
async fn a_process_killed_by_a_rule_dies_immediately() {
    let stand = Stand::new("moments").await;
    for (moment, written) in
        [(Moment::Before, false), (Moment::Committed, true), (Moment::Replied, true)].repeat(10)
    {
        let name = format!("m-{}", stand.proxy.count(|_| true));
        let id = stand.proxy.rule(Rule {
            when: When::writes().within(&stand.namespace),
            times: Times::Nth(1),
            then: Fault::Crash(moment),
        });
        let dying = stand.api().await;
        tokio::select! {
            biased;
            acted = stand.proxy.wait_for(id, Duration::from_secs(5)) => assert!(acted),
            // With or without a response, until the client is dropped.
            () = async { create(&dying, &name).await; futures::future::pending().await } => {}
        }
        assert_eq!(stand.exists(&name).await, written, "{moment:?}");
        stand.proxy.lift(id);
        stand.proxy.revive();
    }
}

#[tokio::test]
async fn a_list_can_be_stale_truncated_or_slow() {
    let stand = Stand::new("lists").await;
    let api = stand.api().await;
    let count = async || {
        let list = api.list(&ListParams::default()).await.map(|list| list.items.len());
        list.map_err(|error| error.to_string())
    };
    let before = count().await.unwrap();
    assert_eq!(create(&api, "new").await, "ok");
    assert_eq!(count().await.unwrap(), before + 1);
    stand.rule(When::of("list", "configmaps"), Fault::Replay);
    assert_eq!(count().await.unwrap(), before);
    stand.rule(When::of("list", "configmaps"), Fault::Truncate { bytes: 100 });
    assert!(count().await.is_err());
    stand.rule(When::of("list", "configmaps"), Fault::Throttle { bytes_per_second: 20_000 });
    let began = std::time::Instant::now();
    assert_eq!(count().await.unwrap(), before + 1);
    assert!(began.elapsed() > Duration::from_millis(150), "{:?}", began.elapsed());
}

/// Returns the names of the objects that a watch reports until it is silent for half a second; `.`
/// where it ended.
async fn watched(api: &Api<ConfigMap>, from: &str) -> String {
    let stream = api.watch(&WatchParams::default(), from).await.unwrap();
    let mut stream = pin!(stream);
    let mut words = Vec::new();
    while let Ok(event) = tokio::time::timeout(Duration::from_millis(500), stream.next()).await {
        words.push(match event {
            Some(Ok(WatchEvent::Added(map))) => map.name_any(),
            Some(Ok(WatchEvent::Error(status))) => status.code.to_string(),
            Some(Ok(_)) => "?".to_owned(),
            Some(Err(_)) => "broken".to_owned(),
            None => {
                words.push(".".to_owned());
                break;
            }
        });
    }
    words.join(" ")
}

#[tokio::test]
async fn a_watch_can_skip_repeat_forge_freeze_end() {
    let stand = Stand::new("watches").await;
    let api = stand.api().await;
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    for name in ["a", "b", "c"] {
        stand.direct.create(&PostParams::default(), &map(name)).await.unwrap();
    }
    assert_eq!(watched(&api, &from).await, "a b c");
    let expired: Value = json!({ "type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410, "reason": "Expired", "message": "too old",
    } });
    for (then, expected) in [
        (Fault::Skip { event: 2 }, "a c"),
        (Fault::Repeat { event: 2 }, "a b b c"),
        (Fault::Freeze { events: 1 }, "a"),
        (Fault::End { events: 1 }, "a ."),
        (Fault::Insert { event: 2, line: expired }, "a 410 b c"),
        (
            Fault::Garble { event: 2, pointer: "/object/data".to_owned(), value: json!("no map") },
            "a broken c",
        ),
    ] {
        stand.rule(When::of("watch", "configmaps"), then.clone());
        assert_eq!(watched(&api, &from).await, expected, "{then:?}");
    }
}
