//! `ServiceStack`: a few services that start in order, in one namespace.

pub mod api;
pub mod gates;
pub mod graph;
pub mod references;
