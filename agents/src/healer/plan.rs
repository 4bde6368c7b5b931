//! From what the rules say to a verdict: the likeliest cause of the culprit, with alternatives.

use async_trait::async_trait;
use ostler_agents_kit::{
    planner::{ACT_FROM, Planner, PlannerError, Thought, Verdict},
    reader::Reader,
    refused::why_not,
    situation::{ServiceFacts, Situation},
    text,
};
use ostler_core::{
    id::ServiceKey,
    incident::{Cause, CauseKind, Evidence},
    plan::ServiceState,
    proposal::{ProposalBody, ProposedCall, Verify},
    time::Span,
};
use serde_json::{Map, Value, json};

use super::{
    opinion::{self, Opinion},
    rules::{Diagnosis, Judged, RULES, Remedy, node_pressure, patient::Patient},
};

/// A process that ended once and runs again this recently is recovering.
const RECOVERY: Span = Span::minutes(1);
/// What the gate accepts.
const ALTERNATIVES_LIMIT: usize = 10;
const EVIDENCE_LIMIT: usize = 20;
const EXPLANATION_LIMIT: usize = 1_000;

/// Thinks with rules alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct RulesPlanner;

#[async_trait]
impl Planner for RulesPlanner {
    async fn think(
        &self,
        situation: &Situation,
        reader: &Reader<'_>,
    ) -> Result<Thought, PlannerError> {
        let culprit = situation.web().culprit_of(&situation.subject).clone();
        let Some(facts) = situation.facts.get(&culprit) else {
            return Err(PlannerError(format!("nothing is known of `{culprit}`")));
        };
        Ok(Thought::by_rules(conclude(situation, facts, reader).await))
    }
}

async fn conclude(situation: &Situation, facts: &ServiceFacts, reader: &Reader<'_>) -> Verdict {
    let patient = Patient { situation, facts };
    let is_victim = facts.key() != &situation.subject;
    if !is_victim && is_recovering(&patient) {
        return Verdict::Healthy;
    }
    let (best, mut alternatives) = judged(&patient);
    let sure = |(_, best): &(CauseKind, Diagnosis)| best.confidence >= opinion::SURE;
    let second = if best.as_ref().is_some_and(sure) {
        None
    } else {
        opinion::ask(&patient, reader).await
    };
    let Some((kind, mut best)) = best else {
        return unexplained(&patient, is_victim, &alternatives, second.as_ref());
    };
    if let Some(second) = second {
        second.weigh(kind, &mut best, &mut alternatives);
    }
    alternatives.truncate(ALTERNATIVES_LIMIT);
    decide(&patient, kind, best, alternatives)
}

/// The likeliest of the causes that fit, and what is said of all others.
fn judged(patient: &Patient<'_>) -> (Option<(CauseKind, Diagnosis)>, Vec<String>) {
    let mut fits: Vec<(CauseKind, &str, Diagnosis)> = Vec::new();
    let mut ruled_out = Vec::new();
    for rule in RULES {
        match (rule.judge)(patient) {
            Judged::Fits(diagnosis) => fits.push((rule.kind, rule.name, diagnosis)),
            Judged::Out(why) => ruled_out.push(format!("{}: {why}", rule.name)),
        }
    }
    let (theirs, mut fits): (Vec<_>, Vec<_>) =
        (fits.into_iter()).partition(|(_, _, one)| refused(patient, one).is_some());
    let theirs = theirs.into_iter().map(|(_, name, one)| {
        let why = refused(patient, &one).unwrap_or_default();
        format!("{name}: a person said no to what mends it: {why}")
    });
    // The first of equals wins: rules stand in order of how specific they are.
    fits.sort_by(|(_, _, one), (_, _, other)| other.confidence.total_cmp(&one.confidence));
    let mut fits = fits.into_iter();
    let best = fits.next().map(|(kind, _, best)| (kind, best));
    let others = fits.map(|(_, name, other)| {
        format!(
            "{name}: possible ({:.0} %), but less likely: {}",
            other.confidence * 100.0,
            other.explanation
        )
    });
    let others = theirs
        .chain(others)
        .chain(ruled_out)
        .map(|words| text::claim(&words));
    (best, others.collect())
}

