//! Every reason that conditions and problems use: what it means and what to do about it.
//! `make generate` writes the table of `docs/reasons.md` from it.

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
    APPLIED = "Applied": "every object matches the plan", "nothing";
    PROGRESSING = "Progressing": "a change is being rolled out", "wait; the message says what the rollout is waiting for";
    PAUSED = "Paused": "spec.operation.paused is true: the operator writes only the status", "set it to false to continue";
    STOPPED = "Stopped": "spec.operation.stopped is true: no pods run; the data and all other objects are kept", "set it to false to start";
    INVALID_SPEC = "InvalidSpec": "the spec is not valid; running workloads are left unchanged", "change the fields that the message names";
    INTERNAL_ERROR = "InternalError": "the operator failed to reconcile this resource; other resources are not affected", "report it with the message and the operator's log";
    NAME_CONFLICT = "NameConflict": "the name of a planned object is taken by an object that this operator did not create; that object is not changed", "set another spec.nameOverride or namespace in a new resource, or delete the other object if nothing needs it";
    CONFLICT_BEHIND = "ConflictBehind": "an object is blocked because it uses, selects, scales or routes to another object whose name is taken; the operator deletes it if it already exists and acts on that object", "resolve the NameConflict of the object that the message names; this object is then written automatically";
    DATA_VOLUME_LOST = "DataVolumeLost": "a PVC that held data no longer exists; the operator does not replace it with an empty one", "restore a PVC of that name with the labels that the message names, or give up the data with the annotation that it names";
    NAMESPACE_KEPT = "NamespaceKept": "the namespace was created for another LogPilotCluster that no longer exists; it is used unchanged, without this resource's labels and pod security", "take it over with the command in the message, or leave it unchanged";
    NAMESPACE_TERMINATING = "NamespaceTerminating": "the namespace is being deleted; the operator recreates every object afterwards", "wait, or find what blocks the deletion with kubectl get namespace NAMESPACE -o yaml";
    CHILD_TERMINATING = "ChildTerminating": "an object is being deleted; the operator recreates it when the deletion is complete", "wait; if it persists, check the finalizers of the object";
    CONTESTED = "Contested": "another client keeps reverting an object; the operator retries with increasing delays", "stop one of the two writers; kubectl get --show-managed-fields -o yaml shows which field manager wrote last";
    API_KEY_INVALID = "ApiKeyInvalid": "the API key's Secret is missing, lacks the key, or holds a key that no client can send; the workloads are left unchanged", "write the key as the message says; the operator reads the Secret again every 10 s";
    REFERENCE_MISSING = "ReferenceMissing": "a Secret or ConfigMap that the spec refers to does not exist or lacks a key; unless the reference is optional, as for a pull Secret, the component is left unchanged", "create what the message names; the operator reads it again every 10 s while a component waits for it";
    REFERENCE_INVALID = "ReferenceInvalid": "a Secret or ConfigMap that variables refer to sets something that the operator owns, such as a port or the API key; the component is left unchanged", "remove what the message names from that object; the operator reads it again every 10 s";
    CONFIG_CHECKING = "ConfigChecking": "a Job checks a changed configuration before it reaches the pods, which keep the previous one meanwhile", "wait; the Job that the message names ends within spec.config.check.timeoutSeconds";
    CONFIG_CHECK_FAILED = "ConfigCheckFailed": "no server became ready with the changed configuration; the old pods keep serving", "correct or revert spec.config; to check the same configuration again, delete the Job; spec.config.check.enabled: false turns the check off";
    FORBIDDEN = "Forbidden": "the operator lacks a permission", "grant the operator's ClusterRole the verb on the resource that the message names";
    QUOTA_EXCEEDED = "QuotaExceeded": "a ResourceQuota rejects objects or pods", "raise the quota, or lower replicas or resources";
    LIMIT_RANGE = "LimitRangeExceeded": "a LimitRange of the namespace rejects the pods or a PVC", "change the resources or sizes as the message says, or change the LimitRange";
    ADMISSION_DENIED = "AdmissionDenied": "an admission policy or webhook rejects an object", "follow the policy's message, or exempt the namespace";
    INVALID = "Invalid": "the API server rejects an object as invalid", "change the field that the message names";
    TOO_LARGE = "TooLarge": "an object exceeds the API server's size limit", "make spec.config smaller";
    NOT_FOUND = "NotFound": "an object refers to something that does not exist", "create what the message names";
    APPLY_FAILED = "ApplyFailed": "the API server rejects an object", "correct what the message names: it is the API server's answer";
    API_UNAVAILABLE = "ApiUnavailable": "the API server does not answer, or answers with an error", "wait; the operator retries with increasing delays";
    WATCH_FAILING = "WatchFailing": "the operator cannot list a kind, so it does not evaluate the objects of that kind", "read the message: the operator lacks a permission, or the API server does not answer";
    CRD_NOT_INSTALLED = "CrdNotInstalled": "the spec asks for an optional kind whose CRD is not installed; all other objects are applied", "install the CRD (the operator uses it immediately), or remove the block from the spec";
    CRD_OUTDATED = "CrdOutdated": "event only: the installed CustomResourceDefinition is older than the operator, so the status cannot be written", "run kubectl apply --server-side -f crds/";
    IMAGE_PULL = "ImagePullBackOff": "the image cannot be pulled; running pods are kept", "check the image's name and tag, spec.imagePullSecrets and the registry";
    CRASH_LOOP = "CrashLoopBackOff": "the server keeps terminating; the message has its exit code and its cause, or the probe that terminated it", "read the message and kubectl logs --previous, then check spec.config and env";
    DATA_NOT_WRITABLE = "DataNotWritable": "the server cannot write its data and does not start", "give the pod's user or fsGroup (10001) write access to the volume; possible causes: its files belong to another user, its driver ignores fsGroup, or it is mounted read-only";
    DATABASE_INVALID = "DatabaseInvalid": "the database file is damaged or is not a database; the server does not start", "restore a backup with spec.restore; to inspect the file first, copy it while spec.operation.stopped is true";
    VOLUME_FULL = "VolumeFull": "the volume is full and the server does not start", "raise spec.storage.volume.size if the StorageClass allows expansion, or delete other files on the volume";
    OOM_KILLED = "OOMKilled": "the server needed more memory than its limit", "raise resources.limits.memory";
    CONTAINER_CONFIG = "CreateContainerConfigError": "a Secret or ConfigMap that the pod needs is missing", "create what the message names";
    CONTAINER_CREATING = "ContainerCreating": "the container of a scheduled pod is not created yet; the message says which step its node has reached", "read the pod's events with kubectl describe pod: they name a volume that cannot be attached or mounted, or a problem of the node's network";
    CONTAINER_START = "RunContainerError": "the container cannot be started", "read the message: it is the container runtime's answer";
    UNSCHEDULABLE = "Unschedulable": "no node can run a pod; the message comes from the scheduler", "add capacity, or change requests, nodeSelector, tolerations or storage";
    STUCK_POD_EVICTED = "StuckPodEvicted": "event only: the operator evicted a Pending pod that the scheduler does not retry; it was rejected while other pods with the same volume were still on a node, as during a drain", "nothing: the replacement is scheduled immediately, and the other pods follow it";
    EVICTED = "Evicted": "a node that ran out of memory or disk terminated the pod; its controller creates another one", "raise resources.requests to what the server uses, or free memory or disk on the node; remove the failed pod with kubectl delete pod";
    NODE_LOST = "NodeLost": "the pod's node does not answer; the pod may still run, and is replaced when its tolerations expire (5 minutes)", "run kubectl describe node; if the node is permanently lost, delete the Node object to release its volumes";
    TERMINATING_STUCK = "TerminatingStuck": "a deleted pod did not terminate in time; it keeps its volume and its name", "check its node; if the node is permanently lost, run kubectl delete pod NAME -n NAMESPACE --force";
    POD_STRAY = "PodStray": "a pod with the labels of a server belongs to no workload, for example because its labels were changed; it may still write to the data volume", "delete it with kubectl delete pod when nothing needs it";
    FOREIGN_POD = "ForeignPod": "a pod of another workload has all labels of a server, so Services send it requests and the NetworkPolicy restricts it", "remove app.kubernetes.io/managed-by and app.kubernetes.io/instance from the pod template of the workload that the message names, or run it in another namespace";
    VOLUME_PENDING = "VolumePending": "a PVC is not bound to a volume", "check the StorageClass and its provisioner with kubectl describe pvc";
    VOLUME_RESIZE = "VolumeResize": "a PVC does not have the declared size; the message has the requested and the actual size", "wait; if it persists, check that the StorageClass allows expansion";
    REPLICA_FAILURE = "ReplicaFailure": "pods cannot be created", "read the message: it is the API server's answer to the ReplicaSet";
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded": "a rollout made no progress in time; old pods keep serving", "resolve the problems of its pods, which the status lists, or revert the spec";
    ROLLOUT_PAUSED = "RolloutPaused": "the rollout of a Deployment is paused, so changes do not reach its pods; the operator does not change that field", "run kubectl rollout resume deployment/NAME -n NAMESPACE once the user who paused it agrees";
    SCHEDULING_GATED = "SchedulingGated": "scheduling gates keep a pod from being scheduled", "find the controller that removes the gate named in the message, such as a queue; a gate that comes from spec.patches has to be removed there";
    JOB_SUSPENDED = "JobSuspended": "a Job of a backup, a restore or a configuration check is suspended", "wait until the queue that suspended it admits it, or release it with the command in the message";
    SCALED_BEYOND_STORAGE = "ScaledBeyondStorage": "another client scales a Deployment beyond the number of pods that its storage allows; the operator reverts the number each time", "delete that autoscaler with kubectl delete hpa (if KEDA created it, delete its ScaledObject), or set its maxReplicas to the number that the storage allows; for more pods, create a resource with storage.backend Sqlite and accessMode ReadWriteOnce";
    NOT_READY = "NotReady": "pods run but are not ready", "read the readiness probe's events with kubectl describe pod";
    BACKUP_FAILED = "BackupFailed": "the newest backup failed; earlier backups and the servers are not affected", "correct what the message names, then run kubectl create job NAME -n NAMESPACE --from=cronjob/CRONJOB";
    BACKUP_OLD = "BackupOld": "a backup was due and was not made", "check the CronJob and its Jobs with kubectl describe; spec.backup.suspend: true ends this warning";
    RESTORING = "Restoring": "a restore replaces the data with a backup; the servers that use the data are stopped meanwhile", "wait; the message and status.restore say what the restore is waiting for";
    RESTORE_FAILED = "RestoreFailed": "a restore failed; the servers run again on the unchanged data", "read the message, correct what it names, then request the restore again with another spec.restore.requestId; or remove spec.restore";
    BACKUP_IMAGE_UNKNOWN = "BackupImageUnknown": "the operator does not know its own image, which backup Jobs run; it creates no CronJob", "set OPERATOR_IMAGE in the operator's Deployment";
    METRICS_UNAVAILABLE = "MetricsUnavailable": "the autoscaler has no metrics; the number of pods does not change", "install metrics-server, and set resources.requests";
    STORAGE_SINGLE_NODE = "StorageSingleNode": "all pods that share the volume run on one node", "use one pod, or accept that a node's failure stops all of them";
    DRAIN_INTERRUPTS = "DrainInterrupts": "a drain of the node stops all pods of the component together, so the operator creates no disruption budget", "drain the node when an interruption is acceptable, or use storage.sharing PerComponent with one pod for each component";
    DRAIN_BLOCKED = "DrainBlocked": "the configured disruption budget never allows an eviction", "lower minAvailable, or raise maxUnavailable";
    IMAGE_TAG_LATEST = "ImageTagLatest": "the tag latest can point to another image later, so an update cannot be rolled back", "use a version tag or a digest";
    MEMORY_LIMIT_LOW = "MemoryLimitLow": "the memory limit is below the measured requirement of the server (320Mi)", "raise resources.limits.memory to 512Mi";
    STARTUP_BUDGET_SHORT = "StartupBudgetShort": "the server cannot start within the startup probe's time at this CPU limit", "raise resources.limits.cpu to 200m or more, or probes.startup.failureThreshold";
    GRPC_PROBE_UNAUTHENTICATED = "GrpcProbeUnauthenticated": "native gRPC probes send no API key, which the server requires even for health checks", "use probes.mode ActuatorGroups";
    GRPC_INGRESS_UNSUPPORTED = "GrpcIngressUnsupported": "gRPC through this Ingress requires TLS and an ingress class that the operator knows", "set exposure.ingress.tls and class nginx, or the class's own annotations";
    RATE_LIMIT_UNSUPPORTED = "RateLimitUnsupported": "the operator knows no rate limit setting for this ingress class", "use class nginx, or set the class's own annotations";
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted": "a Gateway rejects a route, or no controller serves that Gateway; external clients cannot connect", "check that the Gateway exists and that its listeners allow routes of this namespace and host; the message quotes its controller";
    ROUTE_CONFLICT = "RouteConflict": "an older LogPilotCluster has the same host and path; the Ingress or the routes of this one are left unchanged, and all other objects are applied", "set another host or path in one of the two; when it is free, this resource continues by itself";
    DATA_VOLUME_SHARED = "DataVolumeShared": "an older LogPilotCluster keeps its data on the same PVC; the servers, backups and restores of this one are blocked", "give each resource its own PVC, as the message says; when the PVC is free, this resource continues by itself";
    BACKUP_LOCATION_SHARED = "BackupLocationShared": "another LogPilotCluster writes to the location of the backups; no resource deletes the backups of another", "set another spec.backup.s3.prefix, or another PVC in spec.backup.volume.existingClaim, in one of the two";
    GATEWAY_NOT_PROGRAMMED = "GatewayNotProgrammed": "the Gateway is rejected or not programmed, or no controller serves its class", "check exposure.gateway.className with kubectl get gatewayclass; the message quotes the controller";
    PATCH_UNMATCHED = "PatchUnmatched": "a patch targets an object that the operator does not generate, and has no effect", "correct target.kind and target.name of the patch, or remove it";
    HOST_PATH_FORBIDDEN = "HostPathForbidden": "a component of a ServiceStack mounts a path of the node that no administrator granted to its namespace; the component is left unchanged", "remove the path, or have an administrator run the command in the message";
    WAITING_FOR_DEPENDENCY = "WaitingForDependency": "a component of a ServiceStack is not created or changed yet, because a component that it depends on is not ready or has not finished its own change", "wait; blockedBy in the status says what it waits for, and why; to start it anyway, remove the entry from its dependsOn";
    DEPENDENCY_FAILED = "DependencyFailed": "the rollout of a component failed, and the components that depend on it keep their old version", "correct or revert the component that the message names; the others continue automatically";
    JOB_FAILED = "JobFailed": "a Job of a ServiceStack failed after all its retries; the components that depend on it are left unchanged", "read the message and kubectl logs of its last pod, then change the component; kubectl delete job NAME runs the same Job again";
    GENERATED_SECRET_LOST = "GeneratedSecretLost": "a Secret that the operator generated was deleted, while data that may depend on its values still exists; the components that read it are left unchanged", "restore the Secret from a backup, or accept the loss with the annotation in the message";
    REPLICAS_CAPPED = "ReplicasCapped": "replicaLimits of a component allow fewer or more pods than the component asks for", "change replicaLimits of the component, or the number of pods";
    BACKOFF_POD_EVICTED = "BackoffPodEvicted": "event only: the operator evicted a pod in crash backoff after the component that it depends on became available, so that its replacement starts immediately", "nothing";
    OUTDATED_POD_EVICTED = "OutdatedPodEvicted": "event only: the operator evicted a pod of an outdated revision that kept its StatefulSet from creating the next one", "nothing";
    CLIENTS_MAY_BE_CUT = "ClientsMayBeCut": "the network policy blocks the traffic of an Ingress, load balancer or node port that the spec asks for", "set networkPolicy.ingressController, or add the clients to networkPolicy.clients";
    QUOTA_TOO_SMALL = "QuotaTooSmall": "limits.quota is too small for the largest number of pods that can run, including those of an update", "raise limits.quota, or lower replicas or resources";
    ENV_IGNORED = "EnvIgnored": "an environment variable has no effect, because application.yml or a variable of the operator takes precedence", "use the field that the message names, and remove the variable";
    CORS_UNSUPPORTED = "CorsUnsupported": "the operator knows no CORS setting for this ingress class", "use class nginx, or set the class's own annotations";
    REWRITE_UNSUPPORTED = "RewriteUnsupported": "the operator knows no rewrite for this ingress class; requests arrive with their original path", "use class nginx, set the class's own annotations, or use exposure.gateway";
    SETTING_IGNORED = "SettingIgnored": "a setting of the spec has no effect, because of another setting or of an existing object; the message names both", "remove the setting, or change the other one";
    LIMITS_SHARED = "LimitsShared": "the namespace existed before the resource, and spec.limits applies to every pod in it", "remove spec.limits if other workloads run in that namespace, or use a namespace for this resource alone";
    SCRAPED_TWICE = "ScrapedTwice": "a monitor and scrape annotations are both enabled; a Prometheus that follows both counts every pod twice", "set enabled: false in monitoring.scrapeAnnotations or in the monitor";
    SCRAPE_INTERVAL_LONG = "ScrapeIntervalLong": "the scrape interval is too long for the requested alerts and objectives", "set interval of the monitor to 4m or less";
    SCRATCH_LIMITED = "ScratchLimited": "the namespace's limits restrict the disk of backups and restores whose size is unknown", "set limits.defaults.limits.ephemeral-storage above the size of the data, or omit it";
}

