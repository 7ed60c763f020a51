//! `ServiceStack`: a few services that start in order, in one namespace.

pub mod api;
