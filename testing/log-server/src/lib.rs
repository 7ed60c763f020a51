//! A stand-in for the LogPilot server as an operator and its clients see it, with switches to
//! misbehave; and a client that writes at a steady rate and counts losses. For tests: it is not
//! LogPilot.
//!
//! It imitates behaviour observed on version 1.2.0 (Spring Boot 3.3.4). README.md lists the known
//! differences.

pub mod actuator;
pub mod app;
pub mod client;
pub mod failure;
pub mod grpc;
pub mod limit;
pub mod listen;
pub mod log;
pub mod messages;
pub mod metrics;
pub mod properties;
pub mod rest;
pub mod server;
pub mod settings;
pub mod store;
pub mod switches;