/// Why a person said no to what mends a cause, if they did.
fn refused(patient: &Patient<'_>, diagnosis: &Diagnosis) -> Option<String> {
    let planned = planned(patient, diagnosis)?;
    let why = why_not(&patient.situation.refused, &[planned.call])?;
    Some(why.to_owned())
}

/// One end, and it runs again: the core's business.
fn is_recovering(patient: &Patient<'_>) -> bool {
    use ostler_agents_kit::symptom::SymptomKind::{Degraded, Down};
    let only_state = patient
        .situation
        .symptoms_of(patient.facts.key())
        .all(|symptom| matches!(symptom.kind, Down | Degraded));
    let failures = patient.failures();
    let [(one, _)] = failures.as_slice() else {
        return false;
    };
    let young = one
        .seen
        .started_at
        .is_some_and(|started| patient.situation.now.since(started) < RECOVERY);
    only_state && one.seen.pid.is_some() && young
}

fn decide(
    patient: &Patient<'_>,
    kind: CauseKind,
    best: Diagnosis,
    alternatives: Vec<String>,
) -> Verdict {
    let cause = cause(patient, kind, &best);
    let service = patient.facts.key();
    let stuck = |why: String, cause: Cause, person: bool| Verdict::Unresolved {
        why,
        cause: Some(Box::new(cause)),
        person,
    };
    if best.confidence < ACT_FROM && !matches!(best.remedy, Remedy::Person(_)) {
        let why = format!("{}; not sure enough to act", best.explanation);
        return stuck(why, cause, true);
    }
    let Some(planned) = planned(patient, &best) else {
        let person = matches!(best.remedy, Remedy::Person(_));
        let (Remedy::Person(words) | Remedy::Wait(words)) = best.remedy else {
            return stuck(best.explanation, cause, true);
        };
        return stuck(format!("{}. {words}", best.explanation), cause, person);
    };
    let (hold, within) = (planned.hold, planned.within);
    let verify = Verify {
        service: service.clone(),
        state: ServiceState::Healthy,
        hold,
        within,
    };
    let expected = format!("`{service}` is healthy within {within} and stays so for {hold}");
    Verdict::Proposal(Box::new(ProposalBody {
        title: planned.title,
        cause,
        calls: vec![planned.call],
        expected,
        verify,
        alternatives,
    }))
}

/// What mends a cause, and how long that takes.
struct Planned {
    title: String,
    call: ProposedCall,
    hold: Span,
    within: Span,
}

/// What mends a cause, where that is not a person's or time's business.
fn planned(patient: &Patient<'_>, best: &Diagnosis) -> Option<Planned> {
    let service = patient.facts.key();
    let (title, call, hold, within) = match &best.remedy {
        Remedy::Person(_) | Remedy::Wait(_) => return None,
        Remedy::RollBack(to) => (
            format!("Roll back `{service}` to generation {to}"),
            proposed(
                "rollback_service",
                json!({ "service": service, "generation": to }),
                &best.explanation,
            ),
            Span::seconds(15),
            rollout_time(Some(patient.facts)),
        ),
        Remedy::RollBackCaller(caller, to) => (
            format!("Roll back `{caller}`, which calls `{service}`, to generation {to}"),
            proposed(
                "rollback_service",
                json!({ "service": caller, "generation": to }),
                &best.explanation,
            ),
            Span::seconds(30),
            rollout_time(patient.situation.callers.get(caller)),
        ),
        Remedy::RaiseMemory(limit) => (
            format!("Raise the memory limit of `{service}` to {limit}"),
            proposed(
                "set_limits",
                json!({ "service": service, "memory": limit }),
                &best.explanation,
            ),
            Span::seconds(30),
            rollout_time(Some(patient.facts)),
        ),
        Remedy::Restart(instance) => (
            format!("Restart `{instance}` of `{service}`"),
            proposed(
                "restart_instances",
                json!({ "instances": [instance] }),
                &best.explanation,
            ),
            Span::seconds(20),
            Span::minutes(3),
        ),
    };
    Some(Planned {
        title,
        call,
        hold,
        within,
    })
}

