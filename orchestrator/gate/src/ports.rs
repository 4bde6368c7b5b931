//! What the gate needs of the outside: a store, the world, a clock.

use std::sync::Arc;

use async_trait::async_trait;
use ostler_core::{
    change::Change,
    id::{IncidentId, Revision, ServiceKey},
    intent::Intent,
    signal::SignalReader,
    time::Time,
};
use ostler_tools::{query::Query, record::Records, view::WorldView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::Handover;

/// Keeps what must survive: intent, records, past changes, the audit log. One transaction each call.
#[async_trait]
pub trait Store: Send + Sync {
    /// Everything kept, as of the last commit.
    ///
    /// # Errors
    /// When it cannot be read or does not fit this version.
    async fn load(&self) -> Result<Kept, StoreError>;

    /// Writes all of it or none: durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when `base` or `leaf_index` is not what the store holds.
    async fn commit(&self, commit: &Commit) -> Result<(), StoreError>;

    /// Audit leaves in order, from an index; those before the cut are gone.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredLeaf>, StoreError>;

    /// Bytes that the leaves' bodies take.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn log_bytes(&self) -> Result<u64, StoreError>;

    /// Past changes, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn changes(
        &self,
        service: Option<&ServiceKey>,
        limit: u32,
    ) -> Result<Vec<PastChange>, StoreError>;

    /// What was captured when an incident was opened, as JSON.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn capture(&self, incident: &IncidentId) -> Result<Option<String>, StoreError>;

    /// Keeps what was captured when an incident was opened, as long as the incident is kept. Nothing is
    /// kept for an incident that is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn keep_capture(&self, incident: &IncidentId, body: &str) -> Result<(), StoreError>;

    /// One past change.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn change(&self, revision: Revision) -> Result<Option<PastChange>, StoreError>;
}

/// Everything kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// The intent.
    pub intent: Intent,
    /// Incidents, proposals, approvals, tokens.
    pub records: Records,
    /// How many audit leaves there are.
    pub leaves: u64,
    /// The last signed checkpoint of the audit log.
    pub checkpoint: Option<String>,
    /// Changes of the key that signs it, oldest first.
    pub handovers: Vec<Handover>,
    /// Where the kept log begins.
    pub retained: Retained,
}

/// Where the kept audit log begins, and how far retention went through it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retained {
    /// Leaves before this index are gone, all but the edge of their tree.
    pub cut: u64,
    /// That edge: hashes of the full subtrees, largest first.
    pub peaks: Vec<[u8; 32]>,
    /// Up to this index, retention of reads went.
    pub reads_to: u64,
}

/// What retention takes away in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where the log begins afterwards; leaves before its cut go.
    pub after: Retained,
    /// Leaves whose bodies go; their hashes stay.
    pub bodies: Vec<u64>,
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The intent's revision before.
    pub base: Revision,
    /// The intent after and the changes that led there, where it moved.
    pub moved: Option<Moved>,
    /// The intent before, so that only differences are written.
    pub before: Arc<Intent>,
    /// Records after; only those that differ are given.
    pub records: Records,
    /// Records that go (retention, revoked tokens), by kind and id.
    pub removed: Vec<(RecordKind, String)>,
    /// New audit leaves, in order; never none.
    pub leaves: Vec<NewLeaf>,
    /// The first one's index: the number of leaves before it.
    pub leaf_index: u64,
    /// A new signed checkpoint, where one is due.
    pub checkpoint: Option<String>,
    /// The last head of the key that signed until now, where another takes over.
    pub handover: Option<Handover>,
    /// What retention takes away.
    pub taken: Option<Taken>,
}

/// An audit leaf to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeaf {
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// Its RFC 6962 leaf hash: names the leaf when its bytes are changed behind our back.
    pub hash: [u8; 32],
}

/// A move of the intent.
#[derive(Debug, Clone)]
pub struct Moved {
    /// After all of it.
    pub intent: Arc<Intent>,
    /// What was done, in order, for the history; never nothing.
    pub past: Vec<PastChange>,
}

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// An incident.
    Incident,
    /// A proposal.
    Proposal,
    /// An approval.
    Approval,
    /// A token.
    Token,
}

/// A change that was committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastChange {
    /// The revision it made.
    pub revision: Revision,
    /// When.
    pub at: Time,
    /// Who, as written in the audit log.
    pub principal: String,
    /// By which tool.
    pub tool: String,
    /// In words.
    pub summary: String,
    /// Services it touched.
    pub services: Vec<ServiceKey>,
    /// What was done.
    pub change: Change,
    /// What takes it back, where there is a way.
    pub inverse: Option<Change>,
    /// The audit leaf that recorded it.
    pub leaf: u64,
    /// The revision that it took back, where it was an undo.
    #[serde(default)]
    pub undoes: Option<Revision>,
}

/// A leaf as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLeaf {
    /// Its index.
    pub index: u64,
    /// Its canonical bytes; none where retention took them.
    pub bytes: Vec<u8>,
    /// The leaf hash that was stored beside it.
    pub hash: [u8; 32],
}

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was there first.
    #[error(
        "the store holds revision {held} and {leaves} audit leaves, not what this commit is based on"
    )]
    Conflict {
        /// The revision held.
        held: u64,
        /// The number of leaves held.
        leaves: u64,
    },
    /// The disk is full.
    #[error("the disk that holds the state is full; free space, nothing was changed")]
    Full,
    /// Something kept cannot be understood.
    #[error("the stored {what} cannot be read: {detail}")]
    Corrupt {
        /// What.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// Written by a version that this one is too old for.
    #[error(
        "the state was written by a newer version: it has schema {found}, which versions from schema {oldest} on can use, and at most one step ahead of their own; this one has schema {known}. Start the newer version, or put back a copy from before it (`ostler.db.schema-N` beside the database)"
    )]
    Newer {
        /// The file's schema.
        found: u64,
        /// The oldest schema whose programs may use it.
        oldest: u64,
        /// This program's.
        known: u64,
    },
    /// An operation failed.
    #[error("cannot {operation} the store")]
    Failed {
        /// What was being done.
        operation: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The running fleet as the gate sees it.
#[async_trait]
pub trait World: Send + Sync {
    /// What was last seen.
    fn view(&self) -> Arc<WorldView>;
    /// The signals' history.
    fn signals(&self) -> &dyn SignalReader;
    /// Performs a permitted query; the gate answers `Audit*`, `ExplainPolicy`, `Changes` and `Undo` itself.
    ///
    /// # Errors
    /// In words, for the caller.
    async fn query(&self, query: &Query) -> Result<Value, String>;
    /// Called after a commit that moved the intent; must return at once.
    fn intent_moved(&self, intent: Arc<Intent>, past: &PastChange);
    /// Called after every call of somebody known; must return at once.
    fn called(&self, _call: &Called) {}
}

/// A call that was answered, for whoever counts. All of it is from closed sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called {
    /// The tool; none where there is no such tool.
    pub tool: Option<&'static str>,
    /// What kind of tool it is: `read`, `change` and so on.
    pub class: &'static str,
    /// `done`, `held`, `denied`, `refused` or `failed`.
    pub outcome: &'static str,
    /// From the door to the answer, with the wait for the disk.
    pub took: std::time::Duration,
}

/// Where the gate's time and randomness come from.
pub trait Clock: Send + Sync {
    /// Now, milliseconds since the epoch.
    fn now(&self) -> Time;
    /// Sixty-four random bits.
    fn fresh(&self) -> u64;
}
