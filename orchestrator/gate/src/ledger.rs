//! The one place where state moves: leaves, intent and records, all or none, then published.
//!
//! Whoever holds the ledger's lock decides and commits on the same state; nobody else can come between.

use std::{collections::BTreeSet, sync::Arc};

use ostler_core::{
    id::{IncidentId, ProposalId, Revision},
    incident::IncidentState,
    intent::Intent,
};
use ostler_tools::{
    answer::AuditEntry,
    record::{ApprovalState, Records},
};

use crate::{
    audit::{Checkpoint, Frontier, Signer, Tampered, leaf_hash},
    config::Limits,
    digest::{canonical, capped},
    plan::State,
    ports::{
        Commit, Moved, NewLeaf, PastChange, RecordKind, Retained, Store, StoreError, StoredLeaf,
        Taken,
    },
};

/// How many leaves are read from the store at once.
pub(crate) const PAGE: u32 = 1_000;

/// The right to move state; kept behind one lock.
#[derive(Debug)]
pub(crate) struct Ledger {
    tree: Frontier,
    checkpoint: String,
    signer: Signer,
    limits: Limits,
    retained: Retained,
}

/// What one commit does besides its leaves.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// A move of the intent.
    pub(crate) moved: Option<(Intent, PastChange)>,
    /// Records that are new or differ.
    pub(crate) records: Records,
    /// Records that go.
    pub(crate) removed: Vec<(RecordKind, String)>,
    /// What retention takes of the log.
    pub(crate) taken: Option<Taken>,
}

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the audit leaf could not be written as JSON: {0}")]
    Leaf(String),
}

impl Ledger {
    /// Opens the log at its signed checkpoint. Each commit signs what it adds, so a checkpoint that
    /// does not cover exactly the stored leaves was not left by a daemon, and is never signed over.
    pub(crate) fn open(
        signer: Signer,
        checkpoint: Option<&str>,
        leaves: u64,
        retained: Retained,
        limits: Limits,
    ) -> Result<Self, Tampered> {
        let tree = match checkpoint {
            Some(note) => {
                Checkpoint::open(note, &signer.public_key())
                    .map_err(Tampered::log)?
                    .tree
            }
            None => Frontier::default(),
        };
        let signed = tree.size();
        if signed != leaves {
            let what = format!("there are {leaves} leaves where {signed} were signed");
            return Err(Tampered::at(signed.min(leaves), what));
        }
        let checkpoint = signer.sign(&tree);
        Ok(Self {
            tree,
            checkpoint,
            signer,
            limits,
            retained,
        })
    }

    /// Checks that a log that was opened anew continues this one: the same leaves, then more.
    pub(crate) async fn continued_by(
        &self,
        store: &dyn Store,
        fresh: &Self,
    ) -> Result<(), OpenError> {
        fresh.continues(store, self.tree.clone(), check).await
    }

    /// Checks that this log begins with a tree that was seen earlier, and each leaf since in its own way.
    pub(crate) async fn continues(
        &self,
        store: &dyn Store,
        mut tree: Frontier,
        each: fn(&StoredLeaf, u64) -> Result<(), Tampered>,
    ) -> Result<(), OpenError> {
        let (seen, held) = (tree.size(), self.size());
        if held < seen {
            let what = format!("the log ends here, but held {seen} entries when it was last seen");
            return Err(Tampered::at(held, what).into());
        }
        while tree.size() < held {
            let page = store.leaves(tree.size(), PAGE).await?;
            if page.is_empty() {
                return Err(Tampered::at(tree.size(), "it is missing").into());
            }
            for leaf in page {
                if tree.size() < held {
                    each(&leaf, tree.size())?;
                    tree.push(leaf.hash);
                }
            }
        }
        if tree != self.tree {
            let what = "the log was rewritten: it does not continue what was recorded";
            return Err(Tampered::log(what).into());
        }
        Ok(())
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The signed head.
    pub(crate) fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// Where the kept log begins.
    pub(crate) fn retained(&self) -> &Retained {
        &self.retained
    }

    /// Remembers how far retention went where nothing was to be taken.
    pub(crate) fn went_through(&mut self, reads_to: u64) {
        self.retained.reads_to = self.retained.reads_to.max(reads_to);
    }

    pub(crate) fn public_key(&self) -> String {
        self.signer.public_key()
    }

    /// Commits leaves and what goes with them; answers with the state afterwards and, where the
    /// intent moved, the past change with its leaf. On an error nothing has changed.
    pub(crate) async fn commit(
        &mut self,
        store: &dyn Store,
        state: &State,
        entries: Vec<AuditEntry>,
        mut writing: Writing,
    ) -> Result<(State, Option<PastChange>), CommitError> {
        let mut tree = self.tree.clone();
        let mut leaves = Vec::with_capacity(entries.len());
        let first = tree.size();
        for mut entry in entries {
            entry.index = tree.size();
            entry.arguments = capped(entry.arguments, self.limits.audited);
            let bytes = canonical(&entry).map_err(CommitError::Leaf)?;
            let hash = leaf_hash(&bytes);
            tree.push(hash);
            leaves.push(NewLeaf { bytes, hash });
        }
        let next = self.next_state(state, &mut writing);
        let checkpoint = self.signer.sign(&tree);
        let moved = writing.moved.map(|(_, mut past)| {
            past.leaf = tree.size().saturating_sub(1);
            Moved {
                intent: Arc::clone(&next.intent),
                past,
            }
        });
        let commit = Commit {
            base: state.intent.revision,
            before: Arc::clone(&state.intent),
            moved,
            records: writing.records,
            removed: writing.removed,
            leaves,
            leaf_index: first,
            checkpoint: Some(checkpoint.clone()),
            taken: writing.taken,
        };
        store.commit(&commit).await?;
        if let Some(taken) = commit.taken {
            self.retained = taken.after;
        }
        self.tree = tree;
        self.checkpoint = checkpoint;
        Ok((next, commit.moved.map(|moved| moved.past)))
    }

    fn next_state(&self, state: &State, writing: &mut Writing) -> State {
        let mut next = state.clone();
        if let Some((intent, _)) = &writing.moved {
            next.intent = Arc::new(intent.clone());
        }
        let same = writing.removed.is_empty() && writing.records == Records::default();
        if !same {
            let records = Arc::make_mut(&mut next.records);
            merge(records, &writing.records);
            writing.removed.extend(outdated(records, &self.limits));
            writing
                .removed
                .iter()
                .for_each(|(kind, id)| remove(records, *kind, id));
        }
        next
    }
}

/// Why the log did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tampered(#[from] Tampered),
}

