//! What counts as a symptom. A healthy system, one crash that the core restarted, and a rollout or a
//! start within its limits give nothing.

use std::collections::BTreeMap;

use ostler_agents_kit::{
    look::{Glance, SpecNote},
    situation::points,
    symptom::{Notice, Symptom, SymptomKind},
    trend,
};
use ostler_core::{
    id::{CallId, InstanceId, ServiceKey},
    observed::{Exit, ProblemKind},
    plan::{Finding, ServiceState},
    signal::{SignalKind, Subject},
    time::{Span, Time},
};
use ostler_tools::answer::{InstanceInfo, ServiceSummary};

use super::growth;

/// Down or degraded for less than this is a hiccup.
const STATE_PATIENCE: Span = Span::seconds(10);
/// Running but not ready for less than this is a start.
const READY_PATIENCE: Span = Span::seconds(30);
/// A registry may be away for this long.
const REGISTRY_PATIENCE: Span = Span::seconds(60);
/// How far back ends of processes are counted.
const EXITS_WINDOW: Span = Span::minutes(10);
/// Promises are judged over this long.
const PROMISE_WINDOW: Span = Span::minutes(2);
/// Fewest points to judge a promise.
const PROMISE_POINTS: usize = 5;
/// A volume fuller than this.
const VOLUME_SHARE: f64 = 0.9;
/// A machine's disk fuller than this.
const NODE_DISK_SHARE: f64 = 0.95;

/// Notices symptoms; remembers only since when each lasts.
#[derive(Debug, Default)]
pub struct Noticing {
    since: BTreeMap<(ServiceKey, Lasting), Time>,
}

/// What must last before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lasting {
    Unwell,
    Registry,
}

impl Notice for Noticing {
    fn notice(&mut self, glance: &Glance) -> Vec<Symptom> {
        let mut found = Vec::new();
        let mut lasting = BTreeMap::new();
        for summary in &glance.services.value.services {
            let mut look = LookAt {
                glance,
                summary,
                noticing: self,
                lasting: &mut lasting,
                found: &mut found,
            };
            look.findings();
            look.state();
            look.exits();
            look.promises();
            look.memory();
        }
        disks(glance, &mut found);
        self.since = lasting;
        found
    }
}

struct LookAt<'a> {
    glance: &'a Glance,
    summary: &'a ServiceSummary,
    noticing: &'a Noticing,
    lasting: &'a mut BTreeMap<(ServiceKey, Lasting), Time>,
    found: &'a mut Vec<Symptom>,
}

impl<'a> LookAt<'a> {
    fn add(
        &mut self,
        kind: SymptomKind,
        instance: Option<&InstanceId>,
        since: Time,
        claim: String,
        call: &CallId,
    ) {
        let (service, instance, call) = (
            self.summary.service.clone(),
            instance.cloned(),
            call.clone(),
        );
        self.found.push(Symptom {
            service,
            instance,
            kind,
            since,
            claim,
            call,
        });
    }

