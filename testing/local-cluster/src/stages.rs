//! The behaviour of the fake kubelets towards pods, as kwok stages.
//!
//! A pod is ready immediately, unless the image of its first container contains one of [`MARKERS`]:
//! a string in a custom resource is then enough to simulate a bad workload.

/// This crate's kwok configuration files. `start.yaml` applies first to every pod, `ready.yaml`
/// second if the image has no marker.
const STAGES: [&str; 11] = [
    include_str!("../stages/start.yaml"),
    include_str!("../stages/ready.yaml"),
    include_str!("../stages/never-ready.yaml"),
    include_str!("../stages/crash-loop.yaml"),
    include_str!("../stages/image-pull.yaml"),
    include_str!("../stages/create-config-error.yaml"),
    include_str!("../stages/oom.yaml"),
    include_str!("../stages/slow-5s.yaml"),
    include_str!("../stages/flapping.yaml"),
    include_str!("../stages/job-fail.yaml"),
    include_str!("../stages/cannot-mount.yaml"),
];

/// Parts of an image string that make a pod misbehave:
///
/// | part | the pod |
/// |---|---|
/// | `never-ready` | runs and never becomes ready |
/// | `crash-loop` | waits in CrashLoopBackOff after exit code 1, "boom: could not open database"; restarts 1, after 2 s 2 |
/// | `image-pull` | waits in ImagePullBackOff |
/// | `create-config-error` | waits in CreateContainerConfigError |
/// | `oom` (a word of its own) | waits in CrashLoopBackOff after OOMKilled, exit code 137 |
/// | `slow-5s` | becomes ready 5 s after its start |
/// | `flapping` | loses and regains readiness every second |
/// | `job-fail` | fails with exit code 1, as the pod of a Job may |
/// | `cannot-mount` | waits for years for a volume that cannot be mounted |
pub const MARKERS: [&str; 9] = [
    "never-ready",
    "crash-loop",
    "image-pull",
    "create-config-error",
    "oom",
    "slow-5s",
    "flapping",
    "job-fail",
    "cannot-mount",
];

/// One configuration of kwok's own stages and this crate's.
pub(crate) fn configuration(defaults: &str) -> String {
    STAGES.iter().fold(defaults.to_owned(), |all, stage| format!("{all}\n---\n{stage}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The marker as a regular expression inside a jq string: `oom` as a separate word, otherwise
    /// `zoom` would match.
    fn pattern(marker: &str) -> String {
        if marker == "oom" { r"\\boom\\b".to_owned() } else { marker.to_owned() }
    }

    #[test]
    fn the_ready_stage_excludes_exactly_the_marker_images() {
        let selector = format!(r#"test("{}")"#, MARKERS.map(pattern).join("|"));
        assert!(STAGES[1].contains(&selector), "stages/ready.yaml should hold {selector}");
    }

    #[test]
    fn every_marker_has_a_stage() {
        for marker in MARKERS {
            let selector = format!(r#"test("{}")"#, pattern(marker));
            assert!(STAGES[2..].iter().any(|stage| stage.contains(&selector)), "no stage selects {marker}");
        }
    }
}
