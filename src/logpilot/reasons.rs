//! Every reason that conditions and problems use: what it means and what to do about it.
//! The README's table is held against this one by a test.

/// Reason, meaning, what to do next.
pub struct Reason {
    pub name: &'static str,
    pub meaning: &'static str,
    pub action: &'static str,
}

macro_rules! reasons {
    ($($constant:ident = $name:literal: $meaning:literal, $action:literal;)*) => {
        $(#[doc = $meaning] pub const $constant: &str = $name;)*
        /// The table.
        pub const REASONS: &[Reason] = &[$(Reason { name: $name, meaning: $meaning, action: $action }),*];
    };
}

reasons! {
    READY = "Ready": "every pod of every component runs the declared state", "nothing";
    ACCEPTED = "Valid": "the resource is valid", "nothing";
    APPLIED = "Applied": "every object is as planned", "nothing";
    PROGRESSING = "Progressing": "a change is being carried out", "wait; the message names what is waited for";
    PAUSED = "Paused": "spec.operation.paused is true: nothing is written but the status", "set it to false to continue";
    STOPPED = "Stopped": "spec.operation.stopped is true: no pods run; the data and everything else is kept", "set it to false to start";
    INVALID_SPEC = "InvalidSpec": "the resource cannot be carried out as it is; what runs is left as it is", "change the fields that the message names";
    INTERNAL_ERROR = "InternalError": "the operator failed on this resource; others are not affected", "report it with the message and the operator's log";
    NAME_CONFLICT = "NameConflict": "a child's name is taken by an object that is not ours; it is not touched", "delete or rename that object, or set another spec.nameOverride or namespace in a new resource";
    DATA_VOLUME_LOST = "DataVolumeLost": "a claim that held data is gone; it is not replaced by an empty one", "restore a claim of that name with the labels that the message names, or give the data up with the annotation it names";
    NAMESPACE_TERMINATING = "NamespaceTerminating": "the namespace is being deleted; everything is made again when it is gone", "wait, or find what keeps it with kubectl get namespace -o yaml";
    CHILD_TERMINATING = "ChildTerminating": "a child is being deleted and has to be gone before it is made again", "wait; if it stays, look for finalizers on it";
    API_KEY_INVALID = "ApiKeyInvalid": "the API key's Secret is missing, has no such key, or is empty; workloads are held", "create the Secret with a non-empty key; it is looked at every 10 s";
    REFERENCE_MISSING = "ReferenceMissing": "a Secret or ConfigMap that a variable refers to is missing, or a key of it; unless it is optional, the component is left as it is", "create what the message names; it is looked at every 10 s while a component waits for it";
    FORBIDDEN = "Forbidden": "the operator lacks a right", "grant the verb on the resource that the message names to the operator's ClusterRole";
    QUOTA_EXCEEDED = "QuotaExceeded": "a ResourceQuota refuses objects or pods", "raise the quota, or lower replicas or resources";
    ADMISSION_DENIED = "AdmissionDenied": "an admission policy or webhook refuses an object", "follow the policy's message, or exempt the namespace";
    INVALID = "Invalid": "the API server refuses an object as invalid", "change the field that the message names";
    TOO_LARGE = "TooLarge": "an object exceeds the API server's size limit", "make spec.config smaller";
    NOT_FOUND = "NotFound": "something an object needs does not exist", "create what the message names";
    APPLY_FAILED = "ApplyFailed": "the API server refuses an object", "the message is its answer";
    API_UNAVAILABLE = "ApiUnavailable": "the API server does not answer, or answers with an error", "wait; it is tried again with growing pauses";
    WATCH_FAILING = "WatchFailing": "a kind cannot be listed, so that its objects are not judged", "look at the message: a missing right, or an API server that does not answer";
    CRD_NOT_INSTALLED = "CrdNotInstalled": "an optional kind is asked for and its CRD is not installed; everything else runs", "install the CRD (it is used at once), or remove the block from the spec";
    IMAGE_PULL = "ImagePullBackOff": "the image cannot be pulled; running pods are kept", "check the image's name and tag, spec.imagePullSecrets and the registry";
    CRASH_LOOP = "CrashLoopBackOff": "the server ends again and again; the message has its exit code and last words", "read the message, then kubectl logs --previous";
    OOM_KILLED = "OOMKilled": "the server needed more memory than its limit", "raise resources.limits.memory";
    CONTAINER_CONFIG = "CreateContainerConfigError": "a Secret or ConfigMap that the pod needs is missing", "create what the message names";
    CONTAINER_START = "RunContainerError": "the container cannot be started", "the message is the container runtime's answer";
    UNSCHEDULABLE = "Unschedulable": "no node can take a pod; the message is the scheduler's", "add capacity, or change requests, nodeSelector, tolerations or storage";
    VOLUME_PENDING = "VolumePending": "a claim has no volume", "check the StorageClass and its provisioner with kubectl describe pvc";
    VOLUME_RESIZE = "VolumeResize": "a claim is not yet as large as declared", "wait; if it stays, check that the StorageClass allows expansion";
    REPLICA_FAILURE = "ReplicaFailure": "pods cannot be created", "the message is the API server's answer to the ReplicaSet";
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded": "a rollout made no progress in time; old pods keep serving", "look at the problems of its pods; a corrected or reverted spec heals it";
    NOT_READY = "NotReady": "pods run but are not ready", "look at the readiness probe's events with kubectl describe pod";
    BACKUP_FAILED = "BackupFailed": "the newest backup failed; those before it are untouched, and the servers are not affected", "read the message, then kubectl create job --from=cronjob/… to try again";
    BACKUP_OLD = "BackupOld": "a backup was due and there is none", "look at the CronJob and its Jobs with kubectl describe; spec.backup.suspend ends this warning";
    BACKUP_IMAGE_UNKNOWN = "BackupImageUnknown": "the operator does not know its own image, which backups run; there is no CronJob", "set OPERATOR_IMAGE in the operator's Deployment";
    METRICS_UNAVAILABLE = "MetricsUnavailable": "the autoscaler has no metrics; the number of pods stays as it is", "install metrics-server, and set resources.requests";
    STORAGE_SINGLE_NODE = "StorageSingleNode": "all pods that share the volume run on one node", "use one pod, or accept that a node's failure stops all of them";
    DRAIN_INTERRUPTS = "DrainInterrupts": "draining the node stops all pods of the component at once, so there is no disruption budget", "plan drains, or use storage.sharing PerComponent with one pod each";
    DRAIN_BLOCKED = "DrainBlocked": "the disruption budget given never allows an eviction", "lower minAvailable, or raise maxUnavailable";
    IMAGE_TAG_LATEST = "ImageTagLatest": "the tag latest moves, so that it cannot be rolled back", "use a version tag or a digest";
    MEMORY_LIMIT_LOW = "MemoryLimitLow": "the memory limit is below what the server was seen to need (320Mi)", "raise resources.limits.memory to 512Mi";
    STARTUP_BUDGET_SHORT = "StartupBudgetShort": "the server cannot start within the startup probe's time at this CPU limit", "raise resources.limits.cpu to 200m or more, or probes.startup.failureThreshold";
    GRPC_PROBE_UNAUTHENTICATED = "GrpcProbeUnauthenticated": "native gRPC probes carry no API key, which the server asks for even for health", "use probes.mode ActuatorGroups";
    GRPC_INGRESS_UNSUPPORTED = "GrpcIngressUnsupported": "gRPC through this Ingress needs TLS and a class that the operator knows", "set exposure.ingress.tls and class nginx, or the class's own annotations";
    RATE_LIMIT_UNSUPPORTED = "RateLimitUnsupported": "the ingress class has no rate limit that the operator knows", "use class nginx, or set the class's own annotations";
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted": "a Gateway refuses a route, or nobody answers for that Gateway; clients from outside do not get through", "check that the Gateway exists and its listeners allow routes of this namespace and host; the message has its controller's words";
    GATEWAY_NOT_PROGRAMMED = "GatewayNotProgrammed": "the Gateway is refused or not set up, or no controller answers for its class", "check exposure.gateway.className with kubectl get gatewayclass; the message has the controller's words";
    PATCH_UNMATCHED = "PatchUnmatched": "a patch names an object that is not generated, and changes nothing", "correct target.kind and target.name of the patch, or remove it";
    CLIENTS_MAY_BE_CUT = "ClientsMayBeCut": "the network policy keeps out the traffic of an Ingress, load balancer or node port that the spec asks for", "set networkPolicy.ingressController, or add the clients to networkPolicy.clients";
    QUOTA_TOO_SMALL = "QuotaTooSmall": "limits.quota has no room for the most pods that can run, those of an update included", "raise limits.quota, or lower replicas or resources";
    ENV_IGNORED = "EnvIgnored": "the server does not look at an environment variable, because its application.yml sets the property", "use the field that the message names, and remove the variable";
    CORS_UNSUPPORTED = "CorsUnsupported": "the ingress class has no CORS setting that the operator knows", "use class nginx, or set the class's own annotations";
}

/// What to do about a reason; for one that Kubernetes made and we do not know, its message is all there is.
#[must_use]
pub fn action(reason: &str) -> &'static str {
    REASONS.iter().find(|known| known.name == reason).map_or("see the message", |known| known.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warning_has_its_row() {
        for (reason, _) in crate::logpilot::warnings::REASONS {
            assert!(REASONS.iter().any(|row| row.name == *reason), "{reason}");
        }
    }
}
