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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use ostler_core::id::{CallId, IncidentId};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::{
        agent::{Parts, SystemClock},
        client::{Caller, Reply, ToolInfo},
        look::Glance,
        planner::{Planner, PlannerError, Thought, Verdict},
        reader::Reader,
        situation::Situation,
        symptom::{Notice, Symptom},
    };

    /// A daemon that made three changes, of which one has no way back and one is not taken back.
    #[derive(Default)]
    struct Daemon(Mutex<Vec<(String, Value)>>);

    fn change(revision: u64, tool: &str) -> Value {
        json!({
            "revision": revision, "at": 5, "principal": "agent:healer", "tool": tool, "summary": "",
            "services": ["shop/cart"], "undoable": tool != "restart_instances", "leaf": revision,
        })
    }

    #[async_trait]
    impl Caller for Daemon {
        async fn call(&self, tool: &str, args: Map<String, Value>) -> Result<Reply, CallError> {
            let args = Value::Object(args);
            self.0.lock().unwrap().push((tool.to_owned(), args.clone()));
            let value = match tool {
                "list_changes" => json!({ "changes": [
                    change(12, "restart_instances"), change(11, "rollback_service"), change(10, "set_limits"),
                ] }),
                "undo_change" if args["revision"] == 10 => {
                    let words = "somebody changed the same since".to_owned();
                    return Err(CallError::Refused { words });
                }
                "advance_proposal" => {
                    json!({ "proposal": "prp_1", "state": args["state"], "approval": null, "words": "" })
                }
                "note_incident" => json!({ "incident": "inc_1", "state": "open" }),
                _ => Value::Null,
            };
            let call = CallId::new("call_1").unwrap();
            let revision = None;
            Ok(Reply {
                call,
                value,
                revision,
            })
        }

        async fn tools(&self) -> Result<Vec<ToolInfo>, CallError> {
            Ok(Vec::new())
        }
    }

    struct Nothing;

    impl Notice for Nothing {
        fn notice(&mut self, _: &Glance) -> Vec<Symptom> {
            Vec::new()
        }
    }

    #[async_trait]
    impl Planner for Nothing {
        async fn think(&self, _: &Situation, _: &Reader<'_>) -> Result<Thought, PlannerError> {
            Ok(Thought::by_rules(Verdict::Healthy))
        }
    }

    fn proposal() -> Proposal {
        let call = |tool: &str| json!({ "tool": tool, "arguments": {}, "reason": "" });
        serde_json::from_value(json!({
            "id": "prp_1", "incident": "inc_1", "by": "agent:healer", "at": 1, "state": "verifying",
            "approval": null, "done": 3, "outcome": null,
            "body": {
                "title": "", "expected": "",
                "cause": {
                    "kind": "crash", "culprit": "shop/cart", "confidence": 1.0, "explanation": "", "evidence": []
                },
                "calls": [call("set_limits"), call("rollback_service"), call("restart_instances")],
                "verify": { "service": "shop/cart", "state": "healthy", "hold": "1s", "within": "1m" },
            },
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn the_newest_goes_first_and_what_is_left_standing_is_named() {
        let daemon = Arc::new(Daemon::default());
        let parts = Parts {
            notice: Box::new(Nothing),
            planner: Box::new(Nothing),
            budget: Default::default(),
            clock: Arc::new(SystemClock),
            shadow: None,
        };
        let mut agent = Agent::new(Arc::clone(&daemon) as Arc<dyn Caller>, parts);
        agent.me = "agent:healer".to_owned();
        let proposal = proposal();
        let watching = Phase::Verifying {
            proposal: proposal.id.clone(),
            since: Time(5),
            good_since: None,
        };
        let incident = IncidentId::new("inc_1").unwrap();
        let mut case = Case::new(incident, "shop/cart".parse().unwrap(), watching);
        agent
            .undo(&mut case, &proposal, "it got worse", Time(10))
            .await
            .unwrap();
        let called = daemon.0.lock().unwrap();
        let of = |tool: &str| -> Vec<&Value> {
            let of = called.iter().filter(|(name, _)| name == tool);
            of.map(|(_, args)| args).collect()
        };
        assert_eq!(
            of("undo_change"),
            [&json!({ "revision": 11 }), &json!({ "revision": 10 })]
        );
        let ended = of("advance_proposal");
        assert_eq!(ended.len(), 1);
        assert_eq!(ended.first().unwrap()["state"], "failed");
        let named = "it got worse; taken back: revision 11 (`rollback_service`); still in place: revision 10 \
             (`set_limits`); without a way back: revision 12 (`restart_instances`); taking back stopped: \
             refused: somebody changed the same since";
        assert_eq!(ended.first().unwrap()["outcome"], named);
        let noted = of("note_incident");
        let last = noted.last().unwrap();
        assert_eq!(last["state"], "needs_person");
        assert!(last["note"].as_str().unwrap().contains(named), "{last}");
        assert_eq!(case.phase, Phase::WithPerson);
    }
}
