//! Acting on an approved proposal, and its good end. Never the same call twice.
//!
//! Before a call the proposal says `acting`; after it, how many calls are done. A process that finds
//! a proposal acting without having begun itself reads the history of changes first.

use std::collections::BTreeMap;

use ostler_core::{
    event::{Event, Happening},
    incident::IncidentState,
    proposal::{Proposal, ProposalState, ProposedCall},
    time::Time,
};
use ostler_tools::answer::PastChangeInfo;

use crate::{
    agent::Agent,
    case::{Case, Phase},
    client::CallError,
    look::known,
    paper, world,
};

/// The tool that brings another version in.
const UPGRADE: &str = "upgrade_service";
/// Tries of one call that fails for no fault of policy or arguments.
const TRIES_LIMIT: u32 = 3;

impl Agent {
    /// Makes the calls that are left.
    pub(crate) async fn act(
        &mut self,
        case: &mut Case,
        proposal: &Proposal,
        now: Time,
    ) -> Result<(), CallError> {
        if !matches!(case.phase, Phase::Proposed { .. }) {
            return Ok(());
        }
        let mut proposal = proposal.clone();
        if case.watch.is_none() {
            self.begin_watch(case, &proposal, now).await?;
        }
        // A call may have been made and its record lost: what was done is asked for, not remembered.
        if proposal.state == ProposalState::Acting {
            proposal.done = self.done_before(&proposal).await?.max(proposal.done);
        }
        paper::advance(
            &*self.caller,
            &proposal.id,
            ProposalState::Acting,
            proposal.done,
            None,
        )
        .await?;
        if let Phase::Proposed { acting, .. } = &mut case.phase {
            *acting = true;
        }
        let skip = usize::try_from(proposal.done).unwrap_or(usize::MAX);
        let left: Vec<ProposedCall> = proposal.body.calls.iter().skip(skip).cloned().collect();
        for call in &left {
            match self.caller.call(&call.tool, call.arguments.clone()).await {
                Ok(reply) => {
                    proposal.done = proposal.done.saturating_add(1);
                    let words = made(call, reply.revision);
                    paper::advance(
                        &*self.caller,
                        &proposal.id,
                        ProposalState::Acting,
                        proposal.done,
                        Some(&words),
                    )
                    .await?;
                }
                Err(error) => return self.stopped(case, &proposal, call, error, now).await,
            }
        }
        let words = format!("carried out; watching `{}`", proposal.body.verify.service);
        paper::advance(
            &*self.caller,
            &proposal.id,
            ProposalState::Verifying,
            proposal.done,
            Some(&words),
        )
        .await?;
        case.phase = Phase::Verifying {
            proposal: proposal.id.clone(),
            since: now,
            good_since: None,
        };
        Ok(())
    }

