//! Queries that the gate answers itself: the audit log, the policy, past changes. Others go to the world.

use ostler_policies::Verdict;
use ostler_tools::{
    answer::{
        self, AuditEntries, AuditEntry, AuditExport, AuditVerification, Changes, Explanation,
        ExportCut, KeyHandover, PastChangeInfo, PolicyWord,
    },
    query::Query,
};
use serde_json::Value;

use crate::{
    answers::value,
    audit::{Chain, Check, Checkpoint, Handover, Report, Seen, Tampered},
    digest::hex,
    door::Gate,
    facts::role,
    ledger::PAGE,
    plan::Call,
    ports::{PastChange, Retained, StoredLeaf},
};

/// Most leaves of one page of an export.
const EXPORT_LIMIT: u32 = 10_000;
/// Most leaves that one search goes through.
const SEARCH_LIMIT: u64 = 200_000;

/// The signed head at one moment.
struct Head {
    size: u64,
    checkpoint: String,
    public_key: String,
    handovers: Vec<Handover>,
    retained: Retained,
}

impl Head {
    /// The head itself, and what leaves are held against.
    fn opened(&self) -> Result<(Check, Checkpoint), Tampered> {
        let chain = Chain::read(&self.handovers, &self.public_key)?;
        let checkpoint = chain.open(&self.checkpoint, &self.public_key);
        let checkpoint = checkpoint.map_err(Tampered::log)?;
        let check = Check::from(self.retained.cut, &self.peaks())?;
        Ok((check.with(Seen::read("", chain)?), checkpoint))
    }

    /// The edge at the cut, hexadecimal.
    fn peaks(&self) -> Vec<String> {
        self.retained.peaks.iter().map(|peak| hex(peak)).collect()
    }
}

impl Gate {
    /// The policies in force.
    fn policies(&self) -> Result<Value, String> {
        let file = |source: &ostler_policies::Source| answer::PolicyFile {
            name: source.name.clone(),
            text: source.text.clone(),
        };
        let engine = self.engine_of(&self.state());
        value(&answer::Policies {
            version: engine.version().to_owned(),
            files: engine.files().iter().map(file).collect(),
        })
    }

    /// Performs a permitted query.
    pub(crate) async fn query(&self, call: &Call, query: &Query) -> Result<Value, String> {
        match query {
            Query::Audit {
                after,
                principal,
                tool,
                limit,
            } => {
                let _turn = self.heavy.lock().await;
                let wanted = |entry: &AuditEntry| {
                    principal
                        .as_ref()
                        .is_none_or(|principal| &entry.principal == principal)
                        && tool.as_ref().is_none_or(|tool| &entry.tool == tool)
                };
                self.entries(
                    after.map_or(0, |after| after.saturating_add(1)),
                    *limit,
                    wanted,
                )
                .await
            }
            Query::AuditVerify => {
                let _turn = self.heavy.lock().await;
                self.verify().await
            }
            Query::AuditExport { from, limit } => {
                let _turn = self.heavy.lock().await;
                self.export(*from, *limit).await
            }
            Query::ExplainPolicy {
                principal,
                tool,
                arguments,
            } => {
                let caller = principal.as_ref().unwrap_or(&call.caller);
                self.explain(
                    Call {
                        caller: caller.clone(),
                        ..call.clone()
                    },
                    tool,
                    arguments,
                )
                .await
            }
            Query::Changes { service, limit } => {
                let past = self
                    .store
                    .changes(service.as_ref(), *limit)
                    .await
                    .map_err(|error| error.to_string())?;
                value(&Changes {
                    changes: past.into_iter().map(info).collect(),
                })
            }
            Query::Capture { incident } => self.export_incident(incident).await,
            Query::Policies => self.policies(),
            Query::ConsoleLink { roles } => self.console_link(call, roles),
            Query::Undo { .. } => Err("an undo is a change".to_owned()),
            Query::Logs { .. }
            | Query::Exec { .. }
            | Query::Images
            | Query::ImportImage { .. }
            | Query::CollectGarbage
            | Query::VerifyImages => self.world.query(query).await,
        }
    }

    async fn head(&self) -> Result<Head, String> {
        self.flush().await?;
        let ledger = self.ledger.lock().await;
        let (size, checkpoint) = (ledger.size(), ledger.checkpoint().to_owned());
        Ok(Head {
            size,
            checkpoint,
            public_key: ledger.public_key(),
            handovers: ledger.handovers().to_vec(),
            retained: ledger.retained().clone(),
        })
    }

    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredLeaf>, String> {
        self.store
            .leaves(from, limit)
            .await
            .map_err(|error| error.to_string())
    }

    /// The newest entries that fit, read backwards page by page.
    async fn entries(
        &self,
        from: u64,
        limit: u32,
        wanted: impl Fn(&AuditEntry) -> bool,
    ) -> Result<Value, String> {
        let head = self.head().await?;
        let total = head.size;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let floor = from
            .max(total.saturating_sub(SEARCH_LIMIT))
            .max(head.retained.cut);
        let (mut end, mut found) = (total, Vec::new());
        while end > floor && found.len() < limit {
            let start = end.saturating_sub(PAGE.into()).max(floor);
            let page = self
                .leaves(start, u32::try_from(end - start).unwrap_or(PAGE))
                .await?;
            for leaf in page.iter().rev().filter(|leaf| !leaf.bytes.is_empty()) {
                let entry: AuditEntry = serde_json::from_slice(&leaf.bytes).map_err(|error| {
                    format!(
                        "audit leaf {} cannot be read ({error}); run `verify_audit`",
                        leaf.index
                    )
                })?;
                if found.len() < limit && wanted(&entry) {
                    found.push(entry);
                }
            }
            end = start;
        }
        found.reverse();
        value(&AuditEntries {
            entries: found,
            total,
        })
    }

