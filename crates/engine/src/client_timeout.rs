//! A client with a timeout on every request. kube sets no limit for a list or for the start of a watch,
//! so a server that accepts connections and never responds would leave a kind unwatched for ever. This
//! module makes no decisions and never retries.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, Response, Uri};
use kube::{Client, Error, client::Body};
use tokio::time::{Instant, sleep, timeout};

/// Deadline of a response, and of the head of a watch's response. The watch's own timeout bounds what
/// follows the head. Requests of reconciles have shorter deadlines; this one is for pages of lists on a
/// slow API server.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Shortest interval between two starts of one kind's watch. kube restarts a watch immediately when it
/// ends without an error. A proxy that closes idle connections, or an API server that is shutting down,
/// can end it many times a second.
pub const WATCH_PACE: Duration = Duration::from_secs(1);

/// Returns the same client with timeouts.
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

/// Sends one request. An ordinary response counts once it is complete: a server that sends one byte a
/// second does not meet the deadline.
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

/// When the watch of each path last started. There are as many paths as kinds.
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

    /// A client of a server that always sends this response, or never responds.
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
    async fn lists_and_watch_starts_have_a_deadline() {
        let pods: Api<Pod> = Api::all(client(None));
        // Without a bound of its own the test would wait as long as the client.
        let longest = ANSWER_DEADLINE + WATCH_PACE;
        let list = timeout(longest, pods.list(&ListParams::default())).await.expect("a list is given up");
        let list = list.unwrap_err();
        assert!(list.to_string().contains("no answer within 30 s"), "{list}");
        let watch = timeout(longest, pods.watch(&WatchParams::default(), "1")).await;
        assert!(watch.expect("a watch is given up").is_err());
    }

    /// Fault catalogue: F36.
    #[tokio::test(start_paused = true)]
    async fn a_short_watch_restarts_once_a_second() {
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
        assert_eq!(began.elapsed().as_secs(), 4, "a watch that ended long ago starts immediately");
    }
}
