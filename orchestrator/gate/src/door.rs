//! The door itself: one dispatcher for all callers. It never panics and never errors: whatever
//! happens, the caller gets an answer with the id under which it was recorded.

use std::sync::{Arc, PoisonError, RwLock};

use ostler_core::{
    id::{CallId, Generation, ServiceKey},
    intent::{Intent, SecretKey},
};
use ostler_policies::{Engine, Verdict};
use ostler_tools::{
    answer::AuditEntry,
    contract::{Class, Tool},
    principal::Principal,
    record::Records,
};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot};
use zeroize::Zeroizing;

use crate::{
    answer::{Answer, Outcome},
    approval::Held,
    audit::Signer,
    config::{GateConfig, GateError, Limits},
    digest::{redacted, without_secrets},
    keys::Keys,
    ledger::{Ledger, Writing, past_change, revision_of},
    permit::{Permit, Unpermitted, authorise},
    plan::{Call, Deed, Planned, State},
    ports::{Clock, Store, StoreError, World},
};

/// How many leaves may wait to be written.
const QUEUE: usize = 4_096;
/// How many leaves one commit takes.
const BATCH: usize = 512;
/// How long a read waits for room in the queue before it fails.
const QUEUE_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// The only way to ask for anything.
pub struct Gate {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) world: Arc<dyn World>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) keys: Keys,
    pub(crate) catalogue: &'static [Tool],
    pub(crate) limits: Limits,
    pub(crate) ledger: Mutex<Ledger>,
    state: RwLock<State>,
    queue: mpsc::Sender<Queued>,
    /// Stands in where an id cannot be made; never seen.
    no_id: CallId,
}

/// A leaf on its way into the log, and who waits for it.
struct Queued {
    /// Absent where somebody only waits for those before.
    entry: Option<AuditEntry>,
    written: Option<oneshot::Sender<Result<(), String>>>,
}

/// What a call came to, before it is recorded.
pub(crate) struct Record {
    pub(crate) decision: Option<&'static str>,
    pub(crate) policies: Vec<String>,
    pub(crate) about: ostler_tools::contract::About,
    pub(crate) words: String,
    pub(crate) approval: Option<ostler_core::id::ApprovalId>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// Loads the state, checks the end of the audit log, and opens. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the state cannot be loaded, the log does not match its checkpoint, or catalogue and
    /// policies do not fit each other.
    pub async fn open(config: GateConfig) -> Result<Arc<Self>, GateError> {
        let GateConfig {
            store,
            world,
            clock,
            engine,
            keys,
            catalogue,
            limits,
        } = config;
        let mut names = std::collections::BTreeSet::new();
        if let Some(tool) = catalogue
            .iter()
            .find(|tool| !names.insert(tool.name) || !engine.knows(tool.name))
        {
            return Err(GateError::Catalogue(tool.name.to_owned()));
        }
        let no_id =
            CallId::new("call_0").map_err(|error| GateError::Catalogue(error.to_string()))?;
        let kept = store.load().await?;
        let signer = Signer::new(keys.signing.clone());
        let ledger = Ledger::open(
            &*store,
            signer,
            kept.checkpoint.as_deref(),
            kept.leaves,
            limits,
        )
        .await?;
        let state = State {
            intent: Arc::new(kept.intent),
            records: Arc::new(kept.records),
        };
        let (queue, waiting) = mpsc::channel(QUEUE);
        let gate = Arc::new(Self {
            store,
            world,
            clock,
            engine,
            keys,
            catalogue,
            limits,
            ledger: Mutex::new(ledger),
            state: RwLock::new(state),
            queue,
            no_id,
        });
        tokio::spawn(write_queued(Arc::downgrade(&gate), waiting));
        Ok(gate)
    }

    /// The wanted state as of the last commit.
    #[must_use]
    pub fn intent(&self) -> Arc<Intent> {
        self.state().intent
    }

    /// Incidents, proposals, approvals, tokens as of the last commit.
    #[must_use]
    pub fn records(&self) -> Arc<Records> {
        self.state().records
    }