/// Action for messages that contain certain words, instead of the action of the reason.
pub struct Hint {
    pub reason: &'static str,
    /// Substring of the message, in lower case.
    pub words: &'static str,
    pub action: &'static str,
}

macro_rules! hints {
    ($($reason:ident { $($words:literal: $action:literal;)* })*) => {
        /// The table.
        pub const HINTS: &[Hint] = &[$($(Hint { reason: $reason, words: $words, action: $action }),*),*];
    };
}

// The words occur in messages of Kubernetes 1.36 (scheduler, kubelet, admission, autoscaler), of
// containerd and of the operator.
hints! {
    CHILD_TERMINATING {
        "its data is lost": "copy the data or take a backup before its pods stop (kubectl create job NAME -n NAMESPACE --from=cronjob/L-backup); do not restart pods, and do not remove the PVC's finalizers: they protect the data";
    }
    NAME_CONFLICT {
        "it may hold data": "do not delete it: the message says how to use it, or how to choose another name";
        "to use its data here": "do not delete it: take it over with the command in the message, or set another spec.nameOverride or namespace in a new resource";
        "unless the spec names it": "name it as the message says, or delete or rename it if nothing needs it";
        "as after a restore from a backup": "delete it if nothing else uses it: the operator recreates it as planned";
    }
    IMAGE_PULL {
        "unauthorized": "create a pull Secret with kubectl create secret docker-registry, and name it in spec.imagePullSecrets";
        "denied": "create a pull Secret with kubectl create secret docker-registry, and name it in spec.imagePullSecrets; check the image's name";
        ": not found": "correct the image's name or tag: the registry has no such image";
        "manifest unknown": "correct the image's tag: the registry has no such image";
        "no such host": "correct the registry's name, or the nodes' DNS";
        "i/o timeout": "the node cannot reach the registry: check its network, or use spec.imageRegistry";
        "connection refused": "the node cannot reach the registry: check its address, or use spec.imageRegistry";
        "toomanyrequests": "the registry limits pulls: log in through spec.imagePullSecrets, or use spec.imageRegistry";
        "x509": "make the nodes trust the registry's certificate";
        "no match for platform": "use an image for the nodes' architecture";
        "invalid reference format": "correct the image's name";
    }
    CRASH_LOOP {
        "of unknown origin": "check the pod's events for Killing and Unhealthy: a liveness probe, an eviction or a node without memory sends this signal";
        "by its startup probe": "raise resources.limits.cpu or probes.startup.failureThreshold";
        "by its liveness probe": "raise resources.limits.cpu, or probes.liveness.timeoutSeconds and failureThreshold; kubectl logs --previous shows whether the server hung";
        "names no cause": "read kubectl logs --previous; fewer frames leave room for the cause: spec.config.overlay with logging.exception-conversion-word: '%wEx{10}'";
        "permission denied": "let the pod's user (10001) read what the message names";
        "failed to bind properties": "correct the property that the message names, in spec.config or env";
        "already in use": "find what else uses the port: check env, patches and sidecars";
        "filenotfoundexception": "mount the file that the message names, or correct its path in spec.config or env";
        "nosuchfileexception": "mount the file that the message names, or correct its path in spec.config or env";
        "outofmemoryerror": "raise resources.limits.memory, or the heap's share of it (-XX:MaxRAMPercentage in JAVA_TOOL_OPTIONS)";
        "insufficient memory": "raise resources.limits.memory, or lower the heap's share of it (-XX:MaxRAMPercentage in JAVA_TOOL_OPTIONS)";
        "fatal error has been detected": "the Java VM itself crashed: use an image with another Java or library version, and report the problematic frame to its maintainers";
        "no space left on device": "free space at the path that the message names; it is not on the data volume";
        "unknownhostexception": "correct the host name in spec.config or env, or check the cluster's DNS and the egress of network policies";
        "unsupportedclassversionerror": "use an image whose Java is new enough for the server";
        "unable to access jarfile": "correct the path in command or args, or use an image that has the file";
        "exec format error": "use an image for the nodes' architecture";
        "executable file not found": "correct command, or use an image that has the program";
        "vm option": "correct JAVA_TOOL_OPTIONS, or args";
        "heap size": "correct JAVA_TOOL_OPTIONS, or args";
        "its liveness or startup probe fails": "raise resources.limits.cpu or probes.startup.failureThreshold; kubectl describe pod shows the probe's answer";
    }
    NOT_READY {
        "startup probe": "raise resources.limits.cpu or probes.startup.failureThreshold; kubectl describe pod shows the probe's answer";
        "readiness probe": "read the probe's answer with kubectl describe pod, and the server's log with kubectl logs";
    }
    CONTAINER_CREATING {
        "volumes or network": "run kubectl describe pod: it names the volume (FailedMount, FailedAttachVolume) or the network plugin; a volume that is attached to another node is released when the old pod is gone";
        "pulling": "wait if the image is large, or check how the node reaches the registry";
        "has not started to create": "check the node's kubelet with kubectl describe node";
    }
    UNSCHEDULABLE {
        "insufficient": "lower resources.requests, or add a node with more room";
        "too many pods": "add a node";
        "node affinity/selector": "change nodeSelector to labels that a node has: kubectl get nodes --show-labels";
        "untolerated taint": "add tolerations for the taint, or remove it from a node";
        "were unschedulable": "uncordon a node with kubectl uncordon NODE";
        "pod affinity rules": "free resources on the node of the other pods: pods that share a volume run on one node";
        "topology spread": "relax topologySpread, or add nodes";
        "volume node affinity conflict": "free resources where the volume is: it cannot move to another node or zone";
        "persistentvolumeclaim": "check the PVC with kubectl describe pvc";
        "storageclass": "name a StorageClass that exists: kubectl get storageclass";
        "no scheduler": "check that the scheduler runs, and that spec.patches name no other";
    }
    VOLUME_PENDING {
        "has no default": "set storage.volume.storageClassName, or mark a StorageClass as the default";
        "does not exist": "name a StorageClass that exists: kubectl get storageclass, kubectl describe pvc";
        "has not provisioned": "check the pods and the log of that provisioner; kubectl describe pvc shows its answer";
        "is lost": "its PersistentVolume no longer exists: recover it, or delete the PVC and restore a backup";
    }
    VOLUME_RESIZE {
        "cannot shrink": "set the size in the spec to the size of the volume or more; for a smaller volume create another LogPilotCluster and restore a backup into it";
        "resizeerror": "set a size in the spec that the storage can provide, above the size of the volume; kubectl describe pvc shows the provisioner's answer";
        "infeasible": "set a size in the spec that the storage can provide, above the size of the volume; kubectl describe pvc shows the provisioner's answer";
        "has not started": "check the resizer of that provisioner (external-resizer of a CSI driver), or lower the size in the spec: any size above that of the volume is accepted";
        "noderesizepending": "wait for a pod to mount the volume: the kubelet then expands the filesystem; some drivers need kubectl rollout restart";
        "filesystemresizepending": "wait for a pod to mount the volume: the kubelet then expands the filesystem; some drivers need kubectl rollout restart";
        "must support resize": "set the size in the spec back to the size of the volume, or allow expansion in the StorageClass";
    }
    LIMIT_RANGE {
        "per persistentvolumeclaim": "set storage.volume.size, the component's, or backup.volume.size to a size that the message allows, or change the LimitRange: kubectl get limitrange -n NAMESPACE";
    }
    QUOTA_EXCEEDED {
        "requests.storage": "raise the quota for requests.storage, or lower the size of the volume";
        "must specify": "set resources for every container, or spec.limits.defaults";
    }
    ADMISSION_DENIED {
        "podsecurity": "remove the patch that the message names, or relax the namespace's pod-security.kubernetes.io/enforce";
    }
    REPLICA_FAILURE {
        "priorityclass": "create the PriorityClass, or change priorityClassName";
    }
    TERMINATING_STUCK {
        "finalizers": "find the controller that has to remove the finalizer; use kubectl patch only if that controller no longer exists";
    }
    METRICS_UNAVAILABLE {
        "missing request": "set resources.requests for the CPU or memory that the message names: the autoscaler measures usage in percent of it";
        "metrics.k8s.io": "install metrics-server; kubectl top pods must work";
        "no metrics returned": "wait for the first metrics; if it persists, check kubectl top pods and the log of metrics-server";
    }
}

