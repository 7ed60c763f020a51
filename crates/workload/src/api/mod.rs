//! Fragments of a spec that any product may have: types, schema and CEL only.
//!
//! The API server rejects everything that can be decided from the object alone, so each bound and rule
//! here carries the sentence that its user reads. Defaults are not here: they belong to the product,
//! and are passed as arguments where one is named.

pub mod common;
pub mod component;
pub mod definition;
pub mod exposure;
pub mod gateway;
pub mod limits;
pub mod monitoring;
pub mod network;
pub mod patches;
#[allow(clippy::must_use_candidate, reason = "only attributes of derives call them")]
pub mod rules;
#[allow(clippy::must_use_candidate, reason = "as for the rules")]
pub mod schema;
pub mod storage;
