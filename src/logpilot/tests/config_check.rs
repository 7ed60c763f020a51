//! When a configuration is checked before its rollout, which Job checks it, and how the check
//! affects the rest of the plan.

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    batch::v1::Job,
    core::v1::{ConfigMap, Pod},
};
use rstest::rstest;

use super::*;
use crate::{
    engine::{
        cache::{ObjectCache, Snapshot},
        child::Child,
        kind::Kind,
        outcome::{AppliedObject, ApplyResult, Outcome},
        owner::Owner,
        plan::Key,
        prune::orphaned,
    },
    kinds::Managed,
    logpilot::{
        config_check::{all_pending, evaluate},
        facts::{ApiKeyFact, CheckVerdict, ConfigCheck},
        labels,
        objects::config_check_job,
        patches::unmatched,
        problems,
        warnings::warnings,
    },
    workload::{health, patch::pod_security},
};

const CHECKED: &str = "{ environment: Development, config: { check: { timeoutSeconds: 120 } } }";

/// A live object of the resource `logpilot`.
fn child(kind: &'static Kind, name: &str, owner: (&str, &str), rest: &Value) -> Child {
    let (uid, owner_kind) = owner;
    let api_version = if owner_kind == "LogPilotCluster" { "logpilot.io/v1alpha1" } else { "v1" };
    let mut object = json!({ "metadata": {
        "name": name, "namespace": "logpilot", "uid": name,
        "labels": { "app.kubernetes.io/managed-by": "logpilot-operator", "app.kubernetes.io/instance": "logpilot" },
        "ownerReferences": [{ "apiVersion": api_version, "kind": owner_kind, "name": "logpilot", "uid": uid, "controller": true }],
    } });
    lay_over(&mut object, rest);
    Child::read(kind, &object).expect("a child")
}

const OURS: (&str, &str) = ("11111111-2222-3333-4444-555555555555", "LogPilotCluster");

fn mounting(config: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "volumes": [{ "name": "config", "configMap": { "name": config } }] } } } })
}

fn deployment(config: &str, replicas: i32) -> Child {
    let mut rest = mounting(config);
    rest["spec"]["replicas"] = json!(replicas);
    child(Deployment::KIND, "logpilot-all", OURS, &rest)
}

fn replica_set(deployment: &str, config: &str) -> Child {
    let mut set = mounting(config);
    set["metadata"] = json!({ "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": "d", "controller": true }] });
    let set = child(ReplicaSet::KIND, &format!("{deployment}-{config}"), ("d", "Deployment"), &set);
    assert!(set.observed::<health::ReplicaSet>().unwrap().deployment.as_deref() == Some(deployment));
    set
}

fn view(children: impl IntoIterator<Item = Child>) -> Snapshot {
    let cache = ObjectCache::default();
    for child in children {
        cache.upsert(child);
    }
    cache.snapshot(&named())
}

/// The name of the planned ConfigMap.
fn wanted() -> String {
    cluster(CHECKED).components[0].config.name.clone()
}

fn tried(spec: &str, facts: &Facts, children: impl IntoIterator<Item = Child>) -> bool {
    !evaluate(&cluster(spec), facts, &view(children)).is_empty()
}

#[test]
fn a_new_configuration_is_checked_before_its_rollout() {
    let is_tried = |children| tried(CHECKED, &Facts::default(), children);
    assert!(is_tried(vec![deployment("old", 2)]));
    assert!(is_tried(vec![deployment("old", 2), replica_set("logpilot-all", "old")]));
    assert!(
        is_tried(vec![deployment("old", 2), replica_set("logpilot-rest", &wanted())]),
        "another component's"
    );
    assert!(!is_tried(vec![]), "nothing serves");
    assert!(!is_tried(vec![deployment("old", 0)]), "nothing serves");
    assert!(!is_tried(vec![Child { deleting: true, ..deployment("old", 2) }]));
    assert!(
        !is_tried(vec![deployment(&wanted(), 2)]),
        "the rollout has started, and its ReplicaSet does not exist yet"
    );
    assert!(!is_tried(vec![deployment("old", 2), replica_set("logpilot-all", &wanted())]), "a rollback");
    let foreign = ("2", "LogPilotCluster");
    assert!(!is_tried(vec![child(Deployment::KIND, "logpilot-all", foreign, &mounting("old"))]));
}

