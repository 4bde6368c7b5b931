//! The world of a bundle, answering through the shipped tools; how services stand comes from the
//! shipped core.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::{
    change::{self, Change},
    event::{Event, Happening},
    id::{Generation, InstanceId, NodeName, Revision, ServiceKey},
    incident::Entry,
    intent::{Intent, Past, Sealed, SecretKey, Service},
    observed::{Answer, Exit, Health, InstanceSeen, NodeSeen, Observed},
    proposal::{Proposal, ProposalState},
    reconcile::reconcile,
    signal::{Point, Series, SignalKind, Subject},
    spec::ServiceSpec,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use ostler_tools::{
    answer::{
        Changes, IncidentTouched, LogAnswer, LogLine, LogStream, PastChangeInfo, ProposalTouched,
    },
    catalogue,
    contract::{Decided, Refusal},
    principal::Principal,
    query::Query,
    record::{RecordChange, Records},
    view::{Sealer, SignalReader, View, WorldView},
};
use serde_json::{Value, json};

use crate::bundle::{Bundle, EarlierIn, InstanceIn, SeriesIn, ServiceIn};

/// When every bundle plays.
pub const START: Time = Time(1_790_000_000_000);

/// A bundle's world. It stands still but for what the agent writes down.
pub struct World {
    bundle: Bundle,
    /// What is wanted.
    pub intent: Intent,
    /// What was seen.
    pub observed: Observed,
    /// What the agent wrote down.
    pub records: Records,
    events: Vec<Event>,
    /// Past changes, newest first.
    pub changes: Vec<PastChangeInfo>,
    /// Tools that were called, in order.
    pub called: Vec<String>,
    /// Whether a person has said yes to every proposal.
    pub approves: bool,
    agent: Principal,
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
        let mut world = Self {
            intent,
            observed: Observed::default(),
            records: Records::default(),
            events: events(bundle),
            changes: changes(bundle),
            called: Vec::new(),
            approves: false,
            agent: Principal::Agent { name },
            bundle: bundle.clone(),
        };
        world.observe();
        Ok(world)
    }

    fn observe(&mut self) {
        for instance in &self.bundle.instances {
            let node = NodeSeen {
                ready: true,
                cpu: MilliCpu(64_000),
                memory: Bytes::mib(262_144),
                max_instances: 1_000,
                seen_at: START,
            };
            self.observed
                .nodes
                .entry(instance.node.clone())
                .or_insert(node);
            let spec = self
                .intent
                .spec_of(&instance.service, Generation(instance.generation))
                .cloned();
            let seen = seen(instance, spec.as_deref());
            self.observed.instances.insert(instance.id.clone(), seen);
        }
        self.route();
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
            ..WorldView::default()
        };
        let history = History {
            bundle: &self.bundle,
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
            _ => Outcome::Denied("a replayed world does not answer this".to_owned()),
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
            | Change::RestartInstances { service, .. } => vec![service.clone()],
            _ => Vec::new(),
        };
        let applied = match change::apply(&self.intent, change, now) {
            Ok(applied) => applied,
            Err(refused) => return Outcome::Refused(refused.to_string()),
        };
        self.intent = applied.intent;
        self.remember(tool, touched, now, applied.inverse.is_some())
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
        self.intent.revision.0 += 1;
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

    fn record(&mut self, record: RecordChange, now: Time) -> Outcome {
        let by = self.agent.to_string();
        match record {
            RecordChange::OpenIncident { incident } => {
                let touched = IncidentTouched {
                    incident: incident.id.clone(),
                    state: incident.state,
                };
                self.records
                    .incidents
                    .insert(incident.id.clone(), *incident);
                done(&touched)
            }
            RecordChange::NoteIncident {
                incident,
                note,
                cause,
                state,
            } => {
                let Some(kept) = self.records.incidents.get_mut(&incident) else {
                    return Outcome::Refused(format!("there is no incident `{incident}`"));
                };
                kept.timeline.push(Entry {
                    at: now,
                    by,
                    what: note,
                });
                kept.cause = cause.map(|cause| *cause).or_else(|| kept.cause.take());
                kept.state = state.unwrap_or(kept.state);
                let over = matches!(
                    kept.state,
                    ostler_core::incident::IncidentState::Resolved
                        | ostler_core::incident::IncidentState::Closed
                );
                kept.closed_at = over.then_some(now);
                done(&IncidentTouched {
                    incident,
                    state: kept.state,
                })
            }
            RecordChange::SubmitProposal {
                proposal: id,
                incident,
                body,
            } => {
                let state = if self.approves {
                    ProposalState::Approved
                } else {
                    ProposalState::Waiting
                };
                if let Some(kept) = self.records.incidents.get_mut(&incident) {
                    kept.proposals.push(id.clone());
                }
                let proposal = Proposal {
                    id: id.clone(),
                    incident,
                    by,
                    at: now,
                    state,
                    body: *body,
                    approval: None,
                    done: 0,
                    outcome: None,
                };
                self.records.proposals.insert(id.clone(), proposal);
                done(&ProposalTouched {
                    proposal: id,
                    state,
                    approval: None,
                    words: String::new(),
                })
            }
            RecordChange::AdvanceProposal {
                proposal: id,
                state,
                done: made,
                outcome,
            } => {
                let Some(kept) = self.records.proposals.get_mut(&id) else {
                    return Outcome::Refused(format!("there is no proposal `{id}`"));
                };
                (kept.state, kept.done, kept.outcome) = (state, made, outcome);
                done(&ProposalTouched {
                    proposal: id,
                    state,
                    approval: None,
                    words: String::new(),
                })
            }
            _ => Outcome::Denied("an agent may not do this".to_owned()),
        }
    }

    /// How the fleet answers a change that helps: as many instances as wanted, of the current
    /// generation, run and are ready; signals of before are gone.
    pub fn heal(&mut self, service: &ServiceKey, now: Time) {
        let Some(wanted) = self.intent.services.get(service) else {
            return;
        };
        let (generation, spec) = (wanted.generation, Arc::clone(&wanted.spec));
        let mut left = wanted.replicas;
        self.bundle.signals.clear();
        self.observed.instances.retain(|_, seen| {
            let keep = &seen.service != service || left > 0;
            left = left.saturating_sub(u32::from(&seen.service == service));
            keep
        });
        for seen in self
            .observed
            .instances
            .values_mut()
            .filter(|seen| &seen.service == service)
        {
            seen.generation = generation;
            seen.phase = ostler_core::observed::Phase::Running;
            (seen.since, seen.started_at, seen.pid) = (now, Some(now), Some(1));
            seen.exits.clear();
            seen.health = health(&spec, None, now);
        }
        self.route();
    }

    fn route(&mut self) {
        let intent = &self.intent;
        let ready = |seen: &InstanceSeen| {
            intent
                .spec_of(&seen.service, seen.generation)
                .is_some_and(|spec| seen.is_ready(&spec.probes))
        };
        let mut routes: BTreeMap<ServiceKey, Vec<InstanceId>> = BTreeMap::new();
        for (id, seen) in self
            .observed
            .instances
            .iter()
            .filter(|(_, seen)| ready(seen))
        {
            routes
                .entry(seen.service.clone())
                .or_default()
                .push(id.clone());
        }
        self.observed.routes = routes;
    }
}

