//! Kubernetes' horizontal pod autoscaler on CPU utilisation, as published: "Algorithm details" of the
//! documentation, and `pkg/controller/podautoscaler/replica_calculator.go` for instances that are not
//! ready or have no metrics.

use super::{
    Autoscaler, Order, Pace, View,
    behaviour::{Part, Rules},
    ceil, count,
};
use crate::scrape::Sample;

/// `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;

/// How one is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `averageUtilization` of each service, as a share.
    pub targets: Vec<f64>,
    /// CPU request and limit of each instance.
    pub cores: f64,
    /// Behaviour and bounds.
    pub rules: Rules,
}

/// One pod as the calculator sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pod {
    /// Ready, with its utilisation of its request.
    Measured(f64),
    /// Not ready, or ready for too short to have been measured.
    Unready,
    /// Ready, but without metrics.
    Missing,
}

/// The controller reckons utilisation in whole percent, rounded down (`GetResourceUtilizationRatio`).
fn ratio_of(used: f64, pods: f64, target: f64) -> f64 {
    (used / pods * 100.0 + 1e-9).floor() / (target * 100.0)
}

fn within(ratio: f64) -> bool {
    (ratio - 1.0).abs() <= TOLERANCE
}

/// `GetResourceReplicas`: how many pods the metrics ask for.
#[must_use]
pub fn desired(current: u32, target: f64, pods: &[Pod]) -> u32 {
    let measured: Vec<f64> = pods
        .iter()
        .filter_map(|pod| {
            if let Pod::Measured(used) = pod {
                Some(*used)
            } else {
                None
            }
        })
        .collect();
    let number = |kind: Pod| pods.iter().filter(|pod| **pod == kind).count();
    let (unready, missing) = (number(Pod::Unready), number(Pod::Missing));
    if measured.is_empty() || target <= 0.0 {
        return current;
    }
    let used: f64 = measured.iter().sum();
    let ready = float(measured.len());
    let ratio = ratio_of(used, ready, target);
    let counts_unready = unready > 0 && ratio > 1.0;
    if !counts_unready && missing == 0 {
        return if within(ratio) {
            current
        } else {
            ceil(ratio * ready)
        };
    }
    // Who is missing uses all it asked for when going down, nothing when going up.
    let filled = if ratio < 1.0 {
        float(missing) * target.max(1.0)
    } else {
        0.0
    };
    let all = ready + float(missing) + if counts_unready { float(unready) } else { 0.0 };
    let again = ratio_of(used + filled, all, target);
    if within(again) || (ratio < 1.0) != (again < 1.0) {
        return current;
    }
    let wanted = ceil(again * all);
    if (again < 1.0 && wanted > current) || (again > 1.0 && wanted < current) {
        return current;
    }
    wanted
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// The autoscaler, one for each service.
#[derive(Debug, Clone)]
pub struct Hpa {
    settings: Settings,
    parts: Vec<Part>,
}

impl Hpa {
    /// With these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let parts = vec![Default::default(); settings.targets.len()];
        Self { settings, parts }
    }
}

/// What the calculator is given of each instance.
fn pods(view: &View<'_>, now_s: u64, sample: &Sample) -> Vec<Pod> {
    let mut reporting = sample.reporting;
    let utilisation = sample.used / f64::from(sample.reporting.max(1)) / sample.cores;
    let pod = |one: &crate::service::Instance| {
        if one.ready_s > now_s
            || sample.at_s < one.ready_s + Pace::KUBERNETES.every_s && one.ready_s > 0
        {
            return Pod::Unready;
        }
        if reporting == 0 || !utilisation.is_finite() {
            return Pod::Missing;
        }
        reporting -= 1;
        Pod::Measured(utilisation)
    };
    view.instances.iter().map(pod).collect()
}

impl Autoscaler for Hpa {
    fn cores(&self) -> f64 {
        self.settings.cores
    }

    fn turn(&mut self, now_s: u64, views: &[View<'_>]) -> Vec<Order> {
        let settings = &self.settings;
        let parts = self.parts.iter_mut().zip(views).zip(&settings.targets);
        let order = |((part, view), target): ((&mut Part, &View<'_>), &f64)| {
            part.see(view);
            Order {
                replicas: part.follow(now_s, view, &settings.rules, |sample| {
                    desired(count(view), *target, &pods(view, now_s, sample))
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

    fn measured(count: usize, utilisation: f64) -> Vec<Pod> {
        vec![Pod::Measured(utilisation); count]
    }

    #[test]
    fn the_documentations_examples() {
        // 200m against a target of 100m doubles, 50m halves.
        assert_eq!(desired(3, 0.1, &measured(3, 0.2)), 6);
        assert_eq!(desired(4, 0.1, &measured(4, 0.05)), 2);
        // Close to the target, nothing moves.
        assert_eq!(desired(4, 0.5, &measured(4, 0.54)), 4);
        // The walkthrough: one replica at 305 % of a 50 % target becomes seven.
        assert_eq!(desired(1, 0.5, &measured(1, 3.05)), 7);
    }

    #[test]
    fn the_controllers_own_test_cases() {
        // replica_calculator_test.go: TestReplicaCalcScaleUp and its neighbours.
        assert_eq!(
            desired(
                3,
                0.3,
                &[Pod::Measured(0.3), Pod::Measured(0.5), Pod::Measured(0.7)]
            ),
            5
        );
        // TestReplicaCalcScaleUpUnreadyLessScale
        assert_eq!(
            desired(
                3,
                0.3,
                &[Pod::Unready, Pod::Measured(0.5), Pod::Measured(0.7)]
            ),
            4
        );
        // TestReplicaCalcScaleUpUnreadyNoScale: counting the unready would turn the direction.
        assert_eq!(
            desired(3, 0.3, &[Pod::Measured(0.4), Pod::Unready, Pod::Unready]),
            3
        );
        // TestReplicaCalcScaleDown
        assert_eq!(
            desired(5, 0.5, &[0.1, 0.3, 0.5, 0.25, 0.25].map(Pod::Measured)),
            3
        );
        // TestReplicaCalcScaleDownIgnoresUnreadyPods
        assert_eq!(
            desired(
                5,
                0.5,
                &[
                    Pod::Measured(0.1),
                    Pod::Measured(0.3),
                    Pod::Measured(0.5),
                    Pod::Unready,
                    Pod::Unready
                ]
            ),
            2
        );
        // TestReplicaCalcTolerance
        assert_eq!(desired(3, 1.0, &[1.01, 1.03, 1.02].map(Pod::Measured)), 3);
    }

    #[test]
    fn who_has_no_metrics_is_assumed_to_be_in_the_way() {
        assert_eq!(
            desired(
                4,
                0.5,
                &[
                    Pod::Measured(0.2),
                    Pod::Measured(0.2),
                    Pod::Missing,
                    Pod::Missing
                ]
            ),
            4,
            "down: as if busy"
        );
        assert_eq!(
            desired(
                4,
                0.5,
                &[
                    Pod::Measured(0.9),
                    Pod::Measured(0.9),
                    Pod::Missing,
                    Pod::Missing
                ]
            ),
            4,
            "up: as if idle"
        );
        assert_eq!(
            desired(4, 0.5, &[Pod::Missing; 4]),
            4,
            "nothing known, nothing done"
        );
    }
}
