//! Watching what a change does to the services it reaches: how they stood before it, and since.
//!
//! The judgement is in [`regress`](crate::regress). Here is only what is read for it: the list of
//! services that the turn read anyway, and two signals of each watched service now and then.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::ServiceKey,
    plan::Finding,
    proposal::{Proposal, ProposalState},
    signal::{Point, SignalKind, Subject},
    time::{Span, Time},
};
use ostler_tools::answer::ServiceSummary;

use crate::{
    agent::Agent,
    case::{Case, Phase},
    client::CallError,
    look::{Glance, WINDOW, known},
    regress::{Bar, Standing, Watch},
    situation::points,
    trend, world,
};

/// Most services that are watched for one change.
const WATCHED: usize = 8;
/// How old signals may be before they are read again.
const SIGNALS_AGE: Span = Span::seconds(8);
/// Signals before a change are the mean over this long.
const BEFORE: Span = Span::minutes(2);
/// Signals after it are the least of this long.
const AFTER: Span = Span::seconds(30);
/// Fewest values to judge by.
const VALUES: usize = 3;
/// A planned dip may last this many times as long as foretold: real programs start slower.
const PATIENCE: u64 = 4;

/// Signals of the watched services.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    at: Time,
    errors: BTreeMap<ServiceKey, Vec<Point>>,
    latency: BTreeMap<ServiceKey, Vec<Point>>,
}

impl Agent {
    /// Remembers how everything stands that the proposal reaches, before it is carried out. What was
    /// done by an earlier process of ours leaves only the signals of before.
    pub(crate) async fn begin_watch(
        &self,
        case: &mut Case,
        proposal: &Proposal,
        now: Time,
    ) -> Result<(), CallError> {
        let Some(glance) = self.look.glance() else {
            return Ok(());
        };
        let begun = proposal.state != ProposalState::Approved;
        let since = match begun {
            true => self.begun_at(proposal).await?.unwrap_or(now),
            false => now,
        };
        let services = reached(glance, case, proposal);
        self.read(case, &services, now).await?;
        let bar = |service: &ServiceKey| {
            let summary = summary(glance, service).filter(|_| !begun);
            let mut bar = Bar {
                before: summary.map_or_else(Standing::default, standing),
                ..Bar::default()
            };
            // What was worse already when we acted is not our doing: the worse of how it stood over
            // the last minutes and at the last moment counts.
            let before = |series: &BTreeMap<ServiceKey, Vec<Point>>| {
                let points = trend::before(series.get(service)?, since);
                let mean = |over| {
                    let points = trend::since(points, since - over);
                    trend::mean(points).filter(|_| points.len() >= VALUES)
                };
                let known = [mean(BEFORE), mean(AFTER)].into_iter().flatten();
                known.max_by(f64::total_cmp)
            };
            bar.before.errors = before(&case.readings.errors);
            bar.before.latency = before(&case.readings.latency);
            promise(glance, service, &mut bar);
            if let Some(told) = &case.foretold {
                bar.least_ready = told.least_ready.get(service).copied();
                let took = Span(told.took.0.saturating_mul(PATIENCE));
                bar.planned_until = now + took;
            }
            bar
        };
        let bars = services.iter().map(|key| (key.clone(), bar(key))).collect();
        case.watch = Some(Watch::new(since, bars));
        Ok(())
    }

    /// When the first of the proposal's calls was carried out.
    async fn begun_at(&self, proposal: &Proposal) -> Result<Option<Time>, CallError> {
        let ours = self.changes_for(proposal).await?;
        Ok(ours.into_iter().map(|change| change.at).min())
    }

    /// Looks whether an objective got worse since the change; says which, with numbers.
    pub(crate) async fn watch_over(
        &self,
        case: &mut Case,
        proposal: Option<&Proposal>,
        now: Time,
    ) -> Result<Option<String>, CallError> {
        let (Phase::Verifying { .. }, Some(proposal)) = (&case.phase, proposal) else {
            return Ok(None);
        };
        if case.watch.is_none() {
            self.begin_watch(case, proposal, now).await?;
        }
        let Some(mut watch) = case.watch.take() else {
            return Ok(None);
        };
        let services: Vec<ServiceKey> = watch.bars.keys().cloned().collect();
        let read = self.read(case, &services, now).await;
        let seen = self.standings(case, &services, watch.since, now);
        let worse = watch.feel(&seen, now);
        case.watch = Some(watch);
        read.map(|()| worse)
    }

