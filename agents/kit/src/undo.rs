//! Taking a proposal back: what was changed, the newest first, by the recorded inverses.
//!
//! What could not be taken back is named in the incident, change by change.

use ostler_core::{
    id::ApprovalId,
    proposal::{Proposal, ProposalState},
    time::{Span, Time},
};
use ostler_tools::answer::PastChangeInfo;

use crate::{
    agent::Agent,
    case::{Case, Phase},
    client::CallError,
    paper, world,
};

/// Time between two tries to take back.
const UNDO_PAUSE: Span = Span::seconds(15);
/// How long a person has to allow taking back.
const UNDO_PATIENCE: Span = Span::minutes(15);

impl Agent {
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
            let stands = self.what_stands(proposal, &left).await?;
            let words = format!("{why}; nothing that was done has a way back ({stands})");
            return self.undo_failed(case, proposal, &words).await;
        }
        let waits = match self.take_back(case, &mut left, &asked, now < until).await {
            Ok(waits) => waits,
            Err(CallError::Closed) => return Err(CallError::Closed),
            Err(error) => {
                let stands = self.what_stands(proposal, &left).await?;
                let words = format!("{why}; {stands}; taking back stopped: {error}");
                return self.undo_failed(case, proposal, &words).await;
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
        let stands = self.what_stands(proposal, &left).await?;
        let words = format!("{why}; {stands}");
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

    /// What became of the changes that were made for a proposal, those left standing named.
    async fn what_stands(&self, proposal: &Proposal, left: &[u64]) -> Result<String, CallError> {
        let ours = self.changes_for(proposal).await?;
        let of_calls = |change: &&PastChangeInfo| {
            let mut calls = proposal.body.calls.iter();
            calls.any(|call| call.tool == change.tool)
        };
        let (mut back, mut standing, mut stays) = (Vec::new(), Vec::new(), Vec::new());
        for change in ours.iter().filter(of_calls) {
            let words = format!("revision {} (`{}`)", change.revision, change.tool);
            match change.undoable {
                false => stays.push(words),
                true if left.contains(&change.revision.0) => standing.push(words),
                true => back.push(words),
            }
        }
        let said = [
            ("taken back: ", back),
            ("still in place: ", standing),
            ("without a way back: ", stays),
        ];
        let said = said.into_iter().filter(|(_, list)| !list.is_empty());
        let said: Vec<String> = said
            .map(|(what, list)| format!("{what}{}", list.join(", ")))
            .collect();
        Ok(said.join("; "))
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
