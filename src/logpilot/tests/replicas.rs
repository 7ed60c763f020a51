//! Which source decides the number of pods.

use super::*;
use crate::engine::plan::Replicas;

const SCALED: &str = "{ components: { all: { autoscaling: { minReplicas: 3, maxReplicas: 7 } } } }";

#[test]
fn an_autoscaled_workload_omits_replicas() {
    let plan = planned(SCALED);
    let deployment = object(&plan, "Deployment", "logpilot-all");
    assert!(deployment.body["spec"].get("replicas").is_none());
    assert_eq!(deployment.body["metadata"]["annotations"]["logpilot.io/replicas"], "autoscaled");
    assert_eq!(deployment.replicas, Replicas::Autoscaled { initial: 3 });
    let scaler = &object(&plan, "HorizontalPodAutoscaler", "logpilot-all").body["spec"];
    assert_eq!((&scaler["minReplicas"], &scaler["maxReplicas"]), (&json!(3), &json!(7)));
    assert_eq!(scaler["scaleTargetRef"]["name"], "logpilot-all");
}

#[test]
fn a_recreated_workload_keeps_its_last_replicas() {
    let facts = Facts { last_replicas: [("logpilot-all".to_owned(), 6)].into(), ..Facts::default() };
    let plan = plan(&cluster(SCALED), &facts);
    assert_eq!(object(&plan, "Deployment", "logpilot-all").replicas, Replicas::Autoscaled { initial: 6 });
}

#[test]
fn without_an_autoscaler_the_body_decides() {
    for spec in [
        "{ components: { all: { replicas: 4 } } }",
        "{ components: { all: { replicas: 4, autoscaling: { enabled: false, maxReplicas: 9 } } } }",
    ] {
        let plan = planned(spec);
        let deployment = object(&plan, "Deployment", "logpilot-all");
        assert_eq!(deployment.body["spec"]["replicas"], 4);
        assert_eq!(deployment.replicas, Replicas::Planned);
        assert!(deployment.body["metadata"].get("annotations").is_none());
        assert!(find(&plan, "HorizontalPodAutoscaler", "logpilot-all").is_none());
    }
}

#[test]
fn presets_reproduce_the_seed() {
    let all = "components: { all: {}, rest: {}, grpc: {} }";
    for (environment, wanted) in
        [("Development", [1, 1, 1]), ("Staging", [2, 2, 2]), ("Production", [2, 3, 2])]
    {
        let plan = planned(&format!("{{ environment: {environment}, {all} }}"));
        let replicas = ["all", "rest", "grpc"].map(|role| {
            object(&plan, "Deployment", &format!("logpilot-{role}")).body["spec"]["replicas"].clone()
        });
        assert_eq!(replicas, wanted.map(|count| json!(count)), "{environment}");
    }
}

#[test]
fn the_default_target_is_70_percent_cpu() {
    let metrics = |target: &str| {
        let plan = planned(&format!(
            "{{ components: {{ all: {{ autoscaling: {{ maxReplicas: 3 {target} }} }} }} }}"
        ));
        let metrics =
            object(&plan, "HorizontalPodAutoscaler", "logpilot-all").body["spec"]["metrics"].clone();
        metrics
            .as_array()
            .expect("a list")
            .iter()
            .map(|metric| {
                let resource = &metric["resource"];
                (resource["name"].to_string(), resource["target"]["averageUtilization"].to_string())
            })
            .collect::<Vec<_>>()
    };
    let pair = |name: &str, percent: &str| (format!("\"{name}\""), percent.to_owned());
    assert_eq!(metrics(""), [pair("cpu", "70")]);
    assert_eq!(metrics(", targetMemoryUtilizationPercentage: 80"), [pair("memory", "80")]);
    assert_eq!(
        metrics(", targetCPUUtilizationPercentage: 50, targetMemoryUtilizationPercentage: 80"),
        [pair("cpu", "50"), pair("memory", "80")]
    );
}

#[test]
fn a_maximum_below_the_default_minimum_lowers_it() {
    let plan = planned("{ components: { all: { autoscaling: { maxReplicas: 1 } } } }");
    assert_eq!(object(&plan, "HorizontalPodAutoscaler", "logpilot-all").body["spec"]["minReplicas"], 1);
}
