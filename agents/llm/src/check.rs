//! An answer held against what is known: nothing cited that nobody showed, nothing done that this
//! agent does not do, nothing touched that is not part of the situation.
//!
//! This keeps honest mistakes from people's eyes; the gate judges whatever passes.

use ostler_agents_kit::{
    client::ToolInfo,
    planner::Verdict,
    refused::why_not,
    situation::{ServiceFacts, Situation},
    text,
};
use ostler_core::{
    id::{CallId, ServiceKey},
    incident::{Cause, Evidence},
    plan::ServiceState,
    proposal::{ProposalBody, ProposedCall, Verify},
    time::Span,
};
use serde_json::{Map, Value};

use crate::{
    answer::{Answer, AnsweredCall, AnsweredCause, AnsweredProposal, Kind},
    view::Known,
};

/// Most calls of a proposal that a model makes.
const CALLS_LIMIT: usize = 3;
/// Most pieces of evidence that are kept.
const EVIDENCE_LIMIT: usize = 20;
/// Most alternatives that are kept.
const ALTERNATIVES_LIMIT: usize = 10;
/// Most characters of an explanation.
const EXPLANATION_LIMIT: usize = 1_000;
/// Bounds of how long it must stay well, in seconds.
const HOLD: std::ops::RangeInclusive<u64> = 5..=600;
/// Bounds of by when it must be well, in seconds.
const WITHIN: std::ops::RangeInclusive<u64> = 30..=1_800;

/// What an answer is held against.
#[derive(Clone, Copy)]
pub struct Against<'a> {
    /// The situation that was asked about.
    pub situation: &'a Situation,
    /// Calls that may be cited.
    pub known: &'a Known,
    /// Tools that a proposal may consist of.
    pub proposable: &'a [ToolInfo],
}

/// The verdict that an answer stands for.
///
/// # Errors
/// Everything that is wrong with it, for the model to mend.
pub fn check(answer: &Answer, against: Against<'_>) -> Result<Verdict, Vec<String>> {
    let mut wrong = Vec::new();
    let cause = answer
        .cause
        .as_ref()
        .and_then(|cause| checked_cause(cause, &answer.explanation, against, &mut wrong));
    let verdict = match (answer.verdict, cause, &answer.proposal) {
        (Kind::Healthy, ..) => Some(Verdict::Healthy),
        (Kind::Unresolved, cause, _) => Some(Verdict::Unresolved {
            why: text::claim(&text::clean(&answer.explanation, text::CLAIM_LIMIT)),
            cause: cause.map(Box::new),
            person: answer.call_person,
        }),
        (Kind::Proposal, cause, Some(proposal)) => {
            if answer.cause.is_none() {
                wrong.push("a proposal needs `cause`".to_owned());
            }
            checked_proposal(proposal, cause, answer, against, &mut wrong)
        }
        (Kind::Proposal, _, None) => {
            wrong.push("a proposal needs `proposal`".to_owned());
            None
        }
    };
    match verdict {
        Some(verdict) if wrong.is_empty() => Ok(verdict),
        _ => Err(wrong),
    }
}

fn checked_cause(
    cause: &AnsweredCause,
    explanation: &str,
    against: Against<'_>,
    wrong: &mut Vec<String>,
) -> Option<Cause> {
    let before = wrong.len();
    let culprit = service(&cause.culprit, "cause.culprit", wrong);
    if let Some(culprit) = &culprit
        && against.situation.summary(culprit).is_none()
    {
        wrong.push(format!("`cause.culprit`: there is no service `{culprit}`"));
    }
    if !(0.0..=1.0).contains(&cause.confidence) {
        wrong.push("`cause.confidence` must lie between 0 and 1".to_owned());
    }
    if cause.evidence.is_empty() {
        wrong.push("`cause.evidence` must cite at least one call".to_owned());
    }
    let mut evidence = Vec::new();
    for cite in cause.evidence.iter().take(EVIDENCE_LIMIT) {
        let call = CallId::new(&cite.call).ok();
        let Some((call, untrusted)) =
            call.and_then(|call| against.known.untrusted(&call).map(|known| (call, known)))
        else {
            let given = text::clean(&cite.call, 40);
            wrong.push(format!(
                "`cause.evidence` cites `{given}`, a call that was not made"
            ));
            continue;
        };
        let claim = text::clean(&cite.claim, text::CLAIM_LIMIT - 1);
        evidence.push(Evidence {
            claim,
            call,
            untrusted,
        });
    }
    let culprit = culprit.filter(|_| wrong.len() == before)?;
    Some(Cause {
        kind: cause.kind,
        culprit,
        confidence: cause.confidence,
        explanation: text::cut(
            &text::clean(explanation, EXPLANATION_LIMIT - 1),
            EXPLANATION_LIMIT,
        ),
        evidence,
    })
}