fn proposed(tool: &str, arguments: Value, reason: &str) -> ProposedCall {
    let arguments = if let Value::Object(map) = arguments {
        map
    } else {
        Map::new()
    };
    ProposedCall {
        tool: tool.to_owned(),
        arguments,
        reason: text::claim(reason),
    }
}

/// Time for every instance to be replaced and get ready.
fn rollout_time(of: Option<&ServiceFacts>) -> Span {
    let wanted = of.map_or(1, |facts| u64::from(facts.detail.value.summary.wanted));
    Span::seconds(wanted.saturating_mul(30).saturating_add(120).min(900))
}

fn cause(patient: &Patient<'_>, kind: CauseKind, best: &Diagnosis) -> Cause {
    let culprit = match (kind, &best.remedy) {
        (CauseKind::NodePressure, _) => node_pressure::named_after(patient),
        (_, Remedy::RollBackCaller(caller, _)) => caller.clone(),
        _ => patient.facts.key().clone(),
    };
    Cause {
        kind,
        culprit,
        confidence: best.confidence.clamp(0.0, 1.0),
        explanation: text::cut(&best.explanation, EXPLANATION_LIMIT),
        evidence: best.evidence.iter().take(EVIDENCE_LIMIT).cloned().collect(),
    }
}

/// No rule fits: a failing dependency is named as such, never the victim; anything else stays unresolved.
fn unexplained(
    patient: &Patient<'_>,
    is_victim: bool,
    ruled_out: &[String],
    second: Option<&Opinion>,
) -> Verdict {
    let culprit = patient.facts.key();
    let looked = text::claim(&format!("ruled out: {}", ruled_out.join("; ")));
    let said = second.and_then(|second| second.cause(patient));
    let advice = second.map(Opinion::advice).unwrap_or_default();
    if let (Some(cause), false) = (&said, is_victim) {
        let why = format!("{}. {advice} {looked}", cause.explanation);
        return Verdict::Unresolved {
            why: text::claim(&why),
            cause: said.map(Box::new),
            person: true,
        };
    }
    if !is_victim {
        return Verdict::Unresolved {
            why: looked,
            cause: None,
            // Whoever wants another plan is told that there is none.
            person: !patient.situation.refused.is_empty(),
        };
    }
    let subject = &patient.situation.subject;
    let state = patient.facts.detail.value.summary.state;
    let words = state.map_or_else(
        || "unwell".to_owned(),
        |state| format!("{state:?}").to_lowercase(),
    );
    let explanation =
        format!("`{subject}` suffers because `{culprit}`, which it needs, is {words}");
    let mut evidence = dependency_evidence(patient, subject, &words);
    let mut unsettled = format!("why `{culprit}` fails is not settled");
    if let Some(said) = said {
        unsettled = format!("{unsettled}; {}. {advice}", said.explanation);
        evidence.extend(said.evidence);
        evidence.truncate(EVIDENCE_LIMIT);
    }
    let cause = Cause {
        kind: CauseKind::FailingDependency,
        culprit: culprit.clone(),
        confidence: 0.7,
        explanation: explanation.clone(),
        evidence,
    };
    let why = text::claim(&format!("{explanation}; {unsettled}. {looked}"));
    Verdict::Unresolved {
        why,
        cause: Some(Box::new(cause)),
        person: true,
    }
}

fn dependency_evidence(patient: &Patient<'_>, subject: &ServiceKey, words: &str) -> Vec<Evidence> {
    let culprit = patient.facts.key();
    let mut evidence: Vec<Evidence> = patient
        .situation
        .symptoms_of(subject)
        .map(|symptom| Evidence {
            claim: symptom.claim.clone(),
            call: symptom.call.clone(),
            untrusted: false,
        })
        .collect();
    evidence.push(
        patient
            .situation
            .graph
            .claim(format!("`{subject}` needs `{culprit}`, directly or not")),
    );
    evidence.push(
        patient
            .facts
            .detail
            .claim(format!("`{culprit}` is {words}")),
    );
    evidence
}
