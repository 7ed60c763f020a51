//! What all listeners share.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use tokio_util::task::TaskTracker;

use crate::{
    limit::Bucket,
    metrics::Metrics,
    properties::Properties,
    settings::Settings,
    store::{Broken, Store},
    switches::Switches,
};

pub struct App {
    pub settings: Settings,
    pub properties: Properties,
    pub switches: Switches,
    pub store: Store,
    pub bucket: Bucket,
    pub metrics: Metrics,
    pub started: Instant,
    /// Accepts traffic: from the end of the start to the begin of the stop.
    pub accepting: AtomicBool,
    /// Calls of storage. They go on when their client was cut off.
    pub calls: TaskTracker,
}

impl App {
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed) && !self.switches.never_ready
    }

    /// Storage blocks, for seconds when another process writes.
    ///
    /// # Errors
    /// What storage answered.
    pub async fn storage<T: Send + 'static>(
        self: &std::sync::Arc<Self>,
        call: impl FnOnce(&Store) -> Result<T, Broken> + Send + 'static,
    ) -> Result<T, Broken> {
        let app = self.clone();
        let done = self.calls.spawn_blocking(move || call(&app.store)).await;
        done.unwrap_or_else(|error| Err(Broken(error.to_string())))
    }
}
