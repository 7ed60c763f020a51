//! The programs as processes: what the server exposes, how it starts and stops, and what the client
//! counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic; clippy knows only functions marked as tests"
)]

mod client;
mod life;
mod server;
mod support;
