//! Two resources and one location for data.

use super::{claims::grows_older, *};

/// A resource in the namespace of another one.
fn beside(other: &str) -> Value {
    let mut spec = quickstart();
    spec["namespace"] = json!({ "name": other });
    spec
}

async fn is_there(case: &Case, kind_name: &str, namespace: &str, name: &str) -> bool {
    kinds::get(&case.client, kind(kind_name), namespace, name).await.is_some()
}

#[tokio::test]
async fn two_resources_never_write_one_pvc() {
    // Age decides, not the name.
    let (older, younger) = (case("place-z").await, case("place-a").await);
    older.apply(quickstart()).await;
    older.ready().await;
    grows_older(&older).await;
    let mut spec = beside("place-z");
    spec["storage"] = json!({ "volume": { "existingClaim": "place-z-data" } });
    spec["backup"] = json!({});
    younger.apply(spec).await;
    let status = younger.reason("Ready", "False", "DataVolumeShared").await;
    let told = message(&status, "Ready");
    assert!(told.contains("PersistentVolumeClaim place-z/place-z-data"), "{told}");
    assert!(told.contains("LogPilotCluster 'place-z', which is older"), "{told}");
    assert_eq!(condition(&status, "Stalled"), ("True".into(), "DataVolumeShared".into()));
    // Everything else is created.
    assert!(is_there(&younger, "Service", "place-z", "place-a-all").await);
    assert!(!is_there(&younger, "Deployment", "place-z", "place-a-all").await);
    assert!(!is_there(&younger, "CronJob", "place-z", "place-a-backup").await);
    older.ready().await;

    older.delete().await;
    younger.ready().await;
    assert!(is_there(&younger, "Deployment", "place-z", "place-a-all").await);
    assert!(is_there(&younger, "CronJob", "place-z", "place-a-backup").await);
}

#[tokio::test]
async fn two_resources_back_up_into_one_bucket() {
    let (older, younger) = (case("bucket-z").await, case("bucket-a").await);
    let into = |mut spec: Value| {
        spec["backup"] =
            json!({ "s3": { "bucket": "shared", "prefix": "p", "credentialsSecret": { "name": "key" } } });
        spec
    };
    older.apply(into(quickstart())).await;
    older.ready().await;
    grows_older(&older).await;
    younger.apply(into(quickstart())).await;
    let status = younger.reason("Warning", "True", "BackupLocationShared").await;
    let told = message(&status, "Warning");
    assert!(told.contains("s3://shared/p") && told.contains("LogPilotCluster 'bucket-z'"), "{told}");
    younger.ready().await;
    let mut uids = Vec::new();
    for case in [&older, &younger] {
        let cron_job = case.child("CronJob", &format!("{}-backup", case.name)).await;
        let args = cron_job.data.pointer("/spec/jobTemplate/spec/template/spec/containers/0/args").unwrap();
        let args: Vec<_> = args.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let uid = format!("--resource-uid={}", case.get().await.metadata.uid.unwrap());
        assert!(args.contains(&uid.as_str()), "{args:?}");
        assert!(!args.contains(&"--exclusive"), "{args:?}");
        uids.push(uid);
    }
    assert_ne!(uids[0], uids[1]);
    let gone = |status: &Value| !status["problems"].to_string().contains("BackupLocationShared");
    assert!(gone(&older.ready().await), "the older one has its place");

    older.delete().await;
    younger.until("no warning", SOON, gone).await;
}
