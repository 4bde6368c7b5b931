//! The world of a bundle, answering through the shipped tools; how services stand comes from the
//! shipped core.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::{
    change::{self, Change},
    event::Event,
    id::{CallId, Generation, InstanceId, Revision, ServiceKey},
    intent::{Intent, Sealed, SecretKey},
    observed::{NodeSeen, Observed},
    reconcile::reconcile,
    time::Time,
    units::{Bytes, MilliCpu},
};
use ostler_tools::{
    answer::{Changes, Explanation, LogAnswer, LogLine, LogStream, PastChangeInfo, Verdict},
    catalogue,
    contract::Decided,
    principal::{Principal, Role},
    query::Query,
    record::Records,
    view::{UpgradesSeen, View, WorldView},
};
use serde_json::{Value, json};

use crate::{
    build::{NoSecrets, changes, events, seen, wanted},
    bundle::Bundle,
    history::{History, Later},
    past,
};

/// When every bundle plays.
pub const START: Time = Time(1_790_000_000_000);

/// A bundle's world. It stands still but for what the agent writes down.
pub struct World {
    pub(crate) bundle: Bundle,
    /// What is wanted.
    pub intent: Intent,
    /// What was seen.
    pub observed: Observed,
    /// What the agent wrote down.
    pub records: Records,
    events: Vec<Event>,
    /// What takes the agent's changes back, by their revision.
    inverses: BTreeMap<u64, Change>,
    /// Revisions that the agent took back, in order.
    pub undone: Vec<u64>,
    /// How signals go on after the bundle's moment, where not as before.
    pub later: Vec<Later>,
    /// Past changes, newest first.
    pub changes: Vec<PastChangeInfo>,
    /// Tools that were called, in order.
    pub called: Vec<String>,
    /// What calls answered, by their ids.
    pub answers: BTreeMap<CallId, Value>,
    /// Whether a person has said yes to every proposal.
    pub approves: bool,
    pub(crate) agent: Principal,
}

/// What a call came to.
pub enum Outcome {
    /// Done, with the tool's answer and a revision.
    Done(Value, Option<u64>),
    /// Denied: nothing was approved.
    Denied(String),
    /// Refused, in words.
    Refused(String),
}

impl World {
    /// The bundle's world.
    ///
    /// # Errors
    /// When an earlier generation's spec cannot be made of its difference, or the agent's name is not one.
    pub fn new(bundle: &Bundle) -> Result<Self, String> {
        let name = bundle.agent.parse().map_err(|error| format!("{error}"))?;
        let mut intent = Intent {
            revision: Revision(100),
            ..Intent::default()
        };
        for service in &bundle.services {
            intent
                .services
                .insert(service.service.clone(), wanted(service)?);
        }
        for secret in &bundle.secrets {
            let key = SecretKey::try_from(secret.clone()).map_err(|error| error.to_string())?;
            intent.secrets.insert(key, Sealed(String::new()));
        }
        for node in &bundle.nodes {
            node.cordoned
                .then(|| intent.cordoned.insert(node.node.clone()));
            node.draining
                .then(|| intent.draining.insert(node.node.clone()));
        }
        let mut world = Self {
            intent,
            observed: Observed::default(),
            records: past::records(bundle).map_err(|error| error.to_string())?,
            events: events(bundle),
            inverses: BTreeMap::new(),
            undone: Vec::new(),
            later: Vec::new(),
            changes: changes(bundle),
            called: Vec::new(),
            answers: BTreeMap::new(),
            approves: false,
            agent: Principal::Agent { name },
            bundle: bundle.clone(),
        };
        world.observe()?;
        Ok(world)
    }

    fn observe(&mut self) -> Result<(), String> {
        for node in &self.bundle.nodes {
            let seen = NodeSeen {
                ready: node.ready,
                cpu: node.cpu,
                memory: node.memory,
                max_instances: node.max_instances,
                seen_at: START,
            };
            self.observed.nodes.insert(node.node.clone(), seen);
        }
        for instance in &self.bundle.instances {
            let node = NodeSeen {
                ready: true,
                cpu: MilliCpu(64_000),
                memory: Bytes::mib(262_144),
                max_instances: 1_000,
                seen_at: START,
            };
            self.observed.nodes.entry(instance.node()?).or_insert(node);
            let spec = self
                .intent
                .spec_of(&instance.service, Generation(instance.generation))
                .cloned();
            let seen = seen(instance, spec.as_deref())?;
            self.observed.instances.insert(instance.id.clone(), seen);
        }
        self.route();
        Ok(())
    }

