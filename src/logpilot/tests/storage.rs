//! The storage × replicas table, as its user sees it: the placement and strategy of the pods, or
//! the refusal.

use rstest::rstest;

use super::*;

/// The outcome of a row of the table.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Whether pods are bound to one node, the strategy, whether there is a PodDisruptionBudget,
    /// the warnings.
    Runs {
        bound: bool,
        strategy: &'static str,
        budget: bool,
        warned: bool,
    },
    Refused(&'static str),
}
use Outcome::{Refused, Runs};

const MODE: &str = "spec.storage.volume.accessMode";
const BACKEND: &str = "spec.storage.backend";
const ROLLING: &str = "RollingUpdate";

const SQLITE_1: Outcome = Runs { bound: true, strategy: ROLLING, budget: false, warned: false };
const SQLITE_N: Outcome = Runs { bound: true, strategy: ROLLING, budget: false, warned: true };
const SPREAD_1: Outcome = Runs { bound: false, strategy: ROLLING, budget: false, warned: false };
const SPREAD_N: Outcome = Runs { bound: false, strategy: ROLLING, budget: true, warned: false };
const ALONE: Outcome = Runs { bound: false, strategy: "Recreate", budget: false, warned: false };

fn outcome(spec: &str) -> Outcome {
    let cluster = match validate(&resource(spec)) {
        Ok(cluster) => cluster,
        Err(violations) => {
            let [only] = violations.as_slice() else { panic!("one violation: {violations:?}") };
            return Refused(if only.path == MODE { MODE } else { BACKEND });
        }
    };
    let plan = plan(&cluster, &Facts::default());
    let deployment = &object(&plan, "Deployment", "logpilot-all").body["spec"];
    let pod = &deployment["template"]["spec"];
    let bound = !pod["affinity"].is_null();
    if bound {
        let term = &pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        let labels = &deployment["template"]["metadata"]["labels"];
        assert_eq!(term["topologyKey"], "kubernetes.io/hostname");
        assert_eq!(term["labelSelector"]["matchLabels"]["logpilot.io/data"], labels["logpilot.io/data"]);
        assert!(pod["topologySpreadConstraints"].is_null());
    }
    let warnings = crate::logpilot::warnings::warnings(&cluster);
    Runs {
        bound,
        strategy: if deployment["strategy"]["type"] == "Recreate" { "Recreate" } else { ROLLING },
        budget: find(&plan, "PodDisruptionBudget", "logpilot-all").is_some(),
        warned: warnings.iter().any(|problem| problem.reason == "StorageSingleNode"),
    }
}

#[rstest]
#[case("Sqlite", "ReadWriteOnce", 1, "", SQLITE_1)]
#[case("Sqlite", "ReadWriteOnce", 2, "", SQLITE_N)]
#[case("Sqlite", "ReadWriteOncePod", 1, "", ALONE)]
#[case("Sqlite", "ReadWriteOncePod", 2, "", Refused(MODE))]
#[case("Sqlite", "ReadWriteOncePod", 2, "SqliteOnSharedFilesystem, FileStorageSharedByPods", Refused(MODE))]
#[case("Sqlite", "ReadWriteMany", 1, "", SQLITE_1)]
#[case("Sqlite", "ReadWriteMany", 2, "", Refused(MODE))]
#[case("Sqlite", "ReadWriteMany", 2, "FileStorageSharedByPods", Refused(MODE))]
#[case("Sqlite", "ReadWriteMany", 2, "SqliteOnSharedFilesystem", SPREAD_N)]
#[case("Sqlite", "ReadWriteMany", 1, "SqliteOnSharedFilesystem", SPREAD_1)]
#[case("File", "ReadWriteOnce", 1, "", ALONE)]
#[case("File", "ReadWriteOncePod", 1, "", ALONE)]
#[case("File", "ReadWriteMany", 1, "", ALONE)]
#[case("File", "ReadWriteOnce", 2, "", Refused(BACKEND))]
#[case("File", "ReadWriteMany", 2, "", Refused(BACKEND))]
#[case("File", "ReadWriteMany", 2, "SqliteOnSharedFilesystem", Refused(BACKEND))]
#[case("File", "ReadWriteOncePod", 2, "FileStorageSharedByPods", Refused(MODE))]
#[case("File", "ReadWriteOnce", 2, "FileStorageSharedByPods", SQLITE_N)]
#[case("File", "ReadWriteMany", 2, "FileStorageSharedByPods", SPREAD_N)]
fn the_table(
    #[case] backend: &str,
    #[case] mode: &str,
    #[case] pods: i32,
    #[case] accepted: &str,
    #[case] wanted: Outcome,
) {
    let storage =
        format!("{{ backend: {backend}, volume: {{ accessMode: {mode} }}, allowUnsafe: [{accepted}] }}");
    let fixed = format!("{{ storage: {storage}, components: {{ all: {{ replicas: {pods} }} }} }}");
    assert_eq!(outcome(&fixed), wanted, "replicas");
    // The same with the maximum of an autoscaler.
    let scaled = format!(
        "{{ storage: {storage}, components: {{ all: {{ autoscaling: {{ maxReplicas: {pods} }} }} }} }}"
    );
    assert_eq!(outcome(&scaled), wanted, "autoscaling");
}

