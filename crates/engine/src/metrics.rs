//! What is counted of the engine's work. How it is shown is the program's to say.

/// Takes counts.
pub trait Metrics: Send + Sync {
    /// A reconcile ended: finished, panicked or timed out.
    fn reconciled(&self, result: &'static str, seconds: f64);
    /// A list or a watch of this resource failed.
    fn watch_failed(&self, resource: &'static str);
}