/// Longest action, in characters; the status schema allows no more.
const MOST: usize = 512;

/// Returns the action for a reason and its message: the actions of all hints that match, or that of the
/// reason. A reason of Kubernetes that is not in the table refers to its message.
#[must_use]
pub fn action(reason: &str, message: &str) -> String {
    let message = message.to_lowercase();
    let meant = HINTS.iter().filter(|hint| hint.reason == reason && message.contains(hint.words));
    let mut found: Vec<&str> = meant.map(|hint| hint.action).collect();
    found.dedup();
    if found.is_empty() {
        let known = REASONS.iter().find(|known| known.name == reason);
        found.push(known.map_or("see the message", |known| known.action));
    }
    found.join("; ").chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_message_call_for_their_own_advice_and_others_for_the_reason_s() {
        let told = |message: &str| action(UNSCHEDULABLE, message);
        let both =
            told("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {a: b}.");
        assert!(both.contains("resources.requests") && both.contains("tolerations"), "{both}");
        assert!(told("0/3 nodes").starts_with("add capacity"), "{}", told("0/3 nodes"));
        assert_eq!(action("Foreign", "insufficient"), "see the message");
        let longest = HINTS.iter().map(|hint| hint.words).collect::<Vec<_>>().join(" ");
        assert!(told(&longest).chars().count() <= MOST);
    }

    #[test]
    fn usual_failures_have_their_own_advice() {
        for (message, advice) in [
            ("java.lang.OutOfMemoryError: Java heap space", "raise resources.limits.memory"),
            (
                "There is insufficient memory for the Java Runtime Environment",
                "raise resources.limits.memory",
            ),
            ("java.net.UnknownHostException: db.example", "correct the host name"),
            ("java.net.BindException: Address already in use", "find what else uses the port"),
            ("java.lang.UnsupportedClassVersionError: a/B", "use an image whose Java"),
            ("Error: Unable to access jarfile /app/a.jar", "correct the path"),
            ("exec /usr/bin/java: exec format error", "use an image for the nodes' architecture"),
            ("exec: \"java\": executable file not found in $PATH", "correct command"),
            (
                "A fatal error has been detected by the Java Runtime Environment: SIGSEGV",
                "the Java VM itself",
            ),
            ("java.nio.file.FileSystemException: /tmp/a: No space left on device", "free space at the path"),
            ("killed by a signal of unknown origin", "check the pod's events"),
        ] {
            let told = action(CRASH_LOOP, message);
            assert!(told.starts_with(advice), "{message}: {told}");
        }
    }

    #[test]
    fn every_hint_can_be_met_and_belongs_to_a_reason() {
        for hint in HINTS {
            assert_eq!(hint.words, hint.words.to_lowercase(), "compared in lower case");
            assert!(REASONS.iter().any(|row| row.name == hint.reason), "{}", hint.reason);
        }
    }
}
