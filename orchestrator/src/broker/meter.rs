//! What models cost, onto the daemon's metrics.

use std::sync::Arc;

use ostler_broker::{Meter, Spending};

use crate::fleet::Fleet;

/// Counts in the fleet's metrics.
pub(super) struct ToMetrics(pub Arc<Fleet>);

impl Meter for ToMetrics {
    fn spent(&self, spending: &Spending<'_>) {
        self.0.metrics.model_asked(
            spending.agent,
            spending.endpoint,
            spending.outcome.name(),
            spending.tokens,
            spending.nano,
        );
    }
}
