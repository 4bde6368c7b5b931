//! From what a bundle says to what the core and the tools read. Pure.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::{
    autonomy::Certificate,
    event::{Event, Happening},
    id::{Generation, Revision},
    intent::{Past, Sealed, SecretKey, Service},
    observed::{Answer, Exit, Health, InstanceSeen},
    spec::ServiceSpec,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use ostler_tools::{
    answer::PastChangeInfo,
    contract::Refusal,
    view::{Notary, Sealer},
};

use crate::{
    bundle::{Bundle, EarlierIn, InstanceIn, ServiceIn},
    world::START,
};

pub(crate) fn wanted(service: &ServiceIn) -> Result<Service, String> {
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
    json_patch::merge(&mut spec, &earlier.differs);
    let spec = serde_json::from_value(spec)
        .map_err(|error| format!("generation {}: {error}", earlier.generation))?;
    let generation = Generation(earlier.generation);
    Ok(Past {
        generation,
        spec: Arc::new(spec),
        changed_at: START - earlier.changed,
    })
}

/// How an instance ended so far, oldest first.
fn exits(instance: &InstanceIn) -> Vec<Exit> {
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
    instance.exits.iter().enumerate().map(exit).collect()
}

pub(crate) fn seen(
    instance: &InstanceIn,
    spec: Option<&ServiceSpec>,
) -> Result<InstanceSeen, String> {
    let started_at = instance.started.map(|ago| START - ago);
    let phase = instance.phase.phase();
    let runs = phase == ostler_core::observed::Phase::Running;
    let last_exit = instance.exits.last().map(|exit| START - exit.ago);
    let first_exit = instance
        .exits
        .first()
        .map(|exit| START - exit.ago - exit.ran);
    Ok(InstanceSeen {
        service: instance.service.clone(),
        node: instance.node()?,
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
        exits: exits(instance),
        health: spec.map_or_else(Health::default, |spec| {
            health(spec, Some(instance), started_at.unwrap_or(START))
        }),
        address: None,
        pid: runs.then_some(1),
    })
}

pub(crate) fn health(spec: &ServiceSpec, instance: Option<&InstanceIn>, since: Time) -> Health {
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
pub(crate) fn events(bundle: &Bundle) -> Vec<Event> {
    let mut ends: Vec<(Time, &InstanceIn, Exit)> = Vec::new();
    for instance in &bundle.instances {
        ends.extend(
            exits(instance)
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

pub(crate) fn changes(bundle: &Bundle) -> Vec<PastChangeInfo> {
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

pub(crate) struct NoSecrets;

impl Notary for NoSecrets {
    fn open(&self, _note: &str) -> Result<(Certificate, String), Refusal> {
        Err(Refusal::new("nobody is promoted in a replayed world"))
    }
}

impl Sealer for NoSecrets {
    fn seal(&self, _name: &SecretKey, _value: &[u8]) -> Result<Sealed, Refusal> {
        Err(Refusal::new("a replayed world keeps no secrets"))
    }
}
