//! From a Prometheus exposition to the counters that the golden signals are made of.
//!
//! Names follow the conventions of Prometheus client libraries: a counter `*_requests_total` with
//! a label `code` or `status`, a histogram `*_request_duration_seconds`, a gauge `*_queue_depth`.

use std::collections::BTreeMap;

use prometheus_parse::{Sample, Scrape, Value};

/// Largest exposition read, in bytes.
pub const SCRAPE_LIMIT: usize = 4 << 20;

/// Counters of one instance at one moment. They only grow, until the instance restarts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    /// Requests served.
    pub requests: f64,
    /// Requests that failed: status 500 and above.
    pub errors: f64,
    /// Requests at most so slow: upper bound in microseconds → cumulative count; `u64::MAX` is +Inf.
    pub buckets: BTreeMap<u64, f64>,
    /// Requests or jobs that wait now, where it tells; no counter.
    pub queue: Option<f64>,
}

/// Reads an exposition; `None` when it has none of the known series.
#[must_use]
pub fn read(text: &str) -> Option<Counters> {
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).ok()?;
    let mut counters = Counters::default();
    let mut known = false;
    for sample in &scrape.samples {
        known |= add(&mut counters, sample);
    }
    known.then_some(counters)
}

fn add(counters: &mut Counters, sample: &Sample) -> bool {
    if sample.metric.ends_with("_request_duration_seconds") {
        if let Value::Histogram(buckets) = &sample.value {
            for bucket in buckets.iter().filter(|bucket| is_sane(bucket.count)) {
                *counters
                    .buckets
                    .entry(micros(bucket.less_than))
                    .or_default() += bucket.count;
            }
            return true;
        }
        return false;
    }
    if sample.metric.ends_with("_queue_depth") {
        return add_queue(counters, &sample.value);
    }
    if !sample.metric.ends_with("_requests_total") {
        return false;
    }
    let (Value::Counter(count) | Value::Untyped(count) | Value::Gauge(count)) = &sample.value
    else {
        return false;
    };
    if !is_sane(*count) {
        return false;
    }
    let status = sample
        .labels
        .get("code")
        .or_else(|| sample.labels.get("status"));
    counters.requests += count;
    if status.is_some_and(|status| status.starts_with('5')) {
        counters.errors += count;
    }
    true
}

/// Whether a number can be a count. From 2^53 on, counts are no longer exact, and sums of what some workload made up
/// could end as infinite.
fn is_sane(count: f64) -> bool {
    (0.0..9_007_199_254_740_992.0).contains(&count)
}

fn add_queue(counters: &mut Counters, value: &Value) -> bool {
    let (Value::Gauge(depth) | Value::Untyped(depth)) = value else {
        return false;
    };
    let sane = is_sane(*depth);
    if sane {
        *counters.queue.get_or_insert(0.0) += depth;
    }
    sane
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounds are checked first"
)]
fn micros(seconds: f64) -> u64 {
    if seconds.is_finite() && (0.0..1e9).contains(&seconds) {
        (seconds * 1e6).round() as u64
    } else {
        u64::MAX
    }
}

impl Counters {
    /// What was counted since `earlier`; `None` when a counter went back, as after a restart.
    #[must_use]
    pub fn since(&self, earlier: &Counters) -> Option<Counters> {
        let requests = self.requests - earlier.requests;
        let errors = self.errors - earlier.errors;
        let mut buckets = BTreeMap::new();
        for (bound, count) in &self.buckets {
            let delta = count - earlier.buckets.get(bound).copied().unwrap_or(0.0);
            if delta < 0.0 {
                return None;
            }
            buckets.insert(*bound, delta);
        }
        (requests >= 0.0 && errors >= 0.0).then_some(Counters {
            requests,
            errors,
            buckets,
            queue: self.queue,
        })
    }

    /// Adds another instance's counts.
    pub fn add(&mut self, other: &Counters) {
        self.requests += other.requests;
        self.errors += other.errors;
        if let Some(depth) = other.queue {
            *self.queue.get_or_insert(0.0) += depth;
        }
        for (bound, count) in &other.buckets {
            *self.buckets.entry(*bound).or_default() += count;
        }
    }

    /// A latency quantile in seconds, linear inside its bucket (as PromQL's `histogram_quantile`);
    /// `None` without observations. Values beyond the last bound count as that bound.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bounds stay far below 2^53 µs")]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let total = *self.buckets.values().next_back()?;
        if total <= 0.0 {
            return None;
        }
        let rank = quantile.clamp(0.0, 1.0) * total;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *bound == u64::MAX {
                return Some(lower);
            }
            let upper = *bound as f64 / 1e6;
            if *count >= rank {
                let inside = count - below;
                return Some(if inside > 0.0 {
                    lower + (upper - lower) * (rank - below) / inside
                } else {
                    upper
                });
            }
            (lower, below) = (upper, *count);
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
# TYPE http_requests_total counter
http_requests_total{code="200"} 90
http_requests_total{code="503"} 10
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.1"} 50
http_request_duration_seconds_bucket{le="0.2"} 100
http_request_duration_seconds_bucket{le="+Inf"} 100
http_request_duration_seconds_sum 12
http_request_duration_seconds_count 100
"#;

    #[test]
    fn golden_signals_come_from_the_usual_names() {
        let counters = read(TEXT).unwrap();
        assert_eq!((counters.requests, counters.errors), (100.0, 10.0));
        assert_eq!(counters.quantile(0.5), Some(0.1));
        assert!((counters.quantile(0.99).unwrap() - 0.198).abs() < 1e-9);
        assert_eq!(read("up 1\n"), None);
        assert_eq!(read("http_requests_total NaN\n"), None);
    }

    #[test]
    fn a_counter_that_went_back_is_no_rate() {
        let now = read(TEXT).unwrap();
        let mut later = now.clone();
        later.requests += 5.0;
        assert_eq!(later.since(&now).unwrap().requests, 5.0);
        assert_eq!(now.since(&later), None);
    }
}
