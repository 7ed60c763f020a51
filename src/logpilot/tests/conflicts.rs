//! How name conflicts are reported to users.

use super::*;
use crate::{
    api::status::{Problem, Severity},
    engine::{
        outcome::{AppliedObject, ApplyResult, Outcome},
        plan::Key,
    },
    logpilot::{
        facts::ApiKeyFact,
        plan::CONFIG_CHECKING,
        problems::{self, World},
    },
    reasons,
};

fn told(spec: &str, kind: &str, name: &str, result: ApplyResult, living: &[&str], facts: &Facts) -> Problem {
    let plan = plan(&cluster(spec), facts);
    let planned = object(&plan, kind, name);
    let step = AppliedObject { id: (planned.kind, planned.key.clone()), result };
    let outcome = Outcome { steps: vec![step], ..Outcome::default() };
    let world = World { cluster: "logpilot", is_living: &|name| living.contains(&name), plan: &plan, facts };
    problems::outcome_problems(&outcome, world).remove(0)
}

fn claim(spec: &str, name: &str, instance: Option<&str>, living: &[&str]) -> Problem {
    let message = "the name is taken by another object".to_owned();
    let result = ApplyResult::Conflict { message, instance: instance.map(str::to_owned) };
    told(spec, "PersistentVolumeClaim", name, result, living, &Facts::default())
}

#[test]
fn deleting_a_pvc_with_data_is_never_advised() {
    let shared = "{ backup: {} }";
    let own = "{ environment: Development, storage: { sharing: PerComponent } }";
    for (spec, name, instance, living, words) in [
        (
            shared,
            "logpilot-data",
            None,
            &[][..],
            "spec.storage.volume.existingClaim of a new resource that replaces this one",
        ),
        (shared, "logpilot-backup", None, &[], "name it in spec.backup.volume.existingClaim"),
        (own, "logpilot-all-data", None, &[], "may hold data: set another spec.nameOverride"),
        (
            shared,
            "logpilot-data",
            Some("old"),
            &["old"],
            "LogPilotCluster 'old' uses it: set another spec.nameOverride",
        ),
        (shared, "logpilot-backup", Some("old"), &["old"], "LogPilotCluster 'old' uses it"),
        (
            shared,
            "logpilot-data",
            Some("old"),
            &["logpilot"],
            "kubectl label pvc logpilot-data -n logpilot app.kubernetes.io/instance=logpilot --overwrite",
        ),
    ] {
        let problem = claim(spec, name, instance, living);
        assert_eq!(problem.reason, "NameConflict");
        assert!(problem.message.contains(words), "{problem:?}");
        assert!(!problem.message.contains("delete the object"), "{problem:?}");
        assert!(problem.action.starts_with("do not delete it"), "{problem:?}");
    }
}

#[test]
fn a_new_name_is_advised_before_deletion() {
    let result =
        ApplyResult::Conflict { message: "the name is taken by another object".into(), instance: None };
    let problem = told("{}", "Service", "logpilot-all", result, &[], &Facts::default());
    assert!(
        problem.message.contains("set another spec.nameOverride or namespace, or delete the object"),
        "{problem:?}"
    );
    assert!(problem.action.starts_with("set another spec.nameOverride"), "{problem:?}");
}

#[test]
fn servers_behind_a_foreign_key_name_it() {
    let secret = Key { namespace: Some("logpilot".into()), name: "logpilot-api-key".into() };
    let taken =
        ApiKeyFact::Foreign { secret: secret.clone(), whose: "it was not created by this operator".into() };
    let facts = Facts { api_key: taken, ..Facts::default() };
    let plan = plan(&cluster("{}"), &facts);
    assert_eq!(object(&plan, "Deployment", "logpilot-all").held, Some(reasons::CONFLICT_BEHIND));
    let held = ApplyResult::Held(reasons::CONFLICT_BEHIND);
    let problem = told("{}", "Deployment", "logpilot-all", held, &[], &facts);
    assert_eq!(problem.reason, "ConflictBehind");
    assert!(problem.message.contains("Secret logpilot/logpilot-api-key"), "{problem:?}");
    let known = problems::fact_problems(&cluster("{}"), &facts);
    let [problem] = known.as_slice() else { panic!("{known:?}") };
    assert_eq!(problem.reason, "NameConflict");
    let command = r#"kubectl patch lpc logpilot --type merge -p '{"spec":{"auth":{"apiKeySecret":{"name":"logpilot-api-key","key":"api-key"}}}}'"#;
    assert!(problem.message.contains(command), "{problem:?}");
    assert!(problem.action.starts_with("name it"), "{problem:?}");

    let outcome = Outcome {
        steps: vec![AppliedObject {
            id: (problem_kind(), secret),
            result: ApplyResult::Held(CONFIG_CHECKING),
        }],
        ..Outcome::default()
    };
    let world = World { cluster: "logpilot", is_living: &|_| false, plan: &plan, facts: &facts };
    assert_eq!(
        problems::outcome_problems(&outcome, world),
        [],
        "a component blocked for another reason is reported elsewhere"
    );
}

fn problem_kind() -> &'static crate::engine::kind::Kind {
    <k8s_openapi::api::apps::v1::Deployment as crate::kinds::Managed>::KIND
}

#[test]
fn a_retained_namespace_can_be_taken_over() {
    let facts = Facts { kept_namespaces: [("logs".to_owned(), "old".to_owned())].into(), ..Facts::default() };
    let known = problems::fact_problems(&cluster("{}"), &facts);
    let [problem] = known.as_slice() else { panic!("{known:?}") };
    assert_eq!(problem.reason, "NamespaceKept");
    let command = "kubectl label namespace logs app.kubernetes.io/instance=logpilot --overwrite";
    assert!(problem.message.contains(command), "{problem:?}");
}

#[test]
fn limits_in_a_foreign_namespace_are_a_warning() {
    let found = |limits_shared| {
        let facts = Facts { limits_shared, ..Facts::default() };
        problems::fact_problems(&cluster("{ namespace: { name: logs } }"), &facts)
    };
    assert_eq!(found(false), []);
    let found = found(true);
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((problem.reason.as_str(), problem.object.as_str()), ("LimitsShared", "Namespace logs"));
    assert_eq!(problem.severity, Severity::Warning);
}
