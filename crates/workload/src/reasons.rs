//! Reasons of problems that any product's objects can have. The product defines the meaning of each,
//! and the action.

macro_rules! reasons {
    ($($constant:ident = $name:literal;)*) => {
        $(pub const $constant: &str = $name;)*
        /// All of them.
        pub const REASONS: &[&str] = &[$($name),*];
    };
}

reasons! {
    DATA_VOLUME_LOST = "DataVolumeLost";
    CONTESTED = "Contested";
    FORBIDDEN = "Forbidden";
    QUOTA_EXCEEDED = "QuotaExceeded";
    LIMIT_RANGE = "LimitRangeExceeded";
    ADMISSION_DENIED = "AdmissionDenied";
    WATCH_FAILING = "WatchFailing";
    IMAGE_PULL = "ImagePullBackOff";
    CRASH_LOOP = "CrashLoopBackOff";
    OOM_KILLED = "OOMKilled";
    CONTAINER_CREATING = "ContainerCreating";
    UNSCHEDULABLE = "Unschedulable";
    NODE_LOST = "NodeLost";
    TERMINATING_STUCK = "TerminatingStuck";
    POD_STRAY = "PodStray";
    FOREIGN_POD = "ForeignPod";
    VOLUME_PENDING = "VolumePending";
    VOLUME_RESIZE = "VolumeResize";
    REPLICA_FAILURE = "ReplicaFailure";
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded";
    ROLLOUT_PAUSED = "RolloutPaused";
    SCHEDULING_GATED = "SchedulingGated";
    JOB_SUSPENDED = "JobSuspended";
    SCALED_BEYOND_STORAGE = "ScaledBeyondStorage";
    NOT_READY = "NotReady";
    METRICS_UNAVAILABLE = "MetricsUnavailable";
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted";
    GATEWAY_NOT_PROGRAMMED = "GatewayNotProgrammed";
}
