//! What the tools about rollouts share.

use ostler_core::{
    id::{Generation, ServiceKey},
    intent::Service,
    plan::{Finding, Judged},
    rollout::Stage,
    spec::Strategy,
    time::Time,
    traffic,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::lookup;
use crate::{answer::RolloutInfo, contract::Refusal, view::View};

/// A service's rollout.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneRollout {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// The generation that rolls out; refused if it is another one by then. The current one when absent.
    pub generation: Option<Generation>,
}

/// The generation that is meant, of a service that exists.
pub fn meant(view: &View<'_>, args: &OneRollout) -> Result<Generation, Refusal> {
    let service = lookup::service(view, &args.service)?;
    Ok(args.generation.unwrap_or(service.generation))
}

/// How a service's rollout stands.
pub fn info(view: &View<'_>, key: &ServiceKey, service: &Service) -> RolloutInfo {
    let last_good = service.stable.as_ref().filter(|_| !service.settled);
    let since = service.rollout.as_ref().filter(|_| !service.settled);
    RolloutInfo {
        service: key.clone(),
        under_way: service.rolls_out(),
        strategy: service.spec.update.strategy.name().to_owned(),
        generation: service.generation,
        image: service.spec.image.clone(),
        last_good: last_good.map(|past| past.generation),
        last_good_image: last_good.map(|past| past.spec.image.clone()),
        stands: stands(service),
        mark: service.mark(),
        since: since.map_or(service.changed_at, |rollout| rollout.since),
        paused: service.paused(),
        bake: service.bake(),
        awaits_promotion: service.awaits_promotion(),
        next: service.stage_after(false).filter(|_| service.rolls_out()),
        deadline: deadline(view, key),
        parts: service.parts(),
        traffic: traffic::of_service(key, service, &view.world.observed),
        analysis: judged(view, key, service),
    }
}

/// What the last plan said of the version that rolls out now.
fn judged(view: &View<'_>, key: &ServiceKey, service: &Service) -> Option<Judged> {
    let judged = view.world.analysis.get(key)?;
    let is_of_now = judged.generation == service.generation && judged.stage == service.stage();
    is_of_now.then(|| judged.clone())
}

/// What it waits for of somebody, in words.
pub fn waits(service: &Service) -> Option<String> {
    if !service.rolls_out() {
        return None;
    }
    if service.paused().is_some() {
        return Some(stands(service));
    }
    let waits = service.awaits_promotion();
    waits.then(|| format!("{}, waits to be promoted", stands(service)))
}

fn deadline(view: &View<'_>, key: &ServiceKey) -> Option<Time> {
    let findings = &view.world.report.get(key)?.findings;
    findings.iter().find_map(|finding| match finding {
        Finding::Rollout { deadline, .. } => Some(*deadline),
        _ => None,
    })
}

/// Where it stands, in words.
fn stands(service: &Service) -> String {
    if service.settled {
        return "settled".to_owned();
    }
    let mark = service.mark();
    let words = match (mark.stage, &service.spec.update.strategy) {
        (Stage::Canary { step }, Strategy::Canary(canary)) => {
            let bakes = if mark.bakes { ", baking" } else { "" };
            let steps = canary.steps.len();
            format!("canary step {} of {steps}{bakes}", step.saturating_add(1))
        }
        (Stage::Rolling, _) if !service.rolls_out() && service.stable.is_some() => {
            "going back to the last good generation".to_owned()
        }
        _ => mark.in_words(),
    };
    match service.paused() {
        Some(_) => format!("{words}, paused"),
        None => words,
    }
}
