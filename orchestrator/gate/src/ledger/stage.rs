//! From decided to durable: what was decided waits together for one transaction, and everything
//! that was decided on top of it waits with it. If that transaction fails, all of it never was.

use std::sync::Arc;

use ostler_core::intent::Intent;
use ostler_tools::answer::AuditEntry;
use tokio::sync::oneshot;

use super::{
    Ledger, Writing,
    records::{holds, merge, outdated, remove},
};
use crate::{
    audit::{Frontier, Signer, leaf_hash},
    digest::{canonical, capped},
    plan::State,
    ports::{Commit, Moved, NewLeaf, PastChange, Retained, StoreError},
};

/// Where the state and its log stand at one moment.
#[derive(Debug, Clone)]
pub(super) struct Stand {
    pub(super) state: State,
    pub(super) tree: Frontier,
    pub(super) retained: Retained,
}

/// What a decision came to once it was written.
type Written = Result<(), Arc<StoreError>>;

/// A decision that is not on disk yet. It must be waited for before anybody is told of it.
#[derive(Debug)]
#[must_use = "nobody may be told of what is not on disk yet"]
pub(crate) struct Staged(oneshot::Receiver<Written>);

impl Staged {
    /// What became of it, where that is known.
    pub(crate) fn written(&mut self) -> Option<Written> {
        match self.0.try_recv() {
            Ok(written) => Some(written),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(Arc::new(broke_off()))),
        }
    }
}

/// That a writer ended before it could say what became of a decision.
pub(crate) fn broke_off() -> StoreError {
    StoreError::Failed {
        operation: "write to",
        source: "whoever wrote broke off".into(),
    }
}

/// Decisions that go into one transaction.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) commit: Commit,
    /// Each move with what it led to, in order.
    moves: Vec<(Arc<Intent>, PastChange)>,
    stand: Stand,
    /// What signs the log afterwards, where that changes.
    signer: Option<Signer>,
    waiting: Vec<oneshot::Sender<Written>>,
}

impl Batch {
    fn moved(&mut self, intent: Arc<Intent>, past: PastChange) {
        self.moves.push((Arc::clone(&intent), past.clone()));
        let mut pasts = self.commit.moved.take().map_or_else(Vec::new, |of| of.past);
        pasts.push(past);
        let past = pasts;
        self.commit.moved = Some(Moved { intent, past });
    }

    /// What goes with leaves beside a move. What is written later counts.
    fn went_with(&mut self, writing: Writing) {
        let commit = &mut self.commit;
        let put = &writing.records;
        (commit.removed).retain(|(kind, id)| !holds(put, *kind, id));
        merge(&mut commit.records, put);
        for (kind, id) in &writing.removed {
            remove(&mut commit.records, *kind, id);
        }
        commit.removed.extend(writing.removed);
        // One round of retention at a time: there is never a second in one batch.
        commit.taken = writing.taken.or(commit.taken.take());
        self.signer = writing.signer.or(self.signer.take());
    }
}

/// A batch that is the state now.
pub(crate) struct Settled {
    pub(crate) state: State,
    /// Each move with what it led to, in order.
    pub(crate) moves: Vec<(Arc<Intent>, PastChange)>,
    /// Whether something was written of an incident.
    pub(crate) of_incident: bool,
    /// Whether another key signs the log now.
    pub(crate) signed_anew: bool,
    waiting: Vec<oneshot::Sender<Written>>,
}

impl Settled {
    /// Tells those who wait; after the state was shown to everybody.
    pub(crate) fn tell(self) {
        for waiting in self.waiting {
            let _gone = waiting.send(Ok(()));
        }
    }
}

impl Ledger {
    /// The state that the next decision is made on: it may not be on disk yet.
    pub(crate) fn ahead(&self) -> &State {
        &self.ahead.state
    }

    /// How many leaves are not on disk yet.
    #[cfg(test)]
    pub(crate) fn leaves_ahead(&self) -> u64 {
        self.ahead.tree.size() - self.durable.tree.size()
    }

