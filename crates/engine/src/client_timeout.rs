//! A client whose every request ends. kube gives a list, and the start of a watch, all the time in the world: a server
//! that accepts and never answers would leave a kind unwatched for ever. Nothing here decides or retries.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, Response, Uri};
use kube::{Client, Error, client::Body};
use tokio::time::{Instant, sleep, timeout};

/// An answer is there within this, a watch's head likewise; what follows that is bounded by the watch's own timeout.
/// Requests of reconciles have shorter ones: this one is for pages of lists, on an API server that is slow.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// One kind's watch starts no more often than this. kube starts it again at once when it ends well, which a proxy that
/// closes what is idle, or an API server that is going down, can make happen many times a second.
pub const WATCH_PACE: Duration = Duration::from_secs(1);

/// The same client, with an end to its waiting.
#[must_use]
pub fn bounded(client: Client) -> Client {
    let (namespace, starts) = (client.default_namespace().to_owned(), Arc::new(Starts::default()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, starts) = (client.clone(), Arc::clone(&starts));
        async move {
            let watch = watches(request.uri());
            if watch {
                sleep(starts.wait(request.uri().path())).await;
            }
            let late = |_| Error::Service(format!("no answer within {} s", ANSWER_DEADLINE.as_secs()).into());
            timeout(ANSWER_DEADLINE, answer(client, request, watch)).await.map_err(late)?
        }
    });
    Client::new(service, namespace)
}

/// Ordinary answers count when they are whole: one that comes a byte a second is none.
async fn answer(client: Client, request: Request<Body>, watch: bool) -> Result<Response<Body>, Error> {
    let (head, mut body) = client.send(request).await?.into_parts();
    if !watch {
        body = body.collect_bytes().await?.into();
    }
    Ok(Response::from_parts(head, body))
}

fn watches(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")))
}

/// When the watch of each path started last. There are as many as kinds.
#[derive(Default)]
struct Starts(Mutex<HashMap<String, Instant>>);

impl Starts {
    fn wait(&self, path: &str) -> Duration {
        let now = Instant::now();
        let mut starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = starts.get(path).map_or(now, |last| now.max(*last + WATCH_PACE));
        starts.insert(path.to_owned(), start);
        start - now
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Node, Pod};
    use kube::{
        Api,
        api::{ListParams, WatchParams},
    };
    use tower_test::mock;

    use super::*;

    /// A client of a server that answers with this, or never.
    fn client(answer: Option<&'static str>) -> Client {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some((_, respond)) = handle.next_request().await {
                match answer {
                    Some(text) => respond.send_response(Response::new(text.as_bytes().to_vec().into())),
                    None => unanswered.push(respond),
                }
            }
        });
        bounded(Client::new(service, "default"))
    }

    /// Fault catalogue: F22.
    #[tokio::test(start_paused = true)]
    async fn a_list_and_the_start_of_a_watch_that_are_never_answered_are_given_up() {
        let pods: Api<Pod> = Api::all(client(None));
        // Or the test would be as patient.
        let longest = ANSWER_DEADLINE + WATCH_PACE;
        let list = timeout(longest, pods.list(&ListParams::default())).await.expect("a list is given up");
        let list = list.unwrap_err();
        assert!(list.to_string().contains("no answer within 30 s"), "{list}");
        let watch = timeout(longest, pods.watch(&WatchParams::default(), "1")).await;
        assert!(watch.expect("a watch is given up").is_err());
    }

    /// Fault catalogue: F36.
    #[tokio::test(start_paused = true)]
    async fn a_watch_that_ends_at_once_is_started_once_a_second() {
        let client = client(Some(""));
        let (pods, nodes) = (Api::<Pod>::all(client.clone()), Api::<Node>::all(client));
        let began = Instant::now();
        for _ in 0..4 {
            drop(pods.watch(&WatchParams::default(), "1").await.unwrap());
        }
        assert_eq!(began.elapsed().as_secs(), 3);
        drop(nodes.watch(&WatchParams::default(), "1").await.unwrap());
        assert_eq!(began.elapsed().as_secs(), 3, "another kind's watch waits for none");
        sleep(WATCH_PACE).await;
        drop(pods.watch(&WatchParams::default(), "1").await.unwrap());
        assert_eq!(began.elapsed().as_secs(), 4, "one that ended long ago starts at once");
    }
}
