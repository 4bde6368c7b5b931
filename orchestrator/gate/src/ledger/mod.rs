//! The one place where state moves: leaves, intent and records, all or none, then published.
//!
//! Whoever holds the ledger's lock decides on the newest state and takes the decision in; nobody else can
//! come between. What was taken in is written together ([`stage`]), and told only then.

mod records;
mod stage;

use std::sync::Arc;

use ostler_core::{id::Revision, intent::Intent};
use ostler_tools::record::Records;

use crate::{
    audit::{Chain, Checkpoint, Frontier, Handover, Signer, Tampered, leaf_hash},
    config::Limits,
    plan::State,
    ports::{Kept, PastChange, RecordKind, Retained, Store, StoreError, StoredLeaf, Taken},
};

use self::stage::Stand;
pub(crate) use self::stage::{Batch, Settled, Staged, broke_off};

/// How many leaves are read from the store at once.
pub(crate) const PAGE: u32 = 1_000;

/// The right to move state; kept behind one lock.
#[derive(Debug)]
pub(crate) struct Ledger {
    signer: Signer,
    limits: Limits,
    /// What is on disk.
    durable: Stand,
    /// Its signed head.
    checkpoint: String,
    /// Changes of the key, oldest first.
    handovers: Vec<Handover>,
    /// What was decided since, on top of it.
    ahead: Stand,
    /// Decisions that wait to be written.
    forming: Option<Batch>,
}

/// What one commit does besides its leaves.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// A move of the intent.
    pub(crate) moved: Option<(Arc<Intent>, PastChange)>,
    /// Records that are new or differ.
    pub(crate) records: Records,
    /// Records that go.
    pub(crate) removed: Vec<(RecordKind, String)>,
    /// What retention takes of the log.
    pub(crate) taken: Option<Taken>,
    /// What signs the log from here on.
    pub(crate) signer: Option<Signer>,
}

impl Ledger {
    /// Opens the log at its signed checkpoint. Each commit signs what it adds, so a checkpoint that
    /// does not cover exactly the stored leaves was not left by a daemon, and is never signed over.
    pub(crate) fn open(signer: Signer, kept: Kept, limits: Limits) -> Result<Self, Tampered> {
        let leaves = kept.leaves;
        Chain::read(&kept.handovers, &signer.public_key())?;
        let tree = match kept.checkpoint.as_deref() {
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
        let durable = Stand {
            state: State {
                intent: Arc::new(kept.intent),
                records: Arc::new(kept.records),
                unwritten: Arc::default(),
            },
            tree,
            retained: kept.retained,
        };
        Ok(Self {
            signer,
            limits,
            ahead: durable.clone(),
            durable,
            checkpoint,
            handovers: kept.handovers,
            forming: None,
        })
    }

    /// Checks that a log that was opened anew continues this one: the same leaves, then more.
    pub(crate) async fn continued_by(
        &self,
        store: &dyn Store,
        fresh: &Self,
    ) -> Result<(), OpenError> {
        let seen = self.durable.tree.clone();
        fresh.continues(store, seen, check).await
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
        if tree != self.durable.tree {
            let what = "the log was rewritten: it does not continue what was recorded";
            return Err(Tampered::log(what).into());
        }
        Ok(())
    }

    /// The state that is on disk.
    pub(crate) fn state(&self) -> State {
        self.durable.state.clone()
    }

    /// How many leaves are on disk.
    pub(crate) fn size(&self) -> u64 {
        self.durable.tree.size()
    }

    /// The signed head of what is on disk.
    pub(crate) fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// Where the kept log begins.
    pub(crate) fn retained(&self) -> &Retained {
        &self.durable.retained
    }

    /// Remembers how far retention went where nothing was to be taken.
    pub(crate) fn went_through(&mut self, reads_to: u64) {
        for stand in [&mut self.durable, &mut self.ahead] {
            stand.retained.reads_to = stand.retained.reads_to.max(reads_to);
        }
    }

    pub(crate) fn public_key(&self) -> String {
        self.signer.public_key()
    }

    /// Changes of the key, oldest first.
    pub(crate) fn handovers(&self) -> &[Handover] {
        &self.handovers
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
