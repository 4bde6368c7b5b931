//! A call that was understood: planned, judged, and done or not.

use std::{collections::BTreeSet, sync::Arc};

use ostler_policies::{Asked, Decision, Facts, Verdict};
use ostler_tools::contract::{About, Class};

use crate::{
    answer::Outcome,
    approval::Held,
    door::Gate,
    ledger::{Ledger, Staged, Writing, past_change, revision_of},
    permit::{Permit, Unpermitted, Use, authorise},
    plan::{Call, Deed, Planned, State},
    ports::StoreError,
    redact::without_secrets,
    writer::Record,
};

impl Gate {
    /// A read: judged on a snapshot, its leaf written with others'.
    pub(crate) async fn look(&self, call: &Call) -> Outcome {
        let planned = match self.plan(call, &self.state()).await {
            Ok(planned) => planned,
            Err(words) => return self.refuse(call, words).await,
        };
        match authorise(planned, None) {
            Ok(permit) => self.answer_read(call, permit).await,
            Err(unpermitted) => self.deny(call, *unpermitted).await,
        }
    }

    async fn answer_read(&self, call: &Call, permit: Permit) -> Outcome {
        let (planned, decision, _) = permit.spend();
        let judged = judged(&planned, None);
        let record = Record::of(&planned, ("allow", judged), &decision, call.tool.title);
        let result = match planned.deed {
            Deed::Answer(value) => Ok(value),
            Deed::Query(query) => self.query(call, &query).await,
            Deed::Change(_) | Deed::Record(_) => {
                Err("a tool that reads tried to change something".to_owned())
            }
        };
        let (name, outcome) = crate::answers::read(result);
        let record = Record {
            words: crate::answers::words_of(&outcome, &record.words),
            ..record
        };
        let entry = self.entry(call, name, record, None);
        // What workloads wrote, and the log itself, leave the house only with their leaf on disk.
        if call.tool.class == Class::ReadData || call.tool.name == "export_audit" {
            return self.recorded(entry, outcome).await;
        }
        match self.enqueue(entry, None).await {
            Ok(()) => outcome,
            Err(words) => Outcome::Failed { words },
        }
    }

    /// Everything else: judged and taken in under the ledger's lock, told when it is on disk.
    pub(crate) async fn act(&self, call: &Call) -> Outcome {
        for _ in 0..2 {
            let mut ledger = self.ledger.lock().await;
            let decided = self.act_on(call, &mut ledger).await;
            drop(ledger);
            let done = match decided {
                Ok((next, staged)) => self.durable(staged).await.map(|()| next),
                Err(error) => Err(Arc::new(error)),
            };
            match done {
                Err(error) if matches!(*error, StoreError::Conflict { .. }) => {}
                Err(error) => return crate::answers::not_stored(&error),
                Ok(Next::Done(outcome)) => return outcome,
                Ok(Next::Perform(query)) => return self.perform(call, &query).await,
            }
        }
        Outcome::Failed {
            words: "somebody else writes to the same store; nothing was changed".to_owned(),
        }
    }

    async fn act_on(&self, call: &Call, ledger: &mut Ledger) -> Result<Decided, StoreError> {
        let state = &ledger.ahead().clone();
        let planned = match self.plan(call, state).await {
            Ok(planned) => planned,
            Err(words) => return self.refuse_now(call, ledger, words),
        };
        if let Deed::Change(moved) = &planned.deed
            && let Err(words) = self.contend(call, &state.records, &moved.facts.services)
        {
            return self.refuse_now(call, ledger, words);
        }
        if let Err(words) = self.fitting_policies(state, &planned) {
            return self.refuse_now(call, ledger, words);
        }
        let granted = crate::approval::granted(&state.records, call, &planned);
        match authorise(planned, granted) {
            Ok(permit) => self.commit(call, ledger, state, permit).await,
            Err(unpermitted) => self.hold_or_deny(call, ledger, state, *unpermitted),
        }
    }

