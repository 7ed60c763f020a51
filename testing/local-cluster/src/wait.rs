//! Waiting for a condition: always a predicate with a deadline, never a fixed sleep.

use std::{fmt::Debug, time::Duration};

use kube::{Api, Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{Error, Result};

/// A probe starts at this interval and slows down to [`MAX_INTERVAL`].
const MIN_INTERVAL: Duration = Duration::from_millis(20);
const MAX_INTERVAL: Duration = Duration::from_millis(200);
/// The pause after a probe is at least this many times as long as the probe: an expensive probe,
/// such as a list of a thousand objects, would otherwise slow down what the test waits for.
const PAUSE_PER_LOOK: u32 = 4;
/// The maximum of that pause: a probe that hung predicts nothing about the next one.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// An object in a failure message is truncated to this many characters.
const MAX_SHOWN: usize = 6_000;

/// Calls `probe` until it returns `Ok`, at most until `deadline` has passed.
///
/// The `Err` of the probe is the state observed instead; the last one is part of the timeout's
/// message. A probe that hangs counts against the deadline too.
pub async fn wait_for<T, F, Fut>(what: impl Into<String>, deadline: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = std::result::Result<T, String>>,
{
    let started = Instant::now();
    let end = started + deadline;
    let mut interval = MIN_INTERVAL;
    let mut last_seen = "nothing: the first look did not end".to_owned();
    loop {
        let looked = Instant::now();
        match timeout_at(end, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last_seen = seen,
            Err(_) => break,
        }
        let pause = interval.max(MAX_PAUSE.min(looked.elapsed() * PAUSE_PER_LOOK));
        if Instant::now() + pause >= end {
            break;
        }
        sleep(pause).await;
        interval = MAX_INTERVAL.min(interval * 2);
    }
    Err(Error::Timeout { what: what.into(), waited: started.elapsed(), last_seen })
}

/// Waits until the named object exists and `holds`; shows the whole object if it does not in time.
///
/// Polls instead of watching, so that it works across restarts of the API server.
pub async fn wait_for_object<K>(
    api: &Api<K>,
    name: &str,
    expectation: &str,
    deadline: Duration,
    holds: impl Fn(&K) -> bool,
) -> Result<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    let what = format!("{} {name}: {expectation}", K::kind(&()));
    wait_for(what, deadline, || async {
        match api.get_opt(name).await {
            Ok(Some(object)) if holds(&object) => Ok(object),
            Ok(Some(object)) => Err(show(&object)),
            Ok(None) => Err("no such object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
}

/// Waits until the named object no longer exists.
pub async fn wait_for_absence<K>(api: &Api<K>, name: &str, deadline: Duration) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    wait_for(format!("{} {name} to be deleted", K::kind(&())), deadline, || async {
        match api.get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(object)) => Err(show(&object)),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
}

/// An object in readable form: YAML without `managedFields`.
pub fn show<K>(object: &K) -> String
where
    K: Resource<DynamicType = ()> + Clone + Serialize,
{
    let mut object = object.clone();
    object.managed_fields_mut().clear();
    let mut text = serde_yaml::to_string(&object).unwrap_or_else(|error| format!("(not YAML: {error})"));
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN) {
        text.truncate(end);
        text.push_str("\n… (cut)");
    }
    format!("\n{text}")
}
