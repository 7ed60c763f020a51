//! What the product remembers of a resource between reconciles, beside what the engine does.

use super::{api_key::ApiKeyReader, scalers::Scalers};
use crate::{
    engine::resource_state::ResourceState,
    workload::{references::ReferenceReader, unschedulable_eviction::StuckPodEvictor},
};

#[derive(Default)]
pub struct Remembered {
    pub api_key: ApiKeyReader,
    pub references: ReferenceReader,
    pub scalers: Scalers,
    pub evictions: StuckPodEvictor,
}

/// All that is remembered of a `LogPilotCluster`.
pub type State = ResourceState<Remembered>;
