//! What the log keeps for how long. What goes, goes on record: a leaf of the core's own says exactly
//! which bodies were dropped and before which entry everything was, so that whatever else is missing
//! is found as tampering.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ostler_core::{
    id::CallId,
    incident::Cause,
    time::{Span, Time},
};
use ostler_tools::{
    answer::AuditEntry, catalogue, contract::Class, principal::Principal, record::Records,
};
use serde::{Deserialize, Serialize};

use crate::{
    audit::{Frontier, leaf_hash},
    digest::hex,
    door::Gate,
    ledger::Writing,
    ports::{Retained, StoredLeaf, Taken},
};

/// The tool that leaves of retention name. No tool of the catalogue has this name.
pub(crate) const TOOL: &str = "retain_audit";
/// Most leaves that one step goes through: others wait for the log meanwhile.
const STEP: u32 = 2_000;
/// Most pages looked at to find out whether a stretch without bodies is old enough to go.
const PAGES: u32 = 20;
/// What is younger is kept, also if the log is too large: a flood must not wash away its own traces.
const YOUNG: Span = Span::minutes(24 * 60);

/// How long what is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Permitted reads of the fleet, but exports of the log and what evidence cites; nothing: as long as all else.
    pub reads: Option<Span>,
    /// Everything; nothing: for ever.
    pub all: Option<Span>,
    /// Bytes of the log's bodies, above which the oldest entries go, if they are a day old.
    pub bytes: Option<u64>,
}

/// What a leaf of retention says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Everything before this index is gone.
    pub(crate) cut: u64,
    /// The root of the tree over what is gone, hexadecimal.
    pub(crate) root: String,
    /// Where the bitmap begins.
    pub(crate) from: u64,
    /// A bit for each leaf from there on, lowest first, base64: set where the body was dropped.
    pub(crate) dropped: String,
}

impl Told {
    /// What a leaf says, if it is one of retention: only the core itself writes these.
    pub(crate) fn of(leaf: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head {
            principal: String,
            tool: String,
            arguments: serde_json::Value,
        }
        let head: Head = serde_json::from_slice(leaf).ok()?;
        let own = head.tool == TOOL && head.principal == Principal::System.to_string();
        own.then(|| serde_json::from_value(head.arguments).ok())?
    }

    /// Whether it says that a leaf's body was dropped.
    pub(crate) fn covers(&self, bits: &[u8], index: u64) -> bool {
        let bit = index.checked_sub(self.from);
        let bit = bit.and_then(|bit| usize::try_from(bit).ok());
        bit.is_some_and(|bit| {
            bits.get(bit / 8)
                .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
        })
    }

    /// The bitmap.
    pub(crate) fn bits(&self) -> Vec<u8> {
        BASE64.decode(&self.dropped).unwrap_or_default()
    }
}

/// One step of retention, worked out.
struct Step {
    taken: Taken,
    told: Told,
    words: String,
}

impl Gate {
    /// Drops what is older than it is to be kept, in steps, each on record. Answers with the number
    /// of leaves that lost their bodies or went. A log that does not verify is not touched.
    ///
    /// # Errors
    /// In words, when the log does not verify, or cannot be read or written.
    pub async fn retain(&self, retention: &Retention) -> Result<u64, String> {
        let _turn = self.retaining.lock().await;
        if *retention == Retention::default() {
            return Ok(0);
        }
        let checked = {
            let _alone = self.heavy.lock().await;
            self.check_log().await?
        };
        if let Err(tampered) = checked {
            return Err(format!(
                "nothing is dropped from a log that does not verify: {tampered}"
            ));
        }
        let mut gone = 0;
        loop {
            // Whoever goes through the log meanwhile sees it before a step or after it, never between.
            let _alone = self.heavy.lock().await;
            match self.next_step(retention).await? {
                Some(step) => gone += self.take_step(step).await?,
                None => return Ok(gone),
            }
        }
    }

    async fn next_step(&self, retention: &Retention) -> Result<Option<Step>, String> {
        let before = self.ledger.lock().await.retained().clone();
        let now = self.clock.now();
        let too_large = match retention.bytes {
            Some(limit) => self.store.log_bytes().await.map_err(in_words)? > limit,
            None => false,
        };
        let old = |span: Span| (now.0 > span.0).then(|| now - span);
        let cut_before = match (too_large, retention.all.and_then(old)) {
            (true, all) => old(YOUNG).max(all),
            (false, all) => all,
        };
        let cut = match cut_before {
            Some(time) => self.cut_at(&before, time).await?,
            None => before.cut,
        };
        let (bodies, reads_to) = match retention.reads.and_then(old) {
            Some(time) => self.old_reads(before.reads_to.max(cut), time).await?,
            None => (Vec::new(), before.reads_to),
        };
        if cut == before.cut && bodies.is_empty() {
            let went_on = reads_to > before.reads_to;
            self.ledger.lock().await.went_through(reads_to);
            return match went_on {
                true => Box::pin(self.next_step(retention)).await,
                false => Ok(None),
            };
        }
        let edge = self.edge_at(&before, cut).await?;
        Ok(Some(step(&before, edge, bodies, reads_to)))
    }