    /// Whether policies that would be put in force may be. Who may put none at all came no further than the door,
    /// and nothing but an act looks at them: they are long to load.
    fn fitting_policies(&self, state: &State, planned: &Planned) -> Result<(), String> {
        let Deed::Change(moved) = &planned.deed else {
            return Ok(());
        };
        match &moved.applied.intent.law.policies {
            Some(policies) if state.intent.law.policies.as_ref() != Some(policies) => {
                self.engines.acceptable(policies)
            }
            _ => Ok(()),
        }
    }

    /// The only way from a permit to a moved state.
    async fn commit(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        state: &State,
        permit: Permit,
    ) -> Result<Decided, StoreError> {
        let (planned, decision, used) = permit.spend();
        let judged = judged(&planned, used.as_ref());
        let mut summary = planned.summary(call);
        if planned.request.facts.emergency {
            summary = format!("in an emergency: {summary}");
        }
        let mut record = Record::of(&planned, ("allow", judged), &decision, &summary);
        let mut writing = Writing::default();
        if let Some(used) = used {
            record.approval = Some(used.approval.clone());
            crate::approval::use_up(&mut writing.records, &state.records, &used);
        }
        let mut name = "done";
        let next = match planned.deed {
            Deed::Answer(value) => Next::Done(Outcome::Done {
                value,
                revision: None,
            }),
            Deed::Query(query) => {
                name = "started";
                Next::Perform(query)
            }
            Deed::Change(moved) => {
                let past = past_change(call, &moved);
                let about = (&moved.facts.services, past.summary.as_str());
                let told = self.tell_holders(call, state, &mut writing, about);
                let outcome = crate::answers::changed(&past, told);
                writing.moved = Some((Arc::new(moved.applied.intent), past));
                Next::Done(outcome)
            }
            Deed::Record(change) => match self.record(call, state, &mut writing, change).await {
                Ok(recorded) => {
                    record.approval = recorded.approval.or(record.approval);
                    record.words = recorded.words.unwrap_or(record.words);
                    Next::Done(Outcome::Done {
                        value: recorded.value,
                        revision: None,
                    })
                }
                Err(declined) => {
                    let ended = Writing {
                        records: declined.records,
                        ..Writing::default()
                    };
                    return self.refuse_with(call, ledger, declined.words, ended);
                }
            },
        };
        let revision = revision_of(&writing);
        let entry = self.entry(call, name, record, revision);
        let staged = self.write(ledger, vec![entry], writing)?;
        Ok((next, staged))
    }

    fn hold_or_deny(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        state: &State,
        unpermitted: Unpermitted,
    ) -> Result<Decided, StoreError> {
        let Unpermitted { planned, decision } = unpermitted;
        let words = planned.engine.explain(&planned.request, &decision);
        let Verdict::NeedsApproval { roles, any } = &decision.verdict else {
            let judged = judged(&planned, None);
            let record = Record::of(&planned, ("deny", judged), &decision, &words);
            let policies = record.policies.clone();
            let entry = self.entry(call, "denied", record, None);
            let staged = self.write(ledger, vec![entry], Writing::default())?;
            return Ok((Next::Done(Outcome::Denied { words, policies }), staged));
        };
        let held = Held::new(&self.keys, call, &planned, roles, *any, &decision);
        let (approval, note) = match self.hold(state, held) {
            Ok(held) => held,
            Err(words) => return self.refuse_now(call, ledger, words),
        };
        let words = format!(
            "{note}{words}. Ask for a yes to {}, then make the same call again",
            approval.id
        );
        let judged = judged(&planned, None);
        let mut record = Record::of(&planned, ("needs_approval", judged), &decision, &words);
        record.approval = Some(approval.id.clone());
        let id = approval.id.clone();
        let mut writing = Writing::default();
        if state.records.approvals.get(&id) != Some(&approval) {
            writing.records.approvals.insert(id.clone(), approval);
        }
        let entry = self.entry(call, "held", record, None);
        let staged = self.write(ledger, vec![entry], writing)?;
        let held = Outcome::Held {
            approval: id,
            words,
        };
        Ok((Next::Done(held), staged))
    }

