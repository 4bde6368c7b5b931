//! One service that is looked at: which instances answer for which version, what they used, what they wrote.

use std::collections::BTreeMap;

use ostler_core::{
    golden::Golden,
    id::{Generation, InstanceId, ServiceKey},
    intent::Service,
    time::{Span, Time},
    traffic,
};
use ostler_runtime::backend::{LogPage, LogQuery};

use super::{
    Beside,
    novelty::{Kinds, Novelty},
    stretches::{Reading, Stretches},
};
use crate::fleet::{Fleet, Table};

/// An instance that runs for less begins still: what it uses and writes is not of requests.
const SETTLES: Span = Span::seconds(10);
/// Last lines of a log that are read of the time before.
const LINES_BEFORE: u32 = 5_000;
/// Last lines that are read of what an instance wrote between two looks.
const LINES: u32 = 1_000;

/// An instance that takes traffic.
struct Member {
    id: InstanceId,
    attempt: u32,
    settled: bool,
}

/// How far an instance's log was read.
struct Cursor {
    attempt: u32,
    after: u64,
}

/// A service in a step.
pub(super) struct Watched {
    generation: Generation,
    cpu: BTreeMap<Generation, Stretches>,
    errors: Novelty,
    cursors: BTreeMap<InstanceId, Cursor>,
    /// Whether the new version is listened to: nothing more is learnt then.
    listens: bool,
}

impl Watched {
    /// Nothing counted yet.
    pub fn new(service: &Service) -> Self {
        Self {
            generation: service.generation,
            cpu: BTreeMap::new(),
            errors: Novelty::default(),
            cursors: BTreeMap::new(),
            listens: false,
        }
    }

    /// Whether it is about what comes in now.
    pub fn is_of(&self, service: &Service) -> bool {
        self.generation == service.generation
    }

    /// Requests may have gone where nobody counts.
    pub fn interrupt(&mut self) {
        self.cpu.values_mut().for_each(Stretches::interrupt);
    }

    /// What was counted so far, by version.
    pub fn counted(&self) -> BTreeMap<Generation, Beside> {
        let of = |(generation, stretches): (&Generation, &Stretches)| {
            let beside = Beside {
                cpu: stretches.spread(),
                new_errors: self.errors.count(*generation),
            };
            (*generation, beside)
        };
        self.cpu.iter().map(of).collect()
    }

    /// Reads what its instances used and wrote. `requests` is what was counted just now.
    pub async fn look(
        &mut self,
        fleet: &Fleet,
        key: &ServiceKey,
        service: &Service,
        requests: &BTreeMap<Generation, Golden>,
        now: Time,
    ) {
        let versions = fleet.read(|table| members(table, key, service, now));
        for (generation, stretches) in &mut self.cpu {
            if !versions.contains_key(generation) {
                stretches.interrupt();
            }
        }
        let asked = service.spec.update.analysis;
        for (generation, members) in &versions {
            let stretches = self.cpu.entry(*generation).or_default();
            let Some(counted) = requests.get(generation).filter(|_| settled(members)) else {
                stretches.interrupt();
                continue;
            };
            // A counter that cannot be read now is there at the next look.
            if asked.cpu
                && let Some(cpu_us) = used(fleet, members).await
            {
                let requests = counted.requests;
                stretches.read(Reading { requests, cpu_us });
            }
        }
        if !asked.new_errors {
            return;
        }
        let all = || versions.values().flatten();
        self.cursors
            .retain(|id, _| all().any(|member| member.id == *id));
        // The old versions first: what they wrote is known before the new one is listened to.
        for (generation, members) in &versions {
            for member in members {
                self.listen(fleet, *generation, member, now).await;
            }
        }
    }

    /// Reads what an instance wrote since the last look, or all before, or finds where its log ends.
    async fn listen(&mut self, fleet: &Fleet, generation: Generation, member: &Member, now: Time) {
        let is_new = generation == self.generation;
        let cursor = self.cursors.get(&member.id);
        let goes_on = cursor.filter(|cursor| cursor.attempt == member.attempt);
        let learns = !is_new && !self.listens;
        if !learns && !member.settled {
            return;
        }
        let query = match goes_on.map(|cursor| cursor.after) {
            Some(after) => LogQuery {
                after: Some(after),
                since: None,
                tail: LINES,
            },
            None if learns => LogQuery {
                after: None,
                since: None,
                tail: LINES_BEFORE,
            },
            // Without anybody to compare with, nothing is listened to.
            None if is_new && self.cursors.is_empty() => return,
            None => LogQuery {
                after: cursor.map(|cursor| cursor.after),
                since: Some(now),
                tail: 1,
            },
        };
        let counts = goes_on.is_some() && !learns;
        let Some((kinds, after)) = read(fleet, &member.id, query).await else {
            return;
        };
        let attempt = member.attempt;
        let cursor = Cursor { attempt, after };
        self.cursors.insert(member.id.clone(), cursor);
        self.listens |= is_new;
        if learns {
            self.errors.learn(kinds);
        } else if counts {
            self.errors.heard(generation, &kinds);
        }
    }
}

fn settled(members: &[Member]) -> bool {
    !members.is_empty() && members.iter().all(|member| member.settled)
}

/// Who answers for which version.
fn members(
    table: &Table,
    key: &ServiceKey,
    service: &Service,
    now: Time,
) -> BTreeMap<Generation, Vec<Member>> {
    let observed = &table.observed;
    let member = |id: &InstanceId| {
        let seen = observed.instances.get(id)?;
        let settled = seen.started_at.is_some_and(|at| now.since(at) >= SETTLES);
        Some(Member {
            id: id.clone(),
            attempt: seen.attempt,
            settled,
        })
    };
    let versions = traffic::of_service(key, service, observed).into_iter();
    versions
        .map(|version| {
            let members = version.instances.iter().filter_map(member);
            (version.generation, members.collect())
        })
        .collect()
}

/// CPU time that each used; `None` where that is not known of all. One that runs has used some.
async fn used(fleet: &Fleet, members: &[Member]) -> Option<BTreeMap<InstanceId, (u32, u64)>> {
    let mut all = BTreeMap::new();
    for member in members {
        let used = fleet.backend.cpu_us(&member.id).await.ok()?;
        if used == 0 {
            return None;
        }
        all.insert(member.id.clone(), (member.attempt, used));
    }
    Some(all)
}

/// Kinds of error lines in a part of a log, and where it ends.
async fn read(fleet: &Fleet, instance: &InstanceId, query: LogQuery) -> Option<(Kinds, u64)> {
    let page = fleet.backend.logs(instance, &query).await;
    let page: LogPage = page
        .inspect_err(|error| tracing::debug!(%instance, %error, "no log"))
        .ok()?;
    let cursor = page.cursor;
    let kinds = tokio::task::spawn_blocking(move || Kinds::of(&page)).await;
    Some((kinds.ok()?, cursor))
}
