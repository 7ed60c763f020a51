//! Watches that list again: where a view may be missing something, and from time to time in any case.

use std::{fmt::Debug, time::Duration};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;

use super::retry::spread;

/// An event that never came is made up for after this at the latest. The API server loses none; what stands between it
/// and us may.
pub const RELIST: Duration = Duration::from_mins(5);
/// The least part of it after which a kind is listed again. Kinds that were listed together are not listed together again.
pub const SOONEST: f64 = 0.9;

/// Every object of an API: a list, then a watch, and so on for ever.
pub fn events<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    stream::unfold((api, config, None), |(api, config, mut running)| async move {
        loop {
            let mut events = running.unwrap_or_else(|| {
                let pause = spread(RELIST, 1.0 - SOONEST);
                watcher(api.clone(), config.clone()).take_until(tokio::time::sleep(pause)).boxed()
            });
            let Some(event) = events.next().await else {
                running = None;
                continue;
            };
            running = event.as_ref().err().is_none_or(|error| !loses_events(error)).then_some(events);
            return Some((event, (api, config, running)));
        }
    })
}

/// Whether going on from where the watch was would pass over what happened, or never succeed.
fn loses_events(error: &watcher::Error) -> bool {
    match error {
        // An event that cannot be read is behind us when the next one comes.
        watcher::Error::WatchFailed(kube::Error::SerdeError(_)) => true,
        // kube lists again where the watch itself says that its version is too old, not where the answer does. And by the
        // time that what was refused is allowed again, its version is old. A line that kube cannot read is to it a status
        // without a code.
        _ => answer(error).is_some_and(|code| code == 0 || code == 410 || refuses(code)),
    }
}

/// The code of an answer that no repetition makes better: no right, or no such kind.
#[must_use]
pub fn refusal(error: &watcher::Error) -> Option<u16> {
    answer(error).filter(|code| refuses(*code))
}

fn refuses(code: u16) -> bool {
    [401, 403, 404].contains(&code)
}

/// The code that a request was answered with; kube tells that of a watch in either way.
fn answer(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::pin_mut;
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::Pod;
    use kube::{Client, client::Body};
    use tokio::time::Instant;
    use tower_test::mock;

    use super::*;

    const LIST: &str = r#"{ "metadata": { "resourceVersion": "5" }, "items": [] }"#;
    const GONE: &str =
        r#"{ "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "" }"#;

    /// What is asked of a server whose watches answer this, or never, until the second list is done.
    async fn asked(watch: Option<(u16, &'static str)>) -> (String, Duration) {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let asked: Arc<Mutex<Vec<&str>>> = Arc::default();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some((request, respond)) = handle.next_request().await {
                let watches = request.uri().query().unwrap_or_default().contains("watch=");
                seen.lock().unwrap().push(if watches { "watch" } else { "list" });
                let (code, text) = match watch {
                    Some(answer) if watches => answer,
                    None if watches => {
                        unanswered.push(respond);
                        continue;
                    }
                    _ => (200, LIST),
                };
                let body = Body::from(text.as_bytes().to_vec());
                respond.send_response(Response::builder().status(code).body(body).unwrap());
            }
        });
        let pods: Api<Pod> = Api::all(Client::new(service, "default"));
        let (began, stream) = (Instant::now(), events(pods, watcher::Config::default()));
        pin_mut!(stream);
        let mut lists = 0;
        while lists < 2 {
            assert!(asked.lock().unwrap().len() < 20, "not listed again: {asked:?}");
            lists += usize::from(matches!(stream.next().await.unwrap(), Ok(Event::InitDone)));
        }
        let asked = asked.lock().unwrap().join(" ");
        (asked, began.elapsed())
    }

    /// Fault catalogue: F29, F35.
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_or_resumed_is_listed_again() {
        let garbled = "{\"type\":\"ADDED\",\"object\":{\"metadata\":3}}\n";
        assert_eq!(asked(Some((200, garbled))).await, ("list watch list".to_owned(), Duration::ZERO));
        assert_eq!(asked(Some((410, GONE))).await, ("list watch list".to_owned(), Duration::ZERO));
        let forbidden =
            r#"{ "kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "" }"#;
        assert_eq!(asked(Some((403, forbidden))).await, ("list watch list".to_owned(), Duration::ZERO));
    }

    /// Fault catalogue: F34.
    #[tokio::test(start_paused = true)]
    async fn a_bookmark_is_where_a_watch_goes_on() {
        let bookmark = "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"9\"}}}\n";
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let pods: Api<Pod> = Api::all(Client::new(service, "default"));
        let stream = events(pods, watcher::Config::default());
        tokio::spawn(async move {
            pin_mut!(stream);
            while stream.next().await.is_some_and(|event| event.is_ok()) {}
        });
        let mut asked = Vec::new();
        for _ in 0..20 {
            let (request, respond) = handle.next_request().await.unwrap();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let watches = query.contains("watch=");
            let from = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
            asked.push(if watches { from.unwrap_or("none").to_owned() } else { "list".to_owned() });
            let text = if watches { bookmark } else { LIST };
            respond.send_response(Response::new(Body::from(text.as_bytes().to_vec())));
        }
        assert_eq!(asked[..3], ["list", "5", "9"]);
        assert!(asked[3..].iter().all(|from| from == "9"), "{asked:?}");
    }

    /// Fault catalogue: F32.
    #[tokio::test(start_paused = true)]
    async fn what_no_watch_ever_told_is_listed_after_five_minutes() {
        let (asked, after) = asked(None).await;
        assert_eq!(asked, "list watch list");
        assert!(after > RELIST / 2 && after <= RELIST, "{after:?}");
    }
}
