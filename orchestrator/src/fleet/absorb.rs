//! Taking in what the backend sees: new ends become events, strangers are adopted, the lost are let go.

use std::collections::BTreeSet;

use ostler_core::{
    event::Happening,
    id::InstanceId,
    observed::{Answer, Exit, Health, InstanceSeen, Phase, Resize},
    time::Time,
};
use ostler_runtime::backend::Seen;

use super::{Fleet, Table};
use crate::clock;

/// Something that the backend's list revealed.
struct News {
    instance: InstanceId,
    service: ostler_core::id::ServiceKey,
    at: Time,
    what: Happening,
}

impl Fleet {
    /// Takes in a full list of the backend. Whatever was `busy` when the list was asked for, or is now, may
    /// have moved since: the next list tells.
    pub fn absorb(&self, list: Vec<Seen>, busy: &BTreeSet<InstanceId>) {
        let now = clock::now();
        let news = self.write(|table| {
            let present: BTreeSet<InstanceId> =
                list.iter().map(|seen| seen.instance.clone()).collect();
            let held: BTreeSet<InstanceId> = busy
                .union(&table.busy.keys().cloned().collect())
                .cloned()
                .collect();
            let mut news = lost(table, &present, &held, now);
            for seen in list
                .into_iter()
                .filter(|seen| !held.contains(&seen.instance))
            {
                take_in(table, seen, &self.node, now, &mut news);
            }
            news
        });
        for News {
            instance,
            service,
            at,
            what,
        } in news
        {
            self.tell_at(at, Some(&service), Some(&instance), what);
        }
    }
}

/// Instances that ran and that the backend knows nothing of any more.
fn lost(
    table: &mut Table,
    present: &BTreeSet<InstanceId>,
    held: &BTreeSet<InstanceId>,
    now: Time,
) -> Vec<News> {
    let gone: Vec<InstanceId> = table
        .observed
        .instances
        .iter()
        .filter(|(id, seen)| {
            !present.contains(*id)
                && !held.contains(*id)
                && !matches!(seen.phase, Phase::Failed { .. } | Phase::Starting)
        })
        .map(|(id, _)| id.clone())
        .collect();
    let mut news = Vec::new();
    for instance in gone {
        if let Some(seen) = table.gone(&instance) {
            news.push(News {
                instance,
                service: seen.service,
                at: now,
                what: Happening::Removed,
            });
        }
    }
    news
}

fn take_in(
    table: &mut Table,
    seen: Seen,
    node: &ostler_core::id::NodeName,
    now: Time,
    news: &mut Vec<News>,
) {
    let Some(known) = table.observed.instances.get_mut(&seen.instance) else {
        table
            .observed
            .instances
            .insert(seen.instance.clone(), adopt(seen, node, now));
        return;
    };
    for exit in seen.exits.iter().filter(|exit| is_new(known, exit)) {
        let what = Happening::Exited {
            words: exit.in_words(),
            exit: exit.clone(),
        };
        news.push(News {
            instance: seen.instance.clone(),
            service: seen.service.clone(),
            at: exit.at,
            what,
        });
    }
    // A start that failed left no process: the backend may still show the attempt before it.
    let failed_since = matches!(known.phase, Phase::Failed { .. }) && seen.attempt <= known.attempt;
    if !failed_since || seen.phase == Phase::Running {
        if known.phase != seen.phase {
            known.since = seen
                .exits
                .last()
                .filter(|_| seen.phase == Phase::Ended)
                .map_or(now, |exit| exit.at);
            known.phase = seen.phase;
        }
        known.attempt = seen.attempt;
        known.pid = seen.pid;
        known.started_at = seen.started_at;
        known.address = seen.address.or(known.address);
    }
    known.exits = seen.exits;
}

fn is_new(known: &InstanceSeen, exit: &Exit) -> bool {
    known
        .exits
        .last()
        .is_none_or(|last| (exit.attempt, exit.at) > (last.attempt, last.at))
}

/// What ran under an earlier daemon counts as it was: ready until its probes say otherwise.
fn adopt(seen: Seen, node: &ostler_core::id::NodeName, now: Time) -> InstanceSeen {
    let since = seen.started_at.unwrap_or(now);
    let health = if seen.phase == Phase::Running {
        let yes = || Answer::Yes { since };
        Health {
            startup: yes(),
            liveness: yes(),
            readiness: yes(),
        }
    } else {
        Health::default()
    };
    let ended_at = seen.exits.last().map_or(now, |exit| exit.at);
    InstanceSeen {
        service: seen.service,
        node: node.clone(),
        generation: seen.generation,
        cpu: seen.cpu,
        memory: seen.memory,
        since: if seen.phase == Phase::Running {
            since
        } else {
            ended_at
        },
        phase: seen.phase,
        attempt: seen.attempt,
        started_at: seen.started_at,
        created_at: seen.created_at,
        exits: seen.exits,
        health,
        address: seen.address,
        pid: seen.pid,
        resize: seen.resized_at.map(|at| Resize {
            to: seen.generation,
            at,
            trouble: None,
        }),
    }
}