    /// Takes a decision in: its leaves, and what goes with them. Nothing is written yet.
    ///
    /// # Errors
    /// When a leaf cannot be written as JSON; nothing was taken in.
    pub(crate) fn stage(
        &mut self,
        entries: Vec<AuditEntry>,
        mut writing: Writing,
    ) -> Result<Staged, StoreError> {
        let mut tree = self.ahead.tree.clone();
        let leaves = self.leaves(&mut tree, entries)?;
        let state = self.next_state(&mut writing);
        let mut retained = self.ahead.retained.clone();
        if let Some(taken) = &writing.taken {
            retained = taken.after.clone();
        }
        let last = tree.size().saturating_sub(1);
        let mut batch = self.forming.take().unwrap_or_else(|| self.fresh_batch());
        batch.commit.leaves.extend(leaves);
        if let Some((intent, mut past)) = writing.moved.take() {
            past.leaf = last;
            batch.moved(intent, past);
        }
        batch.went_with(writing);
        self.ahead = Stand {
            state,
            tree,
            retained,
        };
        batch.stand = self.ahead.clone();
        let (told, wait) = oneshot::channel();
        batch.waiting.push(told);
        self.forming = Some(batch);
        Ok(Staged(wait))
    }

    /// What was decided since the last time, signed, to be written now.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let mut batch = self.forming.take()?;
        let tree = &batch.stand.tree;
        // Who asked twice before the first was done gets one change.
        batch.signer =
            (batch.signer.take()).filter(|next| next.public_key() != self.signer.public_key());
        let signer = batch.signer.as_ref().unwrap_or(&self.signer);
        batch.commit.checkpoint = Some(signer.sign(tree));
        let handover = batch
            .signer
            .as_ref()
            .map(|next| self.signer.hand_over(tree, next));
        batch.commit.handover = handover;
        Some(batch)
    }

    /// A batch is on disk: it is the state now.
    pub(crate) fn settled(&mut self, batch: Batch) -> Settled {
        if let Some(checkpoint) = batch.commit.checkpoint {
            self.checkpoint = checkpoint;
        }
        let signed_anew = batch.signer.is_some();
        if let Some(signer) = batch.signer {
            self.signer = signer;
        }
        self.handovers.extend(batch.commit.handover);
        self.durable = batch.stand;
        let written = self.durable.state.intent.revision;
        self.durable.state.unwritten = Arc::default();
        let ahead = Arc::make_mut(&mut self.ahead.state.unwritten);
        ahead.retain(|past| past.revision > written);
        Settled {
            state: self.durable.state.clone(),
            moves: batch.moves,
            of_incident: !batch.commit.records.incidents.is_empty(),
            signed_anew,
            waiting: batch.waiting,
        }
    }

    /// A batch was not written, so nothing that was decided since the last one that was ever happened.
    pub(crate) fn failed(&mut self, batch: Batch, error: &Arc<StoreError>) {
        self.ahead = self.durable.clone();
        let after = self.forming.take().map(|batch| batch.waiting);
        let all = batch.waiting.into_iter().chain(after.into_iter().flatten());
        for waiting in all {
            let _gone = waiting.send(Err(Arc::clone(error)));
        }
    }

    fn fresh_batch(&self) -> Batch {
        let Stand { state, tree, .. } = &self.ahead;
        Batch {
            commit: Commit {
                base: state.intent.revision,
                before: Arc::clone(&state.intent),
                moved: None,
                records: Default::default(),
                removed: Vec::new(),
                leaves: Vec::new(),
                leaf_index: tree.size(),
                checkpoint: None,
                handover: None,
                taken: None,
            },
            moves: Vec::new(),
            stand: self.ahead.clone(),
            signer: None,
            waiting: Vec::new(),
        }
    }

    fn leaves(
        &self,
        tree: &mut Frontier,
        entries: Vec<AuditEntry>,
    ) -> Result<Vec<NewLeaf>, StoreError> {
        let mut leaves = Vec::with_capacity(entries.len());
        for mut entry in entries {
            entry.index = tree.size();
            entry.arguments = capped(entry.arguments, self.limits.audited);
            let bytes = canonical(&entry).map_err(|detail| StoreError::Corrupt {
                what: "audit leaf",
                detail,
            })?;
            let hash = leaf_hash(&bytes);
            tree.push(hash);
            leaves.push(NewLeaf { bytes, hash });
        }
        Ok(leaves)
    }

    fn next_state(&self, writing: &mut Writing) -> State {
        let mut next = self.ahead.state.clone();
        if let Some((intent, past)) = &writing.moved {
            next.intent = Arc::clone(intent);
            Arc::make_mut(&mut next.unwritten).push(past.clone());
        }
        let same = writing.removed.is_empty() && writing.records == Default::default();
        if !same {
            let records = Arc::make_mut(&mut next.records);
            merge(records, &writing.records);
            writing.removed.extend(outdated(records, &self.limits));
            (writing.removed.iter()).for_each(|(kind, id)| remove(records, *kind, id));
        }
        next
    }
}
