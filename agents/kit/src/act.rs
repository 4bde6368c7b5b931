//! Acting on an approved proposal, watching it, taking it back. Never the same call twice.
//!
//! Before a call the proposal says `acting`; after it, how many calls are done. A process that finds
//! a proposal acting without having begun itself reads the history of changes first.

use ostler_core::{
    id::ApprovalId,
    incident::IncidentState,
    proposal::{Proposal, ProposalState, ProposedCall},
    time::{Span, Time},
};
use ostler_tools::answer::PastChangeInfo;

use crate::{
    agent::Agent,
    case::{Case, Phase},
    client::CallError,
    paper, world,
};

/// Tries of one call that fails for no fault of policy or arguments.
const TRIES_LIMIT: u32 = 3;
/// Time between two tries to take back.
const UNDO_PAUSE: Span = Span::seconds(15);
/// How long a person has to allow taking back.
const UNDO_PATIENCE: Span = Span::minutes(15);

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
    async fn changes_for(&self, proposal: &Proposal) -> Result<Vec<PastChangeInfo>, CallError> {
        let changes = world::changes(&*self.caller, &proposal.body.verify.service)
            .await?
            .value
            .changes;
        let ours =
            |change: &PastChangeInfo| change.principal == self.me && change.at >= proposal.at;
        Ok(changes.into_iter().filter(ours).collect())
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

    /// It did not work: takes back what was changed, the newest first, asking where policy wants it.
    pub(crate) async fn undo(
        &mut self,
        case: &mut Case,
        proposal: &Proposal,
        failed: &str,
        now: Time,
    ) -> Result<(), CallError> {
        self.begin_undo(case, proposal, failed, now).await?;
        let Phase::Undoing {
            left,
            asked,
            again_at,
            until,
            why,
            ..
        } = &case.phase
        else {
            return Ok(());
        };
        let (asked, until, again_at, why) = (asked.clone(), *until, *again_at, why.clone());
        let mut left = match left {
            Some(left) => left.clone(),
            None => self.undoable(proposal).await?,
        };
        if left.is_empty() {
            let words = format!("{why}; what was done has no way back");
            return self.undo_failed(case, proposal, &words).await;
        }
        let waits = match self.take_back(case, &mut left, &asked, now < until).await {
            Ok(waits) => waits,
            Err(CallError::Closed) => return Err(CallError::Closed),
            Err(error) => {
                return self
                    .undo_failed(case, proposal, &format!("{why}; {error}"))
                    .await;
            }
        };
        if let Some(asked) = waits {
            let again_at = again_at.max(now) + UNDO_PAUSE;
            let proposal = proposal.id.clone();
            case.phase = Phase::Undoing {
                proposal,
                left: Some(left),
                asked,
                again_at,
                until,
                why,
            };
            return Ok(());
        }
        let words = format!("{why}; taken back");
        paper::advance(
            &*self.caller,
            &proposal.id,
            ProposalState::Undone,
            proposal.done,
            Some(&words),
        )
        .await?;
        self.hand_over(case, &words).await
    }

    async fn begin_undo(
        &self,
        case: &mut Case,
        proposal: &Proposal,
        failed: &str,
        now: Time,
    ) -> Result<(), CallError> {
        if !matches!(case.phase, Phase::Undoing { .. }) {
            paper::note(
                &*self.caller,
                case,
                &format!("it did not work: {failed}"),
                None,
                None,
            )
            .await?;
            case.phase = Phase::Undoing {
                proposal: proposal.id.clone(),
                left: None,
                asked: None,
                again_at: now,
                until: now + UNDO_PATIENCE,
                why: failed.to_owned(),
            };
        }
        Ok(())
    }

    /// Takes back what is left, one revision after the other, until done or until a person must say
    /// yes; then answers with the approval that was asked for.
    async fn take_back(
        &self,
        case: &mut Case,
        left: &mut Vec<u64>,
        asked: &Option<ApprovalId>,
        patient: bool,
    ) -> Result<Option<Option<ApprovalId>>, CallError> {
        while let Some(revision) = left.first().copied() {
            match world::undo_change(&*self.caller, revision).await {
                Ok(_) => drop(left.remove(0)),
                Err(CallError::Held { approval, words })
                    if patient && (asked.is_none() || *asked == approval) =>
                {
                    let words =
                        format!("taking back revision {revision} waits for a person: {words}");
                    paper::note(&*self.caller, case, &words, None, None).await?;
                    return Ok(Some(approval));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn undo_failed(
        &mut self,
        case: &mut Case,
        proposal: &Proposal,
        words: &str,
    ) -> Result<(), CallError> {
        paper::advance(
            &*self.caller,
            &proposal.id,
            ProposalState::Failed,
            proposal.done,
            Some(words),
        )
        .await?;
        self.hand_over(case, words).await
    }

    /// Revisions of ours that can be taken back and were not yet, newest first.
    async fn undoable(&self, proposal: &Proposal) -> Result<Vec<u64>, CallError> {
        let ours = self.changes_for(proposal).await?;
        let undone = ours
            .iter()
            .filter(|change| change.tool == "undo_change")
            .count();
        let made = ours.into_iter().filter(|change| {
            change.undoable
                && proposal
                    .body
                    .calls
                    .iter()
                    .any(|call| call.tool == change.tool)
        });
        Ok(made.skip(undone).map(|change| change.revision.0).collect())
    }
}

fn made(call: &ProposedCall, revision: Option<u64>) -> String {
    match revision {
        Some(revision) => format!("`{}` was carried out as revision {revision}", call.tool),
        None => format!("`{}` was carried out", call.tool),
    }
}
