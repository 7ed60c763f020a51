//! REST, over connections that are kept, as HTTP clients do; or over a new one for each request.

use std::{error::Error as _, io};

use axum::{
    body::Bytes,
    http::{Method, Request, StatusCode},
};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use super::{Failed, chain};

#[derive(Clone, Debug)]
pub struct Rest {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    key: String,
}

impl Rest {
    #[must_use]
    pub fn new(place: &str, key: &str, fresh: bool) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        if fresh {
            builder.pool_max_idle_per_host(0);
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: builder.build(connector), base: format!("http://{place}"), key: key.into() }
    }

    /// Sends any call and returns the status and the body.
    ///
    /// # Errors
    /// The call got no response.
    pub async fn call(&self, method: Method, path: &str, body: &str) -> Result<(StatusCode, String), Failed> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("x-api-key", &self.key)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|error| Failed::Sent(chain(&error)))?;
        let response = self.client.request(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let body =
            response.into_body().collect().await.map_err(|error| Failed::Sent(chain(&error)))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    pub(super) async fn send(&self, channel: &str, message: &str) -> Result<(), Failed> {
        let body = json!({ "channel": channel, "level": "INFO", "message": message, "meta": {} }).to_string();
        match self.call(Method::POST, "/api/logs", &body).await? {
            (StatusCode::CREATED, _) => Ok(()),
            (status, body) => Err(Failed::Sent(format!("{status} {body}"))),
        }
    }

    pub(super) async fn fetch(
        &self,
        channel: &str,
        consumer: &str,
        limit: usize,
    ) -> Result<Vec<String>, Failed> {
        let path = format!("/api/logs/{channel}?consumerId={consumer}&limit={limit}");
        let (status, body) = self.call(Method::GET, &path, "").await?;
        let records: Vec<Value> =
            serde_json::from_str(&body).map_err(|error| Failed::Sent(format!("{status} {error}")))?;
        let message = |record: &Value| record.get("message").and_then(Value::as_str).map(str::to_owned);
        Ok(records.iter().filter_map(message).collect())
    }
}

fn failed(error: &legacy::Error) -> Failed {
    let why = chain(error);
    let mut causes = std::iter::successors(error.source(), |&error| error.source());
    if error.is_connect() {
        Failed::Unsent(why)
    } else if causes.any(is_end) {
        Failed::Unanswered(why)
    } else {
        Failed::Sent(why)
    }
}

fn is_end(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    error.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
        || error
            .downcast_ref()
            .is_some_and(|it: &io::Error| matches!(it.kind(), BrokenPipe | ConnectionReset))
}
