//! Applies a plan to a cluster and keeps it applied. Knows no product: what to make is a [`plan::Plan`],
//! which kinds exist is a table of [`kind::Kind`].

pub mod kind;
pub mod plan;
