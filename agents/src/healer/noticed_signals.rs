//! Symptoms that only signals show: broken promises, memory that grows, disks that fill.

use ostler_agents_kit::{
    look::Glance,
    situation::points,
    symptom::{Symptom, SymptomKind},
    trend,
};
use ostler_core::{
    signal::{SignalKind, Subject},
    time::Span,
};

use super::{
    growth,
    notice::{LookAt, coarse},
};

/// Promises are judged over this long.
const PROMISE_WINDOW: Span = Span::minutes(2);
/// Fewest points to judge a promise.
const PROMISE_POINTS: usize = 5;
/// A volume fuller than this.
const VOLUME_SHARE: f64 = 0.9;
/// A machine's disk fuller than this.
const NODE_DISK_SHARE: f64 = 0.95;

impl LookAt<'_> {
    /// Promises broken over the last minutes.
    pub(super) fn promises(&mut self) {
        let Some(objectives) = self.note().and_then(|note| note.objectives.as_ref()) else {
            return;
        };
        let Some(signals) = self
            .glance
            .series
            .get(&Subject::Service(self.summary.service.clone()))
        else {
            return;
        };
        let recent = |kind| {
            trend::since(
                points(&signals.value, kind),
                self.glance.now - PROMISE_WINDOW,
            )
        };
        let errors = recent(SignalKind::ErrorRatio);
        let late = errors.get(errors.len() / 2..).unwrap_or_default();
        if let (Some(availability), Some(ratio)) = (objectives.availability, trend::mean(late)) {
            // Ten times the promised share, and at least one request in fifty: page-worthy, not noise.
            let bound = (10.0 * (1.0 - availability / 100.0)).clamp(0.02, 0.5);
            let began = errors
                .iter()
                .find(|point| point.value > bound)
                .map(|point| point.at);
            if let (true, Some(began)) = (errors.len() >= PROMISE_POINTS && ratio > bound, began) {
                let claim = format!(
                    "fails {:.0} % of requests, {availability} % should succeed",
                    ratio * 100.0
                );
                self.add(SymptomKind::ErrorRatio, None, began, claim, &signals.call);
            }
        }
        let Some(latency) = objectives.latency else {
            return;
        };
        let kind = if latency.quantile <= 50.0 {
            SignalKind::LatencyP50
        } else {
            SignalKind::LatencyP99
        };
        let (slow, bound) = (recent(kind), latency.under.as_secs_f64());
        let began = slow
            .iter()
            .find(|point| point.value > bound)
            .map(|point| point.at);
        let broken = trend::share_above(slow, bound).is_some_and(|share| share >= 0.8);
        if let (true, Some(began)) = (broken && slow.len() >= PROMISE_POINTS, began) {
            let mean = trend::mean(slow).unwrap_or_default();
            let claim = format!("answers in {mean:.2} s, {} is promised", latency.under);
            self.add(SymptomKind::Latency, None, began, claim, &signals.call);
        }
    }

    pub(super) fn memory(&mut self) {
        for one in self.instances() {
            let Some(signals) = self
                .glance
                .series
                .get(&Subject::Instance(one.instance.clone()))
            else {
                continue;
            };
            let share = points(&signals.value, SignalKind::MemoryShare);
            let Some(growth) = growth::towards_limit(share, one.seen.started_at) else {
                continue;
            };
            let claim = format!(
                "memory of `{}` is at {:.0} % of its limit and reaches it in {}",
                one.instance,
                growth.line.last * 100.0,
                coarse(growth.reaches_limit_in)
            );
            let since = share.first().map_or(self.glance.now, |point| point.at);
            self.add(
                SymptomKind::MemoryGrowing,
                Some(&one.instance),
                since,
                claim,
                &signals.call,
            );
        }
    }
}

/// Disks and volumes that are nearly full; a machine's disk is shown at the first service on it.
pub(super) fn disks(glance: &Glance, found: &mut Vec<Symptom>) {
    for (subject, signals) in &glance.series {
        let share = points(&signals.value, SignalKind::DiskShare);
        let recent = trend::since(share, glance.now - PROMISE_WINDOW);
        let Some(mean) = trend::mean(recent) else {
            continue;
        };
        let (service, bound, what) = match subject {
            Subject::Service(service) => (Some(service), VOLUME_SHARE, "its volume".to_owned()),
            Subject::Node(node) => {
                let mut here = glance
                    .instances
                    .value
                    .instances
                    .iter()
                    .filter(|one| &one.seen.node == node);
                (
                    here.next().map(|one| &one.seen.service),
                    NODE_DISK_SHARE,
                    format!("the disk of node `{node}`"),
                )
            }
            Subject::Instance(_) => continue,
        };
        if let (Some(service), true) = (service, mean > bound) {
            found.push(Symptom {
                service: service.clone(),
                instance: None,
                kind: SymptomKind::DiskFilling,
                since: recent.first().map_or(glance.now, |point| point.at),
                claim: format!("{what} is {:.0} % full", mean * 100.0),
                call: signals.call.clone(),
            });
        }
    }
}
