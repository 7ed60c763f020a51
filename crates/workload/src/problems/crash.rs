//! Explains why a container terminated: a reason as precise as its termination message allows, and a
//! message with the cause.

use engine::plan::Key;

use super::Profile;
use crate::{
    health::{AFTERWARDS, LastWords, Probe, ProbeKill, Terminated},
    reasons,
};

/// The paths that a cause must name to refer to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Any,
    /// A path of the data.
    Data,
    /// No other path than one of the data.
    NowhereElse,
}

/// Words of a cause, in lower case, the path that it names, and the reason that they mean. All words
/// must occur.
#[derive(Debug)]
pub struct EndCause {
    pub words: &'static [&'static str],
    pub place: Place,
    pub reason: &'static str,
}

impl Place {
    fn fits(self, cause: &str, data_path: &str) -> bool {
        let of_data = |path: &str| {
            path.strip_prefix(data_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self {
            Self::Any => true,
            Self::Data => paths(cause).any(|path| of_data(&path)),
            Self::NowhereElse => paths(cause).all(|path| of_data(&path)),
        }
    }
}

/// Returns the absolute paths in a message.
fn paths(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|char: char| char.is_whitespace() || "'\"()[]:;,=<>".contains(char));
    words
        .filter(|word| word.len() > 1 && word.starts_with('/'))
        .map(|word| format!("/{}", word.trim_start_matches('/').trim_end_matches(['.', '/'])))
}

/// Returns the reason and the message for a container that terminated and was restarted.
#[must_use]
pub fn describe(
    profile: &Profile,
    end: &Terminated,
    restarts: &str,
    pod: &Source<'_>,
) -> (&'static str, String) {
    let whose = pod.sidecar().map(|name| format!("container {name}: ")).unwrap_or_default();
    let head = format!("{whose}exit code {} ({}), restarted {restarts}", end.exit_code, end.reason);
    match (&end.killed_by, &end.words) {
        (Some(kill), words) => {
            (reasons::CRASH_LOOP, format!("{head}: {}{}", killed(kill, pod.key), before(words)))
        }
        // The kernel killed it, regardless of its log.
        (None, words) if end.reason == reasons::OOM_KILLED => {
            (reasons::OOM_KILLED, format!("{head}{}", before(words)))
        }
        (None, LastWords::Cause(cause)) if pod.sidecar().is_some() => {
            (reasons::CRASH_LOOP, format!("{head}: {cause}"))
        }
        (None, LastWords::Cause(cause)) => (reason(profile, cause), format!("{head}: {cause}")),
        (None, words) => {
            let why = match end.exit_code {
                137 => format!("killed by a signal of unknown origin: {}", events(pod.key, "")),
                _ => format!("its termination message names no cause; {}", pod.logs()),
            };
            (reasons::CRASH_LOOP, format!("{head}: {why}{}", before(words)))
        }
    }
}

/// The container that terminated.
#[derive(Debug)]
pub struct Source<'a> {
    pub key: &'a Key,
    /// The name of the container, if the pod has several.
    pub container: Option<&'a str>,
    /// Whether it is a sidecar and not the server.
    pub sidecar: bool,
}

impl Source<'_> {
    fn sidecar(&self) -> Option<&str> {
        self.container.filter(|_| self.sidecar)
    }

    fn logs(&self) -> String {
        let Key { namespace, name } = self.key;
        let container = self.container.map(|name| format!(" -c {name}")).unwrap_or_default();
        format!("kubectl logs --previous -n {} {name}{container}", namespace.as_deref().unwrap_or_default())
    }
}

/// Returns the reason of a cause. An error that was logged after the cause counts only if the cause
/// itself matches no row.
fn reason(profile: &Profile, cause: &str) -> &'static str {
    let means = |cause: &str| {
        let cause = cause.to_lowercase();
        let fits = |row: &&EndCause| {
            row.words.iter().all(|word| cause.contains(word)) && row.place.fits(&cause, profile.data_path)
        };
        profile.end_causes.iter().find(fits).map(|row| row.reason)
    };
    cause.split(AFTERWARDS).find_map(means).unwrap_or(reasons::CRASH_LOOP)
}

/// Describes a kill by a probe. Only the pod's events contain the answers of a probe, and the operator
/// may not read them.
fn killed(kill: &ProbeKill, pod: &Key) -> String {
    let ProbeKill { probe, ran, failures, budget } = kill;
    let allows = match probe {
        Probe::Startup => format!("its startup probe, which allows {budget} s for a start"),
        Probe::Liveness => {
            format!("its liveness probe, which allows {failures} failures in a row ({budget} s)")
        }
    };
    format!("killed after {ran} s by {allows}; the probe's last answer: {}", events(pod, "reason=Unhealthy,"))
}