    /// Answers one call through the shipped tool.
    pub fn call(&mut self, tool: &str, args: Value, now: Time, fresh: u64) -> Outcome {
        self.called.push(tool.to_owned());
        let Some(described) = catalogue::find(tool) else {
            return Outcome::Refused(format!("there is no tool `{tool}`"));
        };
        let report = reconcile(&self.intent, &self.observed, now).report;
        let world = WorldView {
            observed: self.observed.clone(),
            report,
            events: self.events.iter().cloned().collect(),
            upgrades: Arc::new(UpgradesSeen {
                services: self.bundle.upgrades.clone(),
                feed: None,
            }),
            ..WorldView::default()
        };
        let history = History {
            bundle: &self.bundle,
            later: &self.later,
            now,
        };
        let view = View {
            now,
            caller: &self.agent,
            intent: &self.intent,
            records: &self.records,
            world: &world,
            fresh,
            sealer: &NoSecrets,
            notary: &NoSecrets,
            signals: &history,
        };
        match (described.decide)(&view, args) {
            Err(refusal) => Outcome::Refused(refusal.to_string()),
            Ok(Decided::Answer { answer, .. }) => Outcome::Done(answer, None),
            Ok(Decided::Query { query, .. }) => self.query(&query, now),
            Ok(Decided::Record { record, .. }) => self.record(record, now),
            Ok(Decided::Change(change)) => self.change(tool, &change, now),
        }
    }

    fn query(&mut self, query: &Query, now: Time) -> Outcome {
        match query {
            Query::Logs { instance, .. } => done(&self.log(instance)),
            Query::Changes { service, limit } => {
                let touches = |change: &&PastChangeInfo| {
                    service
                        .as_ref()
                        .is_none_or(|service| change.services.contains(service))
                };
                let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
                done(&Changes {
                    changes: self
                        .changes
                        .iter()
                        .filter(touches)
                        .take(limit)
                        .cloned()
                        .collect(),
                })
            }
            Query::Undo { revision } => self.undo(*revision, now),
            Query::ExplainPolicy { tool, .. } => done(&self.explain(tool)),
            _ => Outcome::Denied("a replayed world does not answer this".to_owned()),
        }
    }

    /// Every change waits for a person's yes here; whether changes are frozen is what is asked for.
    fn explain(&self, tool: &str) -> Explanation {
        Explanation {
            principal: self.agent.to_string(),
            tool: tool.to_owned(),
            decision: Verdict::NeedsApproval,
            words: "a person says yes first".to_owned(),
            would_differ: Vec::new(),
            policies: Vec::new(),
            needs: vec![Role::Operator],
            facts: json!({ "frozen": self.bundle.frozen }),
            policy_version: String::new(),
        }
    }

    fn log(&self, instance: &InstanceId) -> LogAnswer {
        let lines = self.bundle.logs.get(instance).cloned().unwrap_or_default();
        let line = |text: String| LogLine {
            at: START,
            stream: LogStream::Stderr,
            attempt: 1,
            text,
        };
        LogAnswer {
            instance: instance.clone(),
            untrusted_lines: lines.into_iter().map(line).collect(),
            cursor: 1,
            truncated: false,
        }
    }

    fn change(&mut self, tool: &str, change: &Change, now: Time) -> Outcome {
        if !self.approves {
            return Outcome::Denied("nothing was approved".to_owned());
        }
        let touched = match change {
            Change::RollbackService { service, .. }
            | Change::SetLimits { service, .. }
            | Change::UpgradeService { service, .. }
            | Change::RestartInstances { service, .. } => vec![service.clone()],
            _ => Vec::new(),
        };
        let applied = match change::apply(&self.intent, change, now) {
            Ok(applied) => applied,
            Err(refused) => return Outcome::Refused(refused.to_string()),
        };
        self.intent = applied.intent;
        let undoable = applied.inverse.is_some();
        let revision = self.intent.revision.0;
        self.inverses
            .extend(applied.inverse.map(|inverse| (revision, inverse)));
        self.remember(tool, touched, now, undoable)
    }

    fn undo(&mut self, revision: u64, now: Time) -> Outcome {
        let Some(change) = self
            .changes
            .iter()
            .find(|change| change.revision.0 == revision && change.undoable)
        else {
            return Outcome::Refused(format!("there is no change {revision} to take back"));
        };
        let services = change.services.clone();
        if let Some(inverse) = self.inverses.get(&revision) {
            match change::apply(&self.intent, inverse, now) {
                Ok(applied) => self.intent = applied.intent,
                Err(refused) => return Outcome::Refused(refused.to_string()),
            }
        } else {
            self.intent.revision.0 += 1;
        }
        self.undone.push(revision);
        self.remember("undo_change", services, now, true)
    }

    fn remember(
        &mut self,
        tool: &str,
        services: Vec<ServiceKey>,
        now: Time,
        undoable: bool,
    ) -> Outcome {
        let revision = self.intent.revision;
        let past = PastChangeInfo {
            revision,
            at: now,
            principal: self.agent.to_string(),
            tool: tool.to_owned(),
            summary: tool.to_owned(),
            services: services.clone(),
            undoable,
            leaf: revision.0,
        };
        self.changes.insert(0, past);
        let answer = json!({ "summary": tool, "revision": revision, "services": services, "undoable": undoable });
        Outcome::Done(answer, Some(revision.0))
    }
}

pub(crate) fn done<T: serde::Serialize>(answer: &T) -> Outcome {
    match serde_json::to_value(answer) {
        Ok(answer) => Outcome::Done(answer, None),
        Err(error) => Outcome::Refused(error.to_string()),
    }
}
