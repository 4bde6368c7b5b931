//! From advice to a proposal: read anew, held against how the service stands now, and asked of policy before anybody
//! is asked for a yes.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ostler_agents_kit::{
    planner::{Planner, PlannerError, Thought, Verdict},
    reader::Reader,
    situation::{ServiceFacts, Situation},
    text,
};
use ostler_core::{
    id::{CallId, ServiceKey},
    incident::{Cause, CauseKind, Evidence},
    plan::ServiceState,
    proposal::{ProposalBody, ProposedCall, Verify},
    time::Span,
};
use serde_json::{Map, Value};

use super::{
    advice::is_at_rest,
    minds::{Advised, Minds, Told},
};
use crate::frozen::is_frozen;

/// Advice that is older says nothing of now.
const FRESH: Span = Span::minutes(1);
/// Watched for this long after the change, within this long.
const HOLD: Span = Span::minutes(1);
const WITHIN: Span = Span::minutes(5);

/// Thinks with rules alone, from what was learnt.
#[derive(Debug)]
pub struct CapacityPlanner {
    minds: Arc<Mutex<Minds>>,
}

impl CapacityPlanner {
    /// Reads what a noticing learns.
    #[must_use]
    pub fn new(minds: Arc<Mutex<Minds>>) -> Self {
        Self { minds }
    }

    fn advised(&self, service: &ServiceKey) -> Option<Advised> {
        let minds = self.minds.lock().unwrap_or_else(PoisonError::into_inner);
        minds.advised(service).cloned()
    }
}

#[async_trait]
impl Planner for CapacityPlanner {
    async fn think(
        &self,
        situation: &Situation,
        reader: &Reader<'_>,
    ) -> Result<Thought, PlannerError> {
        let healthy = Ok(Thought::by_rules(Verdict::Healthy));
        let Some(facts) = situation.facts.get(&situation.subject) else {
            return healthy;
        };
        let Some(advised) = self.advised(&situation.subject) else {
            return healthy;
        };
        let rests = is_at_rest(&facts.detail.value.summary);
        if !rests || situation.now.since(advised.at) > FRESH {
            return healthy;
        }
        if is_frozen(reader, advised.advice.tool, &advised.advice.arguments).await? {
            tracing::info!(service = %situation.subject, "waits: changes are frozen now");
            return healthy;
        }
        let body = body(facts, &advised);
        Ok(Thought::by_rules(Verdict::Proposal(Box::new(body))))
    }
}

fn body(facts: &ServiceFacts, advised: &Advised) -> ProposalBody {
    let service = facts.key().clone();
    let advice = &advised.advice;
    let shown = &advised.shown;
    let mut evidence: Vec<Evidence> = advice.why.iter().map(|why| claim(shown, why)).collect();
    evidence.push(facts.detail.claim(format!(
        "it is healthy, {} of {} instances are ready",
        facts.detail.value.summary.ready, facts.detail.value.summary.wanted
    )));
    let costs = advised
        .told
        .as_ref()
        .and_then(|told| costs(facts, told, &advice.arguments));
    evidence.extend(costs.map(|words| facts.detail.claim(words)));
    let expected = expected(&service, advised);
    ProposalBody {
        title: advice.title.clone(),
        cause: Cause {
            kind: CauseKind::Misprovisioned,
            culprit: service.clone(),
            confidence: 0.9,
            explanation: text::claim(&advice.claim),
            evidence,
        },
        calls: vec![ProposedCall {
            tool: advice.tool.to_owned(),
            arguments: advice.arguments.clone(),
            reason: text::claim(&advice.claim),
        }],
        expected: text::claim(&expected),
        verify: Verify {
            service,
            state: ServiceState::Healthy,
            hold: HOLD,
            within: WITHIN,
        },
        alternatives: alternatives(facts, advised),
    }
}

fn claim(call: &CallId, words: &str) -> Evidence {
    Evidence {
        claim: text::claim(words),
        call: call.clone(),
        untrusted: false,
    }
}

fn expected(service: &ServiceKey, advised: &Advised) -> String {
    let stays = format!("`{service}` stays healthy for {HOLD}, within {WITHIN}");
    match &advised.told {
        Some(told) if advised.advice.tool == "tune_scaling" => format!(
            "`{}` keeps its 99th percentile under {:.0} ms ({:.0} ms are reckoned with); {stays}",
            told.entry,
            told.objective_s * 1e3,
            told.numbers.p99_s * 1e3
        ),
        _ => format!("nothing restarts; {stays}"),
    }
}

/// What the load of now would cost with the new target, where the operator gave prices.
fn costs(facts: &ServiceFacts, told: &Told, arguments: &Map<String, Value>) -> Option<String> {
    let detail = &facts.detail.value;
    let cost = detail.summary.cost.as_ref()?;
    let target = arguments.get("targets")?.get(0)?;
    let each = target.get("perInstance")?.as_f64()?;
    let bounds = detail.spec.replicas;
    let wanted = detail.summary.wanted;
    let count = (told.numbers.expected / each).ceil();
    let count = count.clamp(f64::from(bounds.min), f64::from(bounds.max));
    let then = cost.times(count / f64::from(wanted.max(1)));
    Some(format!(
        "at this load {count:.0} instances instead of {wanted}: {} instead of {}",
        then.monthly(),
        cost.monthly()
    ))
}

/// What else could be done, and why not that.
fn alternatives(facts: &ServiceFacts, advised: &Advised) -> Vec<String> {
    let leave = match advised.advice.gives_more {
        true => "leave it: it has room for less than may come",
        false => "leave it: what it does not use stays reserved",
    };
    let bottleneck = advised
        .told
        .as_ref()
        .and_then(|told| told.bottleneck.as_ref());
    let other = bottleneck.filter(|service| *service != facts.key()).map(|service| {
        format!("`{service}` holds the path up, it uses nearly all of its CPU: more of the others does not help until it has more")
    });
    std::iter::once(leave.to_owned())
        .chain(other)
        .map(|words| text::claim(&words))
        .collect()
}
