//! From outcomes to the log: entries, the queue of reads' leaves, the commit and its publication.

use std::sync::{Arc, PoisonError, Weak};

use ostler_tools::answer::AuditEntry;
use tokio::sync::{MutexGuard, mpsc, oneshot};

use crate::{
    answer::Outcome,
    audit::Signer,
    door::Gate,
    ledger::{Ledger, Writing},
    plan::{Call, State},
    ports::StoreError,
    redact::{redacted, without_secrets},
};

/// How many leaves may wait to be written.
pub(crate) const QUEUE: usize = 4_096;
/// How many leaves one commit takes.
const BATCH: usize = 512;
/// How long a read waits for room in the queue before it fails.
const QUEUE_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// A leaf on its way into the log, and who waits for it.
pub(crate) struct Queued {
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
    /// What policy was asked.
    pub(crate) judged: Option<ostler_policies::Asked>,
}

impl Gate {
    /// Waits until a leaf is on disk, then gives the outcome.
    pub(crate) async fn recorded(&self, entry: AuditEntry, outcome: Outcome) -> Outcome {
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

    pub(crate) async fn enqueue(
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
            arguments: redacted(&self.keys, call.tool, &call.args),
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
            judged: record
                .judged
                .and_then(|asked| serde_json::to_value(asked).ok()),
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
        let of_incident = !writing.records.incidents.is_empty();
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
            self.lately.made(&past);
            self.world.intent_moved(intent, &past);
        }
        if of_incident {
            // A hint that is under way already is as good as another.
            let _full = self.noted.try_send(());
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
    pub(crate) async fn reload(
        &self,
        ledger: &mut MutexGuard<'_, Ledger>,
    ) -> Result<State, String> {
        let fail =
            |error: &dyn std::fmt::Display| format!("the state could not be read again: {error}");
        let kept = self.store.load().await.map_err(|error| fail(&error))?;
        let signer = Signer::new(self.keys.signing.clone());
        let note = kept.checkpoint.as_deref();
        let opened = Ledger::open(signer, note, kept.leaves, kept.retained, self.limits);
        let opened = opened.map_err(|error| fail(&error))?;
        let continued = ledger.continued_by(&*self.store, &opened).await;
        continued.map_err(|error| fail(&error))?;
        **ledger = opened;
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

/// Writes queued leaves in batches. What cannot be written is kept and tried again; meanwhile the
/// queue fills and reads fail, because nothing may be read unrecorded.
pub(crate) async fn write_queued(gate: Weak<Gate>, mut waiting: mpsc::Receiver<Queued>) {
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
