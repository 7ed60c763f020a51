//! gRPC, over one channel that reconnects by itself, as client libraries do; or over a new one for
//! each call.

use std::error::Error as _;

use axum::http::uri::PathAndQuery;
use prost::Message;
use tonic::{
    ConnectError, Request, Status,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{Failed, chain};
use crate::messages::{
    API_KEY, FetchLogsRequest, FetchLogsResponse, HEALTH, HealthCheckRequest, HealthCheckResponse,
    LOG_SERVICE, LogRequest, Outcome, SeekRequest,
};

#[derive(Clone, Debug)]
pub struct Grpc {
    endpoint: Endpoint,
    /// None: a new one for each call.
    channel: Option<Channel>,
    key: String,
}

impl Grpc {
    /// # Errors
    /// The address is invalid.
    pub fn new(place: &str, key: &str, fresh: bool) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{place}")).map_err(|error| chain(&error))?;
        let channel = (!fresh).then(|| endpoint.connect_lazy());
        Ok(Self { endpoint, channel, key: key.into() })
    }

    /// Sends any unary call.
    ///
    /// # Errors
    /// The status if it is not OK.
    pub async fn call<In, Out>(&self, service: &str, method: &str, message: In) -> Result<Out, Status>
    where
        In: Message + 'static,
        Out: Message + Default + 'static,
    {
        let invalid = |what: String| Status::invalid_argument(what);
        let path =
            PathAndQuery::try_from(format!("/{service}/{method}")).map_err(|e| invalid(e.to_string()))?;
        let mut request = Request::new(message);
        let key = MetadataValue::try_from(self.key.as_str()).map_err(|e| invalid(e.to_string()))?;
        request.metadata_mut().insert(API_KEY, key);
        let channel = self.channel.clone().unwrap_or_else(|| self.endpoint.connect_lazy());
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        Ok(client.unary(request, path, ProstCodec::<In, Out>::default()).await?.into_inner())
    }

    /// # Errors
    /// The status if it is not OK.
    pub async fn health(&self, service: &str) -> Result<i32, Status> {
        let request = HealthCheckRequest { service: service.into() };
        let HealthCheckResponse { status } = self.call(HEALTH, "Check", request).await?;
        Ok(status)
    }

    /// # Errors
    /// The status if it is not OK.
    pub async fn seek(&self, channel: &str, consumer: &str, operation: &str) -> Result<Outcome, Status> {
        let request = SeekRequest {
            channel: channel.into(),
            consumer_id: consumer.into(),
            operation: operation.into(),
            ..SeekRequest::default()
        };
        self.call(LOG_SERVICE, "Seek", request).await
    }

    pub(super) async fn send(&self, channel: &str, message: &str) -> Result<(), Failed> {
        let request = LogRequest {
            channel: channel.into(),
            level: "INFO".into(),
            message: message.into(),
            ..LogRequest::default()
        };
        let Outcome { status, message } = self.call(LOG_SERVICE, "SendLog", request).await.map_err(failed)?;
        if status == "success" { Ok(()) } else { Err(Failed::Sent(format!("{status}: {message}"))) }
    }

    pub(super) async fn fetch(
        &self,
        channel: &str,
        consumer: &str,
        limit: usize,
    ) -> Result<Vec<String>, Failed> {
        let request = FetchLogsRequest {
            channel: channel.into(),
            consumer_id: consumer.into(),
            limit: i32::try_from(limit).unwrap_or(i32::MAX),
            ..FetchLogsRequest::default()
        };
        let FetchLogsResponse { logs } =
            self.call(LOG_SERVICE, "FetchLogs", request).await.map_err(failed)?;
        Ok(logs.into_iter().map(|entry| entry.message).collect())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(status: Status) -> Failed {
    let mut causes = std::iter::successors(status.source(), |&error| error.source());
    let unseen = causes.any(is_unseen);
    let why = format!("{:?}: {}", status.code(), chain(&status));
    if unseen { Failed::Unsent(why) } else { Failed::Sent(why) }
}

/// Returns whether the call certainly reached no server: there was no connection, or it ended
/// before the call was written, or the server sent GOAWAY without having processed the call. Other
/// gRPC libraries retry such a call by default; this one does not, so a connection that a server
/// ends in good order then costs the calls that were just starting.
fn is_unseen(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<ConnectError>()
        || error.downcast_ref().is_some_and(hyper::Error::is_canceled)
        || error.downcast_ref().is_some_and(|error: &h2::Error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
        })
}
