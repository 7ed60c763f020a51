//! `Ready` is never True for something that does not run: every written status is checked, not only
//! the last one.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::runtime::{WatchStreamExt, watcher};

use super::*;

/// The values of `Ready` for a generation, for each status that a watch observed.
struct Seen {
    stop: tokio::sync::oneshot::Sender<()>,
    all: tokio::task::JoinHandle<Vec<(i64, String)>>,
}

impl Seen {
    async fn of(case: &Case) -> Self {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", case.name));
        let mut stream = watcher(case.api(), config).applied_objects().boxed();
        stream.try_next().await.unwrap().unwrap();
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let all = tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                tokio::select! {
                    _ = &mut stopped => return all,
                    next = stream.try_next() => {
                        let Ok(Some(object)) = next else { continue };
                        let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
                        let ready = conditions.into_iter().flatten().find(|it| it["type"] == "Ready");
                        all.extend(ready.and_then(|ready| {
                            Some((ready["observedGeneration"].as_i64()?, ready["status"].as_str()?.to_owned()))
                        }));
                    }
                }
            }
        });
        Self { stop, all }
    }

    /// Returns everything that was reported for a generation.
    async fn said(self, generation: i64) -> Vec<String> {
        let _ = self.stop.send(());
        let all = self.all.await.unwrap().into_iter();
        all.filter(|(of, _)| *of == generation).map(|(_, said)| said).collect()
    }
}

#[tokio::test]
async fn ready_requires_running_pods_of_its_generation() {
    let case = case("ready").await;
    case.apply(quickstart()).await;
    case.ready().await;
    // The pods of the previous generation all run, and no pod of this one can: a reader of their
    // counts before the Deployment's controller has observed the new template would mistake them
    // for its own.
    let seen = Seen::of(&case).await;
    let mut spec = quickstart();
    spec["components"]["all"]["nodeSelector"] = json!({ "nowhere": "1" });
    let generation = case.apply(spec).await.metadata.generation.unwrap();
    case.reason("Ready", "False", "Unschedulable").await;
    let said = seen.said(generation).await;
    assert!(!said.is_empty() && said.iter().all(|said| said == "False"), "unobserved: {said:?}");
    case.apply(quickstart()).await;
    case.ready().await;

    let quotas: kube::Api<ResourceQuota> = kube::Api::namespaced(case.client.clone(), case.ns());
    let quota = json!({ "metadata": { "name": "tight" }, "spec": { "hard": { "pods": "1" } } });
    quotas.create(&kube::api::PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    wait_for("the quota to be counted", SOON, async || {
        let status = quotas.get("tight").await.unwrap().status;
        status.as_ref().is_some_and(|it| it.used.is_some()).then_some(()).ok_or(format!("{status:?}"))
    })
    .await
    .unwrap();
    let seen = Seen::of(&case).await;
    let mut spec = quickstart();
    spec["components"]["all"]["replicas"] = json!(3);
    let generation = case.apply(spec).await.metadata.generation.unwrap();
    let status = case.reason("Ready", "False", "QuotaExceeded").await;
    let said = seen.said(generation).await;
    assert!(!said.is_empty() && said.iter().all(|said| said == "False"), "quota: {said:?}");
    assert_eq!(status["pods"], "1/3");
    quotas.delete("tight", &kube::api::DeleteParams::default()).await.unwrap();
    let status = case.until("heals", Duration::from_secs(60), |it| condition(it, "Ready").0 == "True").await;
    assert_eq!(status["pods"], "3/3");
}
