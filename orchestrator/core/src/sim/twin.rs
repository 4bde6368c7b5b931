//! "What if": changes tried on a fork of the fleet as it was seen, in virtual time.
//!
//! The forecast rests on assumptions, which it names: a program that was seen failing goes on
//! failing in the same way as long as it is made in the same way but for limits, which cure a lack of
//! memory only; everything else starts in a
//! second and works; services that the changes cannot reach stand still. It is bounded in virtual
//! time, steps and work; where it stops early it says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Moment,
    part::Part,
    run_within,
    temper::{Flaw, Temper},
    world::World,
};
use crate::{
    backoff,
    change::{self, Change, Refused},
    id::{Generation, InstanceId, ServiceKey},
    intent::Intent,
    observed::{Answer, InstanceSeen, Observed, Phase},
    plan::ServiceStatus,
    spec::ServiceSpec,
    step::Step,
    time::{Span, Time},
};

/// How far a forecast looks.
pub const HORIZON: Span = Span::minutes(15);
/// Most steps that a forecast lists.
pub const STEPS_LIMIT: usize = 500;
/// Most that a forecast reads: decisions, times the things each of them reads.
const WORK_LIMIT: usize = 200_000;
/// Most decisions of a forecast.
const DECISIONS_LIMIT: usize = 1_000;
/// What fails its readiness probe from so early on was never ready.
const WARM_UP: Span = Span::seconds(30);
/// How long whatever works takes to start, to get ready, to end.
const PACE: (Span, Span) = (Span::seconds(1), Span::seconds(1));

/// What changes would lead to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// Services that the changes name.
    #[serde(default)]
    pub changed: BTreeSet<ServiceKey>,
    /// The steps that would be taken, in order, 500 at most.
    pub steps: Vec<ForecastStep>,
    /// Instances that run now and would be stopped, restarted or taken away; not those that are
    /// resized while they run.
    pub disturbed: BTreeSet<InstanceId>,
    /// Instances that would get other resources while they run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resized: BTreeSet<InstanceId>,
    /// Ready instances of each service before.
    #[serde(default)]
    pub ready_before: BTreeMap<ServiceKey, u32>,
    /// Fewest ready instances of each service on the way: the capacity that is left.
    pub least_ready: BTreeMap<ServiceKey, u32>,
    /// How each service would stand in the end.
    pub report: BTreeMap<ServiceKey, ServiceStatus>,
    /// Invariants that a plan on the way would break; such a plan is not carried out.
    #[serde(default)]
    pub violations: Vec<String>,
    /// Whether the fleet would come to rest within the time looked at.
    pub comes_to_rest: bool,
    /// How long that takes, or how far was looked.
    pub took: Span,
    /// What the forecast rests on, in words.
    pub assumptions: Vec<String>,
}

/// One step of a forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForecastStep {
    /// How long after the change.
    pub after: Span,
    /// The step.
    pub step: Step,
    /// The step in words.
    pub what: String,
}

/// A change of a series that cannot be made on what those before it leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("change {number}: {why}")]
pub struct Unforeseen {
    /// Which of them, from 1.
    pub number: usize,
    /// Why.
    #[source]
    pub why: Refused,
}

/// Tries one change on a fork of the fleet.
///
/// # Errors
/// [`Refused`] when the change cannot be applied.
pub fn what_if(
    intent: &Intent,
    observed: &Observed,
    change: &Change,
    now: Time,
) -> Result<Forecast, Refused> {
    foresee(intent, observed, std::slice::from_ref(change), now).map_err(|error| error.why)
}

/// Tries changes, made one right after the other, on a fork of the part of the fleet they reach.
///
/// # Errors
/// [`Unforeseen`] names the first change that cannot be applied.
pub fn foresee(
    intent: &Intent,
    observed: &Observed,
    changes: &[Change],
    now: Time,
) -> Result<Forecast, Unforeseen> {
    let mut after = intent.clone();
    for (number, change) in (1..).zip(changes) {
        let applied = change::apply(&after, change, now);
        after = applied.map_err(|why| Unforeseen { number, why })?.intent;
    }
    let part = Part::of(intent, &after, observed);
    Ok(play(intent, part, now))
}

/// Plays a part of the fleet until it rests.
fn play(before: &Intent, part: Part, now: Time) -> Forecast {
    let mut world = World::fork(&part.observed, now);
    world.set_ends(PACE.0, PACE.1);
    let assumptions = assume(&mut world, before, &part, now);
    world.doom(&part.intent);
    let bound = (WORK_LIMIT / part.size()).clamp(1, DECISIONS_LIMIT);
    let bound = u32::try_from(bound).unwrap_or(u32::MAX);
    let mut forecast = Forecast::begin(part.changed, assumptions);
    let (intent, seen) = (part.intent, part.observed);
    let outcome = run_within(&mut world, intent, &[], (HORIZON, bound), |moment| {
        forecast.note(moment, &seen, now);
    });
    forecast.report = outcome.last.report;
    let broken = outcome.violations.iter();
    forecast.violations = broken.map(ToString::to_string).collect();
    forecast.comes_to_rest = outcome.quiet;
    forecast.took = outcome.ended_at.since(now);
    if !outcome.quiet && outcome.plans >= bound {
        let words = format!("looked no further than {bound} decisions");
        forecast.assumptions.push(words);
    }
    forecast
}

impl Forecast {
    fn begin(changed: BTreeSet<ServiceKey>, assumptions: Vec<String>) -> Self {
        Self {
            changed,
            steps: Vec::new(),
            disturbed: BTreeSet::new(),
            resized: BTreeSet::new(),
            ready_before: BTreeMap::new(),
            least_ready: BTreeMap::new(),
            report: BTreeMap::new(),
            violations: Vec::new(),
            comes_to_rest: false,
            took: Span(0),
            assumptions,
        }
    }

