//! In-memory ports for tests: a store that can be told to fail, a still world, a clock that is set.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use ostler_core::{
    id::{IncidentId, InstanceId, Revision, ServiceKey},
    intent::Intent,
    signal::{Series, SignalKind, SignalReader, Subject},
    time::Time,
};
use ostler_tools::{answer::LogAnswer, query::Query, view::WorldView};
use serde_json::Value;

use crate::ports::{
    Clock, Commit, Kept, PastChange, RecordKind, Retained, Store, StoreError, StoredLeaf, World,
};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    held: Mutex<Held>,
    open: tokio::sync::RwLock<()>,
    commits: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    kept: Kept,
    leaves: Vec<StoredLeaf>,
    changes: Vec<PastChange>,
    captures: BTreeMap<IncidentId, String>,
    fail: Option<fn() -> StoreError>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStore {
    /// Makes every commit fail this way until told otherwise.
    pub fn fail_with(&self, error: Option<fn() -> StoreError>) {
        locked(&self.held).fail = error;
    }

    /// Keeps every commit waiting until the guard is dropped.
    pub async fn hold(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.open.write().await
    }

    /// How many commits were asked for.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Says behind everybody's back that the log begins elsewhere.
    pub fn forge(&self, change: impl FnOnce(&mut Retained, &mut Vec<StoredLeaf>)) {
        let held = &mut *locked(&self.held);
        change(&mut held.kept.retained, &mut held.leaves);
    }

    /// Changes what is wanted behind everybody's back.
    pub fn with_intent(&self, change: impl FnOnce(&mut Intent)) {
        change(&mut locked(&self.held).kept.intent);
    }

    /// Changes a stored leaf behind everybody's back.
    pub fn tamper(&self, leaf: usize, change: impl FnOnce(&mut StoredLeaf)) {
        if let Some(leaf) = locked(&self.held).leaves.get_mut(leaf) {
            change(leaf);
        }
    }

    /// Every leaf's text.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let held = locked(&self.held);
        held.leaves
            .iter()
            .map(|leaf| String::from_utf8_lossy(&leaf.bytes).into_owned())
            .collect()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self) -> Result<Kept, StoreError> {
        Ok(locked(&self.held).kept.clone())
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let _open = self.open.read().await;
        let mut held = locked(&self.held);
        if let Some(fail) = held.fail {
            return Err(fail());
        }
        if held.kept.intent.revision != commit.base || held.kept.leaves != commit.leaf_index {
            return Err(StoreError::Conflict {
                held: held.kept.intent.revision.0,
                leaves: held.kept.leaves,
            });
        }
        if let Some(moved) = &commit.moved {
            held.kept.intent = (*moved.intent).clone();
            held.changes.extend(moved.past.clone());
        }
        let records = &mut held.kept.records;
        records.incidents.extend(commit.records.incidents.clone());
        records.proposals.extend(commit.records.proposals.clone());
        records.approvals.extend(commit.records.approvals.clone());
        records.tokens.extend(commit.records.tokens.clone());
        for (kind, id) in &commit.removed {
            match kind {
                RecordKind::Incident => records.incidents.retain(|key, _| key.as_str() != id),
                RecordKind::Proposal => records.proposals.retain(|key, _| key.as_str() != id),
                RecordKind::Approval => records.approvals.retain(|key, _| key.as_str() != id),
                RecordKind::Token => records.tokens.retain(|key, _| key != id),
            }
        }
        let Held { kept, captures, .. } = &mut *held;
        captures.retain(|id, _| kept.records.incidents.contains_key(id));
        for leaf in &commit.leaves {
            let index = held.kept.leaves;
            held.leaves.push(StoredLeaf {
                index,
                bytes: leaf.bytes.clone(),
                hash: leaf.hash,
            });
            held.kept.leaves += 1;
        }
        held.kept.handovers.extend(commit.handover.clone());
        if let Some(checkpoint) = &commit.checkpoint {
            held.kept.checkpoint = Some(checkpoint.clone());
        }
        if let Some(taken) = &commit.taken {
            held.leaves.retain(|leaf| leaf.index >= taken.after.cut);
            for leaf in &mut held.leaves {
                if taken.bodies.contains(&leaf.index) {
                    leaf.bytes.clear();
                }
            }
            held.kept.retained = taken.after.clone();
        }
        Ok(())
    }

    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredLeaf>, StoreError> {
        let held = locked(&self.held);
        Ok(held
            .leaves
            .iter()
            .filter(|leaf| leaf.index >= from)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn log_bytes(&self) -> Result<u64, StoreError> {
        let held = locked(&self.held);
        Ok(held.leaves.iter().map(|leaf| leaf.bytes.len() as u64).sum())
    }

    async fn changes(
        &self,
        service: Option<&ServiceKey>,
        limit: u32,
    ) -> Result<Vec<PastChange>, StoreError> {
        let held = locked(&self.held);
        let fits =
            |past: &&PastChange| service.is_none_or(|service| past.services.contains(service));
        Ok(held
            .changes
            .iter()
            .rev()
            .filter(fits)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn capture(&self, incident: &IncidentId) -> Result<Option<String>, StoreError> {
        Ok(locked(&self.held).captures.get(incident).cloned())
    }

    async fn keep_capture(&self, incident: &IncidentId, body: &str) -> Result<(), StoreError> {
        let mut held = locked(&self.held);
        if let Some(fail) = held.fail {
            return Err(fail());
        }
        if held.kept.records.incidents.contains_key(incident) {
            held.captures.insert(incident.clone(), body.to_owned());
        }
        Ok(())
    }

    async fn change(&self, revision: Revision) -> Result<Option<PastChange>, StoreError> {
        Ok(locked(&self.held)
            .changes
            .iter()
            .find(|past| past.revision == revision)
            .cloned())
    }
}

/// A world that stands still and remembers what it was told and asked.
#[derive(Default)]
pub struct StillWorld {
    /// What is seen.
    pub view: Mutex<Arc<WorldView>>,
    /// The revisions it was told of, in order.
    pub moved: Mutex<Vec<u64>>,
    /// What it was asked.
    pub asked: Mutex<Vec<Query>>,
    /// What instances wrote.
    pub logs: Mutex<Vec<LogAnswer>>,
    /// Whether it takes a minute to answer anything.
    pub slow: AtomicBool,
}

#[async_trait]
impl World for StillWorld {
    fn view(&self) -> Arc<WorldView> {
        Arc::clone(&locked(&self.view))
    }

    fn signals(&self) -> &dyn SignalReader {
        self
    }

    async fn query(&self, query: &Query) -> Result<Value, String> {
        locked(&self.asked).push(query.clone());
        if self.slow.load(Ordering::Relaxed) {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        }
        let instance = match query {
            Query::Logs { instance, .. } => instance,
            Query::Exec {
                instance, command, ..
            } => return Ok(echoed(instance, command)),
            _ => return Ok(Value::Null),
        };
        let page = locked(&self.logs)
            .iter()
            .find(|page| page.instance == *instance)
            .cloned();
        serde_json::to_value(page).map_err(|error| error.to_string())
    }

    fn intent_moved(&self, _: Arc<Intent>, past: &PastChange) {
        locked(&self.moved).push(past.revision.0);
    }
}

/// As if each command printed itself.
fn echoed(instance: &InstanceId, command: &[String]) -> Value {
    serde_json::json!({
        "instance": instance, "code": 0, "untrusted_stdout": command.join("\n"), "untrusted_stderr": "",
        "truncated": false,
    })
}

impl SignalReader for StillWorld {
    fn series(&self, subject: &Subject, kind: SignalKind, _: Time, _: Time, _: usize) -> Series {
        Series {
            subject: subject.clone(),
            kind,
            points: Vec::new(),
        }
    }

    fn kinds(&self, _: &Subject) -> Vec<SignalKind> {
        Vec::new()
    }
}

/// A clock that is set, and numbers instead of randomness.
#[derive(Debug)]
pub struct SetClock {
    now: AtomicU64,
    fresh: AtomicU64,
}

impl Default for SetClock {
    fn default() -> Self {
        Self {
            now: AtomicU64::new(1_795_000_000_000),
            fresh: AtomicU64::new(1),
        }
    }
}

impl SetClock {
    /// Moves on.
    pub fn advance(&self, span: ostler_core::time::Span) {
        self.now.fetch_add(span.0, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Time {
        Time(self.now.load(Ordering::Relaxed))
    }

    fn fresh(&self) -> u64 {
        self.fresh
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}
