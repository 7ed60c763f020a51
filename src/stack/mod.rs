//! `ServiceStack`: a few services that start in order, in one namespace.

pub mod api;
pub mod facts;
pub mod gates;
pub mod graph;
pub mod host_paths;
pub mod model;
pub mod objects;
pub mod plan;
pub mod references;
pub mod resolve;

#[cfg(test)]
mod tests;
