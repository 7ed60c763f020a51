//! Watches that list again: after an error that may have lost events, and periodically.

use std::{fmt::Debug, time::Duration};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;

use super::retry::spread;

/// Upper limit for the time until a missed event is compensated. The API server loses no events; a
/// proxy between it and the operator may.
pub const RELIST: Duration = Duration::from_mins(5);
/// Smallest fraction of [`RELIST`] after which a kind is listed again. The fraction varies, so that
/// kinds that were listed at the same time are not listed at the same time again.
pub const SOONEST: f64 = 0.9;

/// Returns every object of an API: a list, then a watch, repeated for ever.
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

/// Returns whether continuing from the watch's position would miss events, or never succeed.
fn loses_events(error: &watcher::Error) -> bool {
    match error {
        // After the next event, an event that cannot be read would be skipped for good.
        watcher::Error::WatchFailed(kube::Error::SerdeError(_)) => true,
        // kube lists again if an event of the watch says that the version is too old, but not if the
        // response to the request does. Besides, the version is too old by the time a rejected request
        // is allowed again. kube reports a line that it cannot read as a status without a code.
        _ => answer(error).is_some_and(|code| code == 0 || code == 410 || refuses(code)),
    }
}

/// Returns the code of a response that a retry does not change: no permission, or no such kind.
#[must_use]
pub fn refusal(error: &watcher::Error) -> Option<u16> {
    answer(error).filter(|code| refuses(*code))
}

fn refuses(code: u16) -> bool {
    [401, 403, 404].contains(&code)
}

/// Returns the code of the response to a request. kube reports the one of a watch in either of two
/// ways.
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

    /// Returns the requests to a server whose watches have this response, or none, until the second
    /// list is done.
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
    async fn an_unreadable_or_expired_watch_lists_again() {
        let garbled = "{\"type\":\"ADDED\",\"object\":{\"metadata\":3}}\n";
        assert_eq!(asked(Some((200, garbled))).await, ("list watch list".to_owned(), Duration::ZERO));
        assert_eq!(asked(Some((410, GONE))).await, ("list watch list".to_owned(), Duration::ZERO));
        let forbidden =
            r#"{ "kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "" }"#;
        assert_eq!(asked(Some((403, forbidden))).await, ("list watch list".to_owned(), Duration::ZERO));
    }

    /// Fault catalogue: F34.
    #[tokio::test(start_paused = true)]
    async fn a_watch_resumes_from_a_bookmark() {
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
    async fn a_missed_event_is_listed_after_five_minutes() {
        let (asked, after) = asked(None).await;
        assert_eq!(asked, "list watch list");
        assert!(after > RELIST / 2 && after <= RELIST, "{after:?}");
    }
}
