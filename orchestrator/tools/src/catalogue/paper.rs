//! What paperwork must be like: causes, proposals, their progress, and what a yes or no is about.

use std::collections::BTreeSet;

use ostler_core::{
    id::ApprovalId,
    incident::Cause,
    proposal::{Proposal, ProposalBody, ProposalState, ProposedCall},
    shadow::Shadowed,
};
use serde_json::Value;

use super::lookup::{names, proposal as find_proposal, service, text};
use crate::{
    catalogue,
    contract::{About, Refusal},
    principal::Principal,
    record::{Approval, ApprovalState},
    view::View,
};

/// Most pieces of evidence of one cause.
const EVIDENCE_LIMIT: usize = 50;
/// Most kinds of symptoms of one incident.
const SYMPTOMS_LIMIT: usize = 12;
/// Most models of one shadow.
const SHADOW_LIMIT: usize = 8;
/// Most calls of one proposal.
const CALLS_LIMIT: usize = 10;
/// Most bytes of the arguments of a proposal's calls: proposals are kept, and shown whole.
const ARGUMENTS_LIMIT: usize = 128 << 10;

/// Checks kinds of symptoms: short names, not many.
pub fn symptoms(kinds: &BTreeSet<String>) -> Result<(), Refusal> {
    let plain = |kind: &String| {
        let fits = (1..=40).contains(&kind.len());
        fits && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    if kinds.len() > SYMPTOMS_LIMIT || !kinds.iter().all(plain) {
        return Err(Refusal::new(format!(
            "`symptoms` takes {SYMPTOMS_LIMIT} names at most, each of 1 to 40 lower-case letters and underscores"
        )));
    }
    Ok(())
}

/// Checks what a shadow says of itself: models by name, a prompt by its hash.
pub fn shadow(shadow: &Shadowed) -> Result<(), Refusal> {
    let models = &shadow.planner;
    if !(1..=SHADOW_LIMIT).contains(&models.len()) {
        return Err(Refusal::new(format!(
            "`shadow.planner` has {} models; name 1 to {SHADOW_LIMIT}",
            models.len()
        )));
    }
    for model in models {
        text("shadow.planner", model, 200)?;
        if !model.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Refusal::new(
                "`shadow.planner` takes names as `ENDPOINT:MODEL`, of printable ASCII".to_owned(),
            ));
        }
    }
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if shadow.prompt.len() != 64 || !shadow.prompt.bytes().all(hex) {
        return Err(Refusal::new(
            "`shadow.prompt` must be a SHA-256 in lower-case hex".to_owned(),
        ));
    }
    Ok(())
}

/// Checks a cause: confidence inside 0 to 1, texts and evidence bounded.
pub fn cause(cause: &Cause) -> Result<(), Refusal> {
    if !(0.0..=1.0).contains(&cause.confidence) {
        return Err(Refusal::new(format!(
            "`confidence` is {}; give 0 to 1",
            cause.confidence
        )));
    }
    text("explanation", &cause.explanation, 2_000)?;
    if cause.evidence.len() > EVIDENCE_LIMIT {
        let found = cause.evidence.len();
        return Err(Refusal::new(format!(
            "`evidence` has {found} claims; at most {EVIDENCE_LIMIT} are accepted"
        )));
    }
    cause
        .evidence
        .iter()
        .try_for_each(|evidence| text("claim", &evidence.claim, 500))
}

/// Checks a proposal, and that each of its calls could be made as things stand.
pub fn proposal(view: &View<'_>, body: &ProposalBody) -> Result<(), Refusal> {
    text("title", &body.title, 200)?;
    text("expected", &body.expected, 1_000)?;
    cause(&body.cause)?;
    service(view, &body.verify.service)?;
    if body.cause.evidence.is_empty() {
        return Err(Refusal::new(
            "`cause.evidence` is empty; cite at least one recorded call that shows the cause",
        ));
    }
    if body.alternatives.len() > CALLS_LIMIT {
        return Err(Refusal::new(format!(
            "`alternatives` takes {CALLS_LIMIT} at most"
        )));
    }
    body.alternatives
        .iter()
        .try_for_each(|other| text("alternatives", other, 500))?;
    if !(1..=CALLS_LIMIT).contains(&body.calls.len()) {
        let found = body.calls.len();
        return Err(Refusal::new(format!(
            "there are {found} calls; propose 1 to {CALLS_LIMIT}"
        )));
    }
    let size: usize = (body.calls.iter())
        .filter_map(|call| serde_json::to_string(&call.arguments).ok())
        .map(|text| text.len())
        .sum();
    if size > ARGUMENTS_LIMIT {
        return Err(Refusal::new(format!(
            "the calls' arguments have {size} bytes; at most {ARGUMENTS_LIMIT} are accepted"
        )));
    }
    body.calls.iter().enumerate().try_for_each(|(index, call)| {
        let at = |refusal: Refusal| {
            let number = index + 1;
            Refusal::new(format!(
                "call {number} (`{}`): {}",
                call.tool, refusal.problem
            ))
        };
        proposed(view, call, index == 0).map_err(at)
    })
}

