//! A request-rate scaler as KEDA sets one up: an external metric with `AverageValue` behind the same
//! behaviour (KEDA, "Scaling deployments": `pollingInterval` 30 s; the HPA's `getExternalPerPodMetric`).

use super::{
    Autoscaler, Order, View,
    behaviour::{Part, Rules},
    ceil, count,
};

/// `pollingInterval`: the metric is read anew this often.
const POLL_S: u64 = 30;
const TOLERANCE: f64 = 0.1;

/// How one is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `threshold`: requests per second of one instance, by service.
    pub thresholds: Vec<f64>,
    /// CPU request and limit of each instance.
    pub cores: f64,
    /// Behaviour and bounds.
    pub rules: Rules,
}

/// The scaler, one for each service.
#[derive(Debug, Clone)]
pub struct Keda {
    settings: Settings,
    parts: Vec<Part>,
}

impl Keda {
    /// With these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let parts = vec![Default::default(); settings.thresholds.len()];
        Self { settings, parts }
    }
}

fn desired(current: u32, rate: f64, threshold: f64) -> u32 {
    let ratio = rate / (threshold * f64::from(current));
    if !ratio.is_finite() || (ratio - 1.0).abs() <= TOLERANCE {
        current
    } else {
        ceil(rate / threshold)
    }
}

impl Autoscaler for Keda {
    fn cores(&self) -> f64 {
        self.settings.cores
    }

    fn turn(&mut self, now_s: u64, views: &[View<'_>]) -> Vec<Order> {
        let settings = &self.settings;
        let parts = self.parts.iter_mut().zip(views).zip(&settings.thresholds);
        let order = |((part, view), threshold): ((&mut Part, &View<'_>), &f64)| {
            if now_s.is_multiple_of(POLL_S) {
                part.see(view);
            }
            Order {
                replicas: part.follow(now_s, view, &settings.rules, |sample| {
                    desired(count(view), sample.rate, *threshold)
                }),
                cores: settings.cores,
                shared: None,
            }
        };
        parts.map(order).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_rate_over_threshold_with_tolerance() {
        assert_eq!(desired(4, 1_000.0, 100.0), 10);
        assert_eq!(desired(10, 1_050.0, 100.0), 10);
        assert_eq!(desired(10, 300.0, 100.0), 3);
        assert_eq!(desired(3, f64::NAN, 100.0), 3);
    }
}
