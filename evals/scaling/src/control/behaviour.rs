//! What Kubernetes does with a recommendation before it acts: stabilisation windows, policies of how
//! fast, least and most. After `pkg/controller/podautoscaler/horizontal.go` (`stabilizeRecommendationWithBehaviors`,
//! `convertDesiredReplicasWithBehaviorRate`).

use std::collections::VecDeque;

use super::{View, count};
use crate::scrape::Sample;

/// `spec.behavior` and the bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Fewest instances.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// Seconds of the window whose highest recommendation holds before going down.
    pub down_window_s: u64,
    /// Seconds of the window whose lowest recommendation holds before going up.
    pub up_window_s: u64,
    /// Percent that may be added within fifteen seconds.
    pub up_percent: f64,
    /// Instances that may be added within fifteen seconds; the larger of both counts.
    pub up_pods: u32,
}

impl Rules {
    /// What Kubernetes does unless told otherwise: up by 100 % or 4 instances in 15 s at once, down after 300 s.
    #[must_use]
    pub const fn kubernetes(min: u32, max: u32) -> Self {
        Self {
            min,
            max,
            down_window_s: 300,
            up_window_s: 0,
            up_percent: 100.0,
            up_pods: 4,
        }
    }
}

/// Seconds over which policies count.
const PERIOD_S: u64 = 15;

/// Recommendations and events that still count.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    said: VecDeque<(u64, u32)>,
    added: VecDeque<(u64, u32)>,
}

impl Behaviour {
    /// From what the metrics ask for to what is done.
    pub fn settle(&mut self, now_s: u64, rules: &Rules, current: u32, wanted: u32) -> u32 {
        let keep_s = rules.down_window_s.max(rules.up_window_s);
        self.said
            .retain(|(at, _)| now_s.saturating_sub(*at) < keep_s);
        let within = |span: u64| {
            let recent = self
                .said
                .iter()
                .filter(move |(at, _)| now_s.saturating_sub(*at) < span);
            recent.map(|(_, said)| *said)
        };
        let up = within(rules.up_window_s).fold(wanted, u32::min);
        let down = within(rules.down_window_s).fold(wanted, u32::max);
        self.said.push_back((now_s, wanted));
        let stable = current.max(up).min(down);
        let settled = stable
            .min(self.ceiling(now_s, rules, current))
            .clamp(rules.min, rules.max);
        if settled > current {
            self.added.push_back((now_s, settled - current));
        }
        settled
    }

    fn ceiling(&mut self, now_s: u64, rules: &Rules, current: u32) -> u32 {
        self.added
            .retain(|(at, _)| now_s.saturating_sub(*at) < PERIOD_S);
        let added: u32 = self.added.iter().map(|(_, added)| added).sum();
        let start = current.saturating_sub(added);
        let by_percent = super::ceil(f64::from(start) * (1.0 + rules.up_percent / 100.0));
        by_percent
            .max(start.saturating_add(rules.up_pods))
            .max(current)
    }
}

/// Metrics older than this are none: a metrics server gives its last scrape until then.
const STALE_S: u64 = 60;

/// What one service's autoscaler remembers: its last sample, and what it said and did.
#[derive(Debug, Clone, Default)]
pub struct Part {
    behaviour: Behaviour,
    last: Option<Sample>,
}

impl Part {
    /// Takes in a sample, where one came.
    pub fn see(&mut self, view: &View<'_>) {
        self.last = view.sample.or(self.last);
    }

    /// How many instances, by what the last sample asks for. Without a fresh one nothing is done, and
    /// nothing is remembered.
    pub fn follow(
        &mut self,
        now_s: u64,
        view: &View<'_>,
        rules: &Rules,
        wanted: impl FnOnce(&Sample) -> u32,
    ) -> u32 {
        let current = count(view);
        let fresh = |sample: &Sample| now_s.saturating_sub(sample.at_s) <= STALE_S;
        self.last.filter(fresh).map_or(current, |sample| {
            let wanted = wanted(&sample);
            self.behaviour.settle(now_s, rules, current, wanted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules::kubernetes(1, 100)
    }

    #[test]
    fn up_by_four_or_twice_within_fifteen_seconds() {
        let mut behaviour = Behaviour::default();
        assert_eq!(behaviour.settle(0, &rules(), 2, 50), 6);
        assert_eq!(behaviour.settle(15, &rules(), 6, 50), 12);
        assert_eq!(
            behaviour.settle(20, &rules(), 12, 50),
            12,
            "the period is not over"
        );
        assert_eq!(behaviour.settle(30, &rules(), 12, 50), 24);
    }

    #[test]
    fn down_only_to_the_highest_of_five_minutes() {
        let mut behaviour = Behaviour::default();
        assert_eq!(behaviour.settle(0, &rules(), 10, 10), 10);
        assert_eq!(behaviour.settle(60, &rules(), 10, 4), 10);
        assert_eq!(behaviour.settle(120, &rules(), 10, 6), 10);
        assert_eq!(
            behaviour.settle(300, &rules(), 10, 3),
            6,
            "the ten has left the window"
        );
        assert_eq!(
            behaviour.settle(3_000, &rules(), 6, 3),
            3,
            "at once, by 100 %"
        );
    }
}