    fn note(&mut self, moment: &Moment, before: &Observed, began: Time) {
        let after = moment.now.since(began);
        for step in &moment.plan.steps {
            if self.steps.len() < STEPS_LIMIT {
                self.steps.push(ForecastStep {
                    after,
                    step: step.clone(),
                    what: step.in_words(),
                });
            }
            let ran = |id: &&InstanceId| {
                before
                    .instances
                    .get(*id)
                    .is_some_and(|seen| seen.phase == Phase::Running)
            };
            let touched = match step {
                Step::Resize { .. } | Step::Follow { .. } => &mut self.resized,
                _ => &mut self.disturbed,
            };
            touched.extend(step.instance().filter(ran).cloned());
        }
        for (key, status) in &moment.plan.report {
            let least = self.least_ready.entry(key.clone()).or_insert(status.ready);
            *least = (*least).min(status.ready);
            let before = self.ready_before.entry(key.clone());
            before.or_insert(status.ready);
        }
    }

    /// The forecast in one line: `9 steps in 21s, 2 instances disturbed; shop/cart: 1 of 2 ready at
    /// least, healthy in the end`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (steps, disturbed) = (self.steps.len(), self.disturbed.len());
        let when = match self.comes_to_rest {
            true => "in",
            false => "and not at rest within",
        };
        let resized = match self.resized.len() {
            0 => String::new(),
            resized => format!(", {resized} resized in place"),
        };
        let mut words = vec![format!(
            "{steps} steps {when} {}, {disturbed} instances disturbed{resized}",
            self.took
        )];
        words.extend(self.changed.iter().map(|key| self.about(key)));
        words.extend(
            self.violations
                .iter()
                .map(|broken| format!("breaks {broken}")),
        );
        words.join("; ")
    }

    fn about(&self, key: &ServiceKey) -> String {
        let Some(status) = self.report.get(key) else {
            return format!("{key}: gone in the end");
        };
        let of = |map: &BTreeMap<ServiceKey, u32>| map.get(key).copied().unwrap_or_default();
        let state = serde_json::to_value(status.state).unwrap_or_default();
        format!(
            "{key}: {} of {} ready at least, {} in the end",
            of(&self.least_ready),
            of(&self.ready_before).max(status.wanted),
            state.as_str().unwrap_or_default()
        )
    }
}

/// Lets what is made exactly as something that was seen failing go on failing; says what is assumed.
fn assume(world: &mut World, intent: &Intent, part: &Part, now: Time) -> Vec<String> {
    let temper = |flaw| Temper {
        start: PACE,
        warm_up: PACE,
        flaw,
    };
    world.set_usual(temper(Flaw::None));
    let mut words = vec![
        "what was not seen failing starts in 1s, is ready 1s later, works, takes other limits at once, \
         and ends in 1s when asked"
            .to_owned(),
    ];
    if part.left_out > 0 {
        let others = part.left_out;
        words.push(format!(
            "{others} services that this cannot reach stand still"
        ));
    }
    let mut known: BTreeSet<(&ServiceKey, Generation)> = BTreeSet::new();
    for seen in part.observed.instances.values() {
        let Some(spec) = intent.spec_of(&seen.service, seen.generation) else {
            continue;
        };
        let flaw = flaw_of(seen, spec, now);
        if flaw == Flaw::None || !known.insert((&seen.service, seen.generation)) {
            continue;
        }
        world.set_temper_of(Arc::clone(spec), temper(flaw));
        let wanted = part.intent.services.get(&seen.service);
        if let Some(wanted) = wanted.filter(|wanted| stays(flaw, spec, &wanted.spec)) {
            world.set_temper_of(Arc::clone(&wanted.spec), temper(flaw));
        }
        let (service, generation) = (&seen.service, seen.generation);
        words.push(format!(
            "{service} goes on failing where it is made as generation {generation}, and other limits \
             help only if memory was short"
        ));
    }
    words
}

/// Whether a flaw stays under another spec: other limits cure nothing but a lack of memory.
fn stays(flaw: Flaw, was: &ServiceSpec, becomes: &ServiceSpec) -> bool {
    let mut was = was.clone();
    was.resources = becomes.resources;
    !matches!(flaw, Flaw::OutOfMemory { .. }) && was.makes_same(becomes)
}

/// What seems wrong with an instance's program.
fn flaw_of(seen: &InstanceSeen, spec: &ServiceSpec, now: Time) -> Flaw {
    if let Phase::Failed { problem } = &seen.phase {
        return Flaw::CannotStart(problem.kind);
    }
    if backoff::failures(seen, &spec.restart, now) >= spec.restart.crash_loop_after
        && let Some(exit) = seen.exits.last()
    {
        let after = exit.ran;
        return match exit.code {
            _ if exit.out_of_memory => Flaw::OutOfMemory { after },
            _ if exit.liveness => Flaw::Hangs { after },
            code => Flaw::Exits {
                after,
                code: code.unwrap_or(1),
            },
        };
    }
    match &seen.health.readiness {
        Answer::No { since, .. } if seen.phase == Phase::Running && !was_ready(seen, *since) => {
            Flaw::NeverReady
        }
        _ => Flaw::None,
    }
}

/// Whether it got ready before it failed: then its program works when it is started anew.
fn was_ready(seen: &InstanceSeen, failing_since: Time) -> bool {
    let began = seen.started_at.unwrap_or(seen.since);
    failing_since.since(began) > WARM_UP
}