#[test]
fn pods_on_one_volume_count_together() {
    let spec = "{ storage: { backend: File }, components: { all: { replicas: 1 }, rest: { replicas: 1 } } }";
    assert_eq!(violations(spec)[0].path, BACKEND);
    let apart = "{ storage: { backend: File, sharing: PerComponent }, components: { all: { replicas: 1 }, rest: { replicas: 1 } } }";
    let off = "{ storage: { backend: File }, components: { all: { replicas: 1 }, rest: { enabled: false, replicas: 5 } } }";
    let none = "{ storage: { backend: File }, components: { all: { replicas: 1 }, rest: { replicas: 0 } } }";
    for good in [apart, off, none] {
        cluster(good);
    }
}

#[test]
fn components_sharing_a_pvc_use_its_label() {
    let plan = planned("{ components: { all: {}, rest: {} } }");
    for role in ["all", "rest"] {
        let pod = &object(&plan, "Deployment", &format!("logpilot-{role}")).body["spec"]["template"];
        assert_eq!(pod["metadata"]["labels"]["logpilot.io/data"], "logpilot-data");
        let term =
            &pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(term["labelSelector"]["matchLabels"], json!({ "logpilot.io/data": "logpilot-data" }));
    }
}

#[rstest]
#[case("strategy: { type: RollingUpdate }", false)]
#[case("strategy: { maxSurge: 0 }", false)]
#[case("strategy: { type: Recreate }", true)]
#[case("strategy: {}", true)]
fn overlapping_rolling_updates_are_refused(#[case] strategy: &str, #[case] good: bool) {
    for storage in ["{ backend: File }", "{ volume: { accessMode: ReadWriteOncePod } }"] {
        let spec = format!("{{ storage: {storage}, components: {{ all: {{ replicas: 1, {strategy} }} }} }}");
        match validate(&resource(&spec)) {
            Ok(_) => assert!(good, "{spec}"),
            Err(violations) => {
                assert!(!good, "{violations:?}");
                assert_eq!(violations[0].path, "spec.components.all.strategy");
            }
        }
    }
}

#[rstest]
#[case(
    "all: { nodeSelector: { disk: ssd } }, rest: { nodeSelector: { disk: hdd } }",
    Some("spec.components.rest.nodeSelector")
)]
#[case("all: { nodeSelector: { disk: ssd } }, rest: { nodeSelector: { disk: ssd, zone: a } }", None)]
#[case(
    "all: { topologySpread: [{ topologyKey: zone, whenUnsatisfiable: DoNotSchedule }] }",
    Some("spec.components.all.topologySpread")
)]
#[case("all: { topologySpread: [{ topologyKey: zone }] }", None)]
fn placement_contradicting_one_node_is_refused(#[case] components: &str, #[case] wanted: Option<&str>) {
    let violations =
        validate(&resource(&format!("{{ components: {{ {components} }} }}"))).err().unwrap_or_default();
    assert_eq!(violations.first().map(|violation| violation.path.as_str()), wanted);
    // With separate volumes, or with a shared filesystem, only the bound pods are limited.
    let free = format!(
        "{{ components: {{ {components} }}, storage: {{ volume: {{ accessMode: ReadWriteMany }}, allowUnsafe: [SqliteOnSharedFilesystem] }} }}"
    );
    cluster(&free);
}

#[test]
fn an_explicit_budget_is_honoured() {
    let plan = planned("{ components: { all: { podDisruptionBudget: { minAvailable: 1 } } } }");
    let budget = &object(&plan, "PodDisruptionBudget", "logpilot-all").body["spec"];
    assert_eq!((&budget["minAvailable"], budget.get("maxUnavailable")), (&json!(1), None));
    let free = "storage: { volume: { accessMode: ReadWriteMany }, allowUnsafe: [SqliteOnSharedFilesystem] }";
    let off = planned(&format!(
        "{{ components: {{ all: {{ podDisruptionBudget: {{ enabled: false }} }} }}, {free} }}"
    ));
    assert_eq!(names(&off, "PodDisruptionBudget"), [""; 0]);
    let by_default = planned(&format!("{{ {free} }}"));
    assert_eq!(object(&by_default, "PodDisruptionBudget", "logpilot-all").body["spec"]["maxUnavailable"], 1);
}

