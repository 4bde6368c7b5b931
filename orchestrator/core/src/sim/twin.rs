//! "What if": a change tried on a fork of the fleet as it was seen, in virtual time.
//!
//! The forecast rests on assumptions, which it names: a program that was seen failing goes on
//! failing in the same way as long as it is made in the same way; everything else starts in a
//! second and works.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Moment, run,
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
    time::{Span, Time},
};

/// How far a forecast looks.
const HORIZON: Span = Span::minutes(15);
/// Most steps that a forecast lists.
const STEPS_LIMIT: usize = 500;

/// What a change would lead to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// The steps that would be taken, 500 at most.
    pub steps: Vec<ForecastStep>,
    /// Instances that run now and would be stopped, restarted or taken away.
    pub disturbed: BTreeSet<InstanceId>,
    /// Fewest ready instances of each service on the way.
    pub least_ready: BTreeMap<ServiceKey, u32>,
    /// How each service would stand in the end.
    pub report: BTreeMap<ServiceKey, ServiceStatus>,
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
    /// The step in words.
    pub what: String,
}

/// Tries a change on a fork of the fleet.
///
/// # Errors
/// [`Refused`] when the change cannot be applied.
pub fn what_if(
    intent: &Intent,
    observed: &Observed,
    change: &Change,
    now: Time,
) -> Result<Forecast, Refused> {
    let changed = change::apply(intent, change, now)?.intent;
    let mut world = World::fork(observed, now);
    let assumptions = assume(&mut world, intent, observed, now);
    let mut forecast = Forecast {
        steps: Vec::new(),
        disturbed: BTreeSet::new(),
        least_ready: BTreeMap::new(),
        report: BTreeMap::new(),
        comes_to_rest: false,
        took: Span(0),
        assumptions,
    };
    let outcome = run(&mut world, changed, &[], HORIZON, |moment| {
        forecast.note(moment, observed, now)
    });
    forecast.report = outcome.last.report;
    forecast.comes_to_rest = outcome.quiet;
    forecast.took = outcome.ended_at.since(now);
    Ok(forecast)
}

impl Forecast {
    fn note(&mut self, moment: &Moment, before: &Observed, began: Time) {
        let after = moment.now.since(began);
        for step in &moment.plan.steps {
            if self.steps.len() < STEPS_LIMIT {
                self.steps.push(ForecastStep {
                    after,
                    what: step.in_words(),
                });
            }
            let ran = |id: &&InstanceId| {
                before
                    .instances
                    .get(*id)
                    .is_some_and(|seen| seen.phase == Phase::Running)
            };
            self.disturbed.extend(step.instance().filter(ran).cloned());
        }
        for (key, status) in &moment.plan.report {
            let least = self.least_ready.entry(key.clone()).or_insert(status.ready);
            *least = (*least).min(status.ready);
        }
    }
}

/// Lets what is made exactly as something that was seen failing go on failing; says what is assumed.
fn assume(world: &mut World, intent: &Intent, observed: &Observed, now: Time) -> Vec<String> {
    let second = (Span::seconds(1), Span::seconds(1));
    world.set_usual(Temper {
        start: second,
        warm_up: second,
        flaw: Flaw::None,
    });
    let mut words =
        vec!["what was not seen failing starts in 1s, is ready 1s later, and works".to_owned()];
    let mut known: BTreeSet<(&ServiceKey, Generation)> = BTreeSet::new();
    for seen in observed.instances.values() {
        let Some(spec) = intent.spec_of(&seen.service, seen.generation) else {
            continue;
        };
        let flaw = flaw_of(seen, spec, now);
        if flaw == Flaw::None || !known.insert((&seen.service, seen.generation)) {
            continue;
        }
        let temper = Temper {
            start: second,
            warm_up: second,
            flaw,
        };
        world.set_temper_of(Arc::clone(spec), temper);
        let (service, generation) = (&seen.service, seen.generation);
        words.push(format!(
            "{service} goes on failing where it is made as generation {generation}"
        ));
    }
    words
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
        Answer::No { .. } if seen.phase == Phase::Running => Flaw::NeverReady,
        _ => Flaw::None,
    }
}
