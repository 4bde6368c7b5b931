//! What counts as a symptom. A healthy system, one crash that the core restarted, and a rollout or a
//! start within its limits give nothing.

use std::collections::BTreeMap;

use ostler_agents_kit::{
    look::{Glance, SpecNote},
    symptom::{Notice, Reads, Symptom, SymptomKind},
};
use ostler_core::{
    id::{CallId, InstanceId, ServiceKey},
    observed::{Exit, ProblemKind},
    plan::{Finding, ServiceState},
    time::{Span, Time},
};
use ostler_tools::answer::{InstanceInfo, ServiceSummary};

use super::noticed_signals::disks;

/// Down or degraded for less than this is a hiccup.
const STATE_PATIENCE: Span = Span::seconds(10);
/// Running but not ready for less than this is a start.
const READY_PATIENCE: Span = Span::seconds(30);
/// A registry may be away for this long.
const REGISTRY_PATIENCE: Span = Span::seconds(60);
/// What the core does by itself within this is not worth an incident: a person's yes takes as long.
const SOON: Span = Span::seconds(30);
/// How far back ends of processes are counted.
const EXITS_WINDOW: Span = Span::minutes(10);

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
    fn reads(&self) -> Reads {
        Reads {
            health: true,
            ..Reads::default()
        }
    }

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
            if !look.core_goes_back() {
                look.findings();
                look.state();
                look.exits();
            }
            look.promises();
            look.memory();
        }
        disks(glance, &mut found);
        self.since = lasting;
        found
    }
}

pub(super) struct LookAt<'a> {
    pub(super) glance: &'a Glance,
    pub(super) summary: &'a ServiceSummary,
    noticing: &'a Noticing,
    lasting: &'a mut BTreeMap<(ServiceKey, Lasting), Time>,
    found: &'a mut Vec<Symptom>,
}

impl<'a> LookAt<'a> {
    pub(super) fn add(
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

    pub(super) fn note(&self) -> Option<&'a SpecNote> {
        self.glance.notes.get(&self.summary.service)
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = &'a InstanceInfo> + use<'a> {
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

    /// Whether a rollout fails that the core itself takes back in a moment, while all that is wanted
    /// still serves: two who go back at once only get into each other's way.
    fn core_goes_back(&self) -> bool {
        let soon = |finding: &Finding| match finding {
            Finding::Rollout { deadline, .. } => deadline.since(self.glance.now) <= SOON,
            _ => false,
        };
        self.note().is_some_and(|note| note.reverts)
            && self.summary.ready >= self.summary.wanted
            && self.summary.findings.iter().any(soon)
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
        let registry = self
            .lasting
            .get(&(self.summary.service.clone(), Lasting::Registry));
        let registry = registry.copied().unwrap_or(self.glance.now);
        let within_limits = |finding: &Finding| match finding {
            Finding::NotReady { since, .. } => self.glance.now.since(*since) < patience,
            Finding::Rollout { .. } | Finding::WaitsFor { .. } => true,
            // Others serve, and a registry may be away for a while.
            Finding::CannotStart { problem, .. } => {
                *problem == ProblemKind::RegistryUnavailable
                    && kind == SymptomKind::Degraded
                    && self.glance.now.since(registry) < REGISTRY_PATIENCE
            }
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
                    .exits_as_it_is()
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
}

/// A start problem in words.
pub(super) const fn words(problem: ProblemKind) -> &'static str {
    match problem {
        ProblemKind::ImageNotFound => "the image does not exist",
        ProblemKind::RegistryUnavailable => "the registry cannot be reached",
        ProblemKind::ImageCorrupt => "the image is broken",
        ProblemKind::ImageRefused => "the rules about signatures refuse the image",
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
