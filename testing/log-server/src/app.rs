//! The state that all listeners share.

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
    /// Whether traffic is accepted: from the end of the startup to the beginning of the stop.
    pub accepting: AtomicBool,
    /// Calls of storage. They continue after their client has been disconnected.
    pub calls: TaskTracker,
}

impl App {
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed) && !self.switches.never_ready
    }

    /// Runs a storage call on a blocking thread: it takes seconds while another process writes.
    ///
    /// # Errors
    /// The error of the storage.
    pub async fn storage<T: Send + 'static>(
        self: &std::sync::Arc<Self>,
        call: impl FnOnce(&Store) -> Result<T, Broken> + Send + 'static,
    ) -> Result<T, Broken> {
        let app = self.clone();
        let done = self.calls.spawn_blocking(move || call(&app.store)).await;
        done.unwrap_or_else(|error| Err(Broken(error.to_string())))
    }
}