    /// The index before which everything is older than a time; one step at most.
    async fn cut_at(&self, before: &Retained, time: Time) -> Result<u64, String> {
        let (mut next, mut cut) = (before.cut, before.cut);
        for _ in 0..PAGES {
            let page = self.page(next).await?;
            for leaf in &page {
                next = leaf.index + 1;
                // A body that is gone already is as old as the next that is there, at least.
                match entry_of(leaf)? {
                    Some(entry) if entry.at < time => cut = next,
                    Some(_) => return Ok(cut.min(before.cut + u64::from(STEP))),
                    None => {}
                }
            }
            if page.is_empty() || cut >= before.cut + u64::from(STEP) {
                break;
            }
        }
        Ok(cut.min(before.cut + u64::from(STEP)))
    }

    /// Reads from an index that are older than a time, and how far that was looked for.
    async fn old_reads(&self, from: u64, time: Time) -> Result<(Vec<u64>, u64), String> {
        let cited = cited(&self.records());
        let (mut found, mut to) = (Vec::new(), from);
        for leaf in self.page(from).await? {
            if let Some(entry) = entry_of(&leaf)? {
                if entry.at >= time {
                    break;
                }
                if is_plain_read(&entry, &cited) {
                    found.push(leaf.index);
                }
            }
            to = leaf.index + 1;
        }
        Ok((found, to))
    }

    /// The edge of the tree at an index.
    async fn edge_at(&self, before: &Retained, cut: u64) -> Result<Frontier, String> {
        let edge = Frontier::from_parts(before.cut, before.peaks.clone());
        let mut edge = edge.ok_or("the edge of the log's tree is damaged")?;
        while edge.size() < cut {
            let page = self.page(edge.size()).await?;
            let left = usize::try_from(cut - edge.size()).unwrap_or(usize::MAX);
            if page.is_empty() {
                return Err(format!("audit leaf {} is missing", edge.size()));
            }
            page.iter().take(left).for_each(|leaf| edge.push(leaf.hash));
        }
        Ok(edge)
    }

    async fn page(&self, from: u64) -> Result<Vec<StoredLeaf>, String> {
        self.store.leaves(from, STEP).await.map_err(in_words)
    }

    async fn take_step(&self, step: Step) -> Result<u64, String> {
        let mut ledger = self.ledger.lock().await;
        let gone = step.taken.bodies.len() as u64 + step.taken.after.cut - ledger.retained().cut;
        let entry = AuditEntry {
            index: 0,
            at: self.clock.now(),
            call: None,
            principal: Principal::System.to_string(),
            tool: TOOL.to_owned(),
            arguments: serde_json::to_value(&step.told).map_err(|error| error.to_string())?,
            decision: None,
            policies: Vec::new(),
            outcome: "done".to_owned(),
            words: step.words,
            services: Vec::new(),
            revision: None,
            approval: None,
            judged: None,
        };
        let writing = Writing {
            taken: Some(step.taken),
            ..Writing::default()
        };
        let staged = self.write(&mut ledger, vec![entry], writing);
        drop(ledger);
        let written = self.durable(staged.map_err(in_words)?).await;
        written.map_err(|error| error.to_string())?;
        Ok(gone)
    }
}

fn in_words(error: crate::ports::StoreError) -> String {
    error.to_string()
}

fn step(before: &Retained, edge: Frontier, bodies: Vec<u64>, reads_to: u64) -> Step {
    let cut = edge.size();
    let from = bodies.first().copied().unwrap_or(cut);
    let mut bits = Vec::new();
    for index in &bodies {
        let bit = usize::try_from(index - from).unwrap_or(usize::MAX);
        if bits.len() <= bit / 8 {
            bits.resize(bit / 8 + 1, 0_u8);
        }
        if let Some(byte) = bits.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
    let told = Told {
        cut,
        root: hex(&edge.root()),
        from,
        dropped: BASE64.encode(&bits),
    };
    let words = format!(
        "retention: everything before entry {cut} is gone ({} entries now), and the records of {} reads",
        cut - before.cut,
        bodies.len()
    );
    let after = Retained {
        cut,
        peaks: edge.peaks().to_vec(),
        reads_to: reads_to.max(cut),
    };
    Step {
        taken: Taken { after, bodies },
        told,
        words,
    }
}

/// What a leaf holds; nothing where the body is gone.
fn entry_of(leaf: &StoredLeaf) -> Result<Option<AuditEntry>, String> {
    if leaf.bytes.is_empty() {
        return Ok(None);
    }
    let whole = leaf_hash(&leaf.bytes) == leaf.hash;
    let entry = serde_json::from_slice(&leaf.bytes).ok().filter(|_| whole);
    entry.map(Some).ok_or_else(|| {
        let index = leaf.index;
        format!("audit leaf {index} is not what was recorded; nothing more is dropped")
    })
}

/// Whether an entry is a permitted look at the fleet that nobody cites: the bulk of the log.
fn is_plain_read(entry: &AuditEntry, cited: &BTreeSet<CallId>) -> bool {
    let reads = catalogue::find(&entry.tool).is_some_and(|tool| tool.class == Class::Read);
    let about_log = matches!(
        entry.tool.as_str(),
        "export_audit" | "verify_audit" | "list_audit"
    );
    reads
        && !about_log
        && entry.decision.as_deref() == Some("allow")
        && !entry.call.as_ref().is_some_and(|call| cited.contains(call))
}

/// Calls that incidents and proposals cite as evidence.
fn cited(records: &Records) -> BTreeSet<CallId> {
    let incidents = records.incidents.values();
    let causes = incidents.filter_map(|incident| incident.cause.as_ref());
    let proposed = records.proposals.values();
    causes
        .chain(proposed.map(|proposal| &proposal.body.cause))
        .flat_map(|cause: &Cause| cause.evidence.iter().map(|evidence| evidence.call.clone()))
        .collect()
}
