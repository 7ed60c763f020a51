//! `ServiceStack`: a few services that start in order, in one namespace.

pub mod advice;
pub mod api;
pub mod contention;
pub mod controller;
pub mod facts;
pub mod gates;
pub mod gather;
pub mod graph;
pub mod host_paths;
pub mod hosts;
pub mod model;
pub mod objects;
pub mod observe;
pub mod plan;
pub mod problems;
pub mod referenced;
pub mod references;
pub mod resolve;
pub mod restart;
pub mod retention;
pub mod revive;
pub mod scalers;
pub mod secrets;
pub mod status;
pub mod warnings;

#[cfg(test)]
mod tests;
