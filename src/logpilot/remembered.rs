//! State that the product keeps of a resource between reconciles, in addition to the state of the engine.

use super::api_key::ApiKeyReader;
use crate::{
    engine::resource_state::ResourceState,
    workload::{
        foreign_autoscalers::Scalers, references::ReferenceReader, unschedulable_eviction::StuckPodEvictor,
    },
};

#[derive(Default)]
pub struct Remembered {
    pub api_key: ApiKeyReader,
    pub references: ReferenceReader,
    pub scalers: Scalers,
    pub evictions: StuckPodEvictor,
}

/// The complete state that is kept of a `LogPilotCluster`.
pub type State = ResourceState<Remembered>;
