//! From outcomes to the log: entries, the queue of reads' leaves, the commit and its publication.

use std::sync::{Arc, PoisonError, Weak};

use ostler_tools::answer::AuditEntry;
use tokio::sync::{mpsc, oneshot};

use crate::{
    answer::Outcome,
    audit::Chain,
    door::Gate,
    ledger::{Batch, Ledger, Settled, Staged, Writing},
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

    /// Takes a decision into the ledger; [`Gate::durable`] waits until it is on disk.
    pub(crate) fn write(
        &self,
        ledger: &mut Ledger,
        entries: Vec<AuditEntry>,
        mut writing: Writing,
    ) -> Result<Staged, StoreError> {
        let records = &ledger.ahead().records;
        crate::approval::expire(records, &mut writing.records, self.clock.now());
        let past = writing.moved.as_ref().map(|(_, past)| past.clone());
        let staged = ledger.stage(entries, writing)?;
        // Counted before it is on disk: the next decision may come sooner.
        past.iter().for_each(|past| self.lately.made(past));
        Ok(staged)
    }

    /// Waits until a decision is on disk and the state. Whoever comes first writes for all who wait.
    pub(crate) async fn durable(&self, mut staged: Staged) -> Result<(), Arc<StoreError>> {
        let _alone = self.writing.lock().await;
        if let Some(written) = staged.written() {
            return written;
        }
        let batch = self.ledger.lock().await.take();
        if let Some(batch) = batch {
            let written = self.store.commit(&batch.commit).await;
            let mut ledger = self.ledger.lock().await;
            match written {
                Ok(()) => self.publish(ledger.settled(batch)),
                Err(error) => self.undecide(&mut ledger, batch, error).await,
            }
        }
        let lost = || Err(Arc::new(crate::ledger::broke_off()));
        staged.written().unwrap_or_else(lost)
    }

    /// Shows what is on disk, then tells the world and those who wait.
    fn publish(&self, settled: Settled) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = settled.state.clone();
        for (intent, past) in &settled.moves {
            self.world.intent_moved(Arc::clone(intent), past);
        }
        if settled.signed_anew {
            self.keys.took_over();
        }
        if settled.of_incident {
            // A hint that is under way already is as good as another.
            let _full = self.noted.try_send(());
        }
        settled.tell();
    }

    /// A batch was not written: what was decided never was. After a conflict, what the store holds is the truth.
    async fn undecide(&self, ledger: &mut Ledger, batch: Batch, error: StoreError) {
        let error = Arc::new(error);
        let conflict = matches!(*error, StoreError::Conflict { .. });
        ledger.failed(batch, &error);
        if conflict && let Err(words) = self.reload(ledger).await {
            tracing::error!(words, "somebody else wrote to the store");
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins anew from what the store holds, if that continues what was known.
    async fn reload(&self, ledger: &mut Ledger) -> Result<(), String> {
        let fail =
            |error: &dyn std::fmt::Display| format!("the state could not be read again: {error}");
        let kept = self.store.load().await.map_err(|error| fail(&error))?;
        // A change of the key whose write seemed to fail may have been written after all.
        self.keys.settle(Chain::newest(&kept.handovers).as_deref());
        let opened = Ledger::open(self.keys.signer(), kept, self.limits);
        let opened = opened.map_err(|error| fail(&error))?;
        let continued = ledger.continued_by(&*self.store, &opened).await;
        continued.map_err(|error| fail(&error))?;
        *ledger = opened;
        let state = ledger.state();
        let before = std::mem::replace(
            &mut *self.state.write().unwrap_or_else(PoisonError::into_inner),
            state.clone(),
        );
        let revision = state.intent.revision;
        if before.intent.revision != revision
            && let Ok(Some(past)) = self.store.change(revision).await
        {
            self.world.intent_moved(state.intent, &past);
        }
        Ok(())
    }

    /// Writes a batch of queued leaves; on failure they are given back.
    async fn write_batch(&self, batch: &mut Vec<Queued>) -> Result<(), Arc<StoreError>> {
        let entries: Vec<_> = batch
            .iter()
            .filter_map(|queued| queued.entry.clone())
            .collect();
        if !entries.is_empty() {
            let mut result = self.write_leaves(entries.clone()).await;
            if matches!(&result, Err(error) if matches!(**error, StoreError::Conflict { .. })) {
                result = self.write_leaves(entries).await;
            }
            result?;
        }
        for written in batch.drain(..).filter_map(|queued| queued.written) {
            let _ = written.send(Ok(()));
        }
        Ok(())
    }

    async fn write_leaves(&self, entries: Vec<AuditEntry>) -> Result<(), Arc<StoreError>> {
        let mut ledger = self.ledger.lock().await;
        let staged = self.write(&mut ledger, entries, Writing::default());
        drop(ledger);
        self.durable(staged?).await
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