/// Kubernetes rejects another size for a PVC that has no volume, whatever else the spec requests.
#[rstest]
#[case("Pending", "5Gi", Some("5Gi"))]
#[case("Pending", "10240Mi", None)]
#[case("Bound", "5Gi", None)]
fn a_pending_pvc_keeps_its_size(#[case] phase: &str, #[case] requested: &str, #[case] kept: Option<&str>) {
    let claim = |name: &str| {
        json!({ "kind": "PersistentVolumeClaim", "metadata": { "name": name },
            "spec": { "resources": { "requests": { "storage": requested } } }, "status": { "phase": phase } })
    };
    let snapshot = super::backups::world(&[claim("logpilot-data"), claim("logpilot-backup")]);
    let cluster = cluster("{ backup: { volume: { size: 10Gi } } }");
    let facts =
        Facts { held_sizes: crate::logpilot::gather::held_sizes(&cluster, &snapshot), ..Facts::default() };
    let plan = plan(&cluster, &facts);
    for name in ["logpilot-data", "logpilot-backup"] {
        let asked =
            &object(&plan, "PersistentVolumeClaim", name).body["spec"]["resources"]["requests"]["storage"];
        assert_eq!(asked, kept.unwrap_or("10Gi"), "{name}");
    }
    let problems = crate::logpilot::problems::fact_problems(&cluster, &facts);
    assert_eq!(problems.len(), kept.map_or(0, |_| 2), "{problems:?}");
    assert!(
        problems.iter().all(|it| it.reason == "VolumeResize" && it.message.contains("and 10Gi afterwards"))
    );
}

/// The size that a PVC requests when the spec declares 10Gi, by its earlier request and the size of
/// its volume. A request that was not carried out is reverted, to more than the volume has, as
/// Kubernetes requires.
#[rstest]
#[case("10Ti", Some("5Gi"), "10Gi", false)]
#[case("10Ti", Some("10Gi"), "10241Mi", true)]
#[case("10Ti", Some("20Gi"), "20481Mi", true)]
// The request was carried out, or exceeded.
#[case("20Gi", Some("20Gi"), "20Gi", true)]
#[case("20Gi", Some("21Gi"), "20Gi", true)]
#[case("10241Mi", Some("11Gi"), "10241Mi", true)]
// The minimum that Kubernetes accepts stays unchanged.
#[case("10241Mi", Some("10Gi"), "10241Mi", true)]
#[case("20Gi", None, "20Gi", true)]
#[case("5Gi", Some("5Gi"), "10Gi", false)]
#[case("10Gi", Some("100Gi"), "10Gi", false)]
#[case("10240Mi", Some("10Gi"), "10Gi", false)]
fn a_smaller_size_stops_at_the_volume(
    #[case] requested: &str,
    #[case] capacity: Option<&str>,
    #[case] asked: &str,
    #[case] told: bool,
) {
    let claim = |name: &str| {
        json!({ "kind": "PersistentVolumeClaim", "metadata": { "name": name },
            "spec": { "resources": { "requests": { "storage": requested } } },
            "status": { "phase": "Bound", "capacity": capacity.map(|size| json!({ "storage": size })) } })
    };
    let names = ["logpilot-all-data", "logpilot-rest-data", "logpilot-all-backup", "logpilot-rest-backup"];
    let snapshot = super::backups::world(&names.map(claim));
    let cluster = cluster(
        "{ storage: { sharing: PerComponent, volume: { size: 10Gi } }, backup: { volume: { size: 10Gi } }, \
           components: { all: {}, rest: { volume: { size: 10Gi } } } }",
    );
    let held_sizes = crate::logpilot::gather::held_sizes(&cluster, &snapshot);
    let facts = Facts { held_sizes, ..Facts::default() };
    let plan = plan(&cluster, &facts);
    for name in names {
        let size =
            &object(&plan, "PersistentVolumeClaim", name).body["spec"]["resources"]["requests"]["storage"];
        assert_eq!(size, asked, "{name}");
    }
    let problems = crate::logpilot::problems::fact_problems(&cluster, &facts);
    assert_eq!(problems.len(), if told { names.len() } else { 0 }, "{problems:?}");
    let range = format!("Kubernetes accepts any size above {}", capacity.unwrap_or(requested));
    assert!(
        problems.iter().all(|it| it.reason == "VolumeResize" && it.message.contains(&range)),
        "{problems:?}"
    );
}
