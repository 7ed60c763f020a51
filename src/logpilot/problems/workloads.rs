//! Why pods are not made.

use super::error;
use crate::{
    api::status::Problem,
    engine::{
        child::Child,
        detail::{Cause, Deployment, ReplicaSet},
    },
    logpilot::reasons,
};

pub(super) fn of_deployment(child: &Child, deployment: &Deployment) -> Option<Problem> {
    let (reason, cause) = match (&deployment.failure, &deployment.stuck) {
        (Some(cause), _) => (refusal(cause), cause),
        (None, Some(cause)) => (reasons::DEADLINE_EXCEEDED, cause),
        (None, None) => return None,
    };
    Some(error(child, reason, cause.message.clone()))
}

/// A ReplicaSet tells of a refusal before its Deployment does.
pub(super) fn of_replica_set(child: &Child, set: &ReplicaSet) -> Option<Problem> {
    let cause = set.failure.as_ref().filter(|_| set.replicas > 0)?;
    Some(error(child, refusal(cause), cause.message.clone()))
}

/// Why pods cannot be created.
fn refusal(cause: &Cause) -> &'static str {
    // The quota's own words, and those of the admission that fills in and bounds what a container takes.
    let limits = ["usage per Container is", "usage per Pod is", "limit to request ratio per"];
    if cause.message.contains("exceeded quota") || cause.message.contains("failed quota") {
        reasons::QUOTA_EXCEEDED
    } else if limits.iter().any(|words| cause.message.contains(words)) {
        reasons::LIMIT_RANGE
    } else if cause.message.contains("PodSecurity")
        || cause.message.contains("admission")
        || cause.message.contains("denied")
    {
        reasons::ADMISSION_DENIED
    } else {
        reasons::REPLICA_FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses_pods_is_told_by_its_words() {
        for (words, reason) in [
            ("pods \"p\" is forbidden: exceeded quota: small, requested: pods=1", reasons::QUOTA_EXCEEDED),
            (
                "pods \"p\" is forbidden: failed quota: small: must specify limits.cpu for: mesh",
                reasons::QUOTA_EXCEEDED,
            ),
            ("maximum memory usage per Container is 64Mi, but limit is 512Mi", reasons::LIMIT_RANGE),
            (
                "cpu max limit to request ratio per Container is 2, but provided ratio is 5",
                reasons::LIMIT_RANGE,
            ),
            (
                "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\"",
                reasons::ADMISSION_DENIED,
            ),
            ("admission webhook \"x\" denied the request: no", reasons::ADMISSION_DENIED),
            ("pods \"p\" is forbidden: no PriorityClass with name high was found", reasons::REPLICA_FAILURE),
        ] {
            assert_eq!(refusal(&Cause { message: words.into(), ..Cause::default() }), reason, "{words}");
        }
        assert!(
            reasons::action(reasons::QUOTA_EXCEEDED, "must specify limits.cpu").starts_with("set resources")
        );
    }
}