    /// The tools that policy could permit a caller, on some argument or with some person's yes.
    #[must_use]
    pub fn tools_for(&self, caller: &Principal) -> Vec<&'static Tool> {
        let who = crate::facts::who(caller);
        self.catalogue
            .iter()
            .filter(|tool| self.engine.could(&who, tool.name))
            .collect()
    }

    /// Opens a sealed secret, for the executor that delivers it.
    ///
    /// # Errors
    /// When there is no such secret or it does not open with this daemon's key.
    pub fn reveal(&self, secret: &SecretKey) -> Result<Zeroizing<Vec<u8>>, GateError> {
        let refuse = |problem| GateError::Secret {
            secret: secret.clone(),
            problem,
        };
        let intent = self.intent();
        let sealed = intent
            .secrets
            .get(secret)
            .ok_or_else(|| refuse("there is no such secret"))?;
        self.keys.open(secret, sealed).map_err(refuse)
    }

    /// Makes one call. A caller that goes away does not interrupt it: what was permitted is finished.
    pub async fn call(self: &Arc<Self>, caller: &Principal, tool: &str, args: Value) -> Answer {
        self.call_while(caller, tool, args, None).await
    }

    pub(crate) async fn call_while(
        self: &Arc<Self>,
        caller: &Principal,
        tool: &str,
        args: Value,
        current: Option<(ServiceKey, Generation)>,
    ) -> Answer {
        let fresh = self.clock.fresh();
        let id = call_id(fresh, self.clock.now()).unwrap_or_else(|| self.no_id.clone());
        let (gate, caller, name, call) = (
            Arc::clone(self),
            caller.clone(),
            tool.to_owned(),
            id.clone(),
        );
        let task = tokio::spawn(async move {
            gate.handle((call, fresh), caller, &name, args, current)
                .await
        });
        let outcome = task.await.unwrap_or_else(|error| {
            tracing::error!(call = %id, tool, %error, "a call broke off");
            Outcome::Failed {
                words: "the call broke off inside the daemon; its log says more".to_owned(),
            }
        });
        Answer { call: id, outcome }
    }

    async fn handle(
        &self,
        (id, fresh): (CallId, u64),
        caller: Principal,
        name: &str,
        args: Value,
        current: Option<(ServiceKey, Generation)>,
    ) -> Outcome {
        let now = self.clock.now();
        let Some(tool) = self.catalogue.iter().find(|tool| tool.name == name) else {
            return self.unknown(id, now, &caller, name).await;
        };
        let call = Call {
            id,
            caller,
            tool,
            args,
            now,
            fresh,
            current,
        };
        let limit = if tool.name == "apply_services" {
            self.limits.manifests
        } else {
            self.limits.arguments
        };
        let size = serde_json::to_vec(&call.args).map_or(usize::MAX, |bytes| bytes.len());
        if size > limit {
            let words = format!("the arguments have {size} bytes; at most {limit} are accepted");
            return self.refuse(&call, words).await;
        }
        match tool.class {
            Class::Read | Class::ReadData => self.look(&call).await,
            Class::Change | Class::Act | Class::Record | Class::Approve | Class::Admin => {
                self.act(&call).await
            }
        }
    }

    async fn unknown(
        &self,
        id: CallId,
        now: ostler_core::time::Time,
        caller: &Principal,
        name: &str,
    ) -> Outcome {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let near = crate::answers::near(&shown, self.catalogue.iter().map(|tool| tool.name));
        let words = match near.is_empty() {
            true => format!("there is no tool `{shown}`"),
            false => format!(
                "there is no tool `{shown}`; did you mean {}?",
                near.join(", ")
            ),
        };
        let entry = AuditEntry {
            index: 0,
            at: now,
            call: Some(id),
            principal: caller.to_string(),
            tool: shown,
            arguments: Value::Null,
            decision: None,
            policies: Vec::new(),
            outcome: "refused".to_owned(),
            words: words.clone(),
            services: Vec::new(),
            revision: None,
            approval: None,
        };
        self.recorded(entry, Outcome::Refused { words }).await
    }

    /// A read: judged on a snapshot, its leaf written with others'.
    async fn look(&self, call: &Call) -> Outcome {
        let planned = match self.plan(call, &self.state()).await {
            Ok(planned) => planned,
            Err(words) => return self.refuse(call, words).await,
        };
        match authorise(&self.engine, planned, None) {
            Ok(permit) => self.answer_read(call, permit).await,
            Err(unpermitted) => self.deny(call, *unpermitted).await,
        }
    }

    async fn answer_read(&self, call: &Call, permit: Permit) -> Outcome {
        let (planned, decision, _) = permit.spend();
        let record = Record::of(&planned, Some("allow"), &decision, call.tool.title);
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
        match self
            .enqueue(self.entry(call, name, record, None), None)
            .await
        {
            Ok(()) => outcome,
            Err(words) => Outcome::Failed { words },
        }
    }

    /// Everything else: judged and committed under the ledger's lock.
    async fn act(&self, call: &Call) -> Outcome {
        let mut ledger = self.ledger.lock().await;
        let mut state = self.state();
        for _ in 0..2 {
            match self.act_on(call, &mut ledger, &state).await {
                Err(StoreError::Conflict { .. }) => match self.reload(&mut ledger).await {
                    Ok(fresh) => state = fresh,
                    Err(words) => return Outcome::Failed { words },
                },
                Err(error) => return crate::answers::not_stored(&error),
                Ok(Next::Done(outcome)) => return outcome,
                Ok(Next::Perform(query)) => {
                    drop(ledger);
                    return self.perform(call, &query).await;
                }
            }
        }
        Outcome::Failed {
            words: "somebody else writes to the same store; nothing was changed".to_owned(),
        }
    }

    async fn act_on(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        state: &State,
    ) -> Result<Next, StoreError> {
        let planned = match self.plan(call, state).await {
            Ok(planned) => planned,
            Err(words) => {
                return self
                    .refuse_now(call, ledger, state, words)
                    .await
                    .map(Next::Done);
            }
        };
        let granted = crate::approval::granted(&state.records, call, &planned);
        match authorise(&self.engine, planned, granted) {
            Ok(permit) => self.commit(call, ledger, state, permit).await,
            Err(unpermitted) => self
                .hold_or_deny(call, ledger, state, *unpermitted)
                .await
                .map(Next::Done),
        }
    }

    /// The only way from a permit to a moved state.
    async fn commit(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        state: &State,
        permit: Permit,
    ) -> Result<Next, StoreError> {
        let (planned, decision, used) = permit.spend();
        let mut record = Record::of(&planned, Some("allow"), &decision, &planned.summary(call));
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
                let outcome = crate::answers::changed(&past);
                writing.moved = Some((moved.applied.intent, past));
                Next::Done(outcome)
            }
            Deed::Record(change) => match self.record(call, state, &mut writing, change).await {
                Ok(recorded) => {
                    record.approval = recorded.approval.or(record.approval);
                    Next::Done(Outcome::Done {
                        value: recorded.value,
                        revision: None,
                    })
                }
                Err(words) => {
                    return self
                        .refuse_now(call, ledger, state, words)
                        .await
                        .map(Next::Done);
                }
            },
        };
        let revision = revision_of(&writing);
        let entry = self.entry(call, name, record, revision);
        self.write(ledger, state, vec![entry], writing).await?;
        Ok(next)
    }

    async fn hold_or_deny(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        state: &State,
        unpermitted: Unpermitted,
    ) -> Result<Outcome, StoreError> {
        let Unpermitted { planned, decision } = unpermitted;
        let words = self.engine.explain(&planned.request, &decision);
        let Verdict::NeedsApproval { roles, any } = &decision.verdict else {
            let record = Record::of(&planned, Some("deny"), &decision, &words);
            let policies = record.policies.clone();
            let entry = self.entry(call, "denied", record, None);
            self.write(ledger, state, vec![entry], Writing::default())
                .await?;
            return Ok(Outcome::Denied { words, policies });
        };
        let held = Held::new(call, &planned, roles, *any, &decision);
        let (approval, note) = match self.hold(state, held) {
            Ok(held) => held,
            Err(words) => return self.refuse_now(call, ledger, state, words).await,
        };
        let words = format!(
            "{note}{words}. Ask for a yes to {}, then make the same call again",
            approval.id
        );
        let mut record = Record::of(&planned, Some("needs_approval"), &decision, &words);
        record.approval = Some(approval.id.clone());
        let id = approval.id.clone();
        let mut writing = Writing::default();
        if state.records.approvals.get(&id) != Some(&approval) {
            writing.records.approvals.insert(id.clone(), approval);
        }
        let entry = self.entry(call, "held", record, None);
        self.write(ledger, state, vec![entry], writing).await?;
        Ok(Outcome::Held {
            approval: id,
            words,
        })
    }

    /// An act in the world, recorded as started; how it ended is recorded too.
    async fn perform(&self, call: &Call, query: &ostler_tools::query::Query) -> Outcome {
        let (name, outcome) = crate::answers::read(self.query(call, query).await);
        let record = Record::plain(crate::answers::words_of(&outcome, call.tool.title));
        let _ = self
            .enqueue(self.entry(call, name, record, None), None)
            .await;
        outcome
    }

    async fn refuse_now(
        &self,
        call: &Call,
        ledger: &mut Ledger,
        state: &State,
        words: String,
    ) -> Result<Outcome, StoreError> {
        let words = without_secrets(call.tool, &call.args, &words).into_owned();
        let entry = self.entry(call, "refused", Record::plain(words.clone()), None);
        self.write(ledger, state, vec![entry], Writing::default())
            .await?;
        Ok(Outcome::Refused { words })
    }

    async fn refuse(&self, call: &Call, words: String) -> Outcome {
        let words = without_secrets(call.tool, &call.args, &words).into_owned();
        let entry = self.entry(call, "refused", Record::plain(words.clone()), None);
        self.recorded(entry, Outcome::Refused { words }).await
    }

    async fn deny(&self, call: &Call, unpermitted: Unpermitted) -> Outcome {
        let Unpermitted { planned, decision } = unpermitted;
        let words = self.engine.explain(&planned.request, &decision);
        let record = Record::of(&planned, Some("deny"), &decision, &words);
        let policies = record.policies.clone();
        let entry = self.entry(call, "denied", record, None);
        self.recorded(entry, Outcome::Denied { words, policies })
            .await
    }

    /// Waits until a leaf is on disk, then gives the outcome.
    async fn recorded(&self, entry: AuditEntry, outcome: Outcome) -> Outcome {
        let (written, wait) = oneshot::channel();
        let result = match self.enqueue(entry, Some(written)).await {
            Ok(()) => wait
                .await
                .unwrap_or_else(|_| Err("the audit log stopped".to_owned())),
            Err(words) => Err(words),
        };
        match result {
            Ok(()) => outcome,
            Err(words) => Outcome::Failed { words },
        }
    }

    async fn enqueue(
        &self,
        entry: AuditEntry,
        written: Option<oneshot::Sender<Result<(), String>>>,
    ) -> Result<(), String> {
        let queued = self
            .queue
            .send_timeout(
                Queued {
                    entry: Some(entry),
                    written,
                },
                QUEUE_WAIT,
            )
            .await;
        queued.map_err(|_| {
            "the audit log cannot be written, so nothing is answered; see the daemon's log"
                .to_owned()
        })
    }

    pub(crate) fn entry(
        &self,
        call: &Call,
        outcome: &str,
        record: Record,
        revision: Option<ostler_core::id::Revision>,
    ) -> AuditEntry {
        AuditEntry {
            index: 0,
            at: call.now,
            call: Some(call.id.clone()),
            principal: call.caller.to_string(),
            tool: call.tool.name.to_owned(),
            arguments: redacted(call.tool, &call.args),
            decision: record.decision.map(ToOwned::to_owned),
            policies: record.policies,
            outcome: outcome.to_owned(),
            words: without_secrets(call.tool, &call.args, &record.words)
                .chars()
                .take(2_000)
                .collect(),
            services: record.about.services,
            revision,
            approval: record.approval,
        }
    }

    /// Commits, publishes, tells the world.
    pub(crate) async fn write(
        &self,
        ledger: &mut Ledger,
        state: &State,
        entries: Vec<AuditEntry>,
        mut writing: Writing,
    ) -> Result<(), StoreError> {
        crate::approval::expire(&state.records, &mut writing.records, self.clock.now());
        let (next, past) = ledger
            .commit(&*self.store, state, entries, writing)
            .await
            .map_err(|error| match error {
                crate::ledger::CommitError::Store(error) => error,
                crate::ledger::CommitError::Leaf(detail) => StoreError::Corrupt {
                    what: "audit leaf",
                    detail,
                },
            })?;
        let intent = Arc::clone(&next.intent);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = next;
        if let Some(past) = past {
            self.world.intent_moved(intent, &past);
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> State {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// After a conflict: what the store holds is the truth.
    async fn reload(&self, ledger: &mut MutexGuard<'_, Ledger>) -> Result<State, String> {
        let fail =
            |error: &dyn std::fmt::Display| format!("the state could not be read again: {error}");
        let kept = self.store.load().await.map_err(|error| fail(&error))?;
        let signer = Signer::new(self.keys.signing.clone());
        let opened = Ledger::open(
            &*self.store,
            signer,
            kept.checkpoint.as_deref(),
            kept.leaves,
            self.limits,
        )
        .await;
        **ledger = opened.map_err(|error| fail(&error))?;
        let state = State {
            intent: Arc::new(kept.intent),
            records: Arc::new(kept.records),
        };
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state.clone();
        Ok(state)
    }

    /// Writes a batch of queued leaves; on failure they are given back.
    async fn write_batch(&self, batch: &mut Vec<Queued>) -> Result<(), StoreError> {
        let mut ledger = self.ledger.lock().await;
        let entries: Vec<_> = batch
            .iter()
            .filter_map(|queued| queued.entry.clone())
            .collect();
        if !entries.is_empty() {
            let mut result = self
                .write_leaves(&mut ledger, self.state(), entries.clone())
                .await;
            if matches!(result, Err(StoreError::Conflict { .. }))
                && let Ok(state) = self.reload(&mut ledger).await
            {
                result = self.write_leaves(&mut ledger, state, entries).await;
            }
            result?;
        }
        for written in batch.drain(..).filter_map(|queued| queued.written) {
            let _ = written.send(Ok(()));
        }
        Ok(())
    }

    async fn write_leaves(
        &self,
        ledger: &mut Ledger,
        state: State,
        entries: Vec<AuditEntry>,
    ) -> Result<(), StoreError> {
        self.write(ledger, &state, entries, Writing::default())
            .await
    }

    /// Waits until every leaf that was queued before is on disk.
    pub(crate) async fn flush(&self) -> Result<(), String> {
        let (written, wait) = oneshot::channel();
        let marker = Queued {
            entry: None,
            written: Some(written),
        };
        self.queue
            .send(marker)
            .await
            .map_err(|_| "the audit log stopped".to_owned())?;
        wait.await
            .unwrap_or_else(|_| Err("the audit log stopped".to_owned()))
    }
}

/// How a call goes on after its commit.
enum Next {
    Done(Outcome),
    Perform(ostler_tools::query::Query),
}

impl Record {
    fn of(
        planned: &Planned,
        decided: Option<&'static str>,
        decision: &ostler_policies::Decision,
        words: &str,
    ) -> Self {
        Self {
            decision: decided,
            policies: decision
                .policies
                .iter()
                .map(|reason| reason.id.clone())
                .collect(),
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
        }
    }
}

fn call_id(fresh: u64, now: ostler_core::time::Time) -> Option<CallId> {
    CallId::new(format!("call_{:x}-{fresh:016x}", now.0)).ok()
}

/// Writes queued leaves in batches. What cannot be written is kept and tried again; meanwhile the
/// queue fills and reads fail, because nothing may be read unrecorded.
async fn write_queued(gate: std::sync::Weak<Gate>, mut waiting: mpsc::Receiver<Queued>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        while !batch.is_empty() {
            let Some(gate) = gate.upgrade() else { return };
            if let Err(error) = gate.write_batch(&mut batch).await {
                tracing::error!(%error, leaves = batch.len(), "audit leaves cannot be written");
                for written in batch.iter_mut().filter_map(|queued| queued.written.take()) {
                    let _ = written.send(Err(format!("{error}; the call could not be recorded")));
                }
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        }
    }
}