#[rstest]
#[case::not_asked_for("{}", Facts::default())]
#[case::off("{ config: { check: { enabled: false } } }", Facts::default())]
#[case::stopped("{ operation: { stopped: true }, config: { check: {} } }", Facts::default())]
#[case::no_pod_could_start(
    CHECKED,
    Facts { api_key: ApiKeyFact::Invalid { message: String::new() }, ..Facts::default() }
)]
fn no_check_is_needed(#[case] spec: &str, #[case] facts: Facts) {
    assert!(!tried(spec, &facts, [deployment("old", 2)]));
}

/// The verdict of the check for a Job in this state and its pod in that state.
fn verdict(job: &Value, pod: Option<(&str, Value)>) -> CheckVerdict {
    let cluster = cluster(CHECKED);
    let name = config_check_job::job(&cluster, &cluster.components[0], &Facts::default())
        .and_then(|job| job.metadata.name)
        .expect("a name");
    let mut children = vec![deployment("old", 2), child(Job::KIND, &name, OURS, job)];
    let pod = pod.map(|(owner, status)| {
        let rest =
            json!({ "metadata": { "labels": { "batch.kubernetes.io/job-name": name } }, "status": status });
        child(Pod::KIND, "pod", (if owner == "this" { &name } else { owner }, "Job"), &rest)
    });
    children.extend(pod);
    let found = evaluate(&cluster, &Facts::default(), &view(children));
    let check = found.get("logpilot-all").expect("it is tried");
    assert_eq!(check.object, format!("Job logpilot/{name}"));
    check.verdict.clone()
}

fn ended(type_: &str, reason: &str) -> Value {
    json!({ "status": { "conditions": [{
        "type": type_, "status": "True", "reason": reason, "message": "of the Job", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }] } })
}

fn ready(status: &str) -> Value {
    json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": status }] })
}

fn state(state: &Value) -> Value {
    json!({ "phase": "Failed", "containerStatuses": [{ "restartCount": 0, "image": "i", "state": state }] })
}

#[test]
fn a_ready_pod_passes_whatever_its_job_reports() {
    assert_eq!(verdict(&json!({}), Some(("this", ready("True")))), CheckVerdict::Good);
    assert_eq!(
        verdict(&ended("Failed", "DeadlineExceeded"), Some(("this", ready("True")))),
        CheckVerdict::Good
    );
    assert_eq!(verdict(&json!({}), Some(("this", ready("False")))), CheckVerdict::Running);
    assert_eq!(verdict(&json!({}), None), CheckVerdict::Running);
    assert_eq!(verdict(&json!({}), Some(("an earlier one", ready("True")))), CheckVerdict::Running);
}

#[rstest]
#[case::crashed(
    "Failed", "BackoffLimitExceeded",
    Some(state(&json!({ "terminated": { "exitCode": 1, "reason": "Error", "message": "no such logger" } }))),
    "exit code 1 (Error): no such logger;"
)]
#[case::stopped_at_its_deadline(
    "Failed", "BackoffLimitExceeded",
    Some(state(&json!({ "terminated": { "exitCode": 143, "reason": "Error", "message": "still waiting" } }))),
    "exit code 143 (Error): still waiting;"
)]
#[case::never_started(
    "Failed", "DeadlineExceeded",
    Some(state(&json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } }))),
    "ImagePullBackOff: no such image;"
)]
#[case::no_pod_is_left("Failed", "DeadlineExceeded", None, "DeadlineExceeded: of the Job;")]
#[case::ended_by_itself(
    "Complete", "CompletionsReached",
    Some(state(&json!({ "terminated": { "exitCode": 0, "reason": "Completed" } }))),
    "it exited by itself with exit code 0;"
)]
fn a_job_without_ready_pod_reports_why(
    #[case] type_: &str,
    #[case] reason: &str,
    #[case] pod: Option<Value>,
    #[case] words: &str,
) {
    let CheckVerdict::Bad { message } = verdict(&ended(type_, reason), pod.map(|pod| ("this", pod))) else {
        panic!("not bad");
    };
    let start = "no server became ready with the new configuration within 120 s: ";
    assert_eq!(message, format!("{start}{words} the old pods keep serving"));
}

fn facts(verdict: CheckVerdict) -> Facts {
    let check = ConfigCheck { object: "Job logpilot/j".into(), verdict };
    Facts { config_checks: [("logpilot-all".to_owned(), check)].into(), ..Facts::default() }
}

