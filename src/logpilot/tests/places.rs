//! Two resources that store something in one location: the work that is blocked, and the report.

use super::*;
use crate::{
    api::status::{Problem, Severity},
    engine::plan::Key,
    logpilot::{
        facts::{Contents, Place, SharedPlace},
        problems,
    },
    reasons,
};

fn claim(name: &str) -> Key {
    Key { namespace: Some("logpilot".into()), name: name.into() }
}

fn shared(name: &str, (contents, theirs): (Contents, Contents), older: bool) -> Facts {
    let (place, by) = (Place::Claim(claim(name)), "old".to_owned());
    Facts {
        shared: vec![SharedPlace { place, contents, named: true, by, theirs, older }],
        ..Facts::default()
    }
}

const DATA: (Contents, Contents) = (Contents::Data, Contents::Data);

fn held(spec: &str, facts: &Facts, kind: &str, name: &str) -> Option<&'static str> {
    object(&plan(&cluster(spec), facts), kind, name).held
}

#[test]
fn the_younger_resource_never_writes_older_data() {
    let spec = "{ components: { all: {}, rest: {} }, backup: {}, config: { check: {} } }";
    let facts = shared("logpilot-data", DATA, true);
    let planned = plan(&cluster(spec), &facts);
    for (kind, name, expected) in [
        ("Deployment", "logpilot-all", Some(reasons::DATA_VOLUME_SHARED)),
        ("Deployment", "logpilot-rest", Some(reasons::DATA_VOLUME_SHARED)),
        ("CronJob", "logpilot-backup", Some(reasons::DATA_VOLUME_SHARED)),
        ("Service", "logpilot-all", None),
    ] {
        assert_eq!(object(&planned, kind, name).held, expected, "{kind} {name}");
    }
    assert_eq!(held(spec, &shared("logpilot-data", DATA, false), "Deployment", "logpilot-all"), None);
    assert_eq!(held(spec, &shared("other", DATA, true), "Deployment", "logpilot-all"), None);
    let stopped = "{ operation: { stopped: true } }";
    assert_eq!(held(stopped, &facts, "Deployment", "logpilot-all"), None, "stopping always works");
    let own = "{ storage: { sharing: PerComponent }, components: { all: {}, rest: {} } }";
    let facts = shared("logpilot-rest-data", DATA, true);
    assert_eq!(held(own, &facts, "Deployment", "logpilot-rest"), Some(reasons::DATA_VOLUME_SHARED));
    assert_eq!(held(own, &facts, "Deployment", "logpilot-all"), None, "its data is separate");
}

/// A backup that names no resource is removed only if no other resource writes there.
#[test]
fn an_owned_backup_pvc_is_exclusive() {
    let exclusive = |spec: &str, facts: &Facts| {
        let planned = plan(&cluster(spec), facts);
        let args = &object(&planned, "CronJob", "logpilot-backup").body["spec"]["jobTemplate"]["spec"]["template"]
            ["spec"]["containers"][0]["args"];
        let args: Vec<_> = args.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(args.contains(&"--resource=logpilot"), "{args:?}");
        assert!(args.iter().any(|arg| arg.starts_with("--resource-uid=") && arg.len() > 20), "{args:?}");
        args.contains(&"--exclusive")
    };
    let alone = Facts::default();
    assert!(exclusive("{ backup: {} }", &alone));
    assert!(!exclusive("{ backup: { volume: { existingClaim: nfs } } }", &alone));
    assert!(!exclusive("{ backup: { s3: { bucket: abc, credentialsSecret: { name: key } } } }", &alone));
    for older in [true, false] {
        let both = shared("logpilot-backup", (Contents::Backups, Contents::Backups), older);
        assert!(!exclusive("{ backup: {} }", &both));
    }
}

fn told(facts: &Facts) -> Vec<Problem> {
    problems::fact_problems(&cluster("{}"), facts)
}

#[test]
fn the_younger_resource_is_told_the_owner() {
    use Contents::{Backups, Data};
    for (contents, older, severity, reason, words) in [
        (DATA, true, Severity::Error, "DataVolumeShared", "without spec.storage.volume.existingClaim"),
        ((Backups, Backups), true, Severity::Warning, "BackupLocationShared", "removes only its own"),
        ((Backups, Data), true, Severity::Warning, "BackupLocationShared", "can fill it"),
        ((Backups, Data), false, Severity::Warning, "BackupLocationShared", "can fill it"),
        ((Data, Backups), false, Severity::Warning, "BackupLocationShared", "can fill it"),
    ] {
        let problems = told(&shared("x", contents, older));
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert_eq!((problem.severity, problem.reason.as_str()), (severity, reason));
        assert_eq!(problem.object, "PersistentVolumeClaim logpilot/x");
        assert!(
            problem.message.contains("LogPilotCluster 'old'") && problem.message.contains(words),
            "{problem:?}"
        );
    }
    for contents in [DATA, (Backups, Backups)] {
        assert_eq!(told(&shared("x", contents, false)), [], "the older one continues");
    }
    let mut generated = shared("logpilot-data", DATA, true);
    generated.shared[0].named = false;
    assert!(told(&generated)[0].message.contains("another spec.nameOverride"));
}
