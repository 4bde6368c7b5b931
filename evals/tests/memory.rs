//! What was learnt from incidents that are over is found again, cited and used.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;

use ostler_core::{
    incident::{CauseKind, IncidentState},
    proposal::{Proposal, ProposalState},
    time::Span,
};
use ostler_evals::{
    bundle::{self, Bundle, PastIn},
    replay,
};

/// A service that crashes after a bad change, and what was seen of the like a week ago.
fn again(became: ProposalState, corrected: Option<&str>) -> Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    let mut bundle = bundle::read(&folder.join("bad-change-crash-loop")).unwrap();
    bundle.past.push(PastIn {
        ago: Span::minutes(7 * 24 * 60),
        service: "shop/cart".parse().unwrap(),
        symptoms: ["crash_loop", "down"].map(str::to_owned).into(),
        cause: CauseKind::BadChange,
        tool: "rollback_service".to_owned(),
        became,
        corrected: corrected.map(str::to_owned),
    });
    bundle
}

/// Proposals that were not there before.
fn new(seen: &replay::Seen) -> Vec<&Proposal> {
    let old = |one: &&Proposal| !one.id.as_str().starts_with("prp_past");
    seen.proposals.iter().filter(old).collect()
}

#[tokio::test(start_paused = true)]
async fn what_worked_before_is_cited_in_the_new_proposal() {
    let before = again(ProposalState::Rejected, None);
    let before = replay::replay(&before, None).await.unwrap();
    let seen = again(ProposalState::Verified, None);
    let seen = replay::replay(&seen, None).await.unwrap();
    let (without, with) = (&new(&before)[0].body.cause, &new(&seen)[0].body.cause);
    assert!(with.confidence > without.confidence);
    let cites = |cause: &ostler_core::incident::Cause| {
        cause
            .evidence
            .iter()
            .any(|one| one.claim.contains("seen before in `inc_past-0`"))
    };
    assert!(cites(with) && !cites(without), "{with:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_cause_that_a_person_corrected_is_not_acted_on_again() {
    let words = "the change was fine, the licence server was gone";
    let bundle = again(ProposalState::Verified, Some(words));
    let seen = replay::replay(&bundle, None).await.unwrap();
    assert!(new(&seen).is_empty(), "{:#?}", seen.proposals);
    let incident = seen
        .incidents
        .iter()
        .find(|incident| incident.id.as_str() != "inc_past-0")
        .unwrap();
    assert_eq!(incident.state, IncidentState::NeedsPerson);
    let said: Vec<&str> = incident
        .timeline
        .iter()
        .map(|entry| entry.what.as_str())
        .collect();
    assert!(said.iter().any(|said| said.contains(words)), "{said:#?}");
}