    /// Recomputes the tree over what the store holds and compares it with the signed head.
    async fn verify(&self) -> Result<Value, String> {
        let head = self.head().await?;
        let result = self.check(&head).await?;
        let (problem, bad_leaf) = match &result {
            Ok(_) => (None, None),
            Err(tampered) => (Some(tampered.to_string()), tampered.leaf),
        };
        let report = result.as_ref().ok();
        value(&AuditVerification {
            ok: report.is_some(),
            leaves: head.size,
            kept_from: report.map_or(0, |report| report.kept_from),
            dropped: report.map_or(0, |report| report.dropped),
            root: report.map(|report| report.root.clone()).unwrap_or_default(),
            checkpoint: head.checkpoint,
            public_key: head.public_key,
            keys: head.handovers.len() as u64 + 1,
            problem,
            bad_leaf,
        })
    }

    /// Whether the whole log is as it was written.
    pub(crate) async fn check_log(&self) -> Result<Result<Report, Tampered>, String> {
        let head = self.head().await?;
        self.check(&head).await
    }

    async fn check(&self, head: &Head) -> Result<Result<Report, Tampered>, String> {
        let (mut check, checkpoint) = match head.opened() {
            Ok(opened) => opened,
            Err(tampered) => return Ok(Err(tampered)),
        };
        let mut next = head.retained.cut;
        while next < head.size {
            let limit = u32::try_from(head.size - next).unwrap_or(PAGE).min(PAGE);
            let page = self.leaves(next, limit).await?;
            if page.is_empty() {
                check.wrong("it is missing");
                break;
            }
            next += page.len() as u64;
            page.iter()
                .for_each(|leaf| check.leaf(&leaf.bytes, &hex(&leaf.hash)));
        }
        Ok(check.against(&checkpoint))
    }

    async fn export(&self, from: u64, limit: u32) -> Result<Value, String> {
        let head = self.head().await?;
        let begin = head.retained.cut;
        let from = from.max(begin);
        let left = head.size.saturating_sub(from);
        let limit = u64::from(limit.clamp(1, EXPORT_LIMIT)).min(left);
        let page = self
            .leaves(from, u32::try_from(limit).unwrap_or(EXPORT_LIMIT))
            .await?;
        let next = from.saturating_add(page.len() as u64);
        let cut = (from == begin && begin > 0).then(|| ExportCut {
            size: begin,
            peaks: head.peaks(),
        });
        value(&AuditExport {
            from,
            cut,
            hashes: page.iter().map(|leaf| hex(&leaf.hash)).collect(),
            leaves: page
                .into_iter()
                .map(|leaf| String::from_utf8_lossy(&leaf.bytes).into_owned())
                .collect(),
            next: (next < head.size && limit > 0).then_some(next),
            total: head.size,
            checkpoint: head.checkpoint,
            public_key: head.public_key,
            handovers: (head.handovers.into_iter())
                .map(|of| KeyHandover {
                    handover: of.handover,
                    public_key: of.public_key,
                })
                .collect(),
        })
    }

    async fn explain(&self, call: Call, tool: &str, arguments: &str) -> Result<Value, String> {
        let tool = self.catalogue.iter().find(|known| known.name == tool);
        let tool = tool.ok_or_else(|| "there is no such tool".to_owned())?;
        let args = serde_json::from_str(arguments)
            .map_err(|error| format!("`arguments` is not JSON: {error}"))?;
        let call = Call { tool, args, ..call };
        let planned = self.plan(&call, &self.state()).await?;
        let decision = planned.engine.decide(&planned.request);
        let (verdict, needs) = match &decision.verdict {
            Verdict::Allow => (answer::Verdict::Allow, Vec::new()),
            Verdict::NeedsApproval { roles, .. } => (
                answer::Verdict::NeedsApproval,
                roles.iter().map(|name| role(name)).collect(),
            ),
            Verdict::Deny => (answer::Verdict::Deny, Vec::new()),
        };
        value(&Explanation {
            principal: call.caller.to_string(),
            tool: tool.name.to_owned(),
            decision: verdict,
            words: planned.engine.explain(&planned.request, &decision),
            would_differ: planned.engine.would_differ(&planned.request, &decision),
            policies: decision
                .policies
                .into_iter()
                .map(|reason| PolicyWord {
                    id: reason.id,
                    words: reason.words,
                })
                .collect(),
            needs,
            facts: value(&planned.request.facts)?,
            policy_version: planned.engine.version().to_owned(),
        })
    }
}

pub(crate) fn info(past: PastChange) -> PastChangeInfo {
    PastChangeInfo {
        revision: past.revision,
        at: past.at,
        principal: past.principal,
        tool: past.tool,
        summary: past.summary,
        services: past.services,
        undoable: past.inverse.is_some(),
        leaf: past.leaf,
    }
}
