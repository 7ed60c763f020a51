//! LogPilot: from a `LogPilotCluster` and the facts about its world to a plan, and back to a status.

pub mod facts;
