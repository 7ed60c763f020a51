//! Counters of the engine's work. The program decides how to export them.

/// Receives counts.
pub trait Metrics: Send + Sync {
    /// Counts a reconcile that ended: finished, panicked or timed out.
    fn reconciled(&self, result: &'static str, seconds: f64);
    /// Counts a failed list or watch of this resource.
    fn watch_failed(&self, resource: &'static str);
}