/// Returns the command that shows a pod's events; `which` is an additional field selector.
fn events(pod: &Key, which: &str) -> String {
    let Key { namespace, name } = pod;
    let namespace = namespace.as_deref().unwrap_or_default();
    format!("kubectl get events -n {namespace} --field-selector {which}involvedObject.name={name}")
}

/// Returns the end of the log of a container that did not exit by itself.
fn before(words: &LastWords) -> String {
    match words.text() {
        "" => String::new(),
        line => format!("; the end of its log: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::PROFILE, *};

    fn pod() -> Key {
        Key { namespace: Some("logs".into()), name: "logs-all-1".into() }
    }

    /// The message for a pod of one container.
    fn describe(end: &Terminated, restarts: &str, key: &Key) -> (&'static str, String) {
        super::describe(&PROFILE, end, restarts, &Source { key, container: None, sidecar: false })
    }

    fn end(exit_code: i64, words: LastWords) -> Terminated {
        Terminated { exit_code, reason: "Error".into(), words, killed_by: None }
    }

    #[test]
    fn a_kill_names_its_probe_and_how_to_see_its_answer() {
        let kill = |probe| ProbeKill { probe, ran: 141, failures: 10, budget: 110 };
        let killed = |probe| Terminated {
            killed_by: Some(kill(probe)),
            ..end(137, LastWords::LogLine("Starting service [Tomcat]".into()))
        };
        let events =
            "kubectl get events -n logs --field-selector reason=Unhealthy,involvedObject.name=logs-all-1";
        assert_eq!(
            describe(&killed(Probe::Startup), "3 times", &pod()),
            (
                "CrashLoopBackOff",
                format!(
                    "exit code 137 (Error), restarted 3 times: killed after 141 s by its startup probe, which allows 110 s for a \
                     start; the probe's last answer: {events}; the end of its log: Starting service [Tomcat]"
                )
            )
        );
        let (_, message) = describe(&killed(Probe::Liveness), "once", &pod());
        assert!(
            message.contains("by its liveness probe, which allows 10 failures in a row (110 s)"),
            "{message}"
        );
    }

    #[test]
    fn an_end_without_a_cause_says_so_and_where_to_look() {
        for (exit_code, words, expected) in [
            (
                1,
                LastWords::Nothing,
                "restarted once: its termination message names no cause; kubectl logs --previous -n logs logs-all-1",
            ),
            (
                1,
                LastWords::LogLine("Stopping service [Tomcat]".into()),
                "logs-all-1; the end of its log: Stopping service [Tomcat]",
            ),
            (
                137,
                LastWords::Nothing,
                "restarted once: killed by a signal of unknown origin: kubectl get events -n logs \
                 --field-selector involvedObject.name=logs-all-1",
            ),
        ] {
            let (reason, message) = describe(&end(exit_code, words), "once", &pod());
            assert!(reason == "CrashLoopBackOff" && message.contains(expected), "{message}");
        }
        let oom = Terminated { reason: "OOMKilled".into(), ..end(137, LastWords::Nothing) };
        assert_eq!(
            describe(&oom, "once", &pod()),
            ("OOMKilled", "exit code 137 (OOMKilled), restarted once".into())
        );
        let words = LastWords::Cause("java.io.IOException: an older one".into());
        let (reason, message) = describe(&Terminated { words, ..oom }, "once", &pod());
        assert_eq!(reason, "OOMKilled");
        assert!(
            message.ends_with("restarted once; the end of its log: java.io.IOException: an older one"),
            "{message}"
        );
    }

    #[test]
    fn a_sidecar_s_end_names_its_container() {
        let key = pod();
        let of = |sidecar, words| {
            let source = Source { key: &key, container: Some("mesh"), sidecar };
            super::describe(&PROFILE, &end(1, words), "once", &source)
        };
        let cause = || LastWords::Cause("java.io.IOException: /data/a: Permission denied".into());
        let told = "exit code 1 (Error), restarted once: java.io.IOException: /data/a: Permission denied";
        assert_eq!(of(true, cause()), ("CrashLoopBackOff", format!("container mesh: {told}")));
        assert_eq!(of(false, cause()), ("DataNotWritable", told.to_owned()));
        let (_, message) = of(true, LastWords::Nothing);
        assert!(message.ends_with("; kubectl logs --previous -n logs logs-all-1 -c mesh"), "{message}");
    }
}