/// That a leaf is there. Its hash counts towards the root; its text is for whoever verifies the log.
pub(crate) fn is_there(leaf: &StoredLeaf, index: u64) -> Result<(), Tampered> {
    if leaf.index != index {
        return Err(Tampered::at(index, "it is missing"));
    }
    Ok(())
}

fn check(leaf: &StoredLeaf, index: u64) -> Result<(), Tampered> {
    is_there(leaf, index)?;
    // Of what retention dropped only the hash is left; the root vouches for it.
    if !leaf.bytes.is_empty() && leaf_hash(&leaf.bytes) != leaf.hash {
        return Err(Tampered {
            leaf: Some(index),
            what: "its bytes are not those that were recorded".to_owned(),
        });
    }
    Ok(())
}

fn merge(records: &mut Records, changed: &Records) {
    let Records {
        incidents,
        proposals,
        approvals,
        tokens,
    } = changed.clone();
    records.incidents.extend(incidents);
    records.proposals.extend(proposals);
    records.approvals.extend(approvals);
    records.tokens.extend(tokens);
}

fn remove(records: &mut Records, kind: RecordKind, id: &str) {
    match kind {
        RecordKind::Incident => records.incidents.retain(|key, _| key.as_str() != id),
        RecordKind::Proposal => records.proposals.retain(|key, _| key.as_str() != id),
        RecordKind::Approval => records.approvals.retain(|key, _| key.as_str() != id),
        RecordKind::Token => records.tokens.retain(|key, _| key != id),
    }
}

/// What retention takes away: the oldest closed incidents with their paperwork, and old approvals.
fn outdated(records: &Records, limits: &Limits) -> Vec<(RecordKind, String)> {
    let mut gone = Vec::new();
    let ended = |incident: &ostler_core::incident::Incident| {
        incident.closed_at.is_some()
            || matches!(
                incident.state,
                IncidentState::Resolved | IncidentState::Closed
            )
    };
    let mut closed: Vec<_> = records
        .incidents
        .values()
        .filter(|incident| ended(incident))
        .collect();
    let too_many = closed.len().saturating_sub(limits.closed_incidents);
    closed.sort_by_key(|incident| (incident.closed_at, incident.id.clone()));
    let incidents: BTreeSet<&IncidentId> = closed
        .iter()
        .take(too_many)
        .map(|incident| &incident.id)
        .collect();
    let proposals: BTreeSet<&ProposalId> = records
        .proposals
        .values()
        .filter(|proposal| incidents.contains(&proposal.incident))
        .map(|proposal| &proposal.id)
        .collect();
    gone.extend(
        incidents
            .iter()
            .map(|id| (RecordKind::Incident, id.to_string())),
    );
    gone.extend(
        proposals
            .iter()
            .map(|id| (RecordKind::Proposal, id.to_string())),
    );
    let over = |state| {
        matches!(
            state,
            ApprovalState::Used | ApprovalState::Rejected | ApprovalState::Expired
        )
    };
    let mut old: Vec<_> = records
        .approvals
        .values()
        .filter(|approval| over(approval.state))
        .collect();
    old.sort_by_key(|approval| (approval.requested_at, approval.id.clone()));
    let too_many = old.len().saturating_sub(limits.old_approvals);
    let of_gone = |approval: &&&ostler_tools::record::Approval| {
        approval
            .proposal
            .as_ref()
            .is_some_and(|proposal| proposals.contains(proposal))
    };
    let approvals: BTreeSet<_> = old
        .iter()
        .take(too_many)
        .chain(old.iter().filter(of_gone))
        .map(|approval| &approval.id)
        .collect();
    gone.extend(
        approvals
            .into_iter()
            .map(|id| (RecordKind::Approval, id.to_string())),
    );
    gone
}

/// What a commit is about, for the history.
pub(crate) fn past_change(call: &crate::plan::Call, moved: &crate::plan::Move) -> PastChange {
    PastChange {
        revision: moved.applied.intent.revision,
        at: call.now,
        principal: call.caller.to_string(),
        tool: call.tool.name.to_owned(),
        summary: moved.summary(),
        services: moved.facts.services.iter().cloned().collect(),
        change: moved.change.clone(),
        inverse: moved.applied.inverse.clone(),
        leaf: 0,
        undoes: moved.undoes,
    }
}

/// The revision that a leaf names.
pub(crate) fn revision_of(writing: &Writing) -> Option<Revision> {
    writing.moved.as_ref().map(|(_, past)| past.revision)
}