    /// An act in the world, recorded as started; how it ended is recorded too.
    async fn perform(&self, call: &Call, query: &ostler_tools::query::Query) -> Outcome {
        let (name, outcome) = crate::answers::read(self.query(call, query).await);
        let record = Record::plain(crate::answers::words_of(&outcome, call.tool.title));
        let entry = self.entry(call, name, record, None);
        self.recorded(entry, outcome).await
    }

    fn refuse_now(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        words: String,
    ) -> Result<Decided, StoreError> {
        self.refuse_with(call, ledger, words, Writing::default())
    }

    /// Refuses; what ends by that is written in the same transaction.
    fn refuse_with(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        words: String,
        ended: Writing,
    ) -> Result<Decided, StoreError> {
        let words = without_secrets(call.tool, &call.args, &words).into_owned();
        let entry = self.entry(call, "refused", Record::plain(words.clone()), None);
        let staged = self.write(ledger, vec![entry], ended)?;
        Ok((Next::Done(Outcome::Refused { words }), staged))
    }

    pub(crate) async fn refuse(&self, call: &Call, words: String) -> Outcome {
        let words = without_secrets(call.tool, &call.args, &words).into_owned();
        let entry = self.entry(call, "refused", Record::plain(words.clone()), None);
        self.recorded(entry, Outcome::Refused { words }).await
    }

    /// Denies a call of somebody to whom policy permits this tool on no argument and with nobody's yes.
    pub(crate) async fn turn_away(&self, call: &Call) -> Outcome {
        let state = self.state();
        let engine = self.engine_of(&state);
        let request = self.question(call, &state, &About::fleet(), Facts::default());
        let decision = Decision {
            verdict: Verdict::Deny,
            ..engine.decide(&request)
        };
        let words = engine.explain(&request, &decision);
        let record = Record {
            decision: Some("deny"),
            policies: ids(&decision),
            judged: Some(Asked::of(&request, &BTreeSet::new(), engine.version())),
            ..Record::plain(words.clone())
        };
        let policies = record.policies.clone();
        let entry = self.entry(call, "denied", record, None);
        self.recorded(entry, Outcome::Denied { words, policies })
            .await
    }

    async fn deny(&self, call: &Call, unpermitted: Unpermitted) -> Outcome {
        let Unpermitted { planned, decision } = unpermitted;
        let words = planned.engine.explain(&planned.request, &decision);
        let judged = judged(&planned, None);
        let record = Record::of(&planned, ("deny", judged), &decision, &words);
        let policies = record.policies.clone();
        let entry = self.entry(call, "denied", record, None);
        self.recorded(entry, Outcome::Denied { words, policies })
            .await
    }
}

/// What the log keeps of a question, so that it can be asked again of other policies.
fn judged(planned: &Planned, used: Option<&Use>) -> Asked {
    let none = BTreeSet::new();
    let yes = used.map_or(&none, |used| &used.yes);
    Asked::of(&planned.request, yes, planned.engine.version())
}

/// The policies that spoke.
fn ids(decision: &Decision) -> Vec<String> {
    let spoke = decision.policies.iter();
    spoke.map(|reason| reason.id.clone()).collect()
}

/// How a call goes on once what was decided is on disk.
type Decided = (Next, Staged);

/// How a call goes on after its commit.
enum Next {
    Done(Outcome),
    Perform(ostler_tools::query::Query),
}

impl Record {
    fn of(
        planned: &Planned,
        (decided, judged): (&'static str, Asked),
        decision: &Decision,
        words: &str,
    ) -> Self {
        Self {
            decision: Some(decided),
            judged: Some(judged),
            policies: ids(decision),
            about: planned.about.clone(),
            words: words.to_owned(),
            approval: None,
        }
    }

    fn plain(words: String) -> Self {
        Self {
            decision: None,
            policies: Vec::new(),
            about: Default::default(),
            words,
            approval: None,
            judged: None,
        }
    }
}