/// The first call must be possible as things stand. Those after it rest on those before: the gate
/// tries all of them in order.
fn proposed(view: &View<'_>, call: &ProposedCall, first: bool) -> Result<(), Refusal> {
    text("reason", &call.reason, 500)?;
    let tool = catalogue::find(&call.tool).filter(|tool| tool.may_be_proposed());
    let tool = tool.ok_or_else(|| Refusal::new(catalogue::proposable()))?;
    if first {
        (tool.decide)(view, Value::Object(call.arguments.clone()))?;
    }
    Ok(())
}

/// Checks that a proposal may move on to a state.
pub fn advance(
    view: &View<'_>,
    proposal: &Proposal,
    to: ProposalState,
    done: u32,
) -> Result<(), Refusal> {
    let by = view.caller.to_string();
    if by != proposal.by && *view.caller != Principal::System {
        return Err(Refusal::new(format!(
            "proposal `{}` is {}'s; only they move it on",
            proposal.id, proposal.by
        )));
    }
    let calls = u32::try_from(proposal.body.calls.len()).unwrap_or(u32::MAX);
    if done < proposal.done || done > calls {
        return Err(Refusal::new(format!(
            "`done` is {done}; give {} to {calls}",
            proposal.done
        )));
    }
    let next = nexts(proposal.state);
    if next.contains(&to) {
        return Ok(());
    }
    let (from, known) = (word(&proposal.state), names(next.iter().map(word)));
    Err(Refusal::new(format!(
        "a proposal that is {from} cannot become {}; it can become: {known}",
        word(&to)
    )))
}

const fn nexts(from: ProposalState) -> &'static [ProposalState] {
    use ProposalState::{Acting, Approved, Expired, Failed, Undone, Verified, Verifying, Waiting};
    match from {
        Waiting => &[Expired],
        Approved => &[Acting, Failed, Expired],
        Acting => &[Acting, Verifying, Undone, Failed],
        Verifying => &[Verifying, Verified, Undone, Failed],
        _ => &[],
    }
}

fn word(state: &ProposalState) -> String {
    serde_json::to_value(state)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The approval that an id speaks of, and what it is about; it must still wait.
pub fn awaited(view: &View<'_>, id: &str) -> Result<(ApprovalId, About), Refusal> {
    let approval = approval(view, id)?;
    if approval.state != ApprovalState::Waiting {
        let state = serde_json::to_value(approval.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default();
        return Err(Refusal::new(format!(
            "approval `{}` does not wait for an answer: it is {state}",
            approval.id
        )));
    }
    let about = approval
        .proposal
        .as_ref()
        .and_then(|id| view.records.proposals.get(id));
    let services = about
        .map(|proposal| proposal.body.cause.culprit.clone())
        .into_iter()
        .collect();
    Ok((
        approval.id.clone(),
        About {
            services,
            namespace: None,
        },
    ))
}

fn approval<'v>(view: &View<'v>, id: &str) -> Result<&'v Approval, Refusal> {
    let waiting = || {
        names(
            view.records
                .approvals
                .values()
                .filter(waits)
                .map(|approval| &approval.id),
        )
    };
    let unknown = || {
        Refusal::new(format!(
            "there is no approval `{id}`; waiting are: {}",
            waiting()
        ))
    };
    if id.starts_with("prp_") {
        let id = id.parse().map_err(|_| unknown())?;
        let proposal = find_proposal(view, &id)?;
        let asked = proposal
            .approval
            .as_ref()
            .and_then(|id| view.records.approvals.get(id));
        return asked
            .ok_or_else(|| Refusal::new(format!("proposal `{id}` does not wait for an approval")));
    }
    let id: ApprovalId = id.parse().map_err(|_| unknown())?;
    view.records.approvals.get(&id).ok_or_else(unknown)
}

fn waits(approval: &&Approval) -> bool {
    approval.state == ApprovalState::Waiting
}