fn checked_proposal(
    proposal: &AnsweredProposal,
    cause: Option<Cause>,
    answer: &Answer,
    against: Against<'_>,
    wrong: &mut Vec<String>,
) -> Option<Verdict> {
    let before = wrong.len();
    if proposal.calls.is_empty() || proposal.calls.len() > CALLS_LIMIT {
        wrong.push(format!(
            "`proposal.calls` must have one to {CALLS_LIMIT} calls"
        ));
    }
    let calls: Vec<ProposedCall> = proposal
        .calls
        .iter()
        .filter_map(|call| checked_call(call, against, wrong))
        .collect();
    if let Some(why) = why_not(&against.situation.refused, &calls) {
        let why = text::clean(why, text::CLAIM_LIMIT);
        wrong.push(format!(
            "a person said no to exactly these calls ({why}): propose something else, or answer `unresolved`"
        ));
    }
    let watched = service(&proposal.verify_service, "proposal.verify_service", wrong);
    if let Some(watched) = &watched
        && !against.situation.facts.contains_key(watched)
    {
        wrong.push(format!(
            "`proposal.verify_service`: `{watched}` is not part of the situation"
        ));
    }
    let (hold, within) = (proposal.verify_hold_seconds, proposal.verify_within_seconds);
    in_bounds("proposal.verify_hold_seconds", hold, &HOLD, wrong);
    in_bounds("proposal.verify_within_seconds", within, &WITHIN, wrong);
    let service = watched.filter(|_| wrong.len() == before)?;
    let cause = cause?;
    let said = |words: &str| text::clean(words, text::CLAIM_LIMIT - 1);
    Some(Verdict::Proposal(Box::new(ProposalBody {
        title: text::clean(&proposal.title, 190),
        cause,
        calls,
        expected: said(&proposal.expected),
        verify: Verify {
            service,
            state: ServiceState::Healthy,
            hold: Span::seconds(hold),
            within: Span::seconds(within),
        },
        alternatives: answer
            .alternatives
            .iter()
            .take(ALTERNATIVES_LIMIT)
            .map(|words| said(words))
            .collect(),
    })))
}

fn in_bounds(
    field: &str,
    value: u64,
    bounds: &std::ops::RangeInclusive<u64>,
    wrong: &mut Vec<String>,
) {
    if !bounds.contains(&value) {
        let (low, high) = (bounds.start(), bounds.end());
        wrong.push(format!("`{field}` must lie between {low} and {high}"));
    }
}

fn checked_call(
    call: &AnsweredCall,
    against: Against<'_>,
    wrong: &mut Vec<String>,
) -> Option<ProposedCall> {
    let before = wrong.len();
    let Some(tool) = against
        .proposable
        .iter()
        .find(|tool| tool.name == call.tool)
    else {
        let names: Vec<&str> = against
            .proposable
            .iter()
            .map(|tool| tool.name.as_str())
            .collect();
        let given = text::clean(&call.tool, 40);
        wrong.push(format!(
            "`{given}` may not be proposed; these may: {}",
            names.join(", ")
        ));
        return None;
    };
    let arguments = match serde_json::from_str(&call.arguments_json) {
        Ok(Value::Object(arguments)) => arguments,
        _ => {
            wrong.push(format!(
                "`arguments_json` of `{}` is not a JSON object",
                tool.name
            ));
            return None;
        }
    };
    check_names(tool, &arguments, wrong);
    check_touched(tool, &arguments, against.situation, wrong);
    (wrong.len() == before).then(|| ProposedCall {
        tool: tool.name.clone(),
        arguments,
        reason: text::clean(&call.reason, text::CLAIM_LIMIT - 1),
    })
}

/// Unknown and missing arguments; their values are the tool's to judge.
fn check_names(tool: &ToolInfo, arguments: &Map<String, Value>, wrong: &mut Vec<String>) {
    let properties = tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    for name in arguments.keys() {
        if properties.is_some_and(|properties| !properties.contains_key(name)) {
            let name = text::clean(name, 40);
            wrong.push(format!("`{}` takes no argument `{name}`", tool.name));
        }
    }
    let required = tool.input_schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !arguments.contains_key(name) {
            wrong.push(format!("`{}` needs the argument `{name}`", tool.name));
        }
    }
}

/// Only services that were looked at in depth, and their instances, may be touched.
fn check_touched(
    tool: &ToolInfo,
    arguments: &Map<String, Value>,
    situation: &Situation,
    wrong: &mut Vec<String>,
) {
    let mut outside = |what: &str| {
        let what = text::clean(what, 80);
        wrong.push(format!(
            "`{}` would touch `{what}`, which is not part of the situation",
            tool.name
        ));
    };
    let text_of = |value: &Value| value.as_str().map(str::to_owned);
    let named = arguments
        .get("service")
        .map(|value| text_of(value).unwrap_or_default());
    if let Some(name) = named
        && !name
            .parse()
            .is_ok_and(|key| may_touch(&tool.name, &key, situation))
    {
        outside(&name);
    }
    let instances = arguments.get("instances").and_then(Value::as_array);
    for instance in instances.into_iter().flatten() {
        let name = text_of(instance).unwrap_or_default();
        let mut ours = situation.facts.values().flat_map(ServiceFacts::instances);
        if !ours.any(|one| one.instance.as_str() == name) {
            outside(&name);
        }
    }
}

/// Who calls the culprit may be sent back, where that sends too much, and nothing else.
fn may_touch(tool: &str, service: &ServiceKey, situation: &Situation) -> bool {
    let calls = tool == "rollback_service" && situation.callers.contains_key(service);
    calls || situation.facts.contains_key(service)
}

fn service(text: &str, field: &str, wrong: &mut Vec<String>) -> Option<ServiceKey> {
    let parsed = text.parse();
    if parsed.is_err() {
        wrong.push(format!(
            "`{field}` is not the name of a service: write `namespace/name`"
        ));
    }
    parsed.ok()
}