fn done<T: serde::Serialize>(answer: &T) -> Outcome {
    match serde_json::to_value(answer) {
        Ok(answer) => Outcome::Done(answer, None),
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

fn wanted(service: &ServiceIn) -> Result<Service, String> {
    let spec = Arc::new(service.spec.clone());
    let history = service
        .earlier
        .iter()
        .map(|earlier| past(&service.spec, earlier))
        .collect::<Result<Vec<_>, _>>()?;
    let good = service
        .earlier
        .iter()
        .find(|earlier| earlier.good)
        .map(|earlier| Generation(earlier.generation));
    let stable = history
        .iter()
        .find(|past| Some(past.generation) == good)
        .cloned();
    Ok(Service {
        replicas: spec.replicas.min,
        spec,
        labels: BTreeMap::new(),
        generation: Generation(service.generation),
        changed_at: START - service.changed,
        stable: stable.filter(|_| !service.settled),
        settled: service.settled,
        history,
        restart_after: BTreeMap::new(),
    })
}

fn past(current: &ServiceSpec, earlier: &EarlierIn) -> Result<Past, String> {
    let mut spec = serde_json::to_value(current).map_err(|error| error.to_string())?;
    merge(&mut spec, &earlier.differs);
    let spec = serde_json::from_value(spec)
        .map_err(|error| format!("generation {}: {error}", earlier.generation))?;
    let generation = Generation(earlier.generation);
    Ok(Past {
        generation,
        spec: Arc::new(spec),
        changed_at: START - earlier.changed,
    })
}

/// JSON merge patch, RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn seen(instance: &InstanceIn, spec: Option<&ServiceSpec>) -> InstanceSeen {
    let started_at = instance.started.map(|ago| START - ago);
    let phase = instance.phase.phase();
    let runs = phase == ostler_core::observed::Phase::Running;
    let last_exit = instance.exits.last().map(|exit| START - exit.ago);
    let exit = |(index, exit): (usize, &crate::bundle::ExitIn)| Exit {
        attempt: u32::try_from(index + 1).unwrap_or(u32::MAX),
        at: START - exit.ago,
        ran: exit.ran,
        code: exit.code,
        signal: exit.signal,
        out_of_memory: exit.out_of_memory,
        asked: exit.liveness,
        liveness: exit.liveness,
    };
    let first_exit = instance
        .exits
        .first()
        .map(|exit| START - exit.ago - exit.ran);
    InstanceSeen {
        service: instance.service.clone(),
        node: instance.node.clone(),
        generation: Generation(instance.generation),
        cpu: MilliCpu(100),
        memory: Bytes::mib(64),
        phase,
        since: if runs { started_at } else { last_exit }.unwrap_or(START - Span::seconds(30)),
        attempt: u32::try_from(instance.exits.len()).unwrap_or(0) + u32::from(runs),
        started_at,
        created_at: first_exit
            .or(started_at)
            .unwrap_or(START - Span::seconds(30)),
        exits: instance.exits.iter().enumerate().map(exit).collect(),
        health: spec.map_or_else(Health::default, |spec| {
            health(spec, Some(instance), started_at.unwrap_or(START))
        }),
        address: None,
        pid: runs.then_some(1),
    }
}

fn health(spec: &ServiceSpec, instance: Option<&InstanceIn>, since: Time) -> Health {
    let no = instance.and_then(|instance| instance.not_ready.as_ref());
    let yes = |configured: bool| {
        if configured {
            Answer::Yes { since }
        } else {
            Answer::Unknown
        }
    };
    let readiness = match no {
        Some(no) => Answer::No {
            since: START - no.since,
            reason: no.reason.clone(),
        },
        None => yes(spec.probes.readiness.is_some()),
    };
    Health {
        startup: yes(spec.probes.startup.is_some()),
        liveness: yes(spec.probes.liveness.is_some()),
        readiness,
    }
}

/// Ends as events, so that what happened before a change is known too.
fn events(bundle: &Bundle) -> Vec<Event> {
    let mut ends: Vec<(Time, &InstanceIn, Exit)> = Vec::new();
    for instance in &bundle.instances {
        ends.extend(
            seen(instance, None)
                .exits
                .into_iter()
                .map(|exit| (exit.at, instance, exit)),
        );
    }
    ends.sort_by_key(|(at, _, _)| *at);
    let event = |(index, (at, instance, exit)): (usize, (Time, &InstanceIn, Exit))| Event {
        seq: u64::try_from(index).unwrap_or(u64::MAX),
        at,
        service: Some(instance.service.clone()),
        instance: Some(instance.id.clone()),
        what: Happening::Exited {
            words: exit.in_words(),
            exit,
        },
    };
    ends.into_iter().enumerate().map(event).collect()
}

fn changes(bundle: &Bundle) -> Vec<PastChangeInfo> {
    let mut changes: Vec<_> = bundle.changes.iter().collect();
    changes.sort_by_key(|change| change.ago);
    let info = |(index, change): (usize, &&crate::bundle::ChangeIn)| {
        let revision = Revision(100 - u64::try_from(index.min(99)).unwrap_or(0));
        PastChangeInfo {
            revision,
            at: START - change.ago,
            principal: change.by.clone(),
            tool: change.tool.clone(),
            summary: change.summary.clone(),
            services: change.services.clone(),
            undoable: true,
            leaf: revision.0,
        }
    };
    changes.iter().enumerate().map(info).collect()
}

struct NoSecrets;

impl Sealer for NoSecrets {
    fn seal(&self, _name: &SecretKey, _value: &[u8]) -> Result<Sealed, Refusal> {
        Err(Refusal::new("a replayed world keeps no secrets"))
    }
}

struct History<'a> {
    bundle: &'a Bundle,
    now: Time,
}

