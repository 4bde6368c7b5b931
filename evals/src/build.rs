//! From what a bundle says to what the core and the tools read. Pure.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::{
    autonomy::Certificate,
    event::{Event, Happening},
    id::{Generation, InstanceId, Revision, ServiceKey},
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
    bundle::{
        AnswerIn, Bundle, EarlierIn, EventKindIn, ExitIn, InstanceIn, NotReadyIn, PhaseIn,
        ProbesIn, ReservesIn, ServiceIn,
    },
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
        replicas: service.replicas.unwrap_or(spec.replicas.min),
        spec,
        labels: BTreeMap::new(),
        generation: Generation(service.generation),
        changed_at: START - service.changed,
        stable: stable.filter(|_| !service.settled),
        rollout: None,
        settled: service.settled,
        history,
        restart_after: BTreeMap::new(),
        tuning: None,
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

/// How an instance ended so far, oldest first. Only the last ends are known: earlier attempts count.
fn exits(instance: &InstanceIn) -> Vec<Exit> {
    let known = u32::try_from(instance.exits.len()).unwrap_or(u32::MAX);
    let ended = attempt(instance).saturating_sub(u32::from(runs(instance)));
    let before = ended.saturating_sub(known);
    let all = instance.exits.iter().zip(1..);
    all.map(|(exit, number)| end(exit, before.saturating_add(number)))
        .collect()
}

fn end(exit: &ExitIn, attempt: u32) -> Exit {
    Exit {
        attempt,
        at: START - exit.ago,
        ran: exit.ran,
        code: exit.code,
        signal: exit.signal,
        out_of_memory: exit.out_of_memory,
        asked: exit.asked || exit.liveness,
        liveness: exit.liveness,
    }
}

fn runs(instance: &InstanceIn) -> bool {
    matches!(instance.phase, PhaseIn::Running | PhaseIn::Stopping)
}

fn attempt(instance: &InstanceIn) -> u32 {
    let told = u32::try_from(instance.exits.len()).unwrap_or(0) + u32::from(runs(instance));
    instance.attempt.unwrap_or(told)
}

pub(crate) fn seen(
    instance: &InstanceIn,
    spec: Option<&ServiceSpec>,
) -> Result<InstanceSeen, String> {
    let started_at = instance.started.map(|ago| START - ago);
    let runs = runs(instance);
    let last_exit = instance.exits.last().map(|exit| START - exit.ago);
    let first = instance.exits.first();
    let first_start = first.map(|exit| START - exit.ago - exit.ran);
    let lately = START - Span::seconds(30);
    let usual = if runs { started_at } else { last_exit };
    let reserves = instance.reserves.unwrap_or(ReservesIn {
        cpu: MilliCpu(100),
        memory: Bytes::mib(64),
    });
    Ok(InstanceSeen {
        service: instance.service.clone(),
        node: instance.node()?,
        generation: Generation(instance.generation),
        cpu: reserves.cpu,
        memory: reserves.memory,
        phase: instance.phase.phase(),
        since: instance
            .since
            .map(|ago| START - ago)
            .or(usual)
            .unwrap_or(lately),
        attempt: attempt(instance),
        started_at,
        created_at: instance
            .created
            .map(|ago| START - ago)
            .or(first_start)
            .or(started_at)
            .unwrap_or(lately),
        exits: exits(instance),
        health: match (&instance.probes, spec) {
            (Some(probes), _) => answered(probes),
            (None, Some(spec)) => health(spec, Some(instance), started_at.unwrap_or(START)),
            (None, None) => Health::default(),
        },
        address: None,
        pid: runs.then_some(1),
        resize: None,
    })
}

fn answered(probes: &ProbesIn) -> Health {
    let answer = |answer: &AnswerIn| match answer {
        AnswerIn::Unknown => Answer::Unknown,
        AnswerIn::Yes(ago) => Answer::Yes {
            since: START - *ago,
        },
        AnswerIn::No(no) => says_no(no),
    };
    Health {
        startup: answer(&probes.startup),
        liveness: answer(&probes.liveness),
        readiness: answer(&probes.readiness),
    }
}

fn says_no(no: &NotReadyIn) -> Answer {
    Answer::No {
        since: START - no.since,
        reason: no.reason.clone(),
    }
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
    let readiness = no.map_or_else(|| yes(spec.probes.readiness.is_some()), says_no);
    Health {
        startup: yes(spec.probes.startup.is_some()),
        liveness: yes(spec.probes.liveness.is_some()),
        readiness,
    }
}

/// What happened, so that what came before a change is known too: as it is told, or the ends of the
/// instances that are there.
pub(crate) fn events(bundle: &Bundle) -> Vec<Event> {
    let mut all: Vec<(Time, &ServiceKey, &InstanceId, Happening)> = Vec::new();
    for event in &bundle.events {
        let what = match &event.what {
            EventKindIn::Exited(exit) => exited(end(exit, 1)),
            EventKindIn::StartFailed(problem) => Happening::StartFailed {
                problem: problem.clone(),
            },
        };
        all.push((START - event.ago, &event.service, &event.instance, what));
    }
    let untold = bundle.instances.iter().filter(|_| bundle.events.is_empty());
    for one in untold {
        let ends = exits(one).into_iter();
        all.extend(ends.map(|exit| (exit.at, &one.service, &one.id, exited(exit))));
    }
    all.sort_by_key(|(at, ..)| *at);
    let event = |((at, service, instance, what), seq)| Event {
        seq,
        at,
        service: Some(ServiceKey::clone(service)),
        instance: Some(InstanceId::clone(instance)),
        what,
    };
    all.into_iter().zip(0..).map(event).collect()
}

fn exited(exit: Exit) -> Happening {
    Happening::Exited {
        words: exit.in_words(),
        exit,
    }
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

/// Seals nothing and believes no certificate.
pub struct NoSecrets;

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