    /// How many of the calls an earlier process of ours made without recording it: changes by us,
    /// by the same tools in the same order, since the proposal was made.
    async fn done_before(&self, proposal: &Proposal) -> Result<u32, CallError> {
        let mut past = self.changes_for(proposal).await?;
        past.sort_by_key(|change| change.revision);
        let mut past = past.into_iter();
        let made = |call: &&ProposedCall| past.any(|change| change.tool == call.tool);
        let count = proposal.body.calls.iter().take_while(made).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Changes that we made for this proposal, newest first.
    pub(crate) async fn changes_for(
        &self,
        proposal: &Proposal,
    ) -> Result<Vec<PastChangeInfo>, CallError> {
        // What is changed may be another than whom that is to help.
        let mut services = proposal.services.clone();
        services.insert(proposal.body.verify.service.clone());
        let mut all = BTreeMap::new();
        for service in &services {
            let changes = world::changes(&*self.caller, service).await?.value.changes;
            all.extend(changes.into_iter().map(|change| (change.revision, change)));
        }
        let ours =
            |change: &PastChangeInfo| change.principal == self.me && change.at >= proposal.at;
        Ok(all.into_values().rev().filter(ours).collect())
    }

    /// A call was not carried out: the world moved, or it failed.
    async fn stopped(
        &mut self,
        case: &mut Case,
        proposal: &Proposal,
        call: &ProposedCall,
        error: CallError,
        now: Time,
    ) -> Result<(), CallError> {
        let words = format!("`{}` was not carried out: {error}", call.tool);
        match (&error, &mut case.phase) {
            (CallError::Closed, _) => return Err(error),
            (
                CallError::Failed { .. } | CallError::Malformed { .. },
                Phase::Proposed { tries, acting, .. },
            ) if *tries < TRIES_LIMIT => {
                // It may have been done all the same: find out before the next try.
                (*tries, *acting) = (tries.saturating_add(1), false);
                return paper::note(&*self.caller, case, &words, None, None).await;
            }
            _ => {}
        }
        if self.done_before(proposal).await? > 0 {
            return self.undo(case, proposal, &words, now).await;
        }
        let moved = matches!(error, CallError::Held { .. } | CallError::Refused { .. });
        let recorded = paper::advance(
            &*self.caller,
            &proposal.id,
            ProposalState::Failed,
            0,
            Some(&words),
        )
        .await;
        paper::swallow(recorded)?;
        if moved && case.proposals < self.parts.budget.proposals_per_incident {
            case.phase = Phase::Looking {
                looks: 0,
                again_at: now,
            };
            let words = format!("the world moved since the proposal: {words}");
            return paper::note(&*self.caller, case, &words, None, Some(IncidentState::Open)).await;
        }
        self.hand_over(case, &words).await
    }

    /// It worked.
    pub(crate) async fn verified(
        &mut self,
        case: &mut Case,
        proposal: &Proposal,
    ) -> Result<(), CallError> {
        let verify = &proposal.body.verify;
        let words = format!(
            "verified: `{}` was as expected for {}",
            verify.service, verify.hold
        );
        paper::advance(
            &*self.caller,
            &proposal.id,
            ProposalState::Verified,
            proposal.done,
            Some(&words),
        )
        .await?;
        case.phase = Phase::Closed;
        paper::note(
            &*self.caller,
            case,
            &words,
            None,
            Some(IncidentState::Resolved),
        )
        .await
    }

    /// What the proposal brought in is no longer wanted: the core went back by its own rules, or somebody
    /// else did. Nothing is left to be taken back.
    pub(crate) async fn was_left(
        &mut self,
        case: &mut Case,
        proposal: &Proposal,
        why: &str,
    ) -> Result<(), CallError> {
        let why = match self.sent_back(proposal).await? {
            Some(because) => format!("{why}; the core sent it back: {because}"),
            None => why.to_owned(),
        };
        let state = ProposalState::Undone;
        paper::advance(
            &*self.caller,
            &proposal.id,
            state,
            proposal.done,
            Some(&why),
        )
        .await?;
        case.phase = Phase::Closed;
        let over = Some(IncidentState::Closed);
        paper::note(&*self.caller, case, &why, None, over).await
    }

    /// Why the core went back since a proposal was made, where it did.
    async fn sent_back(&self, proposal: &Proposal) -> Result<Option<String>, CallError> {
        let service = &proposal.body.verify.service;
        let Some(detail) = known(world::service(&*self.caller, service).await)? else {
            return Ok(None);
        };
        let since = |event: &&Event| event.at >= proposal.at;
        let mut events = detail.value.events.iter().rev().filter(since);
        Ok(events.find_map(|event| match &event.what {
            Happening::SentBack { why, .. } => Some(why.clone()),
            _ => None,
        }))
    }

    /// Whether a version that a proposal brought in is no longer what is wanted, in words.
    pub(crate) fn left(&self, proposal: Option<&Proposal>) -> Option<String> {
        let proposal = proposal?;
        let mut calls = proposal.body.calls.iter();
        let call = calls.find(|call| call.tool == UPGRADE)?;
        let asked = call.arguments.get("image")?.as_str()?;
        let glance = self.look.glance()?;
        let service = &proposal.body.verify.service;
        let mut services = glance.services.value.services.iter();
        let summary = services.find(|one| one.service == *service)?;
        let begun = matches!(
            proposal.state,
            ProposalState::Verifying | ProposalState::Acting
        );
        (begun && summary.image != asked && proposal.done > 0).then(|| {
            format!(
                "`{}` was left: generation {} of `{service}` is `{}`",
                short(asked),
                summary.generation,
                short(&summary.image)
            )
        })
    }

    /// It went away before anybody acted.
    pub(crate) async fn withdraw(
        &mut self,
        case: &mut Case,
        proposal: &Proposal,
    ) -> Result<(), CallError> {
        let words = "withdrawn: the symptoms went away before anything was done";
        paper::advance(
            &*self.caller,
            &proposal.id,
            ProposalState::Expired,
            proposal.done,
            Some(words),
        )
        .await?;
        case.phase = Phase::Closed;
        paper::note(
            &*self.caller,
            case,
            words,
            None,
            Some(IncidentState::Closed),
        )
        .await
    }
}

/// An image without the most of its digest.
fn short(image: &str) -> &str {
    const KEPT: usize = "sha256:".len() + 12;
    let digest = image.find('@').map(|at| at + 1 + KEPT);
    digest.and_then(|end| image.get(..end)).unwrap_or(image)
}

fn made(call: &ProposedCall, revision: Option<u64>) -> String {
    match revision {
        Some(revision) => format!("`{}` was carried out as revision {revision}", call.tool),
        None => format!("`{}` was carried out", call.tool),
    }
}