    fn note(&self) -> Option<&'a SpecNote> {
        self.glance.notes.get(&self.summary.service)
    }

    fn instances(&self) -> impl Iterator<Item = &'a InstanceInfo> + use<'a> {
        let (all, service) = (
            &self.glance.instances.value.instances,
            &self.summary.service,
        );
        all.iter().filter(move |one| &one.seen.service == service)
    }

    fn instance(&self, id: &InstanceId) -> Option<&'a InstanceInfo> {
        self.instances().find(|one| &one.instance == id)
    }

    /// Since when something lasts, remembered from glance to glance.
    fn lasts(&mut self, what: Lasting) -> Time {
        let key = (self.summary.service.clone(), what);
        let since = self
            .noticing
            .since
            .get(&key)
            .copied()
            .unwrap_or(self.glance.now);
        self.lasting.insert(key, since);
        since
    }

    /// How long an instance may run without being ready.
    fn ready_patience(&self) -> Span {
        let rolls = self
            .summary
            .findings
            .iter()
            .any(|finding| matches!(finding, Finding::Rollout { .. }));
        let half = self
            .note()
            .map_or(Span(0), |note| Span(note.healthy_deadline.0 / 2));
        if rolls {
            READY_PATIENCE.max(half)
        } else {
            READY_PATIENCE
        }
    }

    fn findings(&mut self) {
        let (now, call) = (self.glance.now, &self.glance.services.call);
        for finding in &self.summary.findings {
            match finding {
                Finding::CrashLoop {
                    instance, failures, ..
                } => {
                    let (since, how) = self.crashes(instance, *failures);
                    let claim = format!("crash loop: `{instance}` failed {failures} times, {how}");
                    self.add(SymptomKind::CrashLoop, Some(instance), since, claim, call);
                }
                Finding::CannotStart {
                    instance, problem, ..
                } => self.cannot_start(instance, *problem),
                Finding::NotReady { instance, since }
                    if now.since(*since) >= self.ready_patience() =>
                {
                    let claim = format!(
                        "`{instance}` runs but is not ready for {}",
                        coarse(now.since(*since))
                    );
                    self.add(SymptomKind::NotReady, Some(instance), *since, claim, call);
                }
                _ => {}
            }
        }
    }

    fn cannot_start(&mut self, instance: &InstanceId, problem: ProblemKind) {
        let now = self.glance.now;
        let seen_since = self
            .instance(instance)
            .map_or(now, |one| one.seen.created_at);
        if problem == ProblemKind::RegistryUnavailable
            && now.since(self.lasts(Lasting::Registry)) < REGISTRY_PATIENCE
        {
            return;
        }
        let claim = format!("`{instance}` cannot be started: {}", words(problem));
        self.add(
            SymptomKind::CannotStart,
            Some(instance),
            seen_since,
            claim,
            &self.glance.services.call,
        );
    }

    /// When a run of failures began, and how the last one ended.
    fn crashes(&self, instance: &InstanceId, failures: u32) -> (Time, String) {
        let Some(one) = self.instance(instance) else {
            return (self.glance.now, "ends unknown".to_owned());
        };
        let run = usize::try_from(failures).unwrap_or(usize::MAX);
        let first = one
            .seen
            .exits
            .iter()
            .rev()
            .filter(|exit| exit.is_failure())
            .take(run)
            .last();
        let last = one.seen.exits.last().map_or_else(
            || "ends unknown".to_owned(),
            |exit| format!("last by {}", exit.in_words()),
        );
        (first.map_or(one.seen.since, |exit| exit.at), last)
    }

    /// Down or degraded for a while, unless it is a start or a rollout within its limits.
    fn state(&mut self) {
        let (kind, word) = match self.summary.state {
            Some(ServiceState::Down) => (SymptomKind::Down, "takes no traffic"),
            Some(ServiceState::Degraded) => (SymptomKind::Degraded, "is degraded"),
            _ => return,
        };
        let patience = self.ready_patience();
        let within_limits = |finding: &Finding| match finding {
            Finding::NotReady { since, .. } => self.glance.now.since(*since) < patience,
            Finding::Rollout { .. } | Finding::WaitsFor { .. } => true,
            _ => false,
        };
        let starting =
            !self.summary.findings.is_empty() && self.summary.findings.iter().all(within_limits);
        let since = self.lasts(Lasting::Unwell);
        if starting || self.glance.now.since(since) < STATE_PATIENCE {
            return;
        }
        let (ready, wanted) = (self.summary.ready, self.summary.wanted);
        let claim = format!("{word}: {ready} of {wanted} instances ready");
        self.add(kind, None, since, claim, &self.glance.services.call);
    }

    /// Ends that come again and again, though too seldom for a crash loop.
    fn exits(&mut self) {
        let looping = |finding: &Finding| matches!(finding, Finding::CrashLoop { .. });
        if self.summary.findings.iter().any(looping) {
            return;
        }
        let from = self.glance.now - EXITS_WINDOW;
        let current = self.summary.generation;
        for one in self
            .instances()
            .filter(|one| one.seen.generation == current)
        {
            let recent = || {
                one.seen
                    .exits
                    .iter()
                    .filter(|exit| exit.is_failure() && exit.at >= from)
            };
            let memory: Vec<&Exit> = recent().filter(|exit| exit.out_of_memory).collect();
            let call = &self.glance.instances.call;
            if let (Some(first), true) = (memory.first(), memory.len() >= 2) {
                let claim = format!(
                    "`{}` ran out of memory {} times",
                    one.instance,
                    memory.len()
                );
                self.add(
                    SymptomKind::OutOfMemory,
                    Some(&one.instance),
                    first.at,
                    claim,
                    call,
                );
            } else if let (Some(first), true) = (recent().next(), recent().count() >= 3) {
                let claim = format!(
                    "`{}` failed {} times in {EXITS_WINDOW}",
                    one.instance,
                    recent().count()
                );
                self.add(
                    SymptomKind::Flapping,
                    Some(&one.instance),
                    first.at,
                    claim,
                    call,
                );
            }
        }
    }

    /// Promises broken over the last minutes.
    fn promises(&mut self) {
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

    fn memory(&mut self) {
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
fn disks(glance: &Glance, found: &mut Vec<Symptom>) {
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

/// A start problem in words.
pub(super) const fn words(problem: ProblemKind) -> &'static str {
    match problem {
        ProblemKind::ImageNotFound => "the image does not exist",
        ProblemKind::RegistryUnavailable => "the registry cannot be reached",
        ProblemKind::ImageCorrupt => "the image is broken",
        ProblemKind::SecretMissing => "a secret is missing",
        ProblemKind::CommandNotFound => "the command does not exist in the image",
        ProblemKind::VolumeMissing => "a volume's path does not exist",
        ProblemKind::DiskFull => "no space is left",
        ProblemKind::PortTaken => "a published port is in use",
        ProblemKind::Network => "the network could not be set up",
        ProblemKind::Backend => "the backend failed",
    }
}

/// A span in whole seconds.
pub(super) fn coarse(span: Span) -> Span {
    Span(span.0 / 1_000 * 1_000)
}