impl History<'_> {
    fn of(&self, subject: &Subject) -> impl Iterator<Item = &SeriesIn> {
        self.bundle
            .signals
            .iter()
            .filter(move |series| match subject {
                Subject::Service(service) => series.service.as_ref() == Some(service),
                Subject::Instance(instance) => series.instance.as_ref() == Some(instance),
                Subject::Node(node) => series.node.as_ref() == Some::<&NodeName>(node),
            })
    }
}

impl SignalReader for History<'_> {
    fn series(
        &self,
        subject: &Subject,
        kind: SignalKind,
        from: Time,
        to: Time,
        _points: usize,
    ) -> Series {
        let mut points = Vec::new();
        if let Some(series) = self.of(subject).find(|series| series.kind == kind) {
            let values = series.values.values();
            let count = values.len();
            for (index, value) in values.into_iter().enumerate() {
                let back = u64::try_from(count - 1 - index)
                    .unwrap_or(0)
                    .saturating_mul(series.every.0);
                points.push(Point {
                    at: self.now - Span(back),
                    value,
                });
            }
        }
        points.retain(|point| point.at >= from && point.at <= to);
        Series {
            subject: subject.clone(),
            kind,
            points,
        }
    }

    fn kinds(&self, subject: &Subject) -> Vec<SignalKind> {
        self.of(subject).map(|series| series.kind).collect()
    }
}