#[test]
fn a_pending_check_holds_only_its_deployment() {
    let spec = "{ components: { all: {}, rest: {} }, config: { check: {} } }";
    let before = planned(spec);
    assert_eq!(names(&before, "Job"), [""; 0]);
    for (verdict, held) in [
        (CheckVerdict::Running, Some("ConfigChecking")),
        (CheckVerdict::Bad { message: String::new() }, Some("ConfigCheckFailed")),
        (CheckVerdict::Good, None),
    ] {
        let mut after = plan(&cluster(spec), &facts(verdict));
        assert_eq!(names(&after, "Job").len(), 1);
        after.objects.retain(|planned| planned.kind.kind != "Job");
        for (now, before) in after.objects.iter().zip(&before.objects) {
            let holds = now.kind.kind == "Deployment" && now.key.name == "logpilot-all";
            assert_eq!(now.held, held.filter(|_| holds), "{now}");
            assert_eq!((&now.key, &now.body), (&before.key, &before.body));
        }
        assert_eq!(after.objects.len(), before.objects.len());
    }
}

#[test]
fn only_a_failed_check_is_an_error() {
    let told = |verdict| problems::fact_problems(&cluster("{}"), &facts(verdict));
    assert_eq!(told(CheckVerdict::Running), []);
    assert_eq!(told(CheckVerdict::Good), []);
    let found = told(CheckVerdict::Bad { message: "why".into() });
    assert_eq!(
        found
            .iter()
            .map(|it| (it.reason.as_str(), it.object.as_str(), it.message.as_str()))
            .collect::<Vec<_>>(),
        [("ConfigCheckFailed", "Job logpilot/j", "why")]
    );
    assert!(found[0].action.contains("delete the Job"), "{found:?}");
}

/// The Job that checks the first component's configuration.
fn job(spec: &str, facts: &Facts) -> Planned {
    let cluster = cluster(spec);
    let facts = Facts { config_checks: all_pending(&cluster), ..facts.clone() };
    plan(&cluster, &facts).objects.into_iter().find(|planned| planned.kind.kind == "Job").expect("a Job")
}

#[test]
fn the_check_job_runs_on_an_empty_volume() {
    let made = job(CHECKED, &Facts::default());
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("a_configuration_check_job", serde_yaml::to_string(&made.body).expect("YAML"));
    });
    let pod = &made.body["spec"]["template"]["spec"];
    assert_eq!(pod_security::violations(pod), []);
    let mut server =
        object(&planned(CHECKED), "Deployment", "logpilot-all").body["spec"]["template"]["spec"].clone();
    server["containers"][0].as_object_mut().expect("a container").remove("lifecycle");
    for (field, value) in server.as_object().expect("a pod") {
        match field.as_str() {
            "volumes" => {
                let claims = |pod: &Value| pod.to_string().matches("persistentVolumeClaim").count();
                assert_eq!((claims(value), claims(&pod["volumes"])), (1, 0));
            }
            // The check pod does not have to follow the volume to its node.
            "affinity" => assert!(pod[field].is_null() && !value.is_null()),
            _ => assert_eq!(&pod[field], value, "{field}"),
        }
    }
}

#[test]
fn every_correction_creates_a_new_job() {
    let name = |spec: &str, facts: &Facts| job(spec, facts).key.name;
    let with = |all: &str| format!("{{ config: {{ check: {{}} }}, components: {{ all: {{ {all} }} }} }}");
    let first = name(&with(""), &Facts::default());
    assert!(first.starts_with("logpilot-all-check-"), "{first}");
    assert_eq!(name(&with("replicas: 1"), &Facts::default()), first, "its pods are the same");
    assert_ne!(name(&with("resources: { limits: { memory: 1Gi } }"), &Facts::default()), first);
    assert_ne!(name(&with("env: [{ name: A, value: b }]"), &Facts::default()), first);
    let key = Facts { api_key: ApiKeyFact::Present { hash: "h".into() }, ..Facts::default() };
    assert_ne!(name(&with(""), &key), first);
}

