//! Messages of `logpilot.LogService` and of gRPC's health checks, with their numbers on the wire.

use std::collections::HashMap;

use prost::Message;

pub const LOG_SERVICE: &str = "logpilot.LogService";
pub const HEALTH: &str = "grpc.health.v1.Health";
/// The name of the key among the metadata of a call.
pub const API_KEY: &str = "x-api-key";

#[derive(Clone, PartialEq, Message)]
pub struct LogRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub level: String,
    #[prost(string, tag = "3")]
    pub message: String,
    #[prost(map = "string, string", tag = "4")]
    pub meta: HashMap<String, String>,
    #[prost(string, tag = "5")]
    pub storage: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct SendLogsRequest {
    #[prost(message, repeated, tag = "1")]
    pub log_requests: Vec<LogRequest>,
}

/// The response to everything but a read: `success`, or `error` with the reason, both with status OK.
#[derive(Clone, PartialEq, Message)]
pub struct Outcome {
    #[prost(string, tag = "1")]
    pub status: String,
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct FetchLogsRequest {
    #[prost(string, tag = "1")]
    pub consumer_id: String,
    #[prost(string, tag = "2")]
    pub channel: String,
    /// Without a limit nothing is read.
    #[prost(int32, tag = "3")]
    pub limit: i32,
    #[prost(string, tag = "4")]
    pub storage: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct FetchLogsResponse {
    #[prost(message, repeated, tag = "1")]
    pub logs: Vec<LogEntry>,
}

#[derive(Clone, PartialEq, Message)]
pub struct LogEntry {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub level: String,
    #[prost(string, tag = "3")]
    pub message: String,
    #[prost(map = "string, string", tag = "4")]
    pub meta: HashMap<String, String>,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "5")]
    pub timestamp: i64,
    #[prost(int64, tag = "6")]
    pub id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct SeekRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub consumer_id: String,
    #[prost(string, tag = "3")]
    pub operation: String,
    #[prost(int64, tag = "4")]
    pub log_id: i64,
    #[prost(string, tag = "5")]
    pub storage: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckRequest {
    /// Empty: the server as a whole.
    #[prost(string, tag = "1")]
    pub service: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
}