    fn standings(
        &self,
        case: &Case,
        services: &[ServiceKey],
        since: Time,
        now: Time,
    ) -> BTreeMap<ServiceKey, Standing> {
        let mut all = BTreeMap::new();
        let Some(glance) = self.look.glance() else {
            return all;
        };
        for service in services {
            let Some(summary) = summary(glance, service) else {
                continue;
            };
            let mut seen = standing(summary);
            let scales = glance.notes.get(service).is_some_and(|note| note.scales);
            seen.follows_to = scales.then_some(summary.wanted);
            let least = |series: &BTreeMap<ServiceKey, Vec<Point>>| {
                let points = trend::since(series.get(service)?, since.max(now - AFTER));
                let least = points
                    .iter()
                    .map(|point| point.value)
                    .min_by(f64::total_cmp);
                least.filter(|_| points.len() >= VALUES)
            };
            seen.errors = least(&case.readings.errors);
            seen.latency = least(&case.readings.latency);
            all.insert(service.clone(), seen);
        }
        all
    }

    /// Reads the signals of the watched services, unless they were just read.
    async fn read(
        &self,
        case: &mut Case,
        services: &[ServiceKey],
        now: Time,
    ) -> Result<(), CallError> {
        if now.since(case.readings.at) < SIGNALS_AGE {
            return Ok(());
        }
        case.readings.at = now;
        let kinds = [SignalKind::ErrorRatio, SignalKind::LatencyP99];
        for service in services {
            let subject = Subject::Service(service.clone());
            let read = world::signals(&*self.caller, &subject, &kinds, WINDOW).await;
            let Some(signals) = known(read)? else {
                continue;
            };
            let of = |kind| points(&signals.value, kind).to_vec();
            let readings = &mut case.readings;
            readings
                .errors
                .insert(service.clone(), of(SignalKind::ErrorRatio));
            readings
                .latency
                .insert(service.clone(), of(SignalKind::LatencyP99));
        }
        Ok(())
    }
}

/// The changed services first, then all that need them.
fn reached(glance: &Glance, case: &Case, proposal: &Proposal) -> Vec<ServiceKey> {
    let mut found = vec![
        proposal.body.verify.service.clone(),
        proposal.body.cause.culprit.clone(),
    ];
    let told = case.foretold.iter().flat_map(|told| told.changed.iter());
    found.extend(told.cloned());
    let mut index = 0;
    while let Some(service) = found.get(index).cloned() {
        let needs = glance.graph.value.needs.iter();
        let by = needs.filter(|edge| edge.needs == service);
        found.extend(by.map(|edge| edge.service.clone()));
        index += 1;
        let mut seen = BTreeSet::new();
        found.retain(|service| seen.insert(service.clone()));
    }
    found.truncate(WATCHED);
    found
}

fn summary<'g>(glance: &'g Glance, service: &ServiceKey) -> Option<&'g ServiceSummary> {
    let services = &glance.services.value.services;
    services.iter().find(|summary| &summary.service == service)
}

fn standing(summary: &ServiceSummary) -> Standing {
    let loops = |finding: &&Finding| matches!(finding, Finding::CrashLoop { .. });
    let looping = summary.findings.iter().filter(loops).count();
    Standing {
        ready: Some(summary.ready),
        follows_to: None,
        instances: summary.running.max(summary.wanted),
        looping: Some(u32::try_from(looping).unwrap_or(u32::MAX)),
        restarts: Some(summary.restarts),
        errors: None,
        latency: None,
    }
}

fn promise(glance: &Glance, service: &ServiceKey, bar: &mut Bar) {
    let note = glance.notes.get(service);
    let Some(objectives) = note.and_then(|note| note.objectives.as_ref()) else {
        return;
    };
    bar.promised_errors = objectives.availability.map(|share| 1.0 - share / 100.0);
    let latency = objectives.latency.as_ref();
    bar.promised_latency = latency.map(|latency| latency.under.as_secs_f64());
}