#[test]
fn no_server_selector_matches_the_check_pod() {
    let spec = "
components: { all: { replicas: 3, podLabels: { tier: back }, loadBalancer: {}, nodePort: {} }, rest: { replicas: 2, strategy: { type: Recreate } } }
storage: { sharing: PerComponent }
monitoring: { podMonitor: {}, scrapeAnnotations: {} }
config: { check: {} }
";
    let template = &job(spec, &Facts::default()).body["spec"]["template"];
    let pod = &template["metadata"];
    let plan = planned(spec);
    let server = &object(&plan, "Deployment", "logpilot-all").body["spec"]["template"]["metadata"];
    let of = |pod: &Value, selector: &Value| {
        let labels = selector.as_object().filter(|labels| !labels.is_empty()).expect("labels");
        labels.iter().all(|(key, value)| &pod["labels"][key] == value)
    };
    let mut selected = 0;
    for planned in &plan.objects {
        let selector = match planned.kind.kind {
            "Service" => "/spec/selector",
            "NetworkPolicy" => "/spec/podSelector/matchLabels",
            "Deployment" | "PodDisruptionBudget" | "PodMonitor" => "/spec/selector/matchLabels",
            _ => continue,
        };
        let selector = planned.body.pointer(selector).expect("a selector");
        assert!(!of(pod, selector), "{planned} selects it");
        selected += usize::from(of(server, selector));
    }
    // Deployment, three Services, NetworkPolicy, monitor: their selectors are those of the servers.
    assert!(selected >= 6, "{selected}");
    assert_eq!(server["annotations"]["prometheus.io/scrape"], "true");
    assert!(pod["annotations"]["prometheus.io/scrape"].is_null());
    assert!(pod["labels"][labels::DATA].is_null(), "pods that need the volume's node would follow it");
    assert!(pod["labels"]["tier"].is_null());
}

#[test]
fn patches_address_the_job_without_its_hash() {
    let spec = |check: &str, target: &str, patch: &str| {
        format!(
            "{{ config: {{ check: {check} }}, patches: [{{ target: {{ kind: Job, name: {target} }}, patch: {patch} }}] }}"
        )
    };
    let label = "{ spec: { template: { metadata: { labels: { a: b } } } } }";
    let good = spec("{}", "logpilot-all-check", label);
    assert_eq!(job(&good, &Facts::default()).body["spec"]["template"]["metadata"]["labels"]["a"], "b");
    let told = |spec: &str| unmatched(&cluster(spec), &planned(spec)).len();
    assert_eq!(told(&good), 0, "it is planned at times");
    assert_eq!(told(&spec("{ enabled: false }", "logpilot-all-check", label)), 1, "it never is");
    assert_eq!(told(&spec("{}", "logpilot-rest-check", label)), 1, "it never is");
    let found = violations(&spec(
        "{}",
        "logpilot-all-check",
        "{ spec: { template: { spec: { hostNetwork: true } } } }",
    ));
    assert_eq!(
        found[0].path, "spec.patches[0].patch.spec.template.spec.hostNetwork",
        "though none is planned now"
    );
}

#[test]
fn a_quota_needs_room_for_the_check() {
    let spec = |check: &str| {
        format!(
            "{{ components: {{ all: {{ replicas: 1, strategy: {{ maxSurge: 1 }} }} }}, limits: {{ quota: {{ pods: 2 }} }}, config: {{ check: {{ enabled: {check} }} }} }}"
        )
    };
    let told = |check: &str| warnings(&cluster(&spec(check))).iter().any(|it| it.reason == "QuotaTooSmall");
    assert_eq!((told("false"), told("true")), (false, true));
}

#[test]
fn an_obsolete_check_job_is_deleted_during_hold() {
    let snapshot = view([
        child(Job::KIND, "logpilot-all-check-0123456789", OURS, &json!({})),
        child(ConfigMap::KIND, "logpilot-all-config-0123456789", OURS, &json!({})),
        child(ConfigMap::KIND, "somebody-s", ("2", "LogPilotCluster"), &json!({})),
    ]);
    let owner = Owner { resource: named(), uid: OURS.0.into() };
    let pruned = |result| {
        let key = Key { namespace: Some("logpilot".into()), name: "logpilot-all".into() };
        let outcome = Outcome {
            steps: vec![AppliedObject { id: (Deployment::KIND, key), result }],
            ..Outcome::default()
        };
        orphaned(&planned(CHECKED), &outcome, &snapshot, &owner, |_| false)
            .into_iter()
            .map(|child| child.kind.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(pruned(ApplyResult::Held("ConfigChecking")), ["Job"]);
    assert_eq!(pruned(ApplyResult::Updated), ["ConfigMap", "Job"]);
}
