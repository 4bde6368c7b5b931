//! What Prometheus scrapes: requests by status code and their duration.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::time::Duration;

/// The labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    /// The HTTP status.
    code: u16,
}

/// The shop's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Histogram,
    queue: Gauge,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::<Labels, Counter>::default();
        let durations = Histogram::new([
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
        ]);
        registry.register("http_requests", "Requests answered", requests.clone());
        let queue = Gauge::default();
        registry.register(
            "shop_queue_depth",
            "Requests that wait for the till",
            queue.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time to answer a request",
            Unit::Seconds,
            durations.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            queue,
        }
    }

    /// Counts one answered request.
    pub fn answered(&self, code: u16, took: Duration) {
        self.requests.get_or_create(&Labels { code }).inc();
        self.durations.observe(took.as_secs_f64());
    }

    /// One more waits, or one fewer.
    pub fn waits(&self, change: i64) {
        self.queue.inc_by(change);
    }

    /// The exposition in OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
